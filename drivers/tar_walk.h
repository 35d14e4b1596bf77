// The members of a tar file, one after the other, in bytes that may still be arriving.
//
//   member   header groups of 512-byte blocks, data, zeros up to the next block
//   group    [ 'L' long name | 'K' long link | 'x' pax, each with its data ]*  header  [ GNU sparse extension ]*
//   end      two blocks of zeros; after them zeros only
//
// Understood: ustar, GNU (long names, base-256 numbers, sparse 'S') and pax (path, size). Every header's checksum is compared,
// and no number is believed that does not fit. https://www.gnu.org/software/tar/manual/html_node/Standard.html
//
// Thread safety: one thread. Errors: Error{damaged}.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace ingot {

inline constexpr uint64_t kTarBlock = 512;

// Reads at an offset; fewer bytes than wanted only at the end.
using TarBytes = std::function<size_t(uint64_t offset, std::span<uint8_t> out)>;

// A run of bytes of a sparse file that is in the archive.
struct TarRun {
    uint64_t offset = 0;  // in the file
    uint64_t length = 0;
};

struct TarMember {
    std::string path;
    char type = '0';             // '0' (also for NUL and '7'), '5' folder, 'S' sparse file, others as they are
    uint64_t header_offset = 0;  // of the group
    uint64_t data_offset = 0;
    uint64_t data_size = 0;    // in the archive, without the zeros that fill the last block
    uint64_t file_size = 0;    // of the file; more than data_size where it is sparse
    std::vector<TarRun> runs;  // of a sparse file

    bool is_file() const { return type == '0' || type == 'S'; }
    uint64_t next_offset() const { return data_offset + (data_size + kTarBlock - 1) / kTarBlock * kTarBlock; }
};

class TarWalk {
public:
    // From `begin` on.
    explicit TarWalk(TarBytes bytes, uint64_t begin = 0) : bytes_(std::move(bytes)), begin_(begin), at_(begin) {}

    // The next member whose header lies wholly before `available`; its data may not. Nothing: not yet, or ended().
    std::optional<TarMember> next(uint64_t available);
    // The two blocks of zeros were seen.
    bool ended() const { return ended_; }
    // After which byte they end.
    uint64_t end() const { return at_; }

private:
    void read(uint64_t offset, std::span<uint8_t> out) const;
    [[noreturn]] void damaged(const std::string& what, uint64_t offset) const;

    TarBytes bytes_;
    uint64_t begin_, at_;
    bool ended_ = false;
};

// The data of a small member, whole. Throws Error{damaged} where it is longer than `most`.
std::string tar_text(const TarBytes& bytes, const TarMember& member, uint64_t most);

}  // namespace ingot
