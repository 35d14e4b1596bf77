#include "drivers/nginx_program.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>

#include "base/error.h"
#include "base/filesystem.h"
#include "base/process.h"
#include "base/scratch_folder.h"
#include "drivers/mounted_run.h"
#include "drivers/source_paths.h"

namespace ingot {
namespace {

constexpr const char* kSystemFolders = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/nginx/sbin:/usr/local/openresty/nginx/sbin";
// The first problem is the cause; what follows it is mostly nginx saying once more that the test failed.
constexpr int kMessageLines = 3;
constexpr size_t kMessageBytes = 600;
// -T prints all config files. What is beyond it costs the names of the files that come after, which are found by following
// includes as well.
constexpr size_t kDumpBytes = 64 << 20;
constexpr std::string_view kDumpedFile = "# configuration file ";

std::vector<std::string_view> lines_of(std::string_view text) {
    std::vector<std::string_view> out;
    while (!text.empty()) {
        const size_t end = std::min(text.find('\n'), text.size());
        out.push_back(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return out;
}

// "nginx: [emerg] x" and "2026/11/21 04:25:12 [emerg] 14213#14213: x" become "[emerg] x"; with "*1 " of a connection too.
std::string_view without_stamp(std::string_view line) {
    if (line.starts_with("nginx: ")) return line.substr(7);
    const size_t level = line.find(" [");
    if (level == std::string_view::npos || !line.starts_with("20")) return line;
    return line.substr(level + 1);
}

std::string without_pid(std::string_view line) {
    const size_t bracket = line.find("] "), hash = line.find('#'), colon = line.find(": ");
    const bool stamped = bracket != std::string_view::npos && hash != std::string_view::npos && colon != std::string_view::npos &&
                         bracket < hash && hash < colon && std::isdigit(static_cast<unsigned char>(line[bracket + 2])) != 0;
    if (!stamped) return std::string(line);
    return std::string(line.substr(0, bracket + 2)) + std::string(line.substr(colon + 2));
}

// nginx ends every failed test so.
bool says_nothing(std::string_view line) { return line.empty() || line.ends_with(" test failed"); }

std::vector<std::string> dumped_files(const std::string& dump) {
    std::vector<std::string> out;
    for (const std::string_view line : lines_of(dump)) {
        if (!line.starts_with(std::string(kDumpedFile) + "/") || !line.ends_with(':')) continue;
        out.emplace_back(line.substr(kDumpedFile.size(), line.size() - kDumpedFile.size() - 1));
    }
    return out;
}

Command test_command(const NginxProgram& program, const NginxTrialInput& input, const std::string& conf) {
    Command command;
    command.argv = {program.path, input.list_files ? "-T" : "-t", "-q", "-c", conf, "-p", input.places.prefix + "/"};
    command.limit_ms = input.limit_ms;
    command.output_limit_bytes = kDumpBytes;
    return command;
}

NginxTrial untested(std::string why) {
    NginxTrial trial;
    trial.message = std::move(why);
    return trial;
}

NginxTrial verdict_of(const CommandResult& result) {
    NginxTrial trial;
    const std::string err = result.err.substr(0, 1 << 20);
    for (const std::string_view line : lines_of(err)) trial.warnings += line.find("[warn]") != std::string_view::npos ? 1 : 0;
    if (result.status == 0) {
        trial.verdict = NginxTrial::Verdict::accepted;
        return trial;
    }
    trial.message = nginx_message(err, result.status);
    // Without root nginx may not bind ports below 1024, nor open the logs and keys of root: that says nothing of the config.
    const bool rights = trial.message.find("(13: ") != std::string::npos || trial.message.find("(1: ") != std::string::npos;
    if (rights && ::geteuid() != 0) return untested("nginx can test this config as root only: " + trial.message);
    trial.verdict = NginxTrial::Verdict::rejected;
    return trial;
}

// Does every file that the config reads come from the part when nginx is given the staged path itself?
bool stands_alone(const OverlaidTree& tree, const OverlaidTree::Part& part, const NginxFiles& files) {
    const OverlaidTree live;
    const std::string home = live.resolve(part.from).value_or(part.from);
    for (const std::string& path : files.absolute) {
        if (tree.part_of(with_real_folder(path)) != nullptr) return false;
    }
    for (const auto* list : {&files.config, &files.referenced}) {
        for (const std::string& path : *list) {
            const bool elsewhere = tree.part_of(path) == nullptr && path.starts_with('/');
            const std::optional<std::string> placed = live.resolve(tree.place(path));
            if (!elsewhere && placed && !is_within(*placed, home)) return false;
        }
    }
    return true;
}

// Without mounts: where nothing new would be made, and no live file is read in the place of a staged one.
NginxTrial try_in_place(const NginxProgram& program, const NginxTrialInput& input, const NginxFiles& files,
                        const std::string& why_no_mounts) {
    const OverlaidTree& tree = *input.tree;
    for (const std::string& path : files.written) {
        if (tree.resolve(path) || !tree.resolve(parent_of(path))) continue;
        return untested(fmt::format("testing would make {}, and {}", printable(path), why_no_mounts));
    }
    const std::string conf = with_real_folder(input.places.conf);
    if (!tree.parts().empty()) {
        const OverlaidTree::Part* part = tree.part_of(conf);
        if (part == nullptr || tree.parts().size() > 1 || !stands_alone(tree, *part, files)) {
            return untested("the staged files cannot be shown to nginx in the place of the live ones: " + why_no_mounts);
        }
    }
    return verdict_of(run(test_command(program, input, tree.place(conf))));
}

}  // namespace

std::string nginx_message(const std::string& err, int status) {
    std::string out;
    int taken = 0;
    for (const bool problems : {true, false}) {  // warnings only where nginx gives no better reason
        for (const std::string_view line : lines_of(err)) {
            const bool warning = line.find("[warn]") != std::string_view::npos || line.find("[notice]") != std::string_view::npos;
            if (says_nothing(line) || warning == problems || taken == kMessageLines) continue;
            out += (out.empty() ? "" : "; ") + printable(without_pid(without_stamp(line)));
            ++taken;
        }
        if (taken > 0) break;
    }
    if (out.empty()) return fmt::format("nginx ended with status {} and said nothing", status);
    if (out.size() > kMessageBytes) out = out.substr(0, kMessageBytes) + "...";
    return out;
}

void read_build_options(std::string_view text, NginxProgram& program) {
    constexpr std::string_view kVersion = "nginx version: ";
    NginxPlaces& places = program.places;
    places.written.clear();
    places.prefix = "/usr/local/nginx";  // nginx's own defaults, where none were given when it was built
    places.pid = "logs/nginx.pid";
    for (const std::string_view line : lines_of(text)) {
        if (line.starts_with(kVersion)) program.version = printable(line.substr(kVersion.size()));
        for (size_t at = 0; (at = line.find(" --", at)) != std::string_view::npos;) {
            at += 3;
            const std::string_view option = line.substr(at, line.find(' ', at) - at);
            const size_t equals = option.find('=');
            if (equals == std::string_view::npos || equals + 1 == option.size()) continue;
            const std::string_view name = option.substr(0, equals);
            const std::string value(option.substr(equals + 1));
            if (name == "prefix") places.prefix = value;
            if (name == "pid-path") places.pid = value;
            const bool made = name.ends_with("-log-path") || name.ends_with("-temp-path") || name == "lock-path";
            if (made && value != "stderr") places.written.push_back(value);
        }
    }
}

std::optional<NginxProgram> find_nginx(const std::string& name, int64_t limit_ms) {
    NginxProgram program;
    if (name.find('/') != std::string::npos) {
        program.path = ::access(name.c_str(), X_OK) == 0 ? name : "";
    } else {
        const char* path = std::getenv("PATH");
        std::string folders = std::string(path == nullptr ? "" : path) + ":" + kSystemFolders + ":";
        for (size_t colon = 0; program.path.empty() && (colon = folders.find(':')) != std::string::npos;) {
            const std::string candidate = join(folders.substr(0, colon), name);
            if (colon > 0 && folders.front() == '/' && ::access(candidate.c_str(), X_OK) == 0) program.path = candidate;
            folders.erase(0, colon + 1);
        }
    }
    if (program.path.empty()) return std::nullopt;
    Command ask;
    ask.argv = {program.path, "-V"};
    ask.limit_ms = limit_ms;
    const CommandResult said = run(ask);
    read_build_options(said.err, program);
    if (said.status != 0 || program.version.empty()) {
        throw Error(Code::failed,
                    fmt::format("asking {} for its version: {}", printable(program.path), nginx_message(said.err, said.status)));
    }
    return program;
}

NginxTrial try_config(const NginxProgram& program, const NginxTrialInput& input) {
    const NginxFiles files = nginx_files(*input.tree, input.places);
    const ScratchFolder scratch(real_filesystem(), input.scratch_dir);
    std::vector<Mount> view;
    MountedResult done;
    try {
        view = plan_view(*input.tree, files.written, scratch.path());
    } catch (const Error& error) {
        done.unavailable = error.what();
    }
    if (done.unavailable.empty()) done = run_mounted(view, test_command(program, input, input.places.conf));
    if (!done.unavailable.empty()) return try_in_place(program, input, files, done.unavailable);
    NginxTrial trial = verdict_of(done.result);
    if (trial.verdict == NginxTrial::Verdict::accepted && input.list_files) trial.read = dumped_files(done.result.out);
    return trial;
}

}  // namespace ingot
