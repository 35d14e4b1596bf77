#include "drivers/sqlite.h"

#include <sys/file.h>

#include <chrono>

#include "drivers/files.h"
#include "sqlite_fixture.h"

namespace ingot {
namespace {

class SqliteTest : public testing::TestWithParam<const char*> {
protected:
    SqliteDriver driver(std::map<std::string, std::string> facts = {}, const std::string& path = "app.db") const {
        SourceSpec spec;
        spec.name = "db";
        spec.root = root_;
        spec.paths = {path};
        spec.facts = std::move(facts);
        spec.spool_dir = scratch_.path();
        return SqliteDriver(spec);
    }

    TestFolder scratch_;
    std::string root_ = scratch_.folder("stack");
    std::string db_ = root_ + "/app.db";
};

class SqliteModesTest : public SqliteTest {};
INSTANTIATE_TEST_SUITE_P(Modes, SqliteModesTest, testing::Values("wal", "delete", "truncate", "persist"));

TEST_P(SqliteModesTest, DeliversThePinnedStateWhateverIsWrittenLater) {
    make_database(db_, GetParam(), 2000);
    const std::string before = content_of(db_);
    App app(db_);  // keeps the WAL from being folded in at the close
    app.run(set_version(0));
    SqliteDriver driver =
        this->driver({{"chunks", "SELECT count(*) FROM chunks"}, {"version", "SELECT max(version) FROM chunks"}});
    driver.prepare();
    const auto pin = driver.pin();
    app.run(set_version(7));
    app.run("DELETE FROM chunks WHERE id % 3 = 0");
    const Facts facts = pin->facts();
    EXPECT_EQ(std::get<int64_t>(facts.at("chunks")), 2000);
    EXPECT_EQ(std::get<int64_t>(facts.at("version")), 0);
    EXPECT_EQ(std::get<std::string>(facts.at("journal_mode")), std::string(GetParam()) == "wal" ? "wal" : "delete");
    const auto entry = pin->next();
    ASSERT_TRUE(entry);
    EXPECT_EQ(entry->path, "app.db");
    const auto stream = pin->open(*entry);
    app.run(set_version(8));
    const std::string bytes = read_all(*stream);
    EXPECT_TRUE(stream->settled());
    EXPECT_EQ(bytes.size(), entry->size);
    EXPECT_EQ(read_all(*pin->open(*entry)), bytes);  // again
    EXPECT_FALSE(pin->next());
    EXPECT_EQ(pin->consistency(), PinConsistency::pinned);
    EXPECT_EQ(content_of_bytes(scratch_, bytes), before);
}

TEST_P(SqliteModesTest, APinReleasesItsLocksWhenItIsDestroyed) {
    make_database(db_, GetParam(), 100);
    SqliteDriver driver = this->driver();
    driver.prepare();
    driver.pin().reset();
    App app(db_);
    app.run("BEGIN EXCLUSIVE; COMMIT");
    if (std::string(GetParam()) == "wal") {
        EXPECT_EQ(app.value("PRAGMA wal_checkpoint(TRUNCATE)").substr(0, 2), "0|");
    }
}

TEST_F(SqliteTest, InWalModeWritersGoOnWhileThePinIsHeldAndNobodyCheckpoints) {
    make_database(db_, "wal", 3000);
    std::atomic<int64_t> longest_ms = 0;
    std::atomic<int> version = 0;
    std::jthread writer([&](std::stop_token stop) {
        App app(db_);
        app.run("PRAGMA wal_autocheckpoint = 0; PRAGMA synchronous = OFF");
        while (!stop.stop_requested()) {
            const auto began = std::chrono::steady_clock::now();
            app.run(set_version(++version));
            const auto took =
                std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - began).count();
            longest_ms = std::max<int64_t>(longest_ms, took);
        }
    });
    SqliteDriver driver = this->driver({{"version", "SELECT version FROM meta"}});
    for (int round = 0; round < 10; ++round) {
        const auto pin = driver.pin();
        const int64_t pinned_version = std::get<int64_t>(pin->facts().at("version"));
        const std::string bytes = read_all(*pin->open(*pin->next()));
        const std::string content = content_of_bytes(scratch_, bytes);
        const std::string v = std::to_string(pinned_version);
        EXPECT_TRUE(content.starts_with("3000|" + v + "|" + v + "|")) << content.substr(0, 40) << " at " << v;
        EXPECT_EQ(pin->writers_blocked_ms(), 0);
    }
    writer.request_stop();
    writer.join();
    EXPECT_LT(longest_ms, 2000);
    EXPECT_EQ(content_of(db_).substr(0, 5), "3000|");
}

TEST_F(SqliteTest, WithARollbackJournalTheLockIsGoneWhenPinReturns) {
    make_database(db_, "delete", 3000);
    SqliteDriver driver = this->driver();
    const auto pin = driver.pin();
    App app(db_);
    sqlite3_busy_timeout(app.handle(), 0);
    app.run(set_version(3));
    EXPECT_GE(pin->writers_blocked_ms(), 0);
    EXPECT_TRUE(content_of_bytes(scratch_, read_all(*pin->open(*pin->next()))).starts_with("3000|0|0|"));
}

TEST_F(SqliteTest, AnswersOneQuestionAboutTheLiveStateAndNeverWrites) {
    make_database(db_, "wal", 20);
    SqliteDriver driver = this->driver();
    EXPECT_EQ(driver.ask_live("SELECT count(*) FROM chunks"), Fact(int64_t{20}));
    for (const char* bad : {"DELETE FROM chunks", "SELECT 1, 2", "SELECT * FROM nothing"}) {
        try {
            (void)driver.ask_live(bad);
            ADD_FAILURE() << bad;
        } catch (const Error& error) {
            EXPECT_EQ(error.code(), Code::failed) << error.what();
        }
    }
    EXPECT_EQ(driver.ask_live("SELECT count(*) FROM chunks"), Fact(int64_t{20}));
}

TEST_F(SqliteTest, PagesAreCutAsBlocks) {
    for (const int page_size : {512, 4096, 65536}) {
        make_database(db_, "delete", 500, page_size);
        SqliteDriver driver = this->driver();
        const auto pin = driver.pin();
        const auto section = pin->open(*pin->next())->next_section();
        ASSERT_TRUE(section);
        EXPECT_EQ(section->cut, Cut::blocks);
        EXPECT_EQ(section->element_bytes, static_cast<uint32_t>(page_size));
        EXPECT_EQ(section->elements_per_block, page_size == 512 ? 8u : 1u);
        real_filesystem().remove(db_);
    }
}

TEST_F(SqliteTest, NeverCheckpointsAndKeepsTheWal) {
    make_database(db_, "wal", 500);
    // A process that died: its WAL stays, and holds commits that are nowhere else.
    ASSERT_TRUE(killed([&] {
        App app(db_);
        app.run("PRAGMA wal_autocheckpoint = 0");
        app.run(set_version(5));
        ::kill(::getpid(), SIGKILL);
    }));
    const std::string wal = get(db_ + "-wal"), file = get(db_);
    ASSERT_FALSE(wal.empty());
    for (const bool with_shm : {true, false}) {
        if (!with_shm) std::remove((db_ + "-shm").c_str());
        SqliteDriver driver = this->driver();
        driver.prepare();
        auto pin = driver.pin();
        const std::string bytes = read_all(*pin->open(*pin->next()));
        EXPECT_TRUE(content_of_bytes(scratch_, bytes).starts_with("500|5|5|"));
        pin.reset();
        EXPECT_EQ(get(db_), file);
        EXPECT_EQ(get(db_ + "-wal"), wal);
    }
}

TEST_F(SqliteTest, AHotJournalIsRolledBackBySqlite) {
    make_database(db_, "delete", 2000);
    const std::string before = content_of(db_);
    ASSERT_TRUE(killed([&] {
        App app(db_);
        app.run("PRAGMA cache_size = 5; PRAGMA synchronous = OFF; BEGIN; UPDATE chunks SET version = 9, body = 'x' || body");
        ::kill(::getpid(), SIGKILL);
    }));
    ASSERT_TRUE(real_filesystem().exists(db_ + "-journal"));
    SqliteDriver driver = this->driver();
    driver.prepare();
    const auto pin = driver.pin();
    EXPECT_EQ(content_of_bytes(scratch_, read_all(*pin->open(*pin->next()))), before);
}

TEST_F(SqliteTest, AFilesSourceOverTheSameFolderDoesNotDropThePin) {
    make_database(db_, "wal", 500);
    SqliteDriver driver = this->driver();
    const auto pin = driver.pin();
    SourceSpec folder;
    folder.name = "all";
    folder.root = root_;
    folder.paths = {"."};
    folder.spool_dir = scratch_.path();
    FilesDriver files(folder);
    const auto read = read_pin(*files.pin());  // opens and closes the database, its -wal and its -shm
    EXPECT_GE(read.size(), 3u);
    // Asked of the kernel by another process, not of SQLite, whose memory a child of ours would share: the pin's locks are still
    // there.
    for (const char* suffix : {"", "-shm"}) {
        const pid_t child = ::fork();
        if (child == 0) {
            struct flock lock {};
            lock.l_type = F_WRLCK;
            const int fd = ::open((db_ + suffix).c_str(), O_RDWR);
            ::_exit(::fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK ? 0 : 1);
        }
        int status = 0;
        ::waitpid(child, &status, 0);
        EXPECT_EQ(WEXITSTATUS(status), 0) << "no lock on the database's " << suffix;
    }
    App app(db_);
    app.run(set_version(2));
    EXPECT_TRUE(content_of_bytes(scratch_, read_all(*pin->open(*pin->next()))).starts_with("500|0|0|"));
}

TEST_F(SqliteTest, AnEmptyFileIsAnEntryWithoutBytes) {
    put(db_, "");
    SqliteDriver driver = this->driver();
    driver.prepare();
    const auto pin = driver.pin();
    const auto entry = pin->next();
    EXPECT_EQ(entry->size, 0u);
    EXPECT_EQ(read_all(*pin->open(*entry)), "");
    EXPECT_EQ(std::get<int64_t>(pin->facts().at("page_count")), 0);
}

TEST_F(SqliteTest, WhatIsNoDatabaseIsASourceErrorThatSaysSo) {
    put(db_, std::string(10'000, 'x'));
    const Error error = error_of([&] { driver().prepare(); });
    EXPECT_EQ(error.code(), Code::source);
    EXPECT_NE(std::string(error.what()).find("not a SQLite database"), std::string::npos);
    EXPECT_FALSE(error.hint().empty());
    EXPECT_EQ(error_of([&] { driver().pin(); }).code(), Code::source);
    const Error missing = error_of([&] { driver({}, "gone.db").prepare(); });
    EXPECT_EQ(missing.code(), Code::source);
    EXPECT_NE(std::string(missing.what()).find("gone.db is not there"), std::string::npos);
    EXPECT_FALSE(real_filesystem().exists(root_ + "/gone.db"));
    EXPECT_EQ(error_of([&] { driver({}, ".").prepare(); }).code(), Code::source);
    SourceSpec two;
    two.name = "db";
    two.root = root_;
    two.paths = {"a", "b"};
    EXPECT_EQ(error_of([&] { SqliteDriver d(two); }).code(), Code::usage);
}

TEST_F(SqliteTest, CorruptBytesAreErrorsOrAreDeliveredAndThenRejected) {
    make_database(db_, "delete", 800);
    const std::string good = get(db_);
    uint32_t seed = 7;
    int rejected = 0;
    for (int round = 0; round < 60; ++round) {
        std::string bad = good;
        for (int i = 0; i < 40; ++i) {
            seed = seed * 1664525 + 1013904223;
            bad[(seed >> 4) % (round % 2 == 0 ? 4096 : bad.size())] = static_cast<char>(seed >> 24);
        }
        if (round % 5 == 0) bad.resize((seed >> 8) % bad.size());
        put(db_, bad);
        try {
            SqliteDriver driver = this->driver();
            driver.prepare();
            const auto pin = driver.pin();
            const auto entry = pin->next();
            put(scratch_ / "artifact/app.db", read_all(*pin->open(*entry)));
            driver.open_artifact(scratch_ / "artifact");
        } catch (const Error& error) {
            EXPECT_TRUE(error.code() == Code::source || error.code() == Code::damaged) << error.what();
            EXPECT_FALSE(error.hint().empty()) << error.what();
            ++rejected;
        }
        for (const char* suffix : {"-wal", "-shm", "-journal"})
            std::remove((scratch_ / ("artifact/app.db" + std::string(suffix))).c_str());
    }
    EXPECT_GT(rejected, 40);
}

TEST_F(SqliteTest, OpeningAnArtifactChecksItAndGivesTheFactsAgain) {
    make_database(scratch_ / "artifact/app.db", "wal", 100);
    App(scratch_ / "artifact/app.db")
        .run("PRAGMA user_version = 42; CREATE TABLE c(p REFERENCES chunks(id)); INSERT INTO c VALUES (999999)");
    const Facts facts = driver({{"chunks", "SELECT count(*) FROM chunks"}}).open_artifact(scratch_ / "artifact");
    EXPECT_EQ(std::get<int64_t>(facts.at("chunks")), 100);
    EXPECT_EQ(std::get<int64_t>(facts.at("user_version")), 42);
    EXPECT_EQ(std::get<int64_t>(facts.at("foreign_key_violations")), 1);
    EXPECT_EQ(std::get<std::string>(facts.at("checked_by")), "integrity_check");
    EXPECT_EQ(error_of([&] { driver({}, "other.db").open_artifact(scratch_ / "artifact"); }).code(), Code::damaged);
}

TEST_F(SqliteTest, ASymlinkedDatabaseIsReadWhereItReallyLies) {
    make_database(scratch_ / "elsewhere/real.db", "wal", 100);
    ASSERT_EQ(::symlink((scratch_ / "elsewhere/real.db").c_str(), db_.c_str()), 0);
    SqliteDriver driver = this->driver();
    driver.prepare();
    const auto pin = driver.pin();
    const auto entry = pin->next();
    EXPECT_EQ(entry->path, "app.db");
    EXPECT_EQ(entry->type, EntryType::file);
    EXPECT_TRUE(content_of_bytes(scratch_, read_all(*pin->open(*entry))).starts_with("100|"));
}

}  // namespace
}  // namespace ingot
