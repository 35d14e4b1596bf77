// Tar files for tests, member by member.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "drivers/tar_walk.h"

namespace ingot {

inline std::string tar_padded(std::string bytes) {
    bytes.resize((bytes.size() + kTarBlock - 1) / kTarBlock * kTarBlock, '\0');
    return bytes;
}

inline void tar_put(std::string& block, size_t offset, const std::string& text) { block.replace(offset, text.size(), text); }

inline std::string tar_octal(uint64_t value, int digits) {
    char text[32];
    std::snprintf(text, sizeof text, "%0*llo", digits, static_cast<unsigned long long>(value));
    return text;
}

inline void tar_sum(std::string& block) {
    tar_put(block, 148, "        ");
    unsigned sum = 0;
    for (const char c : block) sum += static_cast<unsigned char>(c);
    tar_put(block, 148, tar_octal(sum, 6) + std::string(1, '\0') + " ");
}

inline std::string tar_header(const std::string& path, char type, uint64_t size, uint64_t mtime = 0) {
    std::string block(kTarBlock, '\0');
    tar_put(block, 0, path.substr(0, 100));
    tar_put(block, 100, "0000644");
    tar_put(block, 124, tar_octal(size, 11));
    tar_put(block, 136, tar_octal(mtime, 11));
    block[156] = type;
    tar_put(block, 257, "ustar  ");
    tar_sum(block);
    return block;
}

inline std::string tar_member(const std::string& path, const std::string& data, uint64_t mtime = 0) {
    std::string out;
    if (path.size() > 99) out = tar_header("././@LongLink", 'L', path.size() + 1) + tar_padded(path + std::string(1, '\0'));
    return out + tar_header(path, '0', data.size(), mtime) + tar_padded(data);
}

// `runs` as (offset, bytes) of a file of `size` bytes.
inline std::string tar_sparse(const std::string& path, uint64_t size, const std::vector<std::pair<uint64_t, std::string>>& runs) {
    std::string data;
    for (const auto& run : runs) data += run.second;
    std::string block = tar_header(path, 'S', data.size());
    const auto put_runs = [&](std::string& into, size_t at, size_t first, size_t count) {
        for (size_t i = first; i < std::min(first + count, runs.size()); ++i) {
            tar_put(into, at + (i - first) * 24, tar_octal(runs[i].first, 11));
            tar_put(into, at + (i - first) * 24 + 12, tar_octal(runs[i].second.size(), 11));
        }
    };
    put_runs(block, 386, 0, 4);
    tar_put(block, 483, tar_octal(size, 11));
    block[482] = runs.size() > 4 ? 1 : 0;
    tar_sum(block);
    for (size_t first = 4; first < runs.size(); first += 21) {
        std::string extension(kTarBlock, '\0');
        put_runs(extension, 0, first, 21);
        extension[504] = runs.size() > first + 21 ? 1 : 0;
        block += extension;
    }
    return block + tar_padded(data);
}

inline std::string tar_end() { return std::string(2 * kTarBlock, '\0'); }

inline TarBytes tar_bytes_of(const std::string& bytes) {
    return [&bytes](uint64_t offset, std::span<uint8_t> out) {
        if (offset >= bytes.size()) return size_t{0};
        const size_t n = std::min<size_t>(out.size(), bytes.size() - offset);
        std::memcpy(out.data(), bytes.data() + offset, n);
        return n;
    };
}

}  // namespace ingot
