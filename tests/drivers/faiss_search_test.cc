#include "drivers/faiss_search.h"

#include <faiss/IndexBinaryFlat.h>
#include <faiss/IndexBinaryHash.h>
#include <faiss/IndexBinaryIVF.h>

#include "drivers/faiss_child.h"
#include "tests/drivers/faiss_fixture.h"

namespace ingot {
namespace {

class FaissSearchTest : public testing::Test {
protected:
    // What the child answers, of the file.
    std::vector<TopKQuery> ask(const TopKRequest& request) const {
        FaissOpen open;
        open.index = path_;
        open.scratch_dir = scratch_.path();
        open.bytes = real_filesystem().file_size(path_).value_or(0);
        open.vectors = 1000;
        open.search = request;
        std::optional<FaissOpened> opened = open_with_faiss(open);
        return opened ? opened->answers : std::vector<TopKQuery>{};
    }
    // FAISS's own answer, here, with the very file.
    static std::vector<Neighbour> expected(const faiss::Index& index, const Bytes& query, size_t k) {
        std::vector<float> vector(query.size() / 4), scores(k);
        std::memcpy(vector.data(), query.data(), query.size());
        std::vector<faiss::Index::idx_t> ids(k, -1);
        index.search(1, vector.data(), static_cast<faiss::Index::idx_t>(k), scores.data(), ids.data());
        std::vector<Neighbour> out;
        for (size_t i = 0; i < k; ++i) {
            if (ids[i] >= 0) out.push_back({std::to_string(ids[i]), static_cast<double>(scores[i])});
        }
        return out;
    }
    static Bytes bytes_of(const std::vector<float>& vector) {
        Bytes out(vector.size() * 4);
        std::memcpy(out.data(), vector.data(), out.size());
        return out;
    }

    TestFolder scratch_;
    std::string path_ = scratch_ / "index";
};

TEST_F(FaissSearchTest, EveryKindAnswersWithItsOwnVectorsAsFaissDoesAndTheSameTwice) {
    int kinds = 0;
    for (const char* kind : {"Flat", "IVF4,Flat", "SQ8", "HNSW8", "IDMap,Flat", "IDMap2,Flat", "IVF4,SQ8", "PCA4,Flat",
                             "PCA4,IVF4,Flat", "HNSW8,SQ8", "IVF4,PQ4x4", "LSH"}) {
        faiss::write_index(test_index(kind, 200).get(), path_.c_str());
        TopKRequest request;
        request.k = 7;
        request.spread = 4;
        const std::vector<TopKQuery> answers = ask(request);
        ASSERT_EQ(answers.size(), 4u) << kind;
        EXPECT_EQ(ask(request), answers) << kind;
        const std::unique_ptr<faiss::Index> index(faiss::read_index(path_.c_str()));
        for (const TopKQuery& one : answers) {
            const std::vector<Neighbour> wanted = expected(*index, one.vector, 7);
            ASSERT_EQ(one.neighbours.size(), wanted.size()) << kind;
            for (size_t i = 0; i < wanted.size(); ++i)
                EXPECT_NEAR(one.neighbours[i].score, wanted[i].score, 1e-4) << kind << " " << i;
        }
        // The same queries, given: the same neighbours.
        TopKRequest again;
        again.k = 7;
        for (const TopKQuery& one : answers) again.queries.push_back(one.vector);
        EXPECT_EQ(ask(again), answers) << kind;
        ++kinds;
    }
    std::printf("%d kinds searched\n", kinds);
}

TEST_F(FaissSearchTest, StoredVectorsAreSpreadOverTheIndexAndFindThemselvesByTheirIds) {
    faiss::write_index(test_index("IDMap,Flat", 100).get(), path_.c_str());
    TopKRequest request;
    request.k = 3;
    const std::vector<TopKQuery> answers = ask(request);
    ASSERT_EQ(answers.size(), 5u);
    for (size_t i = 0; i < answers.size(); ++i) {
        EXPECT_EQ(answers[i].neighbours.at(0), (Neighbour{std::to_string(1010 + 20 * i), 0}));
        EXPECT_EQ(answers[i].neighbours.size(), 3u);
    }
}

TEST_F(FaissSearchTest, ASmallIndexGivesWhatItHas) {
    faiss::write_index(test_index("Flat", 2).get(), path_.c_str());
    const std::vector<TopKQuery> answers = ask({});
    ASSERT_EQ(answers.size(), 2u);
    EXPECT_EQ(answers[0].neighbours.size(), 2u);
}

TEST_F(FaissSearchTest, BinaryIndexesAreSearchedByTheirBits) {
    faiss::IndexBinaryFlat flat(64);
    std::vector<uint8_t> codes(8 * 50);
    for (size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<uint8_t>(i * 37 % 251);
    flat.add(50, codes.data());
    faiss::write_index_binary(&flat, path_.c_str());
    const std::vector<TopKQuery> answers = ask({});
    ASSERT_EQ(answers.size(), 5u);
    EXPECT_EQ(answers[0].neighbours.at(0), (Neighbour{"5", 0}));
    EXPECT_EQ(answers[0].vector, Bytes(codes.begin() + 40, codes.begin() + 48));

    faiss::IndexBinaryIVF ivf(&flat, 64, 4);
    omp_set_num_threads(1);
    ivf.train(50, codes.data());
    ivf.add(50, codes.data());
    faiss::write_index_binary(&ivf, path_.c_str());
    for (const TopKQuery& one : ask({})) EXPECT_EQ(one.neighbours.at(0).score, 0);
}

TEST_F(FaissSearchTest, WhatCannotBeAnsweredIsNoDamageAndSaysWhatToDo) {
    faiss::write_index(test_index("Flat", 20).get(), path_.c_str());
    TopKRequest other;
    other.queries = {bytes_of({1, 2, 3})};
    const Error dimension = error_of([&] { ask(other); });
    EXPECT_EQ(dimension.code(), Code::failed);
    EXPECT_NE(std::string(dimension.what()).find("12 bytes, and those of the index have 32 (8 dimensions)"), std::string::npos)
        << dimension.what();
    EXPECT_NE(dimension.hint().find("`queries`"), std::string::npos) << dimension.hint();

    faiss::write_index(test_index("Flat", 0).get(), path_.c_str());
    EXPECT_NE(std::string(error_of([&] { ask({}); }).what()).find("holds no vectors"), std::string::npos);

    // A kind that does not give its vectors back; with queries of its own it is searched.
    faiss::IndexBinaryHash hash(64, 8);
    const std::vector<uint8_t> codes(80, 1);
    hash.add(10, codes.data());
    faiss::write_index_binary(&hash, path_.c_str());
    const Error kind = error_of([&] { ask({}); });
    EXPECT_EQ(kind.code(), Code::failed);
    EXPECT_NE(kind.hint().find("queries = "), std::string::npos) << kind.what();
    TopKRequest given;
    given.queries = {Bytes(8, 1)};
    EXPECT_EQ(ask(given).at(0).neighbours.size(), 10u);
}

TEST_F(FaissSearchTest, TheAnswerSurvivesTheWayAndNothingElseIsOne) {
    const std::vector<TopKQuery> answers{{Bytes{1, 2, 255}, {{"7", 0.5}, {"-3", -1e-9}}}, {Bytes{}, {}}};
    const std::string text = "query 0102ff\n7 0.5\n-3 -1e-09\nquery \nend\n";
    EXPECT_EQ(decode_faiss_answer(text), answers);
    for (const char* broken : {"", "end", "query 01\n7 0.5\n", "7 0.5\nend\n", "query 0g\nend\n", "query 01\n7\nend\n",
                               "query 01\n7 nan\nend\n", "query 01\nx 1\nend\n"})
        EXPECT_FALSE(decode_faiss_answer(broken)) << broken;
    TopKRequest request;
    request.k = 3;
    request.queries = {Bytes{1, 255}};
    EXPECT_EQ(encode_faiss_search(request), "top_k 3 5\n01ff\n");
}

}  // namespace
}  // namespace ingot
