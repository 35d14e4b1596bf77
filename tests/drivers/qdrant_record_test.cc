#include "drivers/qdrant_record.h"

#include <gtest/gtest.h>

#include "tar_bytes.h"
#include "test_folder.h"

namespace ingot {
namespace {

QdrantRecord sample() {
    QdrantRecord out;
    out.version = "1.19.0";
    QdrantCollection of;
    of.name = "rag main";
    of.real_name = "rag main__r0123456789abcdef";
    of.aliases = {"current"};
    of.config = R"({"params":{"vectors":{"size":4}}})";
    of.payload_schema = "{}";
    of.shards = {0, 3};
    of.points = 12;
    out.collections.push_back(of);
    of.name = "..";
    of.shards.clear();
    of.points.reset();
    of.checksum = std::string(64, 'a');
    out.collections.push_back(of);
    return out;
}

TEST(QdrantRecord, IsReadBackAsItWasWritten) {
    const std::string text = encode_qdrant_record(sample());
    const QdrantRecord read = decode_qdrant_record(text);
    EXPECT_EQ(encode_qdrant_record(read), text);
    EXPECT_EQ(read.collections[0].shards, (std::vector<uint32_t>{0, 3}));
    EXPECT_EQ(read.collections[0].points, 12U);
    EXPECT_FALSE(read.collections[1].points);
    EXPECT_EQ(qdrant_archives("s", read.collections[0]),
              (std::vector<std::string>{"s.qdrant/rag%20main/shard-0.tar", "s.qdrant/rag%20main/shard-3.tar"}));
    EXPECT_EQ(qdrant_archives("s", read.collections[1]), std::vector<std::string>{"s.qdrant/%2E./collection.tar"});
}

TEST(QdrantRecord, WhatIsNoRecordIsDamaged) {
    const std::string text = encode_qdrant_record(sample());
    for (size_t size = 0; size + 1 < text.size(); size += 7)
        EXPECT_EQ(error_of([&] { decode_qdrant_record(text.substr(0, size)); }).code(), Code::damaged);
    std::string newer = text;
    newer.replace(newer.find("\"form\": 1"), 9, "\"form\": 2");
    EXPECT_EQ(error_of([&] { decode_qdrant_record(newer); }).code(), Code::damaged);
    QdrantRecord twice = sample();
    twice.collections[1].name = twice.collections[0].name;
    EXPECT_EQ(error_of([&] { decode_qdrant_record(encode_qdrant_record(twice)); }).code(), Code::damaged);
    for (const char* number : {"-1", "1e300", "4294967296", "\"1\"", "null", "[1]"}) {
        const std::string shards =
            R"({"form":1,"version":"1.12.0","collections":[{"name":"a","real_name":"a","aliases":[],"config":{},)"
            R"("payload_schema":{},"checksum":"","shards":[)" +
            std::string(number) + "]}]}";
        EXPECT_EQ(error_of([&] { decode_qdrant_record(shards); }).code(), Code::damaged) << number;
    }
}

TEST(QdrantRecord, KnowsWhereVectorsLieFromTheConfig) {
    const TarKnown one = qdrant_vectors(R"({"params":{"vectors":{"size":768,"distance":"Cosine"}}})");
    const TarElements matrix = one("segments/u/files/vector_storage/matrix.dat");
    EXPECT_EQ(matrix.element_bytes, 3072U);
    EXPECT_EQ(matrix.header_bytes, 4U);
    EXPECT_EQ(matrix.content, Content::f32);
    EXPECT_EQ(one("snapshot/files/vector_storage/vectors/chunk_12.mmap").element_bytes, 3072U);
    EXPECT_EQ(one("snapshot/files/vector_storage/vectors/chunk_12.mmap").header_bytes, 0U);
    for (const char* other :
         {"segments/u/files/vector_storage/deleted.dat", "segments/u/files/vector_storage-text/matrix.dat",
          "segments/u/files/vector_index/graph.bin", "matrix.dat", "segments/u/files/vector_storage/vectors/status.dat"})
        EXPECT_EQ(one(other).element_bytes, 0U) << other;
    const TarKnown named = qdrant_vectors(R"({"params":{"vectors":{"text":{"size":10},"image":{"size":20,"datatype":"float16"},
                                              "byte":{"size":30,"datatype":"uint8"},"none":{"size":0}}}})");
    EXPECT_EQ(named("a/vector_storage-text/matrix.dat").element_bytes, 40U);
    EXPECT_EQ(named("a/vector_storage-image/matrix.dat").element_bytes, 40U);
    EXPECT_EQ(named("a/vector_storage-image/matrix.dat").content, Content::bytes);
    EXPECT_EQ(named("a/vector_storage-byte/matrix.dat").element_bytes, 30U);
    EXPECT_EQ(named("a/vector_storage-none/matrix.dat").element_bytes, 0U);
    for (const char* config : {"", "{}", "[]", R"({"params":7})", R"({"params":{"vectors":{"size":-1}}})"})
        EXPECT_EQ(qdrant_vectors(config)("a/vector_storage/matrix.dat").element_bytes, 0U) << config;
}

TEST(QdrantRecord, AWholeArchiveHasItsLastMembers) {
    const std::string segment = tar_member("segments/u/files/segment.json", "{}"), state = tar_member("replica_state.json", "{}"),
                      config = tar_member("shard_config.json", "{}");
    const auto check = [](const std::string& bytes, bool collection) {
        return check_qdrant_archive(tar_bytes_of(bytes), bytes.size(), collection);
    };
    EXPECT_EQ(check(segment + state + config + tar_end(), false).members(), 3U);
    for (const std::string& torn :
         {segment + state + config, segment + state + tar_end(), segment + config + tar_end(), std::string()})
        EXPECT_EQ(error_of([&] { check(torn, false); }).code(), Code::damaged);
    const std::string inner = tar_member("snapshot/files/segment.json", "{}") + tar_end();
    const std::string shard = tar_member("0/segments/u.tar", inner) + tar_member("0/replica_state.json", "{}") +
                              tar_member("0/shard_config.json", "{}");
    const std::string end = tar_member("config.json", "{}") + tar_end();
    EXPECT_TRUE(check(shard + end, true).segment_seen());
    EXPECT_EQ(error_of([&] { check(shard + tar_end(), true); }).code(), Code::damaged);
    const std::string cut = tar_member("0/segments/u.tar", inner.substr(0, 512)) + shard.substr(shard.find("0/replica")) + end;
    EXPECT_EQ(error_of([&] { check(cut, true); }).code(), Code::damaged) << "a segment's own archive";
}

}  // namespace
}  // namespace ingot
