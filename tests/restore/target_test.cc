#include "restore/target.h"

#include "tests/restore/restore_test_base.h"

namespace ingot::test {
namespace {

using Targets = RestoreTest;

TEST_F(Targets, AreEnginesWhereTheDriverHasOneAndTreesElse) {
    const Snapshot snapshot = take();
    for (const std::string source : {"docs", "db"}) {
        TargetInput input;
        input.repository = repository_.get();
        input.source = snapshot.manifest.find(source);
        input.stack = &stack_;
        input.driver = find_driver_of(stack_, source);
        input.fs = &fs_;
        input.progress = &progress_;
        input.spool_dir = dir_.path();
        input.stage_name = ".ingot-1-0";
        input.work_dir = dir_.at("state/restore-1-0");
        const std::unique_ptr<Target> target = make_target(input);
        EXPECT_EQ(target->journal().engine, source == "db");
        EXPECT_EQ(target->journal().source, source);
    }
    EXPECT_EQ(find_driver_of(stack_, "none"), nullptr);
}

TEST_F(Targets, AnEngineThatLeftTheConfigCannotBeUndoneAndIsNamed) {
    JournalTarget target;
    target.source = "vectors";
    target.driver = "qdrant";
    target.engine = true;
    target.work_dir = "/data/.ingot-1/work";
    const Error error = error_of([&] { undo_target(fs_, stack_, target); });
    EXPECT_EQ(error.code(), Code::rollback_incomplete);
    EXPECT_NE(std::string(error.what()).find("/data/.ingot-1/work"), std::string::npos) << error.what();
    EXPECT_NE(error.hint().find("put the source back into the config"), std::string::npos);
}

}  // namespace
}  // namespace ingot::test
