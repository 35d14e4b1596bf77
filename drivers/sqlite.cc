#include "drivers/sqlite.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <future>

#include "base/metadata.h"
#include "drivers/locked_inodes.h"
#include "drivers/source_paths.h"
#include "drivers/sqlite_copy.h"
#include "drivers/sqlite_facts.h"
#include "drivers/sqlite_fingerprint.h"
#include "drivers/sqlite_frozen.h"
#include "drivers/sqlite_target.h"

namespace ingot {
namespace {

// How long a pin waits for the lock of a writer. Longer than any sane transaction, shorter than a pause of the writers may be.
constexpr int64_t kBusyMs = 5'000;
// A chunk is one page, or as many small pages as make 4 KiB: smaller chunks cost more in names than they save in bytes.
constexpr uint32_t kBlockBytes = 4096;

struct Geometry {
    uint32_t page_bytes = 0;
    uint64_t size = 0;
};

using ReadPages = std::function<size_t(uint64_t offset, std::span<uint8_t> out)>;

class PageStream : public Stream {
public:
    // `settle`: called when all was read; throws where it is not the pinned state.
    PageStream(ReadPages read_pages, Geometry geometry, std::function<void()> settle)
        : read_pages_(std::move(read_pages)), geometry_(geometry), settle_(std::move(settle)) {}

    std::optional<Section> next_section() override {
        if (given_ || geometry_.size == 0) return std::nullopt;
        given_ = true;
        return Section::blocks(geometry_.size, geometry_.page_bytes, std::max(1u, kBlockBytes / geometry_.page_bytes));
    }

    size_t read(std::span<uint8_t> out) override {
        const auto wanted = static_cast<size_t>(std::min<uint64_t>(out.size(), geometry_.size - offset_));
        const size_t n = wanted == 0 ? 0 : read_pages_(offset_, out.first(wanted));
        offset_ += n;
        return n;
    }

    bool settled() override {
        settle_();
        return true;
    }

private:
    ReadPages read_pages_;
    Geometry geometry_;
    std::function<void()> settle_;
    uint64_t offset_ = 0;
    bool given_ = false;
};

class SqlitePin : public Pin {
public:
    SqlitePin(const SourceSpec& spec, const SourceRoot& root, std::unique_ptr<SqliteConnection> connection)
        : spec_(spec), root_(root), connection_(std::move(connection)) {
        begin();
        if (wal_) return;
        try {
            copy();
        } catch (const Error&) {
            release();
            throw;
        }
        writers_blocked_ms_ = (mono_now_ns() - moment_.last.mono_ns) / 1'000'000;
    }

    PinMoment moment() const override { return moment_; }
    int64_t writers_blocked_ms() const override { return writers_blocked_ms_; }

    // What is read in place keeps the application's WAL from being checkpointed.
    bool read_first() const override { return frozen_; }

    // A WAL pin blocks nobody and is copied when it is asked for; the copying leaves processors idle that others can use.
    void read_ahead() override {
        if (wal_ && !frozen_ && !spool_ && !copying_.valid()) copying_ = std::async(std::launch::async, [this] { copy(); });
    }

    std::optional<Entry> next() override {
        if (given_) return std::nullopt;
        given_ = true;
        return entry_;
    }

    std::unique_ptr<Stream> open(const Entry&) override {
        if (frozen_) {
            if (!database_) database_ = std::make_unique<FrozenDatabase>(*connection_, geometry_.size);
            return std::make_unique<PageStream>(
                [this](uint64_t at, std::span<uint8_t> out) { return database_->read_at(at, out); }, geometry_,
                [this] { database_->require_unchanged(); });
        }
        if (copying_.valid()) copying_.get();
        if (!spool_) copy();
        return std::make_unique<PageStream>([this](uint64_t at, std::span<uint8_t> out) { return spool_->read_at(at, out); },
                                            geometry_, [] {});
    }

    Facts facts() override {
        Facts out = sqlite_facts(spool_ && !wal_ ? spool_->connection() : *connection_, spec_.facts);
        out["journal_mode"] = journal_mode_;
        return out;
    }

    PinConsistency consistency() const override { return PinConsistency::pinned; }

private:
    void begin() {
        hold_inodes();
        const SqliteLook before = look_at(connection_->real_path());
        moment_.first = now();
        // BEGIN alone takes no lock: the first read does, and fixes the state.
        connection_->execute("BEGIN");
        connection_->integer("SELECT count(*) FROM sqlite_schema");
        moment_.last = now();
        journal_mode_ = connection_->text("PRAGMA journal_mode");
        wal_ = journal_mode_ == "wal";
        geometry_.page_bytes = static_cast<uint32_t>(connection_->integer("PRAGMA page_size"));
        geometry_.size = static_cast<uint64_t>(connection_->integer("PRAGMA page_count")) * geometry_.page_bytes;
        hold_inodes();  // the first read may have made the -wal and the -shm
        frozen_ = wal_ && wal_is_empty(*connection_) && !connection_->has_moved();
        describe();
        const SqliteLook after = look_at(connection_->real_path());
        // A path that leads to another file by now would say nothing of the one that is open.
        if (connection_->has_moved()) return;
        entry_.fingerprint = sqlite_fingerprint(before, after, wal_, geometry_.page_bytes, geometry_.size);
    }

    // Nobody else in this process may drop our locks by closing one of these files.
    void hold_inodes() {
        std::vector<InodeName> inodes;
        const std::string real = connection_->real_path();
        for (const char* suffix : {"", "-wal", "-shm"}) {
            struct stat st {};
            if (::stat((real + suffix).c_str(), &st) == 0) inodes.emplace_back(st.st_dev, st.st_ino);
        }
        locked_.push_back(std::make_unique<LockedInodes>(std::move(inodes)));
    }

    void describe() {
        struct stat st {};
        if (::stat(root_.live_path.c_str(), &st) != 0)
            throw Error::from_errno("looking at", root_.live_path, errno, Code::source);
        entry_.path = root_.listing_path;
        entry_.mode = st.st_mode & 07777;
        entry_.uid = st.st_uid;
        entry_.gid = st.st_gid;
        entry_.mtime_ns = st.st_mtim.tv_sec * 1'000'000'000 + st.st_mtim.tv_nsec;
        entry_.size = geometry_.size;
        try {
            entry_.xattrs = xattrs_of(root_.live_path);
        } catch (const Error& error) {
            throw error.as(Code::source);
        }
    }

    void copy() {
        auto spool = std::make_unique<SqliteSpool>(spec_.spool_dir);
        if (wal_) {
            spool->copy_by_backup(*connection_);
        } else {
            spool->copy_pages(*connection_, geometry_.size);
        }
        release();
        if (spool->size() != geometry_.size) {
            throw Error(Code::source,
                        fmt::format("the copy of {} has {} bytes where its pin says {}", printable(root_.live_path),
                                    spool->size(), geometry_.size),
                        "take the snapshot again; if it stays so, report it");
        }
        spool_ = std::move(spool);
    }

    // A long pin makes the application's WAL grow: it ends as soon as the copy is there.
    void release() {
        connection_.reset();
        locked_.clear();
    }

    const SourceSpec& spec_;
    const SourceRoot& root_;
    std::vector<std::unique_ptr<LockedInodes>> locked_;  // outlive the connection: parked descriptors close after it
    std::unique_ptr<SqliteConnection> connection_;
    std::unique_ptr<FrozenDatabase> database_;  // read in place
    std::unique_ptr<SqliteSpool> spool_;        // or a copy
    PinMoment moment_;
    Geometry geometry_;
    Entry entry_;
    std::string journal_mode_;
    int64_t writers_blocked_ms_ = 0;
    bool wal_ = false;
    bool frozen_ = false;  // the file itself is the pinned state
    bool given_ = false;
    std::future<void> copying_;  // the last member: waited for before the others go
};

}  // namespace

SqliteDriver::SqliteDriver(SourceSpec source_spec) : Driver(std::move(source_spec)) {
    const std::vector<SourceRoot> all = roots_from(spec());
    if (all.size() != 1) {
        throw Error(Code::usage, fmt::format("source {} names {} databases", spec().name, all.size()),
                    "declare one source for each");
    }
    root_ = all.front();
}

SqliteDriver::~SqliteDriver() = default;

std::vector<SourceRoot> SqliteDriver::roots() const { return {root_}; }

std::unique_ptr<SqliteConnection> SqliteDriver::connect() const {
    const std::string& live = root_.live_path;
    struct stat st {};
    if (::stat(live.c_str(), &st) != 0) {
        if (errno != ENOENT && errno != ENOTDIR) throw Error::from_errno("looking at", live, errno, Code::source);
        throw Error(Code::source, fmt::format("{} is not there", printable(live)),
                    fmt::format("put it back (`ingot restore golden --only {0}`), or mend `path` of [sources.{0}]", spec().name));
    }
    if (!S_ISREG(st.st_mode)) {
        throw Error(Code::source, fmt::format("{} is not a regular file, so it is no SQLite database", printable(live)),
                    fmt::format("mend `path` of [sources.{}]", spec().name));
    }
    if (::faccessat(AT_FDCWD, live.c_str(), R_OK, AT_EACCESS) != 0) throw Error::from_errno("reading", live, errno, Code::source);
    return std::make_unique<SqliteConnection>(live, SqliteConnection::Use::live, kBusyMs, Code::source);
}

void SqliteDriver::prepare() {
    warm_ = connect();
    warm_->integer("SELECT count(*) FROM sqlite_schema");
}

std::unique_ptr<Pin> SqliteDriver::pin() {
    // A warm connection to a file that was replaced since would pin the old one.
    warm_.reset();
    return std::make_unique<SqlitePin>(spec(), root_, connect());
}

Facts SqliteDriver::open_artifact(const std::string& dir) {
    const std::string path = path_in_artifact(dir, root_.listing_path);
    if (!real_filesystem().exists(path)) {
        throw Error(Code::damaged, fmt::format("the artifact of {} does not hold {}", spec().name, printable(root_.listing_path)),
                    "this snapshot was taken of another path: mend `path`, or choose another snapshot");
    }
    SqliteConnection connection(path, SqliteConnection::Use::artifact, kBusyMs, Code::damaged);
    Facts out = sqlite_check(connection);
    out.merge(sqlite_facts(connection, spec().facts));
    return out;
}

Fact SqliteDriver::ask_live(const std::string& question) {
    try {
        return sqlite_facts(*connect(), {{"probe", question}}).at("probe");
    } catch (const Error& error) {
        throw error.code() == Code::source ? error.as(Code::failed) : error;
    }
}

std::unique_ptr<EngineTarget> SqliteDriver::engine_target(const TargetSpec& target) { return make_sqlite_target(target, root_); }

}  // namespace ingot
