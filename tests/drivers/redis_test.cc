#include "drivers/redis.h"

#include <sys/wait.h>

#include "drivers/rdb_canonical.h"
#include "drivers/redis_dump.h"
#include "tests/support/redis_server.h"

namespace ingot {
namespace {

class RedisTest : public testing::Test {
protected:
    void SetUp() override { REQUIRE_REDIS(); }

    SourceSpec spec(const RedisServer& server) const {
        SourceSpec out = server.source();
        out.spool_dir = folder_.folder("spool");
        return out;
    }
    // Path -> bytes.
    std::map<std::string, std::string> snapshot(const SourceSpec& spec, std::vector<std::string>* notes = nullptr) const {
        RedisDriver driver(spec);
        driver.prepare();
        const auto pin = driver.pin();
        std::map<std::string, std::string> out;
        for (const ReadEntry& read : read_pin(*pin)) out[read.entry.path] = read.bytes;
        if (notes != nullptr) *notes = pin->notes();
        return out;
    }

    TestFolder folder_;
};

TEST_F(RedisTest, ASnapshotIsAnRdbFileThatRedisTakes) {
    RedisServer server;
    fill_with_all_types(server);
    const auto files = snapshot(spec(server));
    EXPECT_EQ(files.size(), 4u);  // the folder, acl, aux, dump.rdb
    EXPECT_TRUE(files.contains("s.redis/acl"));
    put(folder_ / "dump.rdb", files.at("s.redis/dump.rdb"));
    EXPECT_EQ(std::system(("/usr/bin/redis-check-rdb " + (folder_ / "dump.rdb") + " > " + (folder_ / "said")).c_str()), 0)
        << get(folder_ / "said");
    RedisServer other({}, files.at("s.redis/dump.rdb"));
    EXPECT_EQ(other.content(), server.content());
    EXPECT_EQ(other.command({"FCALL", "answer", "0"}).integer, 42);
    // Those that are left out of the dump are in aux.
    EXPECT_TRUE(decode_rdb_aux(view_of(files.at("s.redis/aux"))).contains("repl-id"));
}

TEST_F(RedisTest, ALiveServerCountsWhatAFactCounts) {
    RedisServer server;
    fill_with_all_types(server);
    SourceSpec with_facts = spec(server);
    with_facts.facts = {{"sessions", "1/session:*"}, {"all", "*"}, {"elsewhere", "1/*"}, {"none", "no such:*"}};
    RedisDriver driver(with_facts);
    driver.prepare();
    const auto pin = driver.pin();
    const Facts pinned = pin->facts();
    const std::string before = server.content();
    EXPECT_EQ(std::get<int64_t>(driver.ask_live("1/session:*")), 600);
    for (const auto& [name, question] : with_facts.facts) EXPECT_EQ(driver.ask_live(question), pinned.at(name)) << name;
    EXPECT_EQ(server.content(), before);
    server.kill(SIGKILL);
    EXPECT_THROW(driver.ask_live("*"), Error);
}

TEST_F(RedisTest, UnchangedDataIsTheSameDumpAlsoAfterTheServerStartedAgain) {
    RedisServer server;
    fill_with_all_types(server);
    const auto before = snapshot(spec(server));
    EXPECT_TRUE(snapshot(spec(server)).at("s.redis/dump.rdb") == before.at("s.redis/dump.rdb"));
    server.command({"SAVE"});
    server.restart();
    EXPECT_TRUE(snapshot(spec(server)).at("s.redis/dump.rdb") == before.at("s.redis/dump.rdb"));
}

TEST_F(RedisTest, UnderAnEvictionPolicyTheDumpStaysTheSame) {
    for (const char* policy : {"allkeys-lru", "allkeys-lfu"}) {
        RedisServer server({"--maxmemory-policy", policy});
        fill_with_all_types(server, 50);
        const auto before = snapshot(spec(server));
        ASSERT_TRUE(before.contains("s.redis/eviction")) << policy;
        for (int i = 0; i < 50; ++i) server.command({"GET", "text"});
        EXPECT_TRUE(snapshot(spec(server)).at("s.redis/dump.rdb") == before.at("s.redis/dump.rdb"));
    }
}

TEST_F(RedisTest, WhereTheUserMayNotPsyncItIsSavedAndRead) {
    RedisServer server;
    fill_with_all_types(server, 50);
    const auto wanted = snapshot(spec(server));
    server.command({"ACL", "SETUSER", "narrow", "on", ">pw", "~*", "+@all", "-psync"});
    SourceSpec narrow = spec(server);
    narrow.options["url"] = "redis://narrow:pw@127.0.0.1:" + std::to_string(server.port());
    std::vector<std::string> notes;
    EXPECT_TRUE(snapshot(narrow, &notes).at("s.redis/dump.rdb") == wanted.at("s.redis/dump.rdb"));
    ASSERT_EQ(notes.size(), 1u);
    EXPECT_NE(notes[0].find("BGSAVE"), std::string::npos);
    server.command({"ACL", "SETUSER", "narrow", "-config", "-acl"});
    EXPECT_EQ(error_of([&] { snapshot(narrow); }).code(), Code::source);
}

TEST_F(RedisTest, AServerThatDiesOrHangsAfterThePinIsDeliveredOrASourceError) {
    RedisServer server;
    fill_with_all_types(server, 50);
    for (const int signal : {SIGSTOP, SIGKILL}) {
        SourceSpec hasty = spec(server);
        hasty.options["timeout"] = "1500ms";
        RedisDriver driver(hasty);
        driver.prepare();
        const auto pin = driver.pin();
        server.kill(signal);
        const int64_t began = mono_now_ns();
        try {
            read_pin(*pin);
        } catch (const Error& error) {
            EXPECT_EQ(error.code(), Code::source) << error.what();
        }
        EXPECT_LT(mono_now_ns() - began, 5'000'000'000);
        if (signal == SIGSTOP) server.kill(SIGCONT);
    }
}

TEST_F(RedisTest, ASnapshotUnderAWriterIsOneMoment) {
    RedisServer server;
    std::atomic<bool> stop{false};
    std::thread writer([&] {
        const auto connection = server.connect();
        for (int i = 0; !stop; ++i) {
            connection->call({"MULTI"});
            connection->call({"SET", "a", std::to_string(i)});
            connection->call({"SET", "b", std::to_string(i)});
            connection->call({"EXEC"});
        }
    });
    size_t states = 0;
    for (int round = 0; round < 5; ++round) {
        const auto files = snapshot(spec(server));
        RedisServer other({}, files.at("s.redis/dump.rdb"));
        EXPECT_EQ(other.command({"GET", "a"}).text, other.command({"GET", "b"}).text);
        ++states;
    }
    stop = true;
    writer.join();
    std::printf("%zu snapshots under a writer, each one moment\n", states);
}

TEST_F(RedisTest, NothingOfAPasswordIsInWhatIsStoredOrSaid) {
    RedisServer server;
    server.set_password("s3cret");
    server.command({"SET", "k", "v"});
    RedisDriver driver(spec(server));
    driver.prepare();
    const auto pin = driver.pin();
    for (const ReadEntry& read : read_pin(*pin)) EXPECT_EQ(read.bytes.find("s3cret"), std::string::npos) << read.entry.path;
    for (const auto& [name, fact] : pin->facts()) {
        if (const auto* text = std::get_if<std::string>(&fact)) {
            EXPECT_EQ(text->find("s3cret"), std::string::npos) << name;
        }
    }
}

TEST_F(RedisTest, AMillionBytesOfOneHashAreSortedToo) {
    RedisServer server;
    const auto connection = server.connect();
    for (int i = 0; i < 20'000; ++i) {
        connection->send({"HSET", "h", "field " + std::to_string(i), "the value of it, which is longer " + std::to_string(i)});
        if (i % 1000 != 999) continue;
        for (int n = 0; n < 1000; ++n) connection->read();
    }
    const auto before = snapshot(spec(server));
    server.command({"SAVE"});
    server.restart();
    EXPECT_TRUE(snapshot(spec(server)).at("s.redis/dump.rdb") == before.at("s.redis/dump.rdb"));
    EXPECT_EQ(server.command({"HLEN", "h"}).integer, 20'000);
}

TEST_F(RedisTest, AnArtifactThatIsNotItsOwnIsDamaged) {
    RedisServer server;
    RedisDriver driver(spec(server));
    EXPECT_EQ(error_of([&] { driver.open_artifact(folder_.folder("empty")); }).code(), Code::damaged);
    put(folder_ / "bad/s.redis/dump.rdb", "no dump");
    EXPECT_EQ(error_of([&] { driver.open_artifact(folder_ / "bad"); }).code(), Code::damaged);
}

}  // namespace
}  // namespace ingot
