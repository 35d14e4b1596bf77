// Has a SQLite database changed? Told from outside, by its files, so that an unchanged one is not copied and read again.
//
//   before = look_at(path)      BEGIN, first read      after = look_at(path)
//   fingerprint = sqlite_fingerprint(before, after, ...)
//
// What a read transaction shows is fixed by the bytes of the database file, those of its -wal, and the header of the wal-index
// (the -shm): how many frames of the -wal are committed. The header counts although it says nothing that is not in the -wal: a
// writer appends its frames first, syncs them, and publishes them in the header last, so that the same -wal, with the same times,
// shows the old state before and the new one after. docs/decisions/0013-fingerprint-of-a-sqlite-database.md has the whole
// argument.
//
// Thread safety: any thread. The caller holds the inodes (drivers/locked_inodes.h): looking opens and closes the -wal and the
// -shm. Errors: none; what cannot be looked at is a look that leads to no fingerprint.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "base/bytes.h"

namespace ingot {

struct SqliteLook {
    struct File {
        uint64_t device = 0;
        uint64_t inode = 0;
        uint64_t size = 0;
        int64_t mtime_ns = 0;
        int64_t ctime_ns = 0;
        bool operator==(const File&) const = default;
    };

    int64_t wall_ns = 0;  // no earlier than this
    bool steady = false;  // false: a file could not be read, or was being changed
    File database;
    File wal;                                // all zero where it is missing or empty: both hold nothing
    std::array<uint8_t, 32> wal_header{};    // magic, page size, salts
    std::array<uint8_t, 48> index_header{};  // WalIndexHdr of SQLite's wal.c, in the machine's byte order; zero without -shm

    // Do both show the same files in the same state, whenever they were taken?
    bool same_state(const SqliteLook& other) const;
};

// `path`: where the database really is, symlinks followed.
SqliteLook look_at(const std::string& path);

// Equal ones of one path mean equal content. Empty, which equals nothing, where the looks differ, or where a file was changed so
// shortly before that its times may not tell the next change.
Bytes sqlite_fingerprint(const SqliteLook& before, const SqliteLook& after, bool wal_mode, uint32_t page_bytes,
                         uint64_t size_bytes);

}  // namespace ingot
