#include "drivers/sqlite_connection.h"

#include <SQLiteCpp/Database.h>
#include <SQLiteCpp/Statement.h>
#include <fmt/format.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

namespace ingot {

// SQLiteCpp gives -1 for an extended code where it threw without a connection.
static int result_of(const SQLite::Exception& e) {
    return e.getExtendedErrorCode() > 0 ? e.getExtendedErrorCode() : e.getErrorCode();
}

SqliteConnection::SqliteConnection(const std::string& path, Use use, int64_t busy_ms, Code code) : path_(path), code_(code) {
    try {
        database_ = std::make_unique<SQLite::Database>(path, SQLite::OPEN_READWRITE, static_cast<int>(busy_ms));
    } catch (const SQLite::Exception& e) {
        throw sqlite_error(result_of(e), e.what(), "opening", path, code);
    }
    sqlite3_extended_result_codes(handle(), 1);
    // Hostile bytes must not run code of the schema's choosing, nor write outside of SQL. (A spool needs journal_mode = OFF,
    // which is not to be had then.)
    if (use != Use::spool) sqlite3_db_config(handle(), SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
    sqlite3_db_config(handle(), SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
    if (use == Use::live) {
        sqlite3_db_config(handle(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
        sqlite3_wal_autocheckpoint(handle(), 0);
    }
}

SqliteConnection::~SqliteConnection() = default;

sqlite3* SqliteConnection::handle() { return database_->getHandle(); }

std::string SqliteConnection::real_path() {
    const char* name = sqlite3_db_filename(handle(), "main");
    return name == nullptr || *name == '\0' ? path_ : name;
}

bool SqliteConnection::has_moved() {
    int moved = 1;
    return sqlite3_file_control(handle(), "main", SQLITE_FCNTL_HAS_MOVED, &moved) != SQLITE_OK || moved != 0;
}

int SqliteConnection::attempt(const char* sql) { return sqlite3_exec(handle(), sql, nullptr, nullptr, nullptr); }

void SqliteConnection::execute(const char* sql) {
    const int result = attempt(sql);
    if (result != SQLITE_OK) throw error(result, "reading");
}

int64_t SqliteConnection::integer(const char* sql) {
    try {
        SQLite::Statement statement(*database_, sql);
        return statement.executeStep() ? statement.getColumn(0).getInt64() : 0;
    } catch (const SQLite::Exception& e) {
        throw sqlite_error(result_of(e), e.what(), "reading", path_, code_);
    }
}

std::string SqliteConnection::text(const char* sql) {
    try {
        SQLite::Statement statement(*database_, sql);
        return statement.executeStep() ? statement.getColumn(0).getString() : std::string();
    } catch (const SQLite::Exception& e) {
        throw sqlite_error(result_of(e), e.what(), "reading", path_, code_);
    }
}

Error SqliteConnection::error(int result, std::string_view doing) {
    return sqlite_error(result, sqlite3_errmsg(handle()), doing, path_, code_);
}

Error sqlite_error(int result, std::string_view message, std::string_view doing, const std::string& path, Code code) {
    const std::string what = fmt::format("{} {}: ", doing, printable(path));
    switch (result & 0xff) {
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
            return {code, fmt::format("{}some program holds it locked{}", what, lock_holder(path)),
                    "stop that program, or end its transaction, then run the command again"};
        case SQLITE_NOTADB:
            return {code, what + "it is not a SQLite database, or it is encrypted or corrupt",
                    "check the path; a corrupt database comes back with `ingot restore golden`"};
        case SQLITE_CORRUPT:
            return {code, fmt::format("{}the database is corrupt ({})", what, printable(message)),
                    "restore it (`ingot restore golden`), or save what can be read with `sqlite3 FILE .recover`"};
        case SQLITE_CANTOPEN:
            return {code == Code::damaged ? Code::failed : code, what + "it cannot be opened",
                    "check that the file is there, and that it and its folder may be written: in WAL mode SQLite needs that even "
                    "for reading"};
        case SQLITE_READONLY:
        case SQLITE_PERM:
        case SQLITE_AUTH:
            return {code, fmt::format("{}{}", what, printable(message)),
                    "run as the database's owner or as root, on a writable file system"};
        case SQLITE_FULL:
            return {Code::failed, what + "no space left", "free some space on that file system, then run the command again"};
        case SQLITE_NOMEM:
            return {Code::failed, what + "out of memory"};
        case SQLITE_IOERR:
            // The disk's fault, not the content's; a file that ends too early is the content's.
            if (code != Code::damaged || result == SQLITE_IOERR_SHORT_READ) break;
            return {Code::failed, fmt::format("{}{} (SQLite result {})", what, printable(message), result),
                    "the file system may be failing: look into the kernel's log, then run the command again"};
        default:
            break;
    }
    return {code, fmt::format("{}{} (SQLite result {})", what, printable(message), result)};
}

std::string lock_holder(const std::string& database_path) {
    std::string wanted[2];  // the database, and the shared memory that WAL locks lie on
    const char* suffixes[2] = {"", "-shm"};
    for (int i = 0; i < 2; ++i) {
        struct stat st {};
        if (::stat((database_path + suffixes[i]).c_str(), &st) != 0) continue;
        wanted[i] = fmt::format("{:02x}:{:02x}:{}", major(st.st_dev), minor(st.st_dev), st.st_ino);
    }
    std::ifstream locks("/proc/locks");
    for (std::string line; std::getline(locks, line);) {
        std::istringstream fields(line);
        std::string number, kind, how, mode, inode;
        int pid = 0;
        fields >> number >> kind >> how >> mode >> pid >> inode;
        if (kind == "->" || pid <= 0 || pid == ::getpid() || inode.empty() || (inode != wanted[0] && inode != wanted[1]))
            continue;
        std::ifstream comm(fmt::format("/proc/{}/comm", pid));
        std::string name;
        std::getline(comm, name);
        return fmt::format(" (pid {}{}{})", pid, name.empty() ? "" : ", ", printable(name));
    }
    return {};
}

}  // namespace ingot
