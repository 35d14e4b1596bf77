// The stages of storing, run at the same time: what packer_test.cc shows of the stages must hold of the pipeline too.
#include "store/packer.h"
#include "tests/store/scripted_stream.h"
#include "tests/store/store_fixture.h"

namespace ingot {
namespace {

using test::noise;
using test::prose;
using test::ScriptedFeed;
using test::ScriptedStream;

class WritePipeline : public StoreTest {};

TEST_F(WritePipeline, KeepsTheOrderOfStreamsOverManyBatches) {
    init();
    const auto repository = open();
    Packer packer(repository->core());
    ScriptedFeed feed;
    std::vector<Bytes> contents;
    for (uint64_t i = 0; i < 400; ++i) {
        contents.push_back(i % 3 == 0 ? noise(i * 200, i) : prose(i * 200, i));
        feed.add(Section::cdc(), contents.back());
    }
    ChunkFeed chunks(feed, repository->core().cutter, silent_);
    run_write_pipeline(chunks, packer, ChunkKind::data, feed);
    packer.flush();
    ASSERT_EQ(feed.results.size(), contents.size());
    for (size_t i = 0; i < contents.size(); ++i) {
        EXPECT_EQ(feed.results[i].root.size, contents[i].size());
        EXPECT_EQ(feed.results[i].sha256, sha256(contents[i]));
    }
    for (size_t i = 0; i < contents.size(); i += 37) EXPECT_EQ(read(*repository, feed.results[i].root), contents[i]);
}

TEST_F(WritePipeline, GivesTheSameRootsWhateverElseIsUnderWay) {
    init();
    const auto repository = open();
    std::vector<StreamRoot> roots;
    for (int round = 0; round < 3; ++round) {
        Packer packer(repository->core());
        ScriptedFeed feed;
        if (round == 1) feed.add(Section::cdc(), noise(3 << 20, 9));
        feed.add(Section::cdc(), prose(6 << 20, 1));
        ChunkFeed chunks(feed, repository->core().cutter, silent_);
        run_write_pipeline(chunks, packer, ChunkKind::data, feed);
        packer.flush();
        roots.push_back(feed.results.back().root);
    }
    EXPECT_EQ(roots[0], roots[1]);
    EXPECT_EQ(roots[0], roots[2]);
}

TEST_F(WritePipeline, EndsWithTheErrorOfTheStageThatFailed) {
    init();
    const auto repository = open();
    for (const Code code : {Code::failed, Code::interrupted}) {
        Packer packer(repository->core());
        ScriptedFeed feed;
        feed.add(Section::cdc(), noise(3 << 20, 1));
        feed.add(ScriptedStream({{Section::cdc(), noise(9 << 20, 2)}}).fail_at(8 << 20, code));
        ChunkFeed chunks(feed, repository->core().cutter, silent_);
        EXPECT_EQ(code_of([&] { run_write_pipeline(chunks, packer, ChunkKind::data, feed); }), code);
    }
    EXPECT_TRUE(std::filesystem::is_empty(path_ + "/tmp")) << "packs in the making are gone with their packer";
}

}  // namespace
}  // namespace ingot
