// SQLite databases for tests, made and changed by another process's rules: plain connections of the application's kind.
#pragma once

#include <sqlite3.h>
#include <sys/wait.h>

#include <atomic>
#include <thread>

#include "tests/drivers/test_folder.h"

namespace ingot {

// The application's connection: it checkpoints and closes as applications do.
class App {
public:
    explicit App(const std::string& path) {
        EXPECT_EQ(sqlite3_open(path.c_str(), &handle_), SQLITE_OK);
        sqlite3_busy_timeout(handle_, 2000);
    }
    App(const App&) = delete;
    App& operator=(const App&) = delete;
    ~App() { sqlite3_close(handle_); }

    int attempt(const std::string& sql) { return sqlite3_exec(handle_, sql.c_str(), nullptr, nullptr, nullptr); }
    void run(const std::string& sql) { EXPECT_EQ(attempt(sql), SQLITE_OK) << sql << ": " << sqlite3_errmsg(handle_); }
    std::string value(const std::string& sql) {
        std::string out;
        const auto row = [](void* into, int columns, char** values, char**) {
            for (int i = 0; i < columns; ++i)
                *static_cast<std::string*>(into) += std::string(values[i] ? values[i] : "NULL") + "|";
            return 0;
        };
        EXPECT_EQ(sqlite3_exec(handle_, sql.c_str(), row, &out, nullptr), SQLITE_OK) << sql << ": " << sqlite3_errmsg(handle_);
        return out;
    }
    // Leaves the files as a process that died would, where this is a child of fork().
    sqlite3* handle() { return handle_; }

private:
    sqlite3* handle_ = nullptr;
};

inline void make_database(const std::string& path, const std::string& mode, int rows, int page_size = 4096) {
    make_dirs(real_filesystem(), parent_of(path), 0755);
    App app(path);
    app.run("PRAGMA synchronous = OFF");  // the tests kill processes, not machines
    app.run("PRAGMA page_size = " + std::to_string(page_size));
    app.value("PRAGMA journal_mode = " + mode);
    app.run("CREATE TABLE chunks(id INTEGER PRIMARY KEY, body TEXT, version INTEGER)");
    app.run("CREATE TABLE meta(version INTEGER)");
    app.run("INSERT INTO meta VALUES (0)");
    app.run("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < " + std::to_string(rows) +
            ") INSERT INTO chunks SELECT i, hex(randomblob(100)), 0 FROM n");
}

// One transaction that sets every row, and the meta table, to a version: a mixture of two states would show.
inline std::string set_version(int version) {
    const std::string v = std::to_string(version);
    return "BEGIN IMMEDIATE; UPDATE chunks SET version = " + v + "; UPDATE meta SET version = " + v + "; COMMIT";
}

// What a database holds, as text; it must pass its own check.
inline std::string content_of(const std::string& path) {
    App app(path);
    EXPECT_EQ(app.value("PRAGMA integrity_check"), "ok|");
    return app.value(
        "SELECT count(*), min(version), max(version), sum(length(body)), (SELECT version FROM meta), "
        "(SELECT group_concat(body) FROM (SELECT body FROM chunks ORDER BY id LIMIT 20)) FROM chunks");
}

// The same of bytes that a pin delivered.
inline std::string content_of_bytes(const TestFolder& scratch, const std::string& bytes) {
    const std::string folder = scratch.folder("delivered");
    for (const char* suffix : {"", "-wal", "-shm", "-journal"}) std::remove((folder + "/db" + suffix).c_str());
    put(folder + "/db", bytes);
    return content_of(folder + "/db");
}

// Runs in a child that ends by SIGKILL or exit(0); true when it was killed.
inline bool killed(const std::function<void()>& body) {
    const pid_t child = ::fork();
    if (child == 0) {
        body();
        ::_exit(0);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

}  // namespace ingot
