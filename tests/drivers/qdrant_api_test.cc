#include "drivers/qdrant_api.h"

#include <gtest/gtest.h>

#include "tests/support/http_server.h"
#include "tests/support/qdrant_server.h"

namespace ingot {
namespace {

TEST(QdrantApi, AsksAndChangesWhatARestoreNeeds) {
    QdrantServer server;
    const QdrantSettings settings = qdrant_settings(server.source());
    QdrantApi api(settings, Code::failed);
    EXPECT_EQ(api.version(), "1.19.0");
    EXPECT_FALSE(api.info("rag"));
    server.create("rag", 2);
    server.upsert("rag", 0, 10);
    const auto info = api.info("rag");
    ASSERT_TRUE(info);
    EXPECT_EQ(info->status, "green");
    EXPECT_EQ(info->queued_updates, 0U);
    EXPECT_EQ(api.shards("rag").local, (std::vector<uint32_t>{0, 1}));
    EXPECT_EQ(api.count("rag"), 10U);
    EXPECT_EQ(api.count("rag", R"({"must":[{"key":"city","match":{"value":"Rom"}}]})"), 5U);
    api.create("copy", info->config);
    api.create_indexes("copy", info->payload_schema);
    EXPECT_EQ(api.info("copy")->config, info->config) << "a collection made from a config has that config";
    EXPECT_EQ(api.info("copy")->payload_schema, info->payload_schema);
    api.change_aliases({}, {{"a", "rag"}, {"b", "rag"}});
    api.change_aliases({"a", "b"}, {{"a", "copy"}});
    EXPECT_EQ(api.aliases(), (QdrantAliases{{"a", "copy"}}));
    api.remove("copy");
    api.remove("copy");
    EXPECT_EQ(api.collections(), std::vector<std::string>{"rag"});
    EXPECT_TRUE(api.aliases().empty());
    const QdrantSnapshotFile made = api.create_snapshot("rag", {});
    EXPECT_EQ(made.checksum.size(), 64U);
    std::string bytes;
    api.download("rag", made.name, [&](ByteView part) { bytes += text_of(part); }, {});
    EXPECT_EQ(bytes.size(), made.size);
    EXPECT_EQ(api.snapshots({"rag", std::nullopt}).size(), 1U);
    api.delete_snapshot({"rag", std::nullopt}, made.name);
    api.delete_snapshot({"rag", std::nullopt}, made.name);
    EXPECT_TRUE(api.snapshots({"rag", std::nullopt}).empty());
    HttpUpload upload;
    upload.size = bytes.size();
    upload.read_at = [&](uint64_t offset, std::span<uint8_t> out) {
        return bytes.copy(reinterpret_cast<char*>(out.data()), out.size(), offset);
    };
    EXPECT_NE(std::string(error_of([&] {
                              api.upload({"new", std::nullopt}, upload, std::string(64, '0'));
                          }).what())
                  .find("Checksum mismatch"),
              std::string::npos);
    api.upload({"new", std::nullopt}, upload, made.checksum);
    EXPECT_EQ(api.count("new"), 10U);
}

TEST(QdrantApi, NamesArePercentEncodedIntoPaths) {
    QdrantServer server;
    const QdrantSettings settings = qdrant_settings(server.source());
    QdrantApi api(settings, Code::failed);
    const std::string name = "a b?c#d%20\xc3\xa9";
    api.create(name, R"({"params":{"vectors":{"size":4,"distance":"Dot"}}})");
    EXPECT_EQ(api.collections(), std::vector<std::string>{name});
    EXPECT_EQ(api.count(name), 0U);
    api.drain_updates(name);
    api.remove(name);
    EXPECT_TRUE(api.collections().empty());
}

TEST(QdrantApi, WhatIsNoAnswerOfQdrantIsAnErrorWithAHint) {
    std::string answer;
    test::HttpServer server([&](const test::SeenRequest&, int fd) { return test::answer_text(fd, 200, answer); });
    SourceSpec spec;
    spec.name = "s";
    spec.options["url"] = server.url("");
    const QdrantSettings settings = qdrant_settings(spec);
    QdrantApi api(settings, Code::source);
    size_t asked = 0;
    for (const char* body :
         {"", "<html>", "[]", "{}", R"({"result":null})", R"({"result":{}})", R"({"result":{"collections":7}})",
          R"({"result":{"status":7,"config":{}}})", R"({"version":"eleven","result":{"count":"x"}})"}) {
        answer = body;
        for (const std::function<void()>& call : std::vector<std::function<void()>>{
                 [&] { api.version(); }, [&] { api.collections(); }, [&] { api.aliases(); }, [&] { api.info("c"); },
                 [&] { api.shards("c"); }, [&] { api.count("c"); }, [&] { api.create_snapshot("c", {}); }}) {
            const Error error = error_of(call);
            EXPECT_EQ(error.code(), Code::source) << body << ": " << error.what();
            EXPECT_FALSE(error.hint().empty()) << body << ": " << error.what();
            ++asked;
        }
    }
    std::printf("%zu answers that are none\n", asked);
}

TEST(QdrantApi, VersionsAreCompared) {
    EXPECT_TRUE(qdrant_at_least("1.12.0", 1, 12));
    EXPECT_TRUE(qdrant_at_least("1.19.0-dev", 1, 12));
    EXPECT_TRUE(qdrant_at_least("2.0.0", 1, 12));
    EXPECT_FALSE(qdrant_at_least("1.9.7", 1, 12));
    for (const char* text : {"", "1", "v1.2", "1.x"})
        EXPECT_EQ(error_of([&] { qdrant_at_least(text, 1, 0); }).code(), Code::damaged) << text;
}

}  // namespace
}  // namespace ingot
