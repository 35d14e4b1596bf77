#include "snapshot/top_k.h"

#include <gtest/gtest.h>

#include <cstring>

#include "tests/snapshot/snapshot_test_base.h"

namespace ingot {
namespace {

// All of them certain.
std::vector<RecordedQuery> recorded(const std::vector<std::vector<Neighbour>>& neighbours) {
    std::vector<RecordedQuery> out;
    for (const auto& each : neighbours) out.push_back({Bytes{1, 2, 3, 4}, each, static_cast<uint32_t>(each.size())});
    return out;
}

std::vector<TopKQuery> answers(const std::vector<std::vector<Neighbour>>& neighbours) {
    std::vector<TopKQuery> out;
    for (const auto& each : neighbours) out.push_back({Bytes{1, 2, 3, 4}, each});
    return out;
}

Error error_of(const std::function<void()>& call) {
    try {
        call();
    } catch (const Error& error) {
        return error;
    }
    return {Code::not_found, "no error"};
}

TEST(TopK, TheSameAnswerPassesAndOtherNeighboursDoNot) {
    const std::vector<std::vector<Neighbour>> known{{{"1", 0}, {"2", 0.5}, {"3", 0.7}}, {{"4", 0.1}, {"5", 0.2}}};
    const auto then = recorded(known);
    auto now = answers(known);
    EXPECT_EQ(top_k_difference(then, now, 0), "");
    // The order of what is found does not matter; the query it is found for does.
    std::swap(now[0].neighbours[0].id, now[0].neighbours[2].id);
    EXPECT_EQ(top_k_difference(then, now, 0), "");
    std::swap(now[0], now[1]);
    EXPECT_EQ(top_k_difference(then, now, 0.05), "0 of 5 recorded neighbours are found again, and 5 are wanted");
    now = answers(known);
    now[0].neighbours[1].id = "9";
    EXPECT_EQ(top_k_difference(then, now, 0.05), "4 of 5 recorded neighbours are found again, and 5 are wanted");
    EXPECT_EQ(top_k_difference(then, now, 0.2), "");
    EXPECT_NE(top_k_difference(then, {}, 0.5), "");
    EXPECT_EQ(top_k_difference(then, answers({{}, {}}), 0.05), "0 of 5 recorded neighbours are found again, and 5 are wanted");
}

TEST(TopK, WhichOfEqualsComesLastIsNobodysPromise) {
    const RecordedQuery query = settle_top_k({Bytes{1}, {{"1", 0}, {"2", 0.5}, {"3", 0.7}, {"4", 0.7000001}}}, 3);
    EXPECT_EQ(query.neighbours.size(), 3u);
    EXPECT_EQ(query.certain, 2u);
    const auto other = [&](const std::vector<Neighbour>& neighbours) {
        return top_k_difference({query}, {{Bytes{1}, neighbours}}, 0);
    };
    EXPECT_EQ(other({{"1", 0}, {"2", 0.5}, {"4", 0.7}, {"3", 0.7}}), "");
    EXPECT_EQ(other({{"2", 0}, {"1", 0.5}, {"4", 0.7}, {"9", 0.7}}), "");
    EXPECT_NE(other({{"1", 0}, {"3", 0.5}, {"4", 0.7}}), "");
    EXPECT_EQ(other({{"1", 0}, {"2", 0.5}}), "2 neighbours are found, and there were 3");
    // Without one more than k all are certain; where all tie, only their scores tell.
    EXPECT_EQ(settle_top_k({Bytes{1}, {{"1", 0}, {"2", 0.5}}}, 2).certain, 2u);
    const RecordedQuery alike = settle_top_k({Bytes{1}, {{"1", 1}, {"2", 1}, {"3", 1}}}, 2);
    EXPECT_EQ(alike.certain, 0u);
    EXPECT_EQ(top_k_difference({alike}, answers({{{"8", 1}, {"9", 1}}}), 0.05), "");
    EXPECT_NE(top_k_difference({alike}, answers({{{"8", 0.5}, {"9", 0.5}}}), 0.05), "");
}

TEST(TopK, TheMeanScoreMayBeOffByItsTolerance) {
    const auto then = recorded({{{"1", 1}, {"2", 3}}});
    EXPECT_EQ(top_k_difference(then, answers({{{"1", 1}, {"2", 3.19}}}), 0.05), "");
    EXPECT_EQ(top_k_difference(then, answers({{{"1", 1}, {"2", 3.3}}}), 0.05),
              "the mean score is 2.15 and was 2, which is more than 5 % off");
    EXPECT_EQ(top_k_difference(recorded({{{"1", 0}}}), answers({{{"1", 1e-8}}}), 0), "");
    EXPECT_NE(top_k_difference(recorded({{{"1", 0}}}), answers({{{"1", 0.1}}}), 0.05), "");
    // Similarities about zero: their size is what a share is taken of.
    EXPECT_EQ(top_k_difference(recorded({{{"1", 1}, {"2", -1}}}), answers({{{"1", 1.02}, {"2", -1}}}), 0.05), "");
}

TEST(TopK, ARecordSurvivesTheWay) {
    const TopKRecord record{"vectors", "rag", "text", 3, recorded({{{"1", 0.25}, {"uuid", -1e-9}}, {}})};
    EXPECT_EQ(decode_top_k(encode_top_k(record)), record);
    const TopKRequest request = record.request();
    EXPECT_EQ(request.k, 4u);
    EXPECT_EQ(request.collection + request.vector_name, "ragtext");
    EXPECT_EQ(request.queries, (std::vector<Bytes>{{1, 2, 3, 4}, {1, 2, 3, 4}}));
    for (const char* broken :
         {"", "[]", "{}", R"({"source":"a","collection":"","vector":"","k":0,"queries":[]})",
          R"({"source":"a","collection":"","vector":"","k":1,"queries":[]})",
          R"({"source":"a","collection":"","vector":"","k":1,"queries":[{"vector":"0g","neighbours":[]}]})",
          R"({"source":"a","collection":"","vector":"","k":1,"queries":[{"vector":"01","neighbours":[["1"]]}]})",
          R"({"source":"a","collection":"","vector":"","k":1,"queries":[{"vector":"01","neighbours":[[1,1]]}]})",
          R"({"source":"a","collection":"","vector":"","k":1,"queries":[{"vector":"01","neighbours":[["1",1]]}]})",
          R"({"source":"a","collection":"","vector":"","k":1,"queries":[{"vector":"01","neighbours":[["1",1]],"certain":2}]})"})
        EXPECT_EQ(error_of([&] { decode_top_k(broken); }).code(), Code::damaged) << broken;
}

TEST(TopK, FilesOfVectorsAreReadWholeOrNotAtAll) {
    TempDir dir;
    const auto write = [&](const std::string& name, const std::string& bytes) {
        dir.write(name, bytes);
        return dir.at(name);
    };
    const std::string two("\2\0\0\0AAAABBBB\2\0\0\0CCCCDDDD", 24);
    EXPECT_EQ(read_vectors(write("a.fvecs", two)),
              (std::vector<Bytes>{Bytes{'A', 'A', 'A', 'A', 'B', 'B', 'B', 'B'}, Bytes{'C', 'C', 'C', 'C', 'D', 'D', 'D', 'D'}}));
    EXPECT_EQ(read_vectors(write("a.bvecs", std::string("\3\0\0\0abc", 7))), std::vector<Bytes>{(Bytes{'a', 'b', 'c'})});
    for (const std::string& broken : {std::string(), two.substr(0, 23), std::string("\0\0\0\0", 4), std::string("\2\0"),
                                      std::string("\xff\xff\xff\xff", 4)}) {
        const Error error = error_of([&] { read_vectors(write("b.fvecs", broken)); });
        EXPECT_EQ(error.code(), Code::usage) << error.what();
        EXPECT_FALSE(error.hint().empty());
    }
    std::string many;
    for (uint32_t i = 0; i <= TopKRequest::kMostQueries; ++i) many += std::string("\1\0\0\0AAAA", 8);
    EXPECT_NE(std::string(error_of([&] { read_vectors(write("c.fvecs", many)); }).what()).find("101 vectors"), std::string::npos);
    EXPECT_NE(std::string(error_of([&] { read_vectors(dir.at("none.fvecs")); }).what()).find("no such file"), std::string::npos);
}

// Answers with the number of queries it was asked, as a file can.
class SearchedDriver : public FakeDriver {
public:
    using FakeDriver::FakeDriver;
    std::optional<std::vector<TopKQuery>> top_k_artifact(const std::string&, const TopKRequest& request) override {
        if (refuses) throw Error(Code::failed, "it cannot be searched", "give it queries");
        std::vector<TopKQuery> out;
        for (uint32_t i = 0; i < request.spread; ++i)
            out.push_back({Bytes{static_cast<uint8_t>(i)}, std::vector<Neighbour>(request.k, {"7", 0.5})});
        return out;
    }
    static inline bool refuses = false;
};

class TopKOfSnapshots : public SnapshotTest {
protected:
    TopKOfSnapshots() {
        source_.add("index", "vectors");
        stack_.sources.push_back(std::make_unique<SearchedDriver>(source_, "vectors"));
        ProbeSpec probe;
        probe.name = "top-k";
        probe.kind = ProbeSpec::Kind::top_k;
        probe.source = "vectors";
        probe.k = 2;
        probe.spread = 3;
        stack_.probes = {probe};
        SearchedDriver::refuses = false;
    }
    FakeSource source_;
};

TEST_F(TopKOfSnapshots, AreRecordedWhenItIsMadeGoldenAndFoundAgain) {
    EXPECT_EQ(find_top_k(Snapshot{take().id, {}, {}}, stack_.probes[0]), nullptr);
    const TakeResult taken = take(true);
    ASSERT_TRUE(taken.golden) << taken.why_not_golden;
    const Snapshot snapshot = snapshots().back();
    const TopKRecord* record = find_top_k(snapshot, stack_.probes[0]);
    ASSERT_NE(record, nullptr);
    EXPECT_EQ(record->k, 2u);
    EXPECT_EQ(record->queries.size(), 3u);
    const Attestation& golden = snapshot.attestations.back();
    EXPECT_EQ(std::get<std::string>(golden.evidence.at("vectors").at("top-k top-k")),
              "3 queries, 6 neighbours, 0 of them certain, mean score 0.5");
    ProbeSpec other = stack_.probes[0];
    other.source = "elsewhere";
    EXPECT_EQ(find_top_k(snapshot, other), nullptr);
    other = stack_.probes[0];
    other.name = "newer";
    EXPECT_EQ(find_top_k(snapshot, other), nullptr);
}

TEST_F(TopKOfSnapshots, WhatCannotBeRecordedIsNotGolden) {
    SearchedDriver::refuses = true;
    const TakeResult taken = take(true);
    EXPECT_FALSE(taken.golden);
    EXPECT_EQ(taken.why_not_golden,
              "the neighbours of the probe top-k cannot be recorded: it cannot be searched; give it queries");
    SearchedDriver::refuses = false;
    stack_.probes[0].queries = dir_.at("none.fvecs");
    EXPECT_NE(take(true).why_not_golden.find("no such file"), std::string::npos);
}

}  // namespace
}  // namespace ingot
