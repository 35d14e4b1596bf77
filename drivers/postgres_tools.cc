#include "drivers/postgres_tools.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/error.h"
#include "base/filesystem.h"
#include "drivers/postgres_archive.h"

namespace ingot {
namespace {

// Debian's place for the programs of each major version.
constexpr const char* kVersions = "/usr/lib/postgresql";
// `--version` of a program on this machine answers at once; through ssh or docker it takes a connection.
constexpr int64_t kVersionMs = 20'000;
// Of a tool's error output; the reason stands at its end.
constexpr size_t kErrorBytes = 8 << 10;
constexpr size_t kLastLines = 3, kMostWordsBytes = 500;

// For the shell at the other end of ssh, which gets all words as one line.
std::string shell_quoted(const std::string& word) {
    std::string out = "'";
    for (const char c : word) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
    return out + "'";
}

std::set<int> installed_majors() {
    std::set<int> out;
    FileSystem& fs = real_filesystem();
    if (!fs.exists(kVersions)) return out;
    fs.list(kVersions, [&](const std::string& name) {
        if (const int major = pg_major_of(name); major > 0 && fs.exists(fmt::format("{}/{}/bin/pg_dump", kVersions, name))) {
            out.insert(major);
        }
    });
    return out;
}

}  // namespace

std::string pg_last_words(const std::string& error_output) {
    std::vector<std::string> lines;
    for (size_t end = error_output.size(); end > 0 && lines.size() < kLastLines;) {
        const size_t newline = error_output.rfind('\n', end - 1);
        const size_t from = newline == std::string::npos ? 0 : newline + 1;
        const std::string line = error_output.substr(from, end - from);
        if (line.find_first_not_of(" \t\r\n") != std::string::npos) lines.push_back(printable(line));
        end = newline == std::string::npos ? 0 : newline;
    }
    std::reverse(lines.begin(), lines.end());
    std::string out = fmt::format("{}", fmt::join(lines, "; "));
    return out.size() <= kMostWordsBytes ? out : "..." + out.substr(out.size() - kMostWordsBytes);
}

PgTools::PgTools(const PgSettings& settings, int server_major, Code code) : settings_(settings), code_(code) {
    if (settings_.tools.empty()) {
        const std::set<int> majors = installed_majors();
        if (const auto at_least = majors.lower_bound(server_major); at_least != majors.end()) {
            folder_ = fmt::format("{}/{}/bin/", kVersions, *at_least);
            major_ = *at_least;
            return;
        }
    }
    major_ = major_of_tool("pg_dump");
    if (major_ >= server_major) return;
    throw Error(code_,
                fmt::format("{}: the server is of version {}, and pg_dump of version {} is older", settings_.source, server_major,
                            major_),
                fmt::format("install the server's own tools: apt-get install postgresql-client-{}", server_major));
}

int PgTools::major_of_tool(const std::string& program) const {
    Command command = offline(program, {"--version"});
    command.limit_ms = kVersionMs;
    CommandResult result;
    try {
        result = ingot::run(command);
    } catch (const Error& error) {
        throw Error(code_, fmt::format("{}: {}", settings_.source, error.what()),
                    settings_.tools.empty()
                        ? "install PostgreSQL's tools: apt-get install postgresql-client"
                        : "see that `tools` of the config runs: " + fmt::format("{}", fmt::join(settings_.tools, " ")));
    }
    const size_t number = result.out.find_first_of("0123456789");
    const int major = number == std::string::npos ? 0 : pg_major_of(result.out.substr(number));
    if (result.status == 0 && major > 0) return major;
    throw Error(code_, fmt::format("{}: {} is not to be run: {}", settings_.source, program, pg_last_words(result.err)),
                settings_.tools.empty() ? "install PostgreSQL's tools: apt-get install postgresql-client"
                                        : "see that `tools` of the config finds it");
}

std::vector<std::string> PgTools::argv(const std::string& tool, const std::vector<std::string>& arguments) const {
    std::vector<std::string> out = settings_.tools;
    out.push_back(settings_.tools.empty() ? folder_ + tool : tool);
    const bool through_shell = !settings_.tools.empty() && base_name_of(settings_.tools.front()) == "ssh";
    for (const std::string& each : arguments) out.push_back(through_shell ? shell_quoted(each) : each);
    return out;
}

Command PgTools::offline(const std::string& tool, const std::vector<std::string>& arguments) const {
    Command out;
    out.argv = argv(tool, arguments);
    out.environment = {{"LC_ALL", "C"}};
    // What only Ingot needs to know does not go on to its children.
    for (const std::string* name : {&settings_.url_env, &settings_.password_env}) {
        if (!name->empty()) out.environment.emplace_back(*name, "");
    }
    out.limit_ms = settings_.timeout_ms;
    out.output_limit_bytes = kErrorBytes;
    return out;
}

Command PgTools::command(const std::string& tool, const std::vector<std::string>& arguments, const std::string& database) const {
    const PgAddress address = settings_.tools_address(code_).with_database(database);
    // --no-password: a tool that asks for one would wait for a terminal.
    std::vector<std::string> all{"--no-password", "--dbname=" + address.conninfo()};
    all.insert(all.end(), arguments.begin(), arguments.end());
    Command out = offline(tool, all);
    if (address.has_password()) out.environment.emplace_back("PGPASSWORD", address.password());
    return out;
}

void PgTools::require_success(const std::string& what, const CommandResult& result) const {
    if (result.status == 0) return;
    const std::string words = settings_.tools_address(code_).masked(pg_last_words(result.err));
    std::string hint = "see the server's log; docs/drivers/postgres.md lists the rights that the role needs";
    // pg_dump makes its --lock-wait-timeout a statement_timeout.
    if (words.find("LOCK TABLE") != std::string::npos && words.find("timeout") != std::string::npos) {
        hint =
            "another session (TRUNCATE, ALTER TABLE, VACUUM FULL) asked for an exclusive lock right after the pin: take the "
            "snapshot again, or say locks = \"dump\" in the config, which holds the writers until pg_dump has its locks";
    } else if (words.find("permission denied") != std::string::npos) {
        hint = "give the role of `url` the right that is named; docs/drivers/postgres.md lists what it needs";
    }
    throw Error(code_, fmt::format("{} ended with status {}{}{}", what, result.status, words.empty() ? "" : ": ", words), hint);
}

CommandResult PgTools::run(const Command& command, const std::string& what) const {
    CommandResult result;
    try {
        result = ingot::run(command);
    } catch (const Error& error) {
        if (error.code() == Code::interrupted) throw;
        throw Error(
            code_, fmt::format("{}: {}", what, settings_.tools_address(code_).masked(error.what())),
            error.hint().empty() ? "find out what it waits for; `timeout` and `idle_timeout` are its limits" : error.hint());
    }
    require_success(what, result);
    return result;
}

}  // namespace ingot
