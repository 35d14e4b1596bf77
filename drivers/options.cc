#include "drivers/options.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "base/clock.h"
#include "base/filesystem.h"
#include "drivers/source_paths.h"

namespace ingot {
namespace {

// Keys, passwords and addresses are lines; a file of more is none.
constexpr uint64_t kMostSecretBytes = 64 << 10;

Secret first_line_of(std::string_view text) {
    text = text.substr(0, text.find('\n'));
    if (text.ends_with('\r')) text.remove_suffix(1);
    return Secret::copy_of(text);
}

Secret first_line_of_file(const std::string& path, const std::string& what, Code code) {
    try {
        Bytes bytes = read_file(real_filesystem(), path, kMostSecretBytes);
        Secret out = first_line_of(text_of(bytes));
        wipe(bytes);
        return out;
    } catch (const Error& error) {
        throw error.within(what).as(code);
    }
}

}  // namespace

std::string Options::text(const std::string& key, std::string_view otherwise) const {
    const auto found = spec_.options.find(key);
    return found == spec_.options.end() ? std::string(otherwise) : found->second;
}

int64_t Options::duration_ms(const std::string& key, std::string_view otherwise) const {
    const int64_t ms = parse_duration_ms(text(key, otherwise));
    if (ms > 0 && ms <= INT32_MAX) return ms;
    throw wrong(key, ms > 0 ? "is more than 24 days" : "must be longer than nothing",
                fmt::format("leave it out for {}", otherwise));
}

bool Options::flag(const std::string& key, bool otherwise) const {
    const std::string value = text(key, otherwise ? "true" : "false");
    if (value == "true" || value == "false") return value == "true";
    throw wrong(key, "is neither true nor false", "write true or false, without quotes");
}

std::string Options::choice(const std::string& key, std::initializer_list<std::string_view> words) const {
    const std::string value = text(key, *words.begin());
    if (std::find(words.begin(), words.end(), value) != words.end()) return value;
    throw wrong(key, fmt::format("is none of \"{}\"", fmt::join(words, "\", \"")),
                fmt::format("leave it out for \"{}\"", *words.begin()));
}

std::vector<std::string> Options::list(const std::string& key) const {
    std::vector<std::string> out;
    if (!has(key)) return out;
    const std::string joined = text(key);
    for (size_t start = 0; start <= joined.size();) {
        const size_t end = std::min(joined.find('\n', start), joined.size());
        out.push_back(joined.substr(start, end - start));
        if (out.back().empty()) throw wrong(key, "holds an empty text", "leave that out");
        start = end + 1;
    }
    return out;
}

std::string Options::path(const std::string& key) const {
    return has(key) ? live_path_from(spec_.root, text(key)) : std::string();
}

void Options::exclusive(const std::string& first, const std::string& second, bool one, const std::string& hint) const {
    if (has(first) && has(second)) throw wrong(first, fmt::format("and `{}` are both given", second), "leave one of them out");
    if (one && !has(first) && !has(second)) throw wrong(first, fmt::format("is missing, and so is `{}`", second), hint);
}

Error Options::wrong(const std::string& key, std::string_view problem, std::string hint) const {
    return {Code::usage, fmt::format("`{}` of source {} {}", key, spec_.name, problem), std::move(hint)};
}

std::string credential_path(const std::string& name) {
    const char* folder = std::getenv("CREDENTIALS_DIRECTORY");
    if (folder == nullptr || *folder == '\0' || name.find('/') != std::string::npos) return {};
    const std::string path = join(folder, name);
    return real_filesystem().exists(path) ? path : std::string();
}

Secret secret_from_env(const std::string& name, const std::string& what, Code code) {
    if (const char* value = std::getenv(name.c_str()); value != nullptr && *value != '\0') return first_line_of(value);
    if (const std::string path = credential_path(name); !path.empty()) return first_line_of_file(path, what, code);
    throw Error(code, fmt::format("the environment variable {} ({}) is not set", printable(name), what),
                fmt::format("set it where ingot is started, or give a systemd credential of that name: LoadCredential={}:PATH",
                            printable(name)));
}

Secret secret_from_file(const std::string& path, const std::string& what, Code code) {
    struct stat st {};
    if (::stat(path.c_str(), &st) != 0) throw Error::from_errno("reading", path, errno, code).within(what);
    if ((st.st_mode & S_IROTH) != 0) {
        throw Error(code, fmt::format("{}: {} may be read by every user of this machine", what, printable(path)),
                    fmt::format("chmod 600 {}", printable(path)));
    }
    return first_line_of_file(path, what, code);
}

}  // namespace ingot
