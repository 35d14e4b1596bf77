#include "drivers/postgres_settings.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdlib>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/filesystem.h"

namespace ingot {
namespace {

// A dump or a restore of tens of GB takes less; beyond it one is more likely stuck than slow.
constexpr std::string_view kTimeout = "4h";
// pg_dump prints rows all the time; minutes without a byte are a server that hangs.
constexpr std::string_view kIdleTimeout = "5m";
// Passwords and urls are short.
constexpr uint64_t kMostSecretBytes = 16 << 10;

class Options {
public:
    explicit Options(const SourceSpec& spec) : spec_(spec) {}

    std::string text(const std::string& key, std::string_view otherwise = {}) const {
        const auto found = spec_.options.find(key);
        return found == spec_.options.end() ? std::string(otherwise) : found->second;
    }
    bool flag(const std::string& key) const { return choice(key, "false", "true") == "true"; }
    // The first is the default.
    std::string choice(const std::string& key, const char* first, const char* second) const {
        const std::string value = text(key, first);
        if (value == first || value == second) return value;
        throw wrong(key, fmt::format("is neither \"{}\" nor \"{}\"", first, second),
                    fmt::format("leave it out for \"{}\"", first));
    }
    int64_t duration_ms(const std::string& key, std::string_view otherwise) const {
        const int64_t ms = parse_duration_ms(text(key, otherwise));
        if (ms > 0) return ms;
        throw wrong(key, "must be longer than nothing", fmt::format("leave it out for {}", otherwise));
    }
    Error wrong(const std::string& key, std::string_view problem, std::string hint) const {
        return {Code::usage, fmt::format("`{}` of source {} {}", key, spec_.name, problem), std::move(hint)};
    }

private:
    const SourceSpec& spec_;
};

std::string variable(const std::string& name) {
    const char* found = std::getenv(name.c_str());
    return found == nullptr ? std::string() : std::string(found);
}

// The path of a systemd credential, or nothing where there is none of that name.
std::string credential(const std::string& name) {
    const std::string folder = variable("CREDENTIALS_DIRECTORY");
    if (folder.empty() || name.find('/') != std::string::npos) return {};
    const std::string path = join(folder, name);
    return real_filesystem().exists(path) ? path : std::string();
}

std::string first_line_of(const std::string& path, const std::string& what, Code code) {
    struct stat st {};
    if (::stat(path.c_str(), &st) != 0) throw Error::from_errno("reading", path, errno, code);
    if ((st.st_mode & S_IROTH) != 0) {
        throw Error(code, fmt::format("{} ({}) may be read by every user of this machine", what, printable(path)),
                    fmt::format("chmod 600 {}", printable(path)));
    }
    Bytes bytes;
    try {
        bytes = read_file(real_filesystem(), path, kMostSecretBytes);
    } catch (const Error& error) {
        throw error.as(code);
    }
    std::string text(text_of(bytes));
    wipe(bytes);
    text = text.substr(0, text.find('\n'));
    if (!text.empty() && text.back() == '\r') text.pop_back();
    return text;
}

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
    out.in_place = options.choice("restore_mode", "rename", "in_place") == "in_place";
    out.wait_for_dump = options.choice("locks", "pin", "dump") == "dump";
    out.timeout_ms = options.duration_ms("timeout", kTimeout);
    out.idle_timeout_ms = options.duration_ms("idle_timeout", kIdleTimeout);
    return out;
}

PgAddress PgSettings::address(Code code) const {
    std::string text = url, what = fmt::format("`url` of source {}", source);
    if (text.empty()) {
        what = fmt::format("{} (`url_env` of source {})", url_env, source);
        text = variable(url_env);
        if (const std::string path = credential(url_env); text.empty() && !path.empty()) text = first_line_of(path, what, code);
        if (text.empty()) {
            throw Error(code, what + " is not set",
                        "set that variable where ingot is started, or give a systemd credential of that name");
        }
    }
    PgAddress out = PgAddress::parse(text, what, code);
    if (!database.empty()) out = out.with_database(database);
    if (!password_env.empty()) {
        const std::string password = variable(password_env);
        if (password.empty()) {
            throw Error(code, fmt::format("{} (`password_env` of source {}) is not set", password_env, source),
                        "set that variable where ingot is started");
        }
        out.set_password(password);
    } else if (!password_file.empty()) {
        const std::string path = credential(password_file);
        out.set_password(
            first_line_of(path.empty() ? password_file : path, fmt::format("`password_file` of source {}", source), code));
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
