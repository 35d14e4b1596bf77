// The files of a database, read through a real server, and how it is told that a server cannot read one.
#include "drivers/postgres_raw.h"

#include <fmt/format.h>

#include <filesystem>

#include "base/metadata.h"
#include "drivers/entry.h"
#include "postgres_server.h"

namespace ingot {
namespace {

class PostgresRaw : public testing::Test {
protected:
    void SetUp() override {
        INGOT_NEED_POSTGRES();
        server_ = PgServer::shared();
        database_ = server_->new_database();
        server_->sql(database_, "CREATE TABLE chunks (id int PRIMARY KEY, body text)");
        server_->sql(database_, "INSERT INTO chunks SELECT i, repeat(md5(i::text), 40) FROM generate_series(1, 8000) i");
        server_->sql("postgres", "CHECKPOINT");
        session_ = server_->session("postgres");
        settings_.source = "app";
        settings_.url = server_->encoded_url(database_);
    }
    std::string damage() { return pg_damage(*session_, settings_, database_, Code::failed); }
    std::string on_disk(const std::string& path) const { return join(session_->value("SHOW data_directory"), path); }
    std::string file_of_table() const { return server_->value(database_, "SELECT pg_relation_filepath('chunks')"); }

    PgServer* server_ = nullptr;
    std::string database_;
    std::unique_ptr<PgConnection> session_;
    PgSettings settings_;
};

TEST_F(PostgresRaw, GivesEveryFileAsItIs) {
    const auto pin = make_pg_raw_pin(server_->session("postgres"), database_, "app.files");
    size_t files = 0;
    uint64_t bytes = 0;
    std::string last;
    std::set<std::string> seen;
    while (const auto entry = pin->next()) {
        ASSERT_TRUE(entry->path.starts_with("app.files/base/")) << entry->path;
        EXPECT_TRUE(last.empty() || listing_less(last, entry->path));
        last = entry->path;
        const std::string path = entry->path.substr(std::string("app.files/").size());
        seen.insert(path);
        const auto stream = pin->open(*entry);
        Bytes got;
        while (stream->next_section()) {
            for (Bytes piece(100'000);;) {
                const size_t n = stream->read(piece);
                if (n == 0) break;
                got.insert(got.end(), piece.begin(), piece.begin() + static_cast<ptrdiff_t>(n));
            }
        }
        EXPECT_EQ(got, read_file(real_filesystem(), on_disk(path), 1 << 30)) << path;
        EXPECT_EQ(got.size(), entry->size);
        ++files, bytes += got.size();
    }
    EXPECT_TRUE(seen.contains(file_of_table()));
    EXPECT_GT(files, 100U);
    EXPECT_GT(bytes, 10'000'000U) << "more than one piece of the table";
    std::printf("%zu files, %lu bytes\n", files, bytes);
}

TEST_F(PostgresRaw, ATablespaceOfItsOwnIsAmongThem) {
    const std::string folder = join(session_->value("SHOW data_directory"), "..") + "/space_" + database_;
    std::filesystem::create_directory(folder);
    const struct stat owner = stat_of(session_->value("SHOW data_directory"));
    ASSERT_EQ(::chown(folder.c_str(), owner.st_uid, owner.st_gid), 0);
    server_->sql("postgres",
                 fmt::format("CREATE TABLESPACE s_{} LOCATION '{}'", database_, std::filesystem::canonical(folder).string()));
    server_->sql(database_, fmt::format("CREATE TABLE apart (id int) TABLESPACE s_{}", database_));
    server_->sql(database_, "INSERT INTO apart VALUES (1)");
    const std::string path = server_->value(database_, "SELECT pg_relation_filepath('apart')");
    ASSERT_TRUE(path.starts_with("pg_tblspc/")) << path;
    const auto pin = make_pg_raw_pin(server_->session("postgres"), database_, "app.files");
    bool seen = false;
    while (const auto entry = pin->next()) seen = seen || (entry->path == "app.files/" + path && entry->size == 8192);
    EXPECT_TRUE(seen);
    server_->sql(database_, "DROP TABLE apart");
    server_->sql("postgres", "DROP TABLESPACE s_" + database_);
}

TEST_F(PostgresRaw, ADatabaseThatCanBeReadIsNotDamaged) {
    EXPECT_EQ(damage(), "");
    // What only may not be read, or is not there, is none either.
    settings_.url = server_->encoded_url("postgres");
    EXPECT_EQ(pg_damage(*session_, settings_, "nowhere", Code::failed), "");
}

TEST_F(PostgresRaw, AMissingFileIsDamageAndTheOthersAreGiven) {
    const std::string path = on_disk(file_of_table());
    std::filesystem::rename(path, path + ".away");
    EXPECT_NE(damage().find("could not open file"), std::string::npos) << damage();
    const auto pin = make_pg_raw_pin(server_->session("postgres"), database_, "app.files");
    size_t files = 0;
    while (pin->next()) ++files;
    EXPECT_GT(files, 100U);
    std::filesystem::rename(path + ".away", path);
    EXPECT_EQ(damage(), "");
}

TEST_F(PostgresRaw, ADatabaseThatTakesNoSessionIsDamage) {
    const std::string map =
        on_disk(fmt::format("base/{}/pg_filenode.map",
                            session_->value("SELECT oid FROM pg_database WHERE datname = " + session_->quoted(database_))));
    std::filesystem::rename(map, map + ".away");
    EXPECT_NE(damage().find("pg_filenode.map"), std::string::npos) << damage();
    std::filesystem::rename(map + ".away", map);
}

TEST_F(PostgresRaw, ASessionThatIsRefusedOtherwiseIsNone) {
    server_->sql("postgres", fmt::format("ALTER DATABASE {} ALLOW_CONNECTIONS false", database_));
    EXPECT_EQ(damage(), "");
}

TEST_F(PostgresRaw, ARoleThatMayNotReadFilesIsSaid) {
    server_->sql("postgres", "DO $$ BEGIN CREATE ROLE raw_reader LOGIN; EXCEPTION WHEN duplicate_object THEN END $$");
    auto session = std::make_unique<PgConnection>(
        PgAddress::parse(server_->encoded_url("postgres", "raw_reader"), "the test's url", Code::failed), Code::failed);
    const Error error = error_of([&] { make_pg_raw_pin(std::move(session), database_, "app.files"); });
    EXPECT_EQ(error.code(), Code::failed);
}

}  // namespace
}  // namespace ingot
