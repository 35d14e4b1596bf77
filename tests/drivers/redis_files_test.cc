#include "drivers/redis_files.h"

#include "drivers/redis.h"
#include "tests/support/redis_server.h"

namespace ingot {
namespace {

class RedisFilesTest : public testing::Test {
protected:
    void SetUp() override { REQUIRE_REDIS(); }

    SourceSpec spec(const RedisServer& server) const {
        SourceSpec out = server.source();
        out.spool_dir = folder_.folder("spool");
        out.options["data_dir"] = server.folder();
        return out;
    }
    std::vector<ReadEntry> snapshot(const SourceSpec& spec, Facts* facts = nullptr) const {
        RedisDriver driver(spec);
        driver.prepare();
        const auto pin = driver.pin();
        if (facts != nullptr) *facts = pin->facts();
        auto out = read_pin(*pin);
        for (const ReadEntry& read : out) {
            const std::string path = folder_ / ("artifact/" + read.entry.path);
            if (read.entry.type == EntryType::file) put(path, read.bytes);
        }
        EXPECT_FALSE(pin->notes().empty());
        const Facts opened = driver.open_artifact(folder_ / "artifact");
        for (const auto& [name, fact] : pin->facts()) EXPECT_EQ(opened.at(name), fact) << name;
        return out;
    }

    TestFolder folder_;
};

TEST_F(RedisFilesTest, AStoppedServersRdbFileIsWhatADumpOfItWouldBe) {
    RedisServer server;
    fill_with_all_types(server, 50);
    std::string wanted;
    {
        SourceSpec online = spec(server);
        RedisDriver driver(online);
        for (const ReadEntry& read : read_pin(*driver.pin())) {
            if (read.entry.path == "s.redis/dump.rdb") wanted = read.bytes;
        }
    }
    server.command({"SAVE"});
    server.kill(SIGKILL);
    Facts facts;
    const auto files = snapshot(spec(server), &facts);
    ASSERT_EQ(paths_of(files), (std::vector<std::string>{"s.redis", "s.redis/aux", "s.redis/dump.rdb"}));
    EXPECT_TRUE(files.back().bytes == wanted);
    EXPECT_GT(std::get<int64_t>(facts.at("keys")), 60);
}

TEST_F(RedisFilesTest, AStoppedServersAppendOnlyFileComesBackAsItIs) {
    RedisServer server({"--appendonly", "yes"});
    fill_with_all_types(server, 50);
    const std::string content = server.content();
    server.kill(SIGTERM);
    const auto files = snapshot(spec(server));
    const auto paths = paths_of(files);
    for (size_t i = 1; i < paths.size(); ++i) EXPECT_TRUE(listing_less(paths[i - 1], paths[i])) << paths[i];
    EXPECT_EQ(std::count(paths.begin(), paths.end(), "s.redis/files/appendonlydir/appendonly.aof.manifest"), 1);
    // A server that starts from them.
    RedisServer other({"--appendonly", "yes"});
    other.kill(SIGKILL);
    remove_tree(real_filesystem(), other.folder() + "/appendonlydir");
    for (const ReadEntry& read : files) {
        const std::string name = read.entry.path.substr(std::string("s.redis/files").size() * (read.entry.path.size() > 13));
        if (read.entry.type == EntryType::file) put(other.folder() + name, read.bytes);
    }
    other.start();
    EXPECT_EQ(other.content(), content);
    // And what is not whole is damaged.
    real_filesystem().remove(folder_ / "artifact/s.redis/files/appendonlydir/appendonly.aof.1.base.rdb");
    EXPECT_EQ(error_of([&] { check_redis_files(folder_ / "artifact/s.redis/files"); }).code(), Code::damaged);
}

TEST_F(RedisFilesTest, FilesOfAServerThatRunsElsewhereAreRefused) {
    RedisServer server({"--appendonly", "yes"});
    server.command({"SET", "k", "v"});
    SourceSpec wrong = spec(server);
    wrong.options["url"] = "redis://127.0.0.1:" + std::to_string(RedisServer::free_port());
    const Error error = error_of([&] { snapshot(wrong); });
    EXPECT_EQ(error.code(), Code::source);
    EXPECT_NE(std::string(error.what()).find("open for writing"), std::string::npos) << error.what();
}

TEST_F(RedisFilesTest, AServerThatHangsIsNotAStoppedOne) {
    RedisServer server;
    server.command({"SAVE"});
    SourceSpec hasty = spec(server);
    hasty.options["timeout"] = "200ms";
    server.kill(SIGSTOP);
    EXPECT_EQ(error_of([&] { snapshot(hasty); }).code(), Code::source);
    server.kill(SIGCONT);
}

TEST_F(RedisFilesTest, AFolderWithoutDataIsSaid) {
    RedisServer server;
    server.kill(SIGKILL);
    const Error error = error_of([&] { snapshot(spec(server)); });
    EXPECT_EQ(error.code(), Code::source);
    EXPECT_NE(error.hint().find("data_dir"), std::string::npos) << error.what();
}

TEST(AofManifest, NamesItsFiles) {
    EXPECT_EQ(aof_manifest_files("file a.1.base.rdb seq 1 type b\n# comment\nfile a.1.incr.aof seq 1 type i\n"),
              (std::vector<std::string>{"a.1.base.rdb", "a.1.incr.aof"}));
    EXPECT_EQ(error_of([] { aof_manifest_files("file ../../etc/shadow seq 1 type b\n"); }).code(), Code::damaged);
    EXPECT_EQ(error_of([] { aof_manifest_files("nonsense\n"); }).code(), Code::damaged);
}

}  // namespace
}  // namespace ingot
