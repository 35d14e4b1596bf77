#include "drivers/tar_walk.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>

#include "base/error.h"

namespace ingot {
namespace {

// Paths are at most 4,096 bytes on Linux; a pax header holds a handful of lines.
constexpr uint64_t kMostNameBytes = 64 << 10;
// 32 MiB pages with a hole at every other block have 4,096 runs.
constexpr size_t kMostRuns = 1 << 20;
// Offsets are added to each other: sizes above a quarter of what 64 bits hold are lies.
constexpr uint64_t kMostSize = uint64_t{1} << 62;
constexpr size_t kRunsInHeader = 4, kRunsInExtension = 21;

using Block = std::array<uint8_t, kTarBlock>;

bool is_zero(const Block& block) {
    return std::all_of(block.begin(), block.end(), [](uint8_t byte) { return byte == 0; });
}

std::string_view text_at(const Block& block, size_t offset, size_t length) {
    const std::string_view text(reinterpret_cast<const char*>(block.data()) + offset, length);
    return text.substr(0, text.find('\0'));
}

// Octal with blanks and NULs around it, or, with the first bit set, base-256.
std::optional<uint64_t> number_at(const Block& block, size_t offset, size_t length) {
    uint64_t value = 0;
    if ((block[offset] & 0x80) != 0) {
        for (size_t i = 0; i < length; ++i) {
            const uint8_t byte = i == 0 ? block[offset] & 0x7F : block[offset + i];
            if (value > kMostSize >> 8) return std::nullopt;
            value = value << 8 | byte;
        }
        return value;
    }
    std::string_view digits = text_at(block, offset, length);
    while (digits.starts_with(' ')) digits.remove_prefix(1);
    while (digits.ends_with(' ')) digits.remove_suffix(1);
    for (const char digit : digits) {
        if (digit < '0' || digit > '7' || value > kMostSize >> 3) return std::nullopt;
        value = value * 8 + static_cast<uint64_t>(digit - '0');
    }
    return value;
}

// The sum of all bytes, those of the sum itself taken as blanks. Old writers summed signed bytes.
bool has_right_sum(const Block& block) {
    const std::optional<uint64_t> said = number_at(block, 148, 8);
    int64_t sum = 0, signed_sum = 0;
    for (size_t i = 0; i < block.size(); ++i) {
        const uint8_t byte = i >= 148 && i < 156 ? ' ' : block[i];
        sum += byte;
        signed_sum += static_cast<int8_t>(byte);
    }
    return said && (static_cast<int64_t>(*said) == sum || static_cast<int64_t>(*said) == signed_sum);
}

std::string name_of(const Block& block) {
    const std::string_view name = text_at(block, 0, 100), prefix = text_at(block, 345, 155);
    // GNU's own format has other things where ustar has a prefix.
    const bool is_ustar =
        std::string_view(reinterpret_cast<const char*>(block.data()) + 257, 8) == std::string_view("ustar\00000", 8);
    return is_ustar && !prefix.empty() ? std::string(prefix) + "/" + std::string(name) : std::string(name);
}

struct Pax {
    std::optional<std::string> path;
    std::optional<uint64_t> size;
};

// Lines of "LENGTH KEY=VALUE\n", the length being the line's. False where they are not that.
bool read_pax(std::string_view text, Pax& out) {
    while (!text.empty()) {
        size_t length = 0;
        const auto parsed = std::from_chars(text.data(), text.data() + std::min<size_t>(text.size(), 8), length);
        const auto digits = static_cast<size_t>(parsed.ptr - text.data());
        if (parsed.ec != std::errc() || length > text.size() || length < digits + 3 || text[digits] != ' ' ||
            text[length - 1] != '\n')
            return false;
        const std::string_view line = text.substr(digits + 1, length - digits - 2);
        const size_t equals = line.find('=');
        if (equals == std::string_view::npos) return false;
        const std::string_view key = line.substr(0, equals), value = line.substr(equals + 1);
        if (key == "path") out.path = std::string(value);
        if (key == "size") {
            uint64_t size = 0;
            if (std::from_chars(value.data(), value.data() + value.size(), size).ptr != value.data() + value.size() ||
                size > kMostSize)
                return false;
            out.size = size;
        }
        text.remove_prefix(length);
    }
    return true;
}

}  // namespace

void TarWalk::damaged(const std::string& what, uint64_t offset) const {
    throw Error(Code::damaged, fmt::format("{} at byte {} of a tar file", what, offset - begin_));
}

void TarWalk::read(uint64_t offset, std::span<uint8_t> out) const {
    for (size_t done = 0; done < out.size();) {
        const size_t n = bytes_(offset + done, out.subspan(done));
        if (n == 0) damaged("bytes are missing", offset + done);
        done += n;
    }
}

std::optional<TarMember> TarWalk::next(uint64_t available) {
    TarMember member;
    member.header_offset = at_;
    Pax pax;
    std::optional<std::string> long_name;
    for (uint64_t at = at_; !ended_;) {
        const auto has = [&](uint64_t bytes) { return bytes <= available && at <= available - bytes; };
        if (!has(kTarBlock)) return std::nullopt;
        Block block;
        read(at, block);
        if (is_zero(block)) {
            if (at != at_) damaged("a long name without a member", at);
            if (!has(2 * kTarBlock)) return std::nullopt;
            read(at + kTarBlock, block);
            if (!is_zero(block)) damaged("a single block of zeros", at);
            at_ = at + 2 * kTarBlock;
            ended_ = true;
            return std::nullopt;
        }
        if (!has_right_sum(block)) damaged("a header with a wrong checksum", at);
        std::optional<uint64_t> size = number_at(block, 124, 12);
        if (!size || *size > kMostSize) damaged("a header with an impossible size", at);
        const char type = block[156] == 0 || block[156] == '7' ? '0' : static_cast<char>(block[156]);
        at += kTarBlock;
        if (type == 'L' || type == 'K' || type == 'x' || type == 'g') {
            if (*size > kMostNameBytes) damaged("a name that is too long", at);
            const uint64_t blocks = (*size + kTarBlock - 1) / kTarBlock * kTarBlock;
            if (!has(blocks)) return std::nullopt;
            std::string text(*size, '\0');
            read(at, {reinterpret_cast<uint8_t*>(text.data()), text.size()});
            at += blocks;
            if (type == 'L') long_name = text.substr(0, text.find('\0'));
            if (type == 'x' && !read_pax(text, pax)) damaged("a pax header that is none", at);
            continue;
        }
        member.type = type;
        member.path = long_name ? *long_name : pax.path ? *pax.path : name_of(block);
        member.data_size = pax.size ? *pax.size : *size;
        // Links, folders and devices have no data, whatever their size says.
        if (type >= '1' && type <= '6') member.data_size = 0;
        member.file_size = member.data_size;
        if (type == 'S') {
            uint64_t stored = 0, file_end = 0;
            const auto take = [&](size_t offset, size_t runs) {
                for (size_t i = 0; i < runs; ++i) {
                    const auto run_offset = number_at(block, offset + i * 24, 12),
                               length = number_at(block, offset + i * 24 + 12, 12);
                    if (block[offset + i * 24] == 0 && block[offset + i * 24 + 12] == 0) return;
                    if (!run_offset || !length || *run_offset < file_end || *length > kMostSize || *run_offset > kMostSize)
                        damaged("a sparse file whose runs are wrong", at);
                    if (member.runs.size() == kMostRuns) damaged("a sparse file of too many runs", at);
                    member.runs.push_back({*run_offset, *length});
                    file_end = *run_offset + *length;
                    stored += *length;
                    if (stored > kMostSize) damaged("a sparse file whose runs are wrong", at);
                }
            };
            const std::optional<uint64_t> file_size = number_at(block, 483, 12);
            take(386, kRunsInHeader);
            for (bool more = block[482] != 0; more; more = block[504] != 0) {
                if (!has(kTarBlock)) return std::nullopt;
                read(at, block);
                at += kTarBlock;
                take(0, kRunsInExtension);
            }
            if (!file_size || *file_size < file_end || stored != member.data_size)
                damaged("a sparse file whose runs are wrong", at);
            member.file_size = *file_size;
        }
        member.data_offset = at;
        at_ = member.next_offset();
        return member;
    }
    return std::nullopt;
}

std::string tar_text(const TarBytes& bytes, const TarMember& member, uint64_t most) {
    if (member.data_size > most || member.data_size != member.file_size)
        throw Error(Code::damaged, fmt::format("{} in a tar file is larger than it can be", printable(member.path)));
    std::string out(member.data_size, '\0');
    for (size_t done = 0; done < out.size();) {
        const size_t n = bytes(member.data_offset + done, {reinterpret_cast<uint8_t*>(out.data()) + done, out.size() - done});
        if (n == 0) throw Error(Code::damaged, fmt::format("{} in a tar file is cut off", printable(member.path)));
        done += n;
    }
    return out;
}

}  // namespace ingot
