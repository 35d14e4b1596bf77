#include "drivers/nginx.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>
#include <set>

#include "base/clock.h"
#include "base/error.h"
#include "base/metadata.h"
#include "drivers/files.h"
#include "drivers/nginx_reload.h"
#include "drivers/source_paths.h"
#include "drivers/tree_pin.h"

namespace ingot {
namespace {

constexpr const char* kDefaultConf = "/etc/nginx/nginx.conf";
constexpr const char* kDefaultLimit = "60s";
// A config that names other files at each look is being written; a third look is one too many while writers are paused.
constexpr int kLooks = 3;
// Links followed from one name to its file, as the kernel does.
constexpr int kLinks = 40;
// What packages and the kernel put there is not the config's: a restored module of last month would not fit today's nginx.
constexpr std::array<std::string_view, 9> kNotOurs = {"/usr", "/lib", "/lib64", "/bin", "/sbin", "/proc", "/sys", "/dev", "/run"};

std::string option_of(const SourceSpec& spec, const char* key, const char* otherwise) {
    const auto found = spec.options.find(key);
    return found == spec.options.end() ? otherwise : found->second;
}

bool belongs_to_system(const std::string& live) {
    return !is_within(live, "/usr/local") &&
           std::any_of(kNotOurs.begin(), kNotOurs.end(), [&](std::string_view folder) { return is_within(live, folder); });
}

// The name, and where it is a link every name on the way to the file behind it.
void add_with_links(std::string live, std::set<std::string>& out) {
    for (int links = 0; links < kLinks; ++links) {
        live = with_real_folder(live);
        struct stat st {};
        if (::lstat(live.c_str(), &st) != 0 || S_ISDIR(st.st_mode)) return;
        out.insert(live);
        if (!S_ISLNK(st.st_mode)) return;
        char target[PATH_MAX];
        const ssize_t n = ::readlink(live.c_str(), target, sizeof target);
        if (n <= 0) return;
        live = live_path_from(parent_of(live), std::string(target, static_cast<size_t>(n)));
    }
}

// As a pattern of `exclude` that matches this path alone.
std::string as_pattern(const std::string& path) {
    std::string out;
    for (const char c : path) {
        if (std::string_view("*?[]\\").find(c) != std::string_view::npos) out += '\\';
        out += c;
    }
    return out;
}

struct HeldRules {
    std::shared_ptr<const TreeRules> held;
};

class NginxPin : private HeldRules, public TreePin {
public:
    NginxPin(const SourceSpec& spec, std::shared_ptr<const TreeRules> rules, Facts facts, std::vector<std::string> notes)
        : HeldRules{std::move(rules)}, TreePin(spec, *held), facts_(std::move(facts)), notes_(std::move(notes)) {}

    Facts facts() override {
        Facts out = TreePin::facts();
        out.insert(facts_.begin(), facts_.end());
        return out;
    }
    std::vector<std::string> notes() const override {
        std::vector<std::string> out = notes_;
        for (std::string& line : TreePin::notes()) out.push_back(std::move(line));
        return out;
    }

private:
    Facts facts_;
    std::vector<std::string> notes_;
};

bool same_roots(const TreeRules& a, const TreeRules& b) {
    return std::equal(a.roots.begin(), a.roots.end(), b.roots.begin(), b.roots.end(),
                      [](const SourceRoot& x, const SourceRoot& y) { return x.live_path == y.live_path; });
}

}  // namespace

NginxDriver::NginxDriver(SourceSpec source_spec) : Driver(std::move(source_spec)) {
    conf_ = live_path_from(spec().root, option_of(spec(), "conf", kDefaultConf));
    program_name_ = option_of(spec(), "nginx", "nginx");
    if (program_name_.find('/') != std::string::npos) program_name_ = live_path_from(spec().root, program_name_);
    limit_ms_ = parse_duration_ms(option_of(spec(), "time_limit", kDefaultLimit));
    tests_ = option_of(spec(), "test", "true") == "true";
    if (takes_all() && is_within(live_path_from(spec().root, "."), parent_of(conf_))) {
        throw Error(Code::usage,
                    fmt::format("source {}: the folder of {} is, or holds, the stack's root, and would be taken as a whole",
                                spec().name, printable(conf_)),
                    "name the config's files and folders in `paths`");
    }
    SourceSpec declared = spec();
    if (takes_all()) declared.paths = {parent_of(conf_), conf_};
    TreeRules::from(declared);
}

NginxPlaces NginxDriver::places() const {
    NginxPlaces out = program_ ? program_->places : NginxPlaces();
    out.conf = conf_;
    out.prefix = live_path_from(spec().root, option_of(spec(), "prefix", out.prefix.c_str()));
    return out;
}

const NginxProgram* NginxDriver::program() {
    if (!asked_) {
        asked_ = true;
        try {
            program_ = find_nginx(program_name_, limit_ms_);
            if (!program_) why_no_program_ = fmt::format("there is no program {} on this host", printable(program_name_));
        } catch (const Error& error) {
            why_no_program_ = error.what();
        }
    }
    return program_ ? &*program_ : nullptr;
}

std::string NginxDriver::folder() const {
    const std::string named = parent_of(conf_);
    struct stat st {};
    const bool link = ::lstat(named.c_str(), &st) == 0 && S_ISLNK(st.st_mode);
    return link ? OverlaidTree().resolve(named).value_or(named) : named;
}

std::shared_ptr<const TreeRules> NginxDriver::find_rules() const {
    if (!takes_all()) return std::make_shared<const TreeRules>(TreeRules::from(spec()));
    SourceSpec all = spec();
    all.paths = {folder()};
    const std::string home = all.paths.front();
    const NginxFiles files = nginx_files(OverlaidTree(), places());
    // Logs, temporary folders and the pid file are no config, wherever they lie.
    for (const std::string& path : files.written) {
        if (path != home && is_within(path, home)) all.exclude.push_back(as_pattern(path));
    }
    std::set<std::string> named;
    add_with_links(parent_of(conf_), named);
    for (const auto* list : {&files.config, &files.referenced, &read_}) {
        for (const std::string& path : *list) add_with_links(path, named);
    }
    named.insert(adopted_.begin(), adopted_.end());
    const TreeRules within = TreeRules::from(all);
    const std::string real_home = OverlaidTree().resolve(home).value_or(home);
    const std::string real_root = OverlaidTree().resolve(within.stack_root).value_or(within.stack_root);
    for (std::string path : named) {
        if (is_within(path, home) || is_within(path, real_home)) continue;
        // The stack's root may be reached through a link; its files are listed as they are when it is not.
        if (is_within(path, real_root)) path = within.stack_root + path.substr(real_root.size());
        if (belongs_to_system(path) && !is_within(path, within.stack_root)) continue;
        if (!within.excluded(path)) all.paths.push_back(path);
    }
    return std::make_shared<const TreeRules>(TreeRules::from(all));
}

const TreeRules& NginxDriver::rules() const {
    if (!rules_) rules_ = find_rules();
    return *rules_;
}

std::vector<SourceRoot> NginxDriver::roots() const { return rules().roots; }

void NginxDriver::adopt_roots(const std::vector<std::string>& listing_paths) {
    if (!takes_all()) return;  // the config names the paths, and they are the contract
    for (const std::string& path : listing_paths) adopted_.push_back(live_path_of(live_path_from(spec().root, "."), path));
    rules_ = nullptr;
}

bool NginxDriver::excluded(const std::string& listing_path) const {
    return rules().excluded(live_path_of(rules().stack_root, listing_path));
}

NginxTrial NginxDriver::test(const OverlaidTree& tree, bool list_files) {
    const NginxProgram* nginx = program();
    NginxTrial untested;
    if (!tests_) {
        untested.message = "`test` is false in the config";
    } else if (nginx == nullptr) {
        untested.message = why_no_program_;
    } else if (!tree.resolve(conf_)) {
        untested.message = fmt::format("{} is not there, and is no part of this source", printable(conf_));
        if (takes_all()) untested.verdict = NginxTrial::Verdict::rejected;
    } else {
        NginxTrialInput input;
        input.tree = &tree;
        input.places = places();
        input.list_files = list_files;
        input.scratch_dir = spec().spool_dir;
        input.limit_ms = limit_ms_;
        return try_config(*nginx, input);
    }
    return untested;
}

void NginxDriver::prepare() {
    SourceSpec declared = spec();
    if (takes_all()) {
        declared.paths = {conf_};  // without its first file the folder is no config
        FilesDriver(declared).prepare();
        declared.paths = {folder()};
    }
    FilesDriver(declared).prepare();
    (void)program();
    live_problem_.clear();
    if (takes_all() && tests_ && program() != nullptr) {
        // The truth about what nginx reads, and whether it would start again: worth knowing before the accident.
        try {
            NginxTrial trial = test(OverlaidTree(), true);
            read_ = std::move(trial.read);
            if (trial.verdict == NginxTrial::Verdict::rejected) live_problem_ = std::move(trial.message);
        } catch (const Error& error) {
            if (error.code() != Code::failed) throw;
            live_problem_ = error.what();
        }
    }
    rules_ = nullptr;
    if (!takes_all()) return;
    for (const SourceRoot& root : rules().roots) {
        if (::faccessat(AT_FDCWD, root.live_path.c_str(), R_OK, AT_EACCESS | AT_SYMLINK_NOFOLLOW) == 0) continue;
        throw Error::from_errno("reading", root.live_path, errno, Code::source);
    }
}

std::unique_ptr<Pin> NginxDriver::pin() {
    std::unique_ptr<Pin> out;
    for (int look = 0; look < kLooks; ++look) {
        rules_ = find_rules();
        const NginxFiles files = takes_all() ? nginx_files(OverlaidTree(), places()) : NginxFiles();
        if (takes_all() && files.config.empty()) {
            throw Error(Code::source, fmt::format("{} is not there any more, or cannot be read", printable(conf_)),
                        fmt::format("put it back, or mend `conf` of [sources.{}]", spec().name));
        }
        Facts facts;
        Notes notes;
        if (program_) facts["nginx"] = program_->version;
        if (takes_all()) {
            facts["config_files"] = static_cast<int64_t>(files.config.size());
            facts["referenced_files"] = static_cast<int64_t>(files.referenced.size());
        }
        if (!live_problem_.empty()) notes.add("nginx rejects the live config: " + live_problem_);
        for (const std::string& path : files.missing) notes.add(fmt::format("{} is named and is not there", printable(path)));
        for (const std::string& path : files.unparsed) notes.add(fmt::format("{} was not looked into", printable(path)));
        out = std::make_unique<NginxPin>(spec(), rules_, std::move(facts), notes.lines());
        if (same_roots(*rules_, *find_rules())) return out;
    }
    throw Error(Code::source, fmt::format("the files that {} names keep changing", printable(conf_)), "take the snapshot again");
}

Facts NginxDriver::open_artifact(const std::string& dir) {
    SourceSpec counted = spec();
    counted.paths = {"."};
    counted.exclude = counted.growing = {};
    Facts out = FilesDriver(counted).open_artifact(dir);
    std::vector<OverlaidTree::Part> parts;
    for (const SourceRoot& root : roots()) {
        const std::string from = path_in_artifact(dir, root.listing_path);
        if (real_filesystem().exists(from)) parts.push_back({root.live_path, from});
    }
    NginxTrial trial;
    try {
        trial = test(OverlaidTree(parts), false);
    } catch (const Error& error) {
        if (error.code() != Code::failed) throw;
        throw Error(Code::damaged, fmt::format("nginx could not test the config: {}", error.what()),
                    "raise `time_limit`, or see what nginx waits for: names of upstreams that do not resolve, mostly");
    }
    if (trial.verdict == NginxTrial::Verdict::rejected) {
        throw Error(Code::damaged, fmt::format("nginx rejects the config: {}", trial.message),
                    "mend the live config until `nginx -t` accepts it, then take a new snapshot");
    }
    const bool tested = trial.verdict == NginxTrial::Verdict::accepted;
    out["tested_by"] = tested ? program_->version : "nothing: " + trial.message;
    if (tested) out["warnings"] = trial.warnings;
    return out;
}

void NginxDriver::activate() {
    rules_ = nullptr;  // other files are live now
    const NginxTrial trial = test(OverlaidTree(), false);
    if (trial.verdict == NginxTrial::Verdict::rejected) {
        throw Error(Code::failed, fmt::format("nginx rejects the config that is live now: {}", trial.message),
                    "`nginx -t` shows it again; a running nginx goes on with the config it had");
    }
    const auto own = spec().options.find("reload");
    if (own != spec().options.end() && own->second.empty()) return;
    const NginxFiles files = nginx_files(OverlaidTree(), places());
    const std::optional<pid_t> master = running_nginx(files.pid);
    if (own == spec().options.end() && (!master || program() == nullptr)) return;
    NginxReload reload;
    if (own != spec().options.end()) {
        reload.command = Command::shell(own->second, live_path_from(spec().root, "."));
    } else {
        reload.command.argv = {program_->path, "-c", conf_, "-p", places().prefix + "/", "-s", "reload"};
    }
    reload.command.limit_ms = reload.limit_ms = limit_ms_;
    reload.error_logs = files.error_logs;
    reload_nginx(reload, master);
}

}  // namespace ingot
