#include "drivers/folder_names.h"

#include <dirent.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>

namespace ingot {

int FolderNames::read(int folder_fd) {
    block_.clear();
    starts_.clear();
    if (::lseek(folder_fd, 0, SEEK_SET) < 0) return errno;
    alignas(dirent64) char buffer[32 << 10];
    for (;;) {
        const ssize_t n = ::getdents64(folder_fd, buffer, sizeof buffer);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return errno;
        if (n == 0) break;
        for (ssize_t at = 0; at < n;) {
            const auto* entry = reinterpret_cast<const dirent64*>(buffer + at);
            at += entry->d_reclen;
            const std::string_view name = entry->d_name;
            if (name == "." || name == "..") continue;
            starts_.push_back(block_.size());
            block_.append(name.data(), name.size() + 1);
        }
    }
    std::sort(starts_.begin(), starts_.end(),
              [&](size_t a, size_t b) { return std::strcmp(block_.data() + a, block_.data() + b) < 0; });
    return 0;
}

uint64_t FolderNames::digest() const {
    uint64_t hash = 0xcbf29ce484222325;  // FNV-1a: finds change, not malice
    for (size_t i = 0; i < size(); ++i) {
        for (const char* c = at(i);; ++c) {
            hash = (hash ^ static_cast<unsigned char>(*c)) * 0x100000001b3;
            if (*c == '\0') break;
        }
    }
    return hash;
}

}  // namespace ingot
