#include "drivers/qdrant_search.h"

#include <gtest/gtest.h>

#include "drivers/qdrant.h"
#include "tests/support/qdrant_server.h"

namespace ingot {
namespace {

class QdrantSearchTest : public testing::Test {
protected:
    std::vector<TopKQuery> ask(const QdrantServer& server, const TopKRequest& request = {},
                               const std::string& collections = "rag") {
        SourceSpec spec = server.source();
        if (!collections.empty()) spec.options["collections"] = collections;
        return QdrantDriver(spec).top_k_live(request);
    }
    static size_t requests(const QdrantServer& server, const std::string& what) {
        const std::string log = server.log();
        size_t out = 0;
        for (size_t at = 0; (at = log.find(what, at)) != std::string::npos; ++at) ++out;
        return out;
    }
};

TEST_F(QdrantSearchTest, StoredPointsFindThemselvesAndTheAnswerIsTheSameTwice) {
    QdrantServer server;
    server.create("rag");
    server.upsert("rag", 100, 400);
    TopKRequest request;
    request.k = 4;
    request.spread = 3;
    const std::vector<TopKQuery> answers = ask(server, request);
    ASSERT_EQ(answers.size(), 3u);
    EXPECT_EQ(ask(server, request), answers);
    for (const TopKQuery& one : answers) {
        ASSERT_EQ(one.neighbours.size(), 4u);
        EXPECT_EQ(one.vector.size(), 32u);
        EXPECT_NEAR(one.neighbours[0].score, 1, 1e-6);
    }
    // 100..399 in three: the middles of its thirds.
    EXPECT_EQ(answers[0].neighbours[0].id.size(), 3u);
    EXPECT_GT(requests(server, "/points/query"), 0u);
    TopKRequest again;
    again.k = 4;
    for (const TopKQuery& one : answers) again.queries.push_back(one.vector);
    EXPECT_EQ(ask(server, again), answers);
    std::printf("%zu requests found 3 of 300 points, twice\n", requests(server, "/points/scroll"));
}

TEST_F(QdrantSearchTest, OlderServersAreAskedByTheOlderRequest) {
    QdrantServer server("1.9.2");
    server.create("rag");
    server.upsert("rag", 0, 20);
    EXPECT_EQ(ask(server).size(), 5u);
    EXPECT_EQ(requests(server, "/points/query"), 0u);
    EXPECT_EQ(requests(server, "/points/search"), 5u);
}

TEST_F(QdrantSearchTest, UuidsAndFewPointsAreSpreadToo) {
    QdrantServer server;
    server.create("rag", 1, 2);
    std::string points;
    for (int i = 0; i < 16; ++i) {
        const std::string id = std::string(1, "0123456789abcdef"[i]) + "0000000-0000-4000-8000-000000000000";
        points += std::string(i == 0 ? "" : ",") + "{\"id\":\"" + id + "\",\"vector\":[" + std::to_string(i) + ",1]}";
    }
    server.ask("PUT", "/collections/rag/points?wait=true", "{\"points\":[" + points + "]}");
    TopKRequest request;
    request.spread = 4;
    request.k = 1;
    const std::vector<TopKQuery> answers = ask(server, request);
    ASSERT_EQ(answers.size(), 4u);
    EXPECT_EQ(answers[0].neighbours[0].id, "00000000-0000-4000-8000-000000000000");
    EXPECT_EQ(answers[3].neighbours[0].id, "c0000000-0000-4000-8000-000000000000");
    server.create("few");
    server.upsert("few", 7, 9);
    EXPECT_EQ(ask(server, {}, "few").size(), 2u);
}

TEST_F(QdrantSearchTest, WhatCannotBeAskedSaysWhatToDo) {
    QdrantServer server;
    server.create("rag");
    const auto says = [](const Error& error, const char* what, const char* hint) {
        EXPECT_EQ(error.code(), Code::failed);
        EXPECT_NE(std::string(error.what()).find(what), std::string::npos) << error.what();
        EXPECT_NE(error.hint().find(hint), std::string::npos) << error.hint();
    };
    says(error_of([&] { ask(server); }), "holds no points", "take the probe out");
    server.upsert("rag", 0, 3);
    TopKRequest named;
    named.vector_name = "text";
    says(error_of([&] { ask(server, named); }), "have one vector, without a name", "take `vector` out");
    TopKRequest elsewhere;
    elsewhere.collection = "none";
    says(error_of([&] { ask(server, elsewhere); }), "there is no collection none", "mend `collection`");
    server.create("more");
    says(error_of([&] { ask(server, {}, ""); }), "it has 2 collections", "collection = ");
    TopKRequest short_query;
    short_query.queries = {Bytes(8)};
    says(error_of([&] { ask(server, short_query); }), "expected dim: 8, got 2", "");
    short_query.queries = {Bytes(7)};
    says(error_of([&] { ask(server, short_query); }), "no vector of floats", ".fvecs");
}

}  // namespace
}  // namespace ingot
