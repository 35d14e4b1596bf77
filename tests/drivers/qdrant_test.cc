#include "drivers/qdrant.h"

#include <gtest/gtest.h>

#include "base/interrupt.h"
#include "drivers/qdrant_record.h"
#include "tests/support/qdrant_server.h"

namespace ingot {
namespace {

class Qdrant : public testing::Test {
protected:
    SourceSpec spec_of(const QdrantServer& server) const {
        SourceSpec spec = server.source();
        spec.spool_dir = scratch_.folder("spool");
        return spec;
    }
    // All that a pin delivers, below a folder.
    std::vector<ReadEntry> take(Pin& pin, const std::string& name) const {
        const auto entries = read_pin(pin);
        for (const ReadEntry& read : entries) {
            make_dirs(real_filesystem(), parent_of(scratch_ / name + "/" + read.entry.path), 0700);
            if (read.entry.type == EntryType::file) put(scratch_ / name + "/" + read.entry.path, read.bytes);
        }
        return entries;
    }
    static std::string error_text(const Error& error) { return std::string(error.what()) + " | " + error.hint(); }

    TestFolder scratch_;
};

TEST_F(Qdrant, StoresEveryShardTheConfigAndTheAliases) {
    QdrantServer server;
    server.create("rag%20main");
    server.upsert("rag%20main", 0, 200);
    server.alias("current", "rag main");
    server.create("other", 1);
    SourceSpec spec = spec_of(server);
    spec.facts = {{"bern", "rag main {\"must\":[{\"key\":\"city\",\"match\":{\"value\":\"Bern\"}}]}"}};
    QdrantDriver driver(spec);
    driver.prepare();
    const auto pin = driver.pin();
    const Facts facts = pin->facts();
    EXPECT_EQ(facts.at("points"), Fact(int64_t{200}));
    EXPECT_EQ(facts.at("points_rag main"), Fact(int64_t{200}));
    EXPECT_EQ(facts.at("bern"), Fact(int64_t{100}));
    EXPECT_EQ(facts.at("version"), Fact("1.19.0"));
    const auto entries = take(*pin, "a");
    EXPECT_EQ(
        paths_of(entries),
        (std::vector<std::string>{"s.qdrant", "s.qdrant/collections.json", "s.qdrant/other", "s.qdrant/other/shard-0.tar",
                                  "s.qdrant/rag%20main", "s.qdrant/rag%20main/shard-0.tar", "s.qdrant/rag%20main/shard-1.tar"}));
    EXPECT_TRUE(pin->notes().empty());
    const QdrantRecord record = read_qdrant_record(real_filesystem(), scratch_ / "a/s.qdrant/collections.json");
    ASSERT_EQ(record.collections.size(), 2U);
    EXPECT_EQ(record.collections[1].aliases, std::vector<std::string>{"current"});
    EXPECT_EQ(record.collections[1].points, 200U);
    EXPECT_NE(record.collections[1].payload_schema.find("keyword"), std::string::npos);
    EXPECT_EQ(driver.open_artifact(scratch_ / "a").at("collections"), Fact(int64_t{2}));
    EXPECT_EQ(server.snapshots("other"), 0U);
    EXPECT_EQ(driver.ask_live("rag main"), Fact(int64_t{200}));
    EXPECT_EQ(driver.ask_live(spec.facts.at("bern")), Fact(int64_t{100}));
    EXPECT_EQ(error_of([&] { driver.ask_live("none"); }).code(), Code::failed);
}

TEST_F(Qdrant, AnswersAProbesQuestionFromTheLiveStateAndWritesNothing) {
    QdrantServer server;
    server.create("r%20g%25", 1);
    server.upsert("r%20g%25", 0, 20);
    SourceSpec spec = spec_of(server);
    spec.options["timeout"] = "300ms";
    QdrantDriver driver(spec);
    const std::string before = server.content("r%20g%25"), asked = server.log();
    EXPECT_EQ(driver.ask_live("r g%"), Fact(int64_t{20}));
    server.upsert("r%20g%25", 20, 30);
    EXPECT_EQ(driver.ask_live("r g%"), Fact(int64_t{30}));
    EXPECT_NE(server.content("r%20g%25"), before);
    for (const char* bad : {"", "none", "r g% {", "../../collections/r g%"})
        EXPECT_EQ(error_of([&] { (void)driver.ask_live(bad); }).code(), Code::failed) << bad;
    const std::string log = server.log();
    for (const char* writes : {"DELETE", "PATCH", "/aliases", "/snapshots"})
        EXPECT_EQ(log.find(writes, asked.size()), std::string::npos) << writes;
    server.kill(SIGSTOP);
    EXPECT_EQ(error_of([&] { (void)driver.ask_live("r g%"); }).code(), Code::failed);
    server.kill(SIGCONT);
    server.kill(SIGKILL);
    EXPECT_EQ(error_of([&] { (void)driver.ask_live("r g%"); }).code(), Code::failed);
}

TEST_F(Qdrant, BeforeVersion112TheServerMakesASnapshotThatIsDeletedAfterwards) {
    QdrantServer server("1.11.3");
    server.create("rag");
    server.upsert("rag", 0, 200);
    QdrantDriver driver(spec_of(server));
    driver.prepare();
    const auto pin = driver.pin();
    server.upsert("rag", 300, 400);
    const auto entries = take(*pin, "a");
    EXPECT_EQ(paths_of(entries).back(), "s.qdrant/rag/collection.tar");
    EXPECT_EQ(driver.open_artifact(scratch_ / "a").at("collections"), Fact(int64_t{1}));
    const QdrantRecord record = read_qdrant_record(real_filesystem(), scratch_ / "a/s.qdrant/collections.json");
    EXPECT_EQ(record.collections[0].points, 200U);
    EXPECT_EQ(record.collections[0].checksum.size(), 64U);
    EXPECT_EQ(server.snapshots("rag"), 0U);
    EXPECT_EQ(server.log().find("/shards/"), std::string::npos);
    // Also where the download fails.
    server.fault("GET .*/snapshots/rag", "cut:3000");
    const auto torn = driver.pin();
    EXPECT_EQ(error_of([&] { take(*torn, "b"); }).code(), Code::source);
    EXPECT_EQ(server.snapshots("rag"), 0U);
    // And where the pin is let go before its end.
    server.fault("GET .*/snapshots/rag", "slow:20000");
    driver.pin().reset();
    EXPECT_EQ(server.snapshots("rag"), 0U);
}

TEST_F(Qdrant, AStreamThatIsCutAnywhereIsASourceErrorAndNeverShort) {
    QdrantServer server;
    server.create("rag", 1);
    server.upsert("rag", 0, 50);
    SourceSpec spec = spec_of(server);
    QdrantDriver driver(spec);
    const auto entries = take(*driver.pin(), "whole");
    const size_t size = entries.back().bytes.size();
    size_t cuts = 0;
    for (size_t at = 0; at + 1 < size; at += size / 12, ++cuts) {
        server.fault("GET .*/shards/0/snapshot", "cut:" + std::to_string(at));
        const Error error = error_of([&] { take(*driver.pin(), "cut"); });
        EXPECT_EQ(error.code(), Code::source) << error.what();
        EXPECT_NE(std::string(error.what()).find("torn"), std::string::npos) << error.what();
    }
    // Its last block alone.
    server.fault("GET .*/shards/0/snapshot", "cut:" + std::to_string(size - 512));
    EXPECT_EQ(error_of([&] { take(*driver.pin(), "cut"); }).code(), Code::source);
    std::printf("%zu cuts of a stream of %zu bytes\n", cuts + 1, size);
}

TEST_F(Qdrant, WhatWasAcceptedBeforeThePinIsInIt) {
    for (const char* version : {"1.12.4", "1.17.1", "1.19.0"}) {
        QdrantServer server(version);
        server.create("rag");
        server.upsert("rag", 0, 10);
        server.upsert("rag", 10, 30, 0, 8, false);  // accepted, applied later
        QdrantDriver driver(spec_of(server));
        const auto pin = driver.pin();
        take(*pin, version);
        const QdrantRecord record = read_qdrant_record(real_filesystem(), scratch_ / version + "/s.qdrant/collections.json");
        QdrantServer second;
        second.create("rag");
        const QdrantSettings settings = qdrant_settings(second.source());
        QdrantApi api(settings, Code::failed);
        for (uint32_t shard = 0; shard < 2; ++shard) {
            const std::string bytes = get(scratch_ / version + "/s.qdrant/rag/shard-" + std::to_string(shard) + ".tar");
            HttpUpload upload;
            upload.size = bytes.size();
            upload.read_at = [&](uint64_t offset, std::span<uint8_t> out) {
                return bytes.copy(reinterpret_cast<char*>(out.data()), out.size(), offset);
            };
            api.upload({"rag", shard}, std::move(upload), "");
        }
        EXPECT_EQ(api.count("rag"), 30U) << version;
    }
}

TEST_F(Qdrant, RefusesWhatItCannotPin) {
    QdrantServer server;
    server.create("rag");
    const auto refused = [&](const SourceSpec& spec) {
        const Error error = error_of([&] { QdrantDriver(spec).prepare(); });
        EXPECT_EQ(error.code(), Code::source) << error.what();
        EXPECT_FALSE(error.hint().empty()) << error.what();
        return error_text(error);
    };
    for (const char* status : {"grey", "red"}) {
        server.set_status("rag", status);
        EXPECT_NE(refused(spec_of(server)).find(std::string("is ") + status), std::string::npos);
    }
    server.set_status("rag", "green");
    SourceSpec missing = spec_of(server);
    missing.options["collections"] = "rag\nnone";
    EXPECT_NE(refused(missing).find("collection none is not there"), std::string::npos);
    SourceSpec twice = spec_of(server);
    server.alias("current", "rag");
    twice.options["collections"] = "rag\ncurrent";
    EXPECT_NE(refused(twice).find("is the same as"), std::string::npos);
    server.fault(
        "GET .*/cluster",
        R"(result:{\"local_shards\":[{\"shard_id\":0,\"points_count\":1,\"state\":\"Active\"}],\"remote_shards\":[{}]})");
    EXPECT_NE(refused(spec_of(server)).find("other nodes"), std::string::npos);
    server.fault("GET .*/cluster", R"(result:{\"local_shards\":[{\"shard_id\":0,\"state\":\"Recovery\"}],\"remote_shards\":[]})");
    EXPECT_NE(refused(spec_of(server)).find("Recovery"), std::string::npos);
    QdrantServer empty;
    EXPECT_NE(refused(spec_of(empty)).find("no collection"), std::string::npos);
    SourceSpec old = spec_of(server);
    server.restart("1.10.0");
    old.options["method"] = "stream";
    EXPECT_NE(refused(old).find("does not stream"), std::string::npos);
}

TEST_F(Qdrant, AServerThatHangsDiesOrAnswersNonsenseEndsInASourceErrorInTime) {
    QdrantServer server;
    server.create("rag", 1);
    server.upsert("rag", 0, 20);
    SourceSpec spec = spec_of(server);
    spec.options["timeout"] = "300ms";
    spec.options["idle_timeout"] = "300ms";
    QdrantDriver driver(spec);
    size_t cases = 0;
    for (const char* match :
         {"GET /$", "GET /aliases", "GET /collections/rag$", "GET .*/cluster", "points/count", "shards/0/snapshot"}) {
        for (const char* what : {"hang", "status:500", R"(result:[17])"}) {
            if (std::string(match).find("snapshot") != std::string::npos && std::string(what).starts_with("result")) continue;
            server.fault(match, what);
            const int64_t began_ns = mono_now_ns();
            const Error error = error_of([&] { take(*driver.pin(), "x"); });
            EXPECT_EQ(error.code(), Code::source) << match << " " << what << ": " << error.what();
            EXPECT_LT(mono_now_ns() - began_ns, 2'000'000'000) << match << " " << what;
            ++cases;
        }
    }
    server.fault("shards/0/snapshot", "die");
    EXPECT_EQ(error_of([&] { take(*driver.pin(), "x"); }).code(), Code::source);
    server.restart();
    server.kill(SIGSTOP);
    EXPECT_EQ(error_of([&] { driver.pin(); }).code(), Code::source);
    server.kill(SIGCONT);
    std::printf("%zu misbehaviours\n", cases + 2);
}

TEST_F(Qdrant, TheKeyIsSentAndNeverShown) {
    QdrantServer server("1.19.0", {"--api-key", "hidden-key"});
    server.api_key = "hidden-key";
    server.create("rag");
    SourceSpec spec = spec_of(server);
    const Error none = error_of([&] { QdrantDriver(spec).prepare(); });
    EXPECT_NE(error_text(none).find("401 Must provide an API key"), std::string::npos) << error_text(none);
    EXPECT_NE(none.hint().find("api_key_env"), std::string::npos);
    spec.options["api_key_env"] = "INGOT_TEST_QDRANT_KEY";
    EXPECT_EQ(error_of([&] { QdrantDriver(spec).prepare(); }).code(), Code::source) << "the variable is not set";
    ::setenv("INGOT_TEST_QDRANT_KEY", "wrong-key", 1);
    const Error wrong = error_of([&] { QdrantDriver(spec).prepare(); });
    EXPECT_EQ(error_text(wrong).find("wrong-key"), std::string::npos) << error_text(wrong);
    ::setenv("INGOT_TEST_QDRANT_KEY", "hidden-key", 1);
    QdrantDriver(spec).prepare();
    ::unsetenv("INGOT_TEST_QDRANT_KEY");
}

TEST_F(Qdrant, APointsChangeDuringThePinIsSaid) {
    QdrantServer server;
    server.create("rag", 1);
    server.upsert("rag", 0, 20);
    server.fault("points/count", R"(result:{\"count\":19})");
    QdrantDriver driver(spec_of(server));
    const auto pin = driver.pin();
    take(*pin, "a");
    ASSERT_EQ(pin->notes().size(), 1U);
    EXPECT_NE(pin->notes()[0].find("from 19 to 20"), std::string::npos) << pin->notes()[0];
    EXPECT_FALSE(read_qdrant_record(real_filesystem(), scratch_ / "a/s.qdrant/collections.json").collections[0].points);
}

TEST_F(Qdrant, AnArtifactThatLacksSomethingIsDamaged) {
    QdrantServer server("1.11.0");
    server.create("rag");
    server.upsert("rag", 0, 20);
    QdrantDriver driver(spec_of(server));
    take(*driver.pin(), "a");
    driver.open_artifact(scratch_ / "a");
    const std::string tar = scratch_ / "a/s.qdrant/rag/collection.tar", whole = get(tar);
    for (const std::string& bad :
         {whole.substr(0, whole.size() - 512), whole.substr(0, whole.size() / 2), std::string(), std::string(9000, 'x')}) {
        put(tar, bad);
        EXPECT_EQ(error_of([&] { driver.open_artifact(scratch_ / "a"); }).code(), Code::damaged);
    }
    // Within a segment, which is a tar file of its own.
    const size_t inner = whole.find("snapshot/files/");
    std::string bad = whole;
    bad[inner] = 'S';
    put(tar, bad);
    EXPECT_EQ(error_of([&] { driver.open_artifact(scratch_ / "a"); }).code(), Code::damaged);
    real_filesystem().remove(tar);
    EXPECT_EQ(error_of([&] { driver.open_artifact(scratch_ / "a"); }).code(), Code::damaged);
    put(scratch_ / "a/s.qdrant/collections.json", "{}");
    EXPECT_EQ(error_of([&] { driver.open_artifact(scratch_ / "a"); }).code(), Code::damaged);
}

TEST_F(Qdrant, AnInterruptEndsThePinAndLeavesNothingOnTheServer) {
    QdrantServer server("1.11.0");
    server.create("rag");
    server.upsert("rag", 0, 20);
    QdrantDriver driver(spec_of(server));
    server.fault("GET .*/snapshots/rag", "slow:10000");
    const auto pin = driver.pin();
    set_interrupted(true);
    EXPECT_EQ(error_of([&] { take(*pin, "a"); }).code(), Code::interrupted);
    set_interrupted(false);
    EXPECT_EQ(server.snapshots("rag"), 0U);
}

}  // namespace
}  // namespace ingot
