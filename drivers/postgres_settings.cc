#include "drivers/postgres_settings.h"

#include <fmt/format.h>

#include <string_view>

#include "base/error.h"
#include "drivers/options.h"

namespace ingot {
namespace {

// A dump or a restore of tens of GB takes less; beyond it one is more likely stuck than slow.
constexpr std::string_view kTimeout = "4h";
// pg_dump prints rows all the time; minutes without a byte are a server that hangs.
constexpr std::string_view kIdleTimeout = "5m";

}  // namespace

std::vector<std::string> words_of(const std::string& text, const std::string& what) {
    std::vector<std::string> out;
    char quote = 0;
    bool in_word = false;
    for (const char c : text) {
        if (quote != 0 ? c == quote : (c == '\'' || c == '"')) {
            if (quote == 0 && !in_word) out.emplace_back();
            in_word = true;
            quote = quote == 0 ? c : '\0';
        } else if (quote == 0 && (c == ' ' || c == '\t')) {
            in_word = false;
        } else {
            if (!in_word) out.emplace_back();
            in_word = true;
            out.back() += c;
        }
    }
    if (quote != 0) throw Error(Code::usage, what + " has a quote that is not closed", "close it, or leave it out");
    return out;
}

PgSettings pg_settings(const SourceSpec& spec) {
    const Options options(spec);
    PgSettings out;
    out.source = spec.name;
    out.facts = spec.facts;
    out.url = options.text("url");
    out.url_env = options.text("url_env");
    if (out.url.empty() == out.url_env.empty()) {
        throw options.wrong("url", out.url.empty() ? "is missing" : "and `url_env` are both given",
                            "give one of them: url = \"postgresql://rag@127.0.0.1/ragdb\"");
    }
    if (!out.url.empty()) (void)PgAddress::parse(out.url, fmt::format("`url` of source {}", spec.name), Code::usage);
    out.database = options.text("database");
    out.tools_url = options.text("tools_url");
    if (!out.tools_url.empty()) {
        (void)PgAddress::parse(out.tools_url, fmt::format("`tools_url` of source {}", spec.name), Code::usage);
    }
    out.password_env = options.text("password_env");
    out.password_file = options.text("password_file");
    if (!out.password_env.empty() && !out.password_file.empty())
        throw options.wrong("password_env", "and `password_file` are both given", "leave one of them out");
    out.tools = words_of(options.text("tools"), fmt::format("`tools` of source {}", spec.name));
    out.maintenance_database = options.text("maintenance_database", "postgres");
    out.role_passwords = options.flag("role_passwords");
    out.in_place = options.choice("restore_mode", {"rename", "in_place"}) == "in_place";
    out.wait_for_dump = options.choice("locks", {"pin", "dump"}) == "dump";
    const std::string scratch = options.choice("scratch", {"auto", "database", "server", "files"});
    out.scratch = scratch == "auto"       ? PgSettings::Scratch::automatic
                  : scratch == "database" ? PgSettings::Scratch::database
                  : scratch == "server"   ? PgSettings::Scratch::server
                                          : PgSettings::Scratch::files;
    out.timeout_ms = options.duration_ms("timeout", kTimeout);
    out.idle_timeout_ms = options.duration_ms("idle_timeout", kIdleTimeout);
    return out;
}

PgAddress PgSettings::address(Code code) const {
    const std::string what = fmt::format("`{}` of source {}", url.empty() ? "url_env" : "url", source);
    PgAddress out = url.empty() ? PgAddress::parse(std::string(secret_from_env(url_env, what, code).text()), what, code)
                                : PgAddress::parse(url, what, code);
    if (!database.empty()) out = out.with_database(database);
    if (!password_env.empty()) {
        out.set_password(
            std::string(secret_from_env(password_env, fmt::format("`password_env` of source {}", source), code).text()));
    } else if (!password_file.empty()) {
        const std::string path = credential_path(password_file);
        const std::string for_what = fmt::format("`password_file` of source {}", source);
        out.set_password(std::string(secret_from_file(path.empty() ? password_file : path, for_what, code).text()));
    }
    return out;
}

PgAddress PgSettings::tools_address(Code code) const {
    PgAddress own = address(code);
    if (tools_url.empty()) return own;
    PgAddress out = PgAddress::parse(tools_url, fmt::format("`tools_url` of source {}", source), code);
    if (!out.has_password()) out.set_password(own.password());
    return out;
}

}  // namespace ingot
