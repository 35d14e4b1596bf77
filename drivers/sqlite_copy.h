// Copies of a SQLite database.
//
//   pinned, WAL mode          the backup API, from the connection whose read transaction is the pin, in steps
//   pinned, rollback journal  the file as it is, by the kernel, under the shared lock: as fast as `cp`, because writers wait for
//   it onto a live database      the backup API, as one write transaction of the live database
//
// Thread safety: one thread. Errors: of the source: as its connection; of the spool: Error{failed}.
#pragma once

#include <sys/types.h>

#include <memory>
#include <span>
#include <string>

#include "drivers/sqlite_connection.h"

namespace ingot {

// A nameless file that holds a whole database, and a connection to it.
class SqliteSpool {
public:
    explicit SqliteSpool(const std::string& folder);
    SqliteSpool(const SqliteSpool&) = delete;
    SqliteSpool& operator=(const SqliteSpool&) = delete;
    ~SqliteSpool();

    // From a connection that holds a read transaction on a database in WAL mode.
    void copy_by_backup(SqliteConnection& source);
    // From a connection that holds a read transaction on a database with a rollback journal, of `size_bytes`. The caller holds
    // the database's inode (drivers/locked_inodes.h) until the connection is closed.
    void copy_pages(SqliteConnection& source, uint64_t size_bytes);

    size_t read_at(uint64_t offset, std::span<uint8_t> out) const;
    uint64_t size() const;
    // Reads the copy; only after copy_pages(): a database in WAL mode wants files with names beside it.
    SqliteConnection& connection() { return *connection_; }

private:
    ssize_t copy_by_hand(int from, uint64_t at, std::span<uint8_t> buffer);

    std::string folder_;
    int fd_;
    std::unique_ptr<SqliteConnection> connection_;
};

enum class LiveState { missing, database, broken };

// What is at the live path now. `broken`: a file that SQLite takes for no database, or for a corrupt one.
// Throws Error{failed} where that cannot be told: locked until the deadline, no rights.
LiveState live_state(const std::string& live, int64_t deadline_ms);

// The content of the database at `from` becomes the content of the live one, durably, as one transaction of it; the live one's
// WAL mode stays. Waits for locks until the deadline. Returns false, having changed nothing, where SQLite finds the live one
// corrupt (so that a file must take its place). Throws Error{failed}.
bool write_into_live(const std::string& from, const std::string& live, int64_t deadline_ms);

}  // namespace ingot
