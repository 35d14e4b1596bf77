// A connection to a SQLite database: opened so that it never checkpoints, never creates, and never waits for ever.
//
// A database of the application is opened for reading and writing, because only then can SQLite recover what a crash left; but
// with no checkpoint, not on close either: SQLite 3.7.0 to 3.51.2 can lose commits when a second process checkpoints while the
// application writes.
//
// Thread safety: one thread at a time. Errors: Error of the code given at the open; Error{failed} for want of memory or space.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/error.h"

struct sqlite3;
namespace SQLite {
class Database;
}

namespace ingot {

class SqliteConnection {
public:
    enum class Use {
        live,      // the application's: see above
        artifact,  // a copy of ours: SQLite may do as it likes
        spool      // a nameless file that is being filled
    };

    // `path` must exist. `shown` is what errors call it.
    SqliteConnection(const std::string& path, Use use, int64_t busy_ms, Code code);
    SqliteConnection(const SqliteConnection&) = delete;
    SqliteConnection& operator=(const SqliteConnection&) = delete;
    ~SqliteConnection();

    // Runs SQL without results; its result code instead of an Error.
    int attempt(const char* sql);
    void execute(const char* sql);
    // The first column of the first row.
    int64_t integer(const char* sql);
    std::string text(const char* sql);

    SQLite::Database& database() { return *database_; }
    sqlite3* handle();
    const std::string& path() const { return path_; }
    // Where the file really is, symlinks followed: its -wal and -shm lie beside that.
    std::string real_path();
    // Is there another file at the path than the one that is open, or none? Also true where that cannot be told.
    bool has_moved();
    Code code() const { return code_; }
    // What SQLite said, as an Error with a hint. `result` is a (extended) result code.
    Error error(int result, std::string_view doing);

private:
    std::string path_;
    Code code_;
    std::unique_ptr<SQLite::Database> database_;
};

// The same without a connection.
Error sqlite_error(int result, std::string_view message, std::string_view doing, const std::string& path, Code code);

// " (held by pid 812, python3)", from the kernel's table of locks; empty where it does not say.
std::string lock_holder(const std::string& database_path);

}  // namespace ingot
