#include "restore/engine_swap.h"

#include "tests/restore/restore_test_base.h"

namespace ingot::test {
namespace {

class Engines : public RestoreTest {
protected:
    Engines() : snapshot_(take()) {
        input_.repository = repository_.get();
        input_.source = snapshot_.manifest.find("db");
        input_.stack = &stack_;
        input_.driver = stack_.sources.back().get();
        input_.fs = &fs_;
        input_.progress = &progress_;
        input_.stage_name = ".ingot-1-0";
    }
    Snapshot snapshot_;
    TargetInput input_;
};

TEST_F(Engines, StageBesideTheLiveFileSwapAndUndo) {
    write_file(at("fake.db"), "rows of now");
    const std::unique_ptr<Target> target = EngineSwap::make(input_);
    RestoreResult result;
    target->check();
    EXPECT_EQ(target->counts().replaced, 1u);
    EXPECT_EQ(target->needs().at(0).folder, root());
    target->stage(result);
    EXPECT_EQ(read_whole(at(".ingot-1-0/staged/fake.db")), "rows of then");
    EXPECT_EQ(result.bytes_written, 12u);
    target->prepare_swap();
    target->swap(result);
    EXPECT_EQ(read_whole(at("fake.db")), "rows of then");
    undo_target(fs_, stack_, target->journal());
    EXPECT_EQ(read_whole(at("fake.db")), "rows of now");
    clean_target(fs_, stack_, target->journal());
    EXPECT_EQ(leftovers(), std::vector<std::string>{});
}

TEST_F(Engines, WhoseFolderIsGoneSayWhatToMake) {
    std::filesystem::remove_all(root());
    const std::unique_ptr<Target> target = EngineSwap::make(input_);
    const Error error = error_of([&] { target->check(); });
    EXPECT_EQ(error.code(), Code::failed);
    EXPECT_NE(error.hint().find("mkdir -p " + root()), std::string::npos);
}

TEST_F(Engines, AreNoneForADriverWithoutOne) {
    input_.driver = stack_.sources.front().get();
    EXPECT_EQ(EngineSwap::make(input_), nullptr);
}

}  // namespace
}  // namespace ingot::test
