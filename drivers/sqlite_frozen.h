// A pinned database in WAL mode whose -wal is empty, read where it lies instead of from a copy.
//
// Who reads a database in WAL mode keeps every frame behind its own from being written into the file (walCheckpoint() in SQLite's
// wal.c: no page is moved beyond the smallest read mark), and an empty -wal holds none before it. So the file is the pinned
// state, and stays it until the read transaction ends. A -wal that is empty after the transaction began was so for it: to cut one
// that holds frames of a reader, SQLite wants that reader gone.
//
// Thread safety: one thread. Errors: as the connection's. Lifetime: of the connection whose transaction is the pin.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <span>
#include <string>

#include "base/read_ahead.h"
#include "drivers/sqlite_connection.h"

namespace ingot {

// May the pin of this connection (in WAL mode, its read transaction begun) be read in place?
bool wal_is_empty(SqliteConnection& pinned);

class FrozenDatabase {
public:
    // Throws where the name leads to another file than the connection has open. The caller holds the database's inode
    // (drivers/locked_inodes.h) until the connection is closed.
    FrozenDatabase(SqliteConnection& pinned, uint64_t size_bytes);
    FrozenDatabase(const FrozenDatabase&) = delete;
    FrozenDatabase& operator=(const FrozenDatabase&) = delete;
    ~FrozenDatabase();

    // Bytes read, short only at the end.
    size_t read_at(uint64_t offset, std::span<uint8_t> out);
    // After the last read: throws where somebody wrote to the file all the same, past SQLite's locks.
    void require_unchanged() const;

private:
    struct stat look() const;

    const std::string path_;
    const Code code_;
    const int fd_;
    struct stat before_ {};
    ReadAhead ahead_;
};

}  // namespace ingot
