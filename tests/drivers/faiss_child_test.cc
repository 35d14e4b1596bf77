#include "drivers/faiss_child.h"

#include "base/clock.h"
#include "drivers/faiss_layout.h"
#include "tests/drivers/engine_child_main.h"
#include "tests/drivers/faiss_fixture.h"

namespace ingot {
namespace {

class FaissChildTest : public testing::Test {
protected:
    FaissOpen of(const std::string& path) const {
        FaissOpen open;
        open.index = path;
        open.scratch_dir = scratch_.path();
        open.bytes = real_filesystem().file_size(path).value_or(0);
        open.vectors = 1000;
        return open;
    }
    // What is said of a child that is another program.
    Error error_with(const std::string& shell, int64_t limit_ms = 5000) const {
        FaissOpen open = of(scratch_ / "index");
        open.program = {"/bin/sh", "-c", shell};
        open.limit_ms = limit_ms;
        return error_of([&] { open_with_faiss(open); });
    }

    TestFolder scratch_;
};

TEST_F(FaissChildTest, SaysWhatItFoundInEveryKindOfIndex) {
    int kinds = 0;
    for (const char* kind : {"Flat", "IVF4,Flat", "SQ8", "HNSW8", "IDMap,Flat", "IDMap2,Flat", "IVF4,SQ8", "PCA4,Flat",
                             "HNSW8,SQ8", "LSH", "RQ2x4"}) {
        faiss::write_index(test_index(kind, 200).get(), (scratch_ / "index").c_str());
        const std::optional<FaissOpened> opened = open_with_faiss(of(scratch_ / "index"));
        ASSERT_TRUE(opened) << kind;
        EXPECT_EQ(opened->ntotal, 200) << kind;
        EXPECT_EQ(opened->dimension, 8) << kind;
        EXPECT_EQ(opened->metric, faiss::METRIC_L2) << kind;
        ++kinds;
    }
    std::printf("%d kinds opened\n", kinds);
}

TEST_F(FaissChildTest, OpensBinaryIndexes) {
    faiss::IndexBinaryFlat index(64);
    const std::vector<uint8_t> codes(80, 1);
    index.add(10, codes.data());
    faiss::write_index_binary(&index, (scratch_ / "index").c_str());
    const std::optional<FaissOpened> opened = open_with_faiss(of(scratch_ / "index"));
    ASSERT_TRUE(opened);
    EXPECT_EQ(opened->ntotal, 10);
    EXPECT_EQ(opened->dimension, 64);
}

TEST_F(FaissChildTest, FindsTheDataFileOfListsWhereItLiesAndNotWhereTheIndexSays) {
    write_test_lists(scratch_ / "index", scratch_ / "live/the.lists", 200);
    make_dirs(real_filesystem(), scratch_ / "artifact", 0755);
    real_filesystem().rename(scratch_ / "live/the.lists", scratch_ / "artifact/the.lists", Rename::replace);
    FaissOpen open = of(scratch_ / "index");
    EXPECT_EQ(error_of([&] { open_with_faiss(open); }).code(), Code::damaged);
    open.lists = {scratch_ / "artifact/the.lists"};
    const std::optional<FaissOpened> opened = open_with_faiss(open);
    ASSERT_TRUE(opened);
    EXPECT_EQ(opened->ntotal, 200);
    EXPECT_FALSE(real_filesystem().exists(scratch_ / "live/the.lists")) << "a missing data file must not be made anew";
}

TEST_F(FaissChildTest, WhatFaissRejectsIsDamageInItsWords) {
    write_test_index(scratch_ / "index", "Flat", 100);
    std::string bytes = get(scratch_ / "index");
    put(scratch_ / "index", bytes.substr(0, bytes.size() - 7));
    const Error error = error_of([&] { open_with_faiss(of(scratch_ / "index")); });
    EXPECT_EQ(error.code(), Code::damaged);
    EXPECT_NE(std::string(error.what()).find("read error"), std::string::npos) << error.what();
    EXPECT_FALSE(error.hint().empty());
}

TEST_F(FaissChildTest, AKindThatThisFaissDoesNotKnowIsNoDamage) {
    put(scratch_ / "index", "Izzz" + std::string(100, '\0'));
    EXPECT_FALSE(open_with_faiss(of(scratch_ / "index")));
}

#if !defined(__SANITIZE_ADDRESS__)
TEST_F(FaissChildTest, WhatItKnowsByNameIsWhatItOpens) {
    const std::string samples = std::string(__FILE__).substr(0, std::string(__FILE__).rfind('/')) + "/faiss_samples/";
    for (const char* name : {"RaBitQ", "IVF4-RaBitQ", "IVF4-RQ2x4", "HNSW4-PQ4x4", "IVF4-FlatDedup", "IDMap2-PCA4-IVF4-SQ8"}) {
        const std::string path = samples + "1.13.2." + name + ".faiss";
        const auto file = real_filesystem().open(path);
        const FaissLayout layout = parse_faiss([&](uint64_t at, std::span<uint8_t> out) { return file->read_at(at, out); },
                                               file->size(), FaissLinks::checked);
        EXPECT_EQ(faiss_knows(layout.facts().type), open_with_faiss(of(path)).has_value()) << layout.facts().type;
    }
    EXPECT_FALSE(faiss_knows("IDMap,?Ixyz"));
    EXPECT_TRUE(faiss_knows("Flat"));
}

TEST_F(FaissChildTest, ACountThatIsALieRunsIntoTheLimitOfMemoryAndNotIntoTheMachine) {
    write_test_index(scratch_ / "index", "Flat", 100);
    std::string bytes = get(scratch_ / "index");
    bytes[41] = 1;  // the number of floats, with 2^32 added: 16 GiB
    put(scratch_ / "index", bytes);
    const Error error = error_of([&] { open_with_faiss(of(scratch_ / "index")); });
    EXPECT_EQ(error.code(), Code::damaged);
    EXPECT_NE(std::string(error.what()).find("of memory"), std::string::npos) << error.what();
}
#endif

TEST_F(FaissChildTest, ACrashAHangAndSilenceAreDamageWithWords) {
    put(scratch_ / "index", "x");
    const auto says = [](const Error& error, const char* words) {
        EXPECT_EQ(error.code(), Code::damaged);
        EXPECT_NE(std::string(error.what()).find(words), std::string::npos) << error.what();
        EXPECT_FALSE(error.hint().empty());
    };
    says(error_with("kill -SEGV $$"), "crashed (Segmentation fault)");
    says(error_with("kill -ABRT $$"), "crashed (Aborted)");
    says(error_with("kill -KILL $$"), "out of memory");
    says(error_with("exit 0"), "said nothing");
    says(error_with("printf '\\nindex many\\n'"), "said nothing");
    says(error_with("echo why >&2; exit 9"), "status 9: why");
    const int64_t began_ns = mono_now_ns();
    says(error_with("sleep 30", 100), "longer than 100 ms");
    EXPECT_LT(mono_now_ns() - began_ns, 5'000'000'000);
    FaissOpen open = of(scratch_ / "index");
    open.program = {"/bin/sh", "-c", "echo libblas.so.3: not there >&2; exit 6"};
    EXPECT_EQ(error_of([&] { open_with_faiss(open); }).code(), Code::failed);
}

TEST_F(FaissChildTest, OnlyItsOwnArgumentsStartIt) {
    char program[] = "ingot", word[] = "snapshot";
    char* none[] = {program, nullptr};
    char* other[] = {program, word, word, word, word, word, nullptr};
    EXPECT_FALSE(run_faiss_child(1, none));
    EXPECT_FALSE(run_faiss_child(6, other));
    EXPECT_NE(faiss_version().find('.'), std::string::npos);
}

}  // namespace
}  // namespace ingot
