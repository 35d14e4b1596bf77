#include "cli/key_file.h"

#include <fmt/format.h>
#include <sys/random.h>
#include <sys/stat.h>

#include <cerrno>

#include "base/error.h"

namespace ingot {

static constexpr std::string_view kKeyPrefix = "ingot-key-1 ";
static constexpr size_t kKeyBytes = 32;
// Much more than a key file has; enough to see that a file is none.
static constexpr uint64_t kKeyFileLimitBytes = 4096;

static int digit_of(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

Secret decode_key(std::string_view text, const std::string& where) {
    const auto refuse = [&](std::string_view why) {
        throw Error(
            Code::wrong_key, fmt::format("{} is not an ingot key file: {}", printable(where), why),
            "a key file is one line, \"ingot-key-1 \" and 64 hexadecimal digits; take it from the copy that you keep elsewhere");
    };
    if (text.ends_with('\n')) text.remove_suffix(1);
    if (text.ends_with('\r')) text.remove_suffix(1);
    if (text.empty()) refuse("it is empty");
    if (!text.starts_with(kKeyPrefix)) refuse("it does not begin with \"ingot-key-1 \"");
    text.remove_prefix(kKeyPrefix.size());
    if (text.size() != 2 * kKeyBytes) refuse(fmt::format("it has {} characters of key where 64 are expected", text.size()));
    Secret key(kKeyBytes);
    for (size_t i = 0; i < kKeyBytes; ++i) {
        const int high = digit_of(text[2 * i]);
        const int low = digit_of(text[2 * i + 1]);
        if (high < 0 || low < 0) refuse("it holds something that is not a hexadecimal digit");
        key.writable()[i] = static_cast<uint8_t>(high * 16 + low);
    }
    return key;
}

Secret read_key_file(FileSystem& fs, const std::string& path, const std::function<void(const std::string&)>& warn) {
    Bytes text;
    try {
        text = read_file(fs, path, kKeyFileLimitBytes);
    } catch (const Error& error) {
        if (error.code() == Code::not_found) {
            throw Error(Code::wrong_key, fmt::format("there is no key file {}", printable(path)),
                        "put the copy that you keep elsewhere there, name another with --key-file, or give the passphrase in "
                        "INGOT_PASSWORD_FILE");
        }
        if (error.code() == Code::damaged)
            throw Error(Code::wrong_key, fmt::format("{} is not an ingot key file: it is too long for one", printable(path)),
                        "name the right one with --key-file");
        throw;
    }
    struct stat st {};
    if (::stat(path.c_str(), &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 077) != 0) {
        warn(fmt::format("the key file {} may be read by others than its owner (mode {:04o}); run: chmod 600 {}", printable(path),
                         st.st_mode & 07777, printable(path)));
    }
    try {
        Secret key = decode_key(text_of(text), path);
        wipe(text);
        return key;
    } catch (const Error&) {
        wipe(text);
        throw;
    }
}

Secret make_key_file(FileSystem& fs, const std::string& path) {
    Secret key(kKeyBytes);
    size_t filled = 0;
    while (filled < kKeyBytes) {
        const ssize_t n = ::getrandom(key.writable().data() + filled, kKeyBytes - filled, 0);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) throw Error::from_errno("getting random bytes for", path, errno);
        filled += static_cast<size_t>(n);
    }
    Secret text(kKeyPrefix.size() + 2 * kKeyBytes + 1);
    size_t at = 0;
    for (const char c : kKeyPrefix) text.writable()[at++] = static_cast<uint8_t>(c);
    for (const uint8_t byte : key.view()) {
        constexpr std::string_view kDigits = "0123456789abcdef";
        text.writable()[at++] = static_cast<uint8_t>(kDigits[byte >> 4]);
        text.writable()[at++] = static_cast<uint8_t>(kDigits[byte & 15]);
    }
    text.writable()[at] = '\n';
    make_dirs(fs, parent_of(path), 0700);
    if (!write_new_file(fs, path, text.view(), 0600)) {
        throw Error(Code::failed, fmt::format("making the key file {}: something of that name is there", printable(path)));
    }
    return key;
}

}  // namespace ingot
