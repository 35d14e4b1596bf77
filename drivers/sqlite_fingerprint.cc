// Fingerprint: u8 1, u8 in WAL mode, u32 page bytes, u64 size in bytes, file of the database; with a -wal that is not empty: its
//   file, 32 bytes of its header, 28 of the wal-index header (szPage, mxFrame, nPage, checksums, salts)
//   file: u64 device, u64 inode, u64 size, i64 mtime, i64 ctime (0 for the -wal)
#include "drivers/sqlite_fingerprint.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <span>

#include "drivers/locked_inodes.h"
#include "drivers/tree_walk.h"

namespace ingot {
namespace {

// File times tick: the kernel's clock of them about every 10 ms at worst; those that count whole seconds (vfat: two) show it by
// having no fraction. Within a tick a file can change again and keep its times.
constexpr int64_t kFineTickNs = 50'000'000;
constexpr int64_t kCoarseTickNs = 2'000'000'000;
constexpr int64_t kSecondNs = 1'000'000'000;

// Of WalIndexHdr: iVersion 0, unused 4, iChange 8, isInit 12, bigEndCksum 13, szPage 14, mxFrame 16, nPage 20, aFrameCksum 24,
// aSalt 32, aCksum 40. iChange is left out of the fingerprint: it starts again from 0 whenever the -shm is made anew.
constexpr size_t kIsInitAt = 12;
constexpr size_t kMaxFrameAt = 16;
constexpr size_t kEndOfSalts = 40;

enum class Found { yes, no, unclear };

Found stat_file(const std::string& path, SqliteLook::File& out) {
    struct stat st {};
    if (::stat(path.c_str(), &st) != 0) return errno == ENOENT ? Found::no : Found::unclear;
    const PinnedStat pinned = pinned_stat(st);
    out = {pinned.device, pinned.inode, pinned.size, pinned.mtime_ns, pinned.ctime_ns};
    return Found::yes;
}

// `yes` only where all of `out` was there to be read.
Found read_start(const std::string& path, std::span<uint8_t> out) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return errno == ENOENT ? Found::no : Found::unclear;
    const ssize_t n = ::pread(fd, out.data(), out.size(), 0);
    close_source_file(fd);
    return n == static_cast<ssize_t>(out.size()) ? Found::yes : Found::unclear;
}

bool too_recent(const SqliteLook::File& file, int64_t wall_ns) {
    for (const int64_t time : {file.mtime_ns, file.ctime_ns}) {
        if (time > wall_ns - (time % kSecondNs == 0 ? kCoarseTickNs : kFineTickNs)) return true;
    }
    return false;
}

void encode(Encoder& out, const SqliteLook::File& file) {
    out.u64(file.device).u64(file.inode).u64(file.size).i64(file.mtime_ns).i64(file.ctime_ns);
}

}  // namespace

bool SqliteLook::same_state(const SqliteLook& other) const {
    return database == other.database && wal == other.wal && wal_header == other.wal_header && index_header == other.index_header;
}

SqliteLook look_at(const std::string& path) {
    SqliteLook look;
    look.wall_ns = wall_now_ns();
    if (stat_file(path, look.database) != Found::yes) return look;
    const Found wal = stat_file(path + "-wal", look.wal);
    if (wal == Found::unclear) return look;
    // A root's SQLite sets the owner of every -wal that it opens, ours does too: its ctime tells nothing.
    look.wal.ctime_ns = 0;
    if (look.wal.size == 0) {
        look.wal = {};
    } else if (read_start(path + "-wal", look.wal_header) != Found::yes) {
        return look;
    }
    // The header lies there twice, and a writer changes one after the other.
    std::array<uint8_t, 2 * 48> twice{};
    const Found index = read_start(path + "-shm", twice);
    if (index == Found::unclear || std::memcmp(twice.data(), twice.data() + 48, 48) != 0) return look;
    std::memcpy(look.index_header.data(), twice.data(), 48);
    look.steady = true;
    return look;
}

Bytes sqlite_fingerprint(const SqliteLook& before, const SqliteLook& after, bool wal_mode, uint32_t page_bytes,
                         uint64_t size_bytes) {
    if (!before.steady || !after.steady || !before.same_state(after)) return {};
    if (too_recent(before.database, before.wall_ns)) return {};
    Encoder out;
    out.u8(1).u8(wal_mode ? 1 : 0).u32(page_bytes).u64(size_bytes);
    encode(out, before.database);
    if (!wal_mode) return out.take();
    uint32_t max_frame = 0;
    std::memcpy(&max_frame, before.index_header.data() + kMaxFrameAt, sizeof max_frame);
    if (before.index_header[kIsInitAt] != 1) return {};  // no -shm: its locks and its header are where we do not see them
    if (before.wal.size == 0) return max_frame == 0 ? out.take() : Bytes();
    if (too_recent(before.wal, before.wall_ns)) return {};
    encode(out, before.wal);
    out.raw(before.wal_header);
    out.raw(ByteView(before.index_header).subspan(kIsInitAt, kEndOfSalts - kIsInitAt));
    return out.take();
}

}  // namespace ingot
