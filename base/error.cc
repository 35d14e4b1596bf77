#include "base/error.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>

namespace ingot {

Error::Error(Code code, std::string what, std::string hint) : code_(code), what_(std::move(what)), hint_(std::move(hint)) {}

Error Error::within(std::string_view context) const { return {code_, fmt::format("{}: {}", context, what_), hint_}; }

Error Error::as(Code code) const { return {code, what_, hint_}; }

static std::string hint_for(int errno_value) {
    switch (errno_value) {
        case ENOSPC:
        case EDQUOT:
            return "free some space on that file system, then run the command again";
        case EROFS:
            return "that file system is mounted read-only: remount it, or name another place";
        case EACCES:
        case EPERM:
            return "run as a user who may do this (often root), or mend the permissions";
        case EMFILE:
        case ENFILE:
            return "raise the limit of open files (ulimit -n)";
        case ENOTDIR:
        case EISDIR:
            return "check the path: there is a file where a folder is wanted, or the other way round";
        case EIO:
            return "the disk or the way to it is failing: look at the kernel's messages (dmesg)";
        default:
            return {};
    }
}

Error Error::from_errno(std::string_view op, std::string_view path, int errno_value, Code code) {
    return {code, fmt::format("{} {}: {}", op, printable(path), std::strerror(errno_value)), hint_for(errno_value)};
}

void ignore_error(const std::exception&, std::string_view) noexcept {}

// Length of the UTF-8 sequence that starts at bytes[i], or 0 where there is none (RFC 3629).
static size_t utf8_length(std::string_view bytes, size_t i) {
    const auto at = [&](size_t k) { return static_cast<unsigned char>(bytes[k]); };
    const unsigned char lead = at(i);
    const size_t length = lead < 0x80                   ? 1
                          : lead >= 0xc2 && lead < 0xe0 ? 2
                          : lead >= 0xe0 && lead < 0xf0 ? 3
                          : lead >= 0xf0 && lead < 0xf5 ? 4
                                                        : 0;
    if (length == 0 || i + length > bytes.size()) return 0;
    for (size_t k = 1; k < length; ++k) {
        if ((at(i + k) & 0xc0) != 0x80) return 0;
    }
    if (lead == 0xe0 && at(i + 1) < 0xa0) return 0;
    if (lead == 0xed && at(i + 1) >= 0xa0) return 0;
    if (lead == 0xf0 && at(i + 1) < 0x90) return 0;
    if (lead == 0xf4 && at(i + 1) >= 0x90) return 0;
    return length;
}

std::string printable(std::string_view bytes) {
    std::string out;
    out.reserve(bytes.size());
    for (size_t i = 0; i < bytes.size();) {
        const size_t length = utf8_length(bytes, i);
        const auto byte = static_cast<unsigned char>(bytes[i]);
        if (length == 0 || byte < 0x20 || byte == 0x7f) {
            out += fmt::format("\\x{:02x}", byte);
            ++i;
        } else {
            out.append(bytes, i, length);
            i += length;
        }
    }
    return out;
}

}  // namespace ingot
