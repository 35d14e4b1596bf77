#include "drivers/sqlite_copy.h"

#include <SQLiteCpp/Backup.h>
#include <SQLiteCpp/Database.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/filesystem.h"
#include "base/interrupt.h"
#include "base/read_ahead.h"
#include "drivers/locked_inodes.h"

namespace ingot {
namespace {

// Between two looks at the signals: some 10 ms of copying.
constexpr int kStepPages = 4096;
// Between two looks at the signals, where the kernel copies.
constexpr size_t kKernelCopyBytes = 16 << 20;
// Reads of this size are where a page cache and a disk both stop getting faster.
constexpr size_t kCopyBytes = 1 << 20;
// Between two tries for a lock: short beside a deadline of seconds, long beside a transaction.
constexpr std::chrono::milliseconds kRetry{20};

bool is_busy(int result) { return (result & 0xff) == SQLITE_BUSY || (result & 0xff) == SQLITE_LOCKED; }
bool is_broken(int result) { return (result & 0xff) == SQLITE_NOTADB || (result & 0xff) == SQLITE_CORRUPT; }

// SQLiteCpp gives -1 for an extended code where it threw without a connection.
int result_of(const SQLite::Exception& e) { return e.getExtendedErrorCode() > 0 ? e.getExtendedErrorCode() : e.getErrorCode(); }

class Deadline {
public:
    explicit Deadline(int64_t ms) : until_ns_(mono_now_ns() + ms * 1'000'000) {}
    // Runs it until it is not busy or time is up; the last result.
    template <class Attempt>
    int retry(Attempt attempt) const {
        for (;;) {
            const int result = attempt();
            if (!is_busy(result) || mono_now_ns() > until_ns_) return result;
            std::this_thread::sleep_for(kRetry);
        }
    }

private:
    int64_t until_ns_;
};

std::string named_spool(const std::string& folder, int& fd) {
    std::string path = folder + "/.sqlite-spool-XXXXXX";
    fd = ::mkostemp(path.data(), O_CLOEXEC);
    if (fd < 0) throw Error::from_errno("making a spool in", folder, errno);
    return path;
}

// Kept open beyond this copy: closing it would drop SQLite's lock (drivers/locked_inodes.h).
class OwnDescriptor {
public:
    OwnDescriptor(const std::string& path, Code code) : fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
        if (fd_ < 0) throw Error::from_errno("opening", path, errno, code);
    }
    OwnDescriptor(const OwnDescriptor&) = delete;
    OwnDescriptor& operator=(const OwnDescriptor&) = delete;
    ~OwnDescriptor() { close_source_file(fd_); }
    int fd() const { return fd_; }

private:
    int fd_;
};

// Pages of another size can come into a database in WAL mode only after it left that mode, which SQLite allows when nobody else
// has it open (then it may also checkpoint: there is no second process that could suffer).
void leave_wal_mode(SqliteConnection& live, const Deadline& deadline) {
    live.execute("PRAGMA locking_mode = EXCLUSIVE");
    std::string mode;
    const int result = deadline.retry([&] {
        try {
            mode = live.text("PRAGMA journal_mode = DELETE");
            return mode == "delete" ? SQLITE_OK : SQLITE_BUSY;
        } catch (const Error&) {
            return sqlite3_extended_errcode(live.handle());
        }
    });
    if (result == SQLITE_OK) return;
    throw Error(Code::failed,
                fmt::format("{} has pages of another size than the snapshot, and is in WAL mode and in use{}",
                            printable(live.path()), lock_holder(live.path())),
                "stop the programs that have it open, then run the command again");
}

}  // namespace

SqliteSpool::SqliteSpool(const std::string& folder) : folder_(folder), fd_(-1) {
    const std::string path = named_spool(folder, fd_);
    try {
        connection_ = std::make_unique<SqliteConnection>(path, SqliteConnection::Use::spool, 0, Code::failed);
        // SQLite has the file open: its name can go, so that nothing is left when the process dies.
        real_filesystem().remove(path);
        connection_->execute("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA locking_mode = EXCLUSIVE");
    } catch (const Error&) {
        ::close(fd_);
        throw;
    }
}

SqliteSpool::~SqliteSpool() {
    connection_.reset();
    ::close(fd_);
}

void SqliteSpool::copy_by_backup(SqliteConnection& source) {
    try {
        SQLite::Backup backup(connection_->database(), source.database());
        for (;;) {
            const int result = backup.executeStep(kStepPages);
            if (result == SQLITE_DONE) break;
            // Nobody else has the spool, and the pin is a snapshot already.
            if (result != SQLITE_OK) throw source.error(result, "copying");
            check_interrupted();
        }
    } catch (const SQLite::Exception& e) {
        const int result = result_of(e);
        const int primary = result & 0xff;
        const bool of_the_spool = primary == SQLITE_FULL || result == SQLITE_IOERR_WRITE || result == SQLITE_IOERR_TRUNCATE ||
                                  result == SQLITE_IOERR_FSTAT;
        throw sqlite_error(result, e.what(), of_the_spool ? "writing a spool in" : "copying",
                           of_the_spool ? folder_ : source.path(), of_the_spool ? Code::failed : source.code());
    }
}

void SqliteSpool::copy_pages(SqliteConnection& source, uint64_t size_bytes) {
    const std::string path = source.real_path();
    const OwnDescriptor file(path, source.code());
    // The descriptor is of the file that SQLite has locked, or it is of no use.
    if (source.has_moved()) {
        throw Error(source.code(), fmt::format("{} was replaced while it was pinned", printable(path)),
                    "take the snapshot again");
    }
    std::vector<uint8_t> buffer;
    ReadAhead ahead(file.fd(), size_bytes);
    for (uint64_t at = 0; at < size_bytes;) {
        check_interrupted();
        const auto length = static_cast<size_t>(std::min<uint64_t>(kKernelCopyBytes, size_bytes - at));
        ahead.reading(at, length);
        auto from = static_cast<off_t>(at), to = from;
        ssize_t n =
            buffer.empty() ? ::copy_file_range(file.fd(), &from, fd_, &to, length, 0) : copy_by_hand(file.fd(), at, buffer);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && buffer.empty() && errno != ENOSPC && errno != EDQUOT && errno != EIO) {
            buffer.resize(kCopyBytes);  // another file system, or one that cannot do it
            continue;
        }
        if (n < 0)
            throw Error::from_errno("copying the database into a spool in", folder_, errno,
                                    errno == EIO ? source.code() : Code::failed);
        if (n == 0) {
            throw sqlite_error(SQLITE_CORRUPT, "the file is shorter than its header says", "copying", path, source.code());
        }
        at += static_cast<uint64_t>(n);
    }
    if (::ftruncate(fd_, static_cast<off_t>(size_bytes)) != 0) throw Error::from_errno("writing a spool in", folder_, errno);
}

ssize_t SqliteSpool::copy_by_hand(int from, uint64_t at, std::span<uint8_t> buffer) {
    const ssize_t n = ::pread(from, buffer.data(), buffer.size(), static_cast<off_t>(at));
    for (ssize_t done = 0; done < n;) {
        const ssize_t written = ::pwrite(fd_, buffer.data() + done, static_cast<size_t>(n - done), static_cast<off_t>(at) + done);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return -1;
        done += written;
    }
    return n;
}

size_t SqliteSpool::read_at(uint64_t offset, std::span<uint8_t> out) const {
    for (;;) {
        const ssize_t n = ::pread(fd_, out.data(), out.size(), static_cast<off_t>(offset));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) throw Error::from_errno("reading a spool in", folder_, errno);
        return static_cast<size_t>(n);
    }
}

uint64_t SqliteSpool::size() const {
    struct stat st {};
    if (::fstat(fd_, &st) != 0) throw Error::from_errno("asking the size of a spool in", folder_, errno);
    return static_cast<uint64_t>(st.st_size);
}

LiveState live_state(const std::string& live, int64_t deadline_ms) {
    struct stat st {};
    if (::stat(live.c_str(), &st) != 0) {
        if (errno == ENOENT || errno == ENOTDIR) return LiveState::missing;
        throw Error::from_errno("looking at", live, errno);
    }
    if (!S_ISREG(st.st_mode))
        throw Error(Code::failed, fmt::format("{} is not a regular file", printable(live)), "move it out of the way");
    SqliteConnection connection(live, SqliteConnection::Use::live, 0, Code::failed);
    const int result = Deadline(deadline_ms).retry([&] { return connection.attempt("SELECT count(*) FROM sqlite_schema"); });
    if (result == SQLITE_OK) return LiveState::database;
    if (is_broken(result)) return LiveState::broken;
    throw connection.error(result, "opening");
}

bool write_into_live(const std::string& from, const std::string& live, int64_t deadline_ms) {
    const Deadline deadline(deadline_ms);
    SqliteConnection source(from, SqliteConnection::Use::artifact, deadline_ms, Code::failed);
    SqliteConnection target(live, SqliteConnection::Use::live, 0, Code::failed);
    int result = deadline.retry([&] { return target.attempt("SELECT count(*) FROM sqlite_schema"); });
    if (is_broken(result)) return false;
    if (result != SQLITE_OK) throw target.error(result, "opening");
    const bool was_wal = target.text("PRAGMA journal_mode") == "wal";
    if (was_wal && target.integer("PRAGMA page_size") != source.integer("PRAGMA page_size")) leave_wal_mode(target, deadline);
    // EXTRA: the removal of the rollback journal is durable too, or a power cut could take the whole transaction back.
    target.execute("PRAGMA synchronous = EXTRA");
    try {
        SQLite::Backup backup(target.database(), source.database());
        // All pages in one step: a step that finds the database locked takes nothing back, and is tried again.
        result = deadline.retry([&] { return backup.executeStep(-1); });
    } catch (const SQLite::Exception& e) {
        result = result_of(e);
        if (is_broken(result)) return false;
    }
    if (result != SQLITE_DONE) throw sqlite_error(result, sqlite3_errstr(result), "writing into", live, Code::failed);
    if (was_wal && target.text("PRAGMA journal_mode") != "wal") {
        (void)deadline.retry([&] { return target.attempt("PRAGMA journal_mode = WAL"); });
    }
    return true;
}

}  // namespace ingot
