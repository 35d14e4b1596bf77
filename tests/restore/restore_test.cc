#include "restore/restore.h"

#include "tests/restore/restore_test_base.h"

namespace ingot::test {
namespace {

using RestoreLive = RestoreTest;

TEST_F(RestoreLive, PutsEverySourceBackAsItWas) {
    const TreeState then = live();
    const Snapshot snapshot = take();
    change();
    const RestoreResult result = run(snapshot);
    EXPECT_EQ(difference(live(), then), "");
    EXPECT_EQ(result.outcome, "restored");
    EXPECT_EQ(result.targets, 3u);
    EXPECT_EQ(result.replaced, 6u);  // a, a-too, b, link, .env, fake.db
    EXPECT_EQ(result.added, 1u);
    EXPECT_EQ(result.removed, 3u);  // extra, extra/below, extra/below/c
    EXPECT_EQ(result.problems, std::vector<std::string>{});
    EXPECT_EQ(leftovers(), std::vector<std::string>{});
}

TEST_F(RestoreLive, OfWhatIsLiveAlreadyChangesNoTree) {
    const Snapshot snapshot = take();
    const TreeState before = state_of(root() + "/docs", true);
    const RestoreResult result = run(snapshot, {.only = {"docs", "env"}, .to = {}});
    EXPECT_EQ(difference(state_of(root() + "/docs", true), before), "");
    EXPECT_EQ(result.replaced + result.added + result.removed + result.metadata, 0u);
    EXPECT_EQ(result.bytes_written, 0u);
    EXPECT_EQ(leftovers(), std::vector<std::string>{});
}

TEST_F(RestoreLive, OfOneSourceLeavesTheOthersAlone) {
    const Snapshot snapshot = take();
    change();
    run(snapshot, {.only = {"env"}, .to = {}});
    EXPECT_EQ(read_whole(at(".env")), "KEY=old value\n");
    EXPECT_EQ(read_whole(at("fake.db")), "rows of now");
    EXPECT_EQ(read_whole(at("docs/deep/b")), "other");
}

TEST_F(RestoreLive, DryRunListsEveryChangeAndWritesNothing) {
    const Snapshot snapshot = take();
    change();
    const TreeState before = state_of(dir_.path(), true);
    RestoreOptions options;
    options.dry_run = true;
    const RestoreResult result = run(snapshot, options);
    EXPECT_EQ(difference(state_of(dir_.path(), true), before), "");
    EXPECT_EQ(result.outcome, "planned");
    std::map<std::string, RestoreChange::What> changes;
    for (const RestoreChange& change : result.changes) changes[change.source + "/" + change.path] = change.what;
    using What = RestoreChange::What;
    const std::map<std::string, What> expected = {
        {"docs/docs", What::metadata},       {"docs/docs/a", What::replace}, {"docs/docs/a-too", What::replace},
        {"docs/docs/deep/b", What::replace}, {"docs/docs/gone", What::add},  {"docs/docs/link", What::replace},
        {"docs/docs/extra", What::remove},   {"env/.env", What::replace},    {"db/fake.db", What::replace}};
    EXPECT_EQ(changes, expected);
}

TEST_F(RestoreLive, StopsAtASignalBeforeTheSwapWithNothingChanged) {
    const Snapshot snapshot = take();
    change();
    const TreeState before = live();
    set_interrupted(true);
    const Error error = error_of([&] { run(snapshot); });
    EXPECT_EQ(error.code(), Code::interrupted);
    EXPECT_EQ(difference(live(), before), "");
    EXPECT_EQ(leftovers(), std::vector<std::string>{});
}

TEST_F(RestoreLive, DoesNotHearASignalBetweenTheFirstSwapAndTheEnd) {
    const TreeState then = live();
    const Snapshot snapshot = take();
    change();
    set_step_listener([](const char* name) {
        if (std::string_view(name) == "restore.swap-begun") set_interrupted(true);
    });
    run(snapshot);
    set_step_listener(nullptr);
    EXPECT_EQ(difference(live(), then), "");
}

TEST_F(RestoreLive, RollsBackTheTreesWhenAnEngineBreaks) {
    const Snapshot snapshot = take();
    change();
    const TreeState before = live();
    FakeEngine::breaks = true;
    const Error error = error_of([&] { run(snapshot); });
    EXPECT_EQ(error.code(), Code::rolled_back);
    EXPECT_NE(std::string(error.what()).find("the fake engine broke"), std::string::npos);
    EXPECT_EQ(difference(live(), before), "");
    EXPECT_EQ(leftovers(), std::vector<std::string>{});
}

TEST_F(RestoreLive, ChangesNothingWhenAnEngineRefusesOrRejectsItsArtifact) {
    write_file(at("fake.db"), "corrupt rows");
    const Snapshot snapshot = take();
    change();
    const TreeState before = live();
    EXPECT_EQ(error_of([&] { run(snapshot); }).code(), Code::damaged);
    FakeEngine::refuses = true;
    const Error error = error_of([&] { run(snapshot); });
    EXPECT_EQ(error.code(), Code::failed);
    EXPECT_NE(std::string(error.what()).find("nothing was changed"), std::string::npos) << error.what();
    EXPECT_EQ(error.hint(), "wait");
    EXPECT_EQ(difference(live(), before), "");
    EXPECT_EQ(leftovers(), std::vector<std::string>{});
}

TEST_F(RestoreLive, WhatAnEngineLoadedBesideTheLiveStateGoesWhenItCannotHoldIt) {
    const Snapshot snapshot = take();
    change();
    const TreeState before = live();
    FakeEngine::full = true;
    const Error error = error_of([&] { run(snapshot); });
    EXPECT_EQ(error.code(), Code::failed);
    EXPECT_NE(std::string(error.what()).find("nothing was changed"), std::string::npos) << error.what();
    EXPECT_EQ(difference(live(), before), "");
    EXPECT_EQ(leftovers(), std::vector<std::string>{});
}

TEST_F(RestoreLive, EndsBeforeTheSwapWhenAnythingChangedSinceItWasCompared) {
    const Snapshot snapshot = take();
    change();
    static std::string path;
    // One that would be replaced, one that is the snapshot's already, and a folder in which a name is new.
    for (const std::string& name : {std::string("docs/deep/b"), std::string("docs/same"), std::string("docs/deep/new")}) {
        path = at(name);
        const std::string before = std::filesystem::exists(path) ? read_whole(path) : "";
        set_step_listener([](const char* step_name) {
            if (std::string_view(step_name) == "restore.staged") write_file(path, "someone's");
        });
        const Error error = error_of([&] { run(snapshot); });
        set_step_listener(nullptr);
        const std::string named = name == "docs/deep/new" ? at("docs/deep") : path;
        EXPECT_EQ(error.code(), Code::failed);
        EXPECT_TRUE(std::string(error.what()).starts_with(named + " was changed by someone else during the restore"))
            << error.what();
        EXPECT_NE(std::string(error.what()).find("nothing was changed"), std::string::npos) << error.what();
        EXPECT_EQ(read_whole(path), "someone's");
        EXPECT_EQ(read_whole(at("fake.db")), "rows of now");
        EXPECT_EQ(leftovers(), std::vector<std::string>{});
        before.empty() ? (void)std::filesystem::remove(path) : write_file(path, before);
    }
}

TEST_F(RestoreLive, RollsBackWhenATargetChangesInTheSwap) {
    const Snapshot snapshot = take();
    change();
    static std::string path;
    path = at("docs/deep/b");
    set_step_listener([](const char* name) {
        if (std::string_view(name) == "restore.swap-begun") write_file(path, "someone's");
    });
    const Error error = error_of([&] { run(snapshot); });
    set_step_listener(nullptr);
    EXPECT_EQ(error.code(), Code::rolled_back);
    EXPECT_NE(std::string(error.what()).find("changed by someone else during the restore"), std::string::npos) << error.what();
    EXPECT_EQ(read_whole(path), "someone's");
    EXPECT_EQ(read_whole(at("fake.db")), "rows of now");
    EXPECT_EQ(leftovers(), std::vector<std::string>{});
}

TEST_F(RestoreLive, RefusesWhileAnotherRestoreRunsOrIsUnfinished) {
    const Snapshot snapshot = take();
    {
        JournalFile other(fs_, dir_.at("state"), "test");
        EXPECT_EQ(error_of([&] { run(snapshot); }).code(), Code::locked);
        Journal journal;
        journal.stack = "test";
        other.save(journal);
    }
    const Error error = error_of([&] { run(snapshot); });
    EXPECT_EQ(error.code(), Code::failed);
    EXPECT_NE(error.hint().find("--resume"), std::string::npos);
    EXPECT_TRUE(unfinished_restore(fs_, dir_.at("state"), "test"));
}

TEST_F(RestoreLive, ChangesNothingWhenAChunkIsLost) {
    const Snapshot snapshot = take();
    change();
    const TreeState before = live();
    repository_.reset();
    for (const auto& entry : std::filesystem::recursive_directory_iterator(dir_.at("repo/packs"))) {
        if (!entry.is_regular_file() || entry.file_size() < 100) continue;
        std::string bytes = read_whole(entry.path().string());
        for (size_t i = 64; i + 200 < bytes.size(); i += 8) bytes[i] = static_cast<char>(~bytes[i]);
        write_file(entry.path().string(), bytes);
    }
    const Error error = error_of([&] {
        open(LockMode::shared);
        run(snapshot);
    });
    EXPECT_EQ(error.code(), Code::damaged) << error.what();
    EXPECT_EQ(difference(live(), before), "");
    EXPECT_EQ(leftovers(), std::vector<std::string>{});
}

TEST_F(RestoreLive, EnginesTakeNoticeOnceEverySourceIsSwapped) {
    add<FakeServerDriver>("web", "fakeserver", {"web.conf"});
    write_file(at("web.conf"), "then");
    const Snapshot snapshot = take();
    change();
    write_file(at("web.conf"), "now");
    const RestoreResult result = run(snapshot);
    EXPECT_EQ(FakeServerDriver::serving, std::vector<std::string>{"then"});
    EXPECT_EQ(result.problems, std::vector<std::string>{});
    run(snapshot);  // the web's files are right already: its engine has nothing to take notice of
    EXPECT_EQ(FakeServerDriver::serving.size(), 1u);
}

TEST_F(RestoreLive, IsTakenBackWhenAnEngineRejectsItsFilesAndTheEngineIsToldAgain) {
    add<FakeServerDriver>("web", "fakeserver", {"web.conf"});
    add<FakeServerDriver>("later", "fakeserver", {"later.conf"});
    write_file(at("web.conf"), "then");
    write_file(at("later.conf"), "later, then");
    const Snapshot snapshot = take();
    change();
    write_file(at("web.conf"), "now");
    write_file(at("later.conf"), "later, now");
    const TreeState before = live();
    FakeServerDriver::rejects = "then";
    const Error error = error_of([&] { run(snapshot); });
    EXPECT_EQ(error.code(), Code::rolled_back);
    EXPECT_NE(std::string(error.what()).find("web: its engine does not take the restored files: the fake server does not start"),
              std::string::npos)
        << error.what();
    EXPECT_EQ(difference(live(), before), "");
    EXPECT_EQ(FakeServerDriver::serving, (std::vector<std::string>{"then", "now"}));  // the later one was never told
    EXPECT_EQ(leftovers(), std::vector<std::string>{});
}

TEST_F(RestoreLive, IsTakenBackAllTheSameWhenTheEngineRejectsTheOldFilesToo) {
    add<FakeServerDriver>("web", "fakeserver", {"web.conf"});
    write_file(at("web.conf"), "same words");
    const Snapshot snapshot = take();
    write_file(at("web.conf"), "same words", 0600);  // an attribute is all that differs
    FakeServerDriver::rejects = "same words";
    const Error error = error_of([&] { run(snapshot); });
    EXPECT_EQ(error.code(), Code::rolled_back);
    EXPECT_NE(std::string(error.what()).find("web: the old files are back, and its engine did not take notice of them"),
              std::string::npos)
        << error.what();
    EXPECT_EQ(FakeServerDriver::serving.size(), 2u);
    EXPECT_EQ(leftovers(), std::vector<std::string>{});
}

// Fails each call of each kind in turn. Whatever happens, all of it is old or all of it is new, and the code says which.
TEST_F(RestoreLive, IsWhollyOldOrWhollyNewWhicheverCallFails) {
    const TreeState then = live();
    const Snapshot snapshot = take();
    change();
    const TreeState now = live();
    const std::string saved = dir_.at("saved");
    ASSERT_EQ(std::system(("cp -a " + root() + " " + saved).c_str()), 0);
    std::map<std::string, int> outcomes;
    for (const Call call : {Call::open, Call::create, Call::write, Call::sync, Call::rename, Call::remove, Call::make_dir,
                            Call::sync_dir, Call::sync_file, Call::list}) {
        for (const bool for_good : {false, true}) {
            for (uint64_t nth = 1;; ++nth) {
                fs_.fail(call, nth, for_good, nth % 2 == 0 ? ENOSPC : EIO);
                std::string outcome = "restored";
                std::string problems;
                try {
                    for (const std::string& line : run(snapshot).problems) problems += line;
                } catch (const Error& error) {
                    outcome = error.code() == Code::failed        ? "nothing changed"
                              : error.code() == Code::rolled_back ? "rolled back"
                                                                  : "rollback incomplete";
                    if (error.code() != Code::failed && error.code() != Code::rolled_back) {
                        EXPECT_EQ(error.code(), Code::rollback_incomplete) << error.what();
                        EXPECT_NE(error.hint(), "") << error.what();
                    }
                }
                const bool failed = fs_.failures() > 0;
                fs_.mend();
                const std::string where = std::string(to_string(call)) + " " + std::to_string(nth) +
                                          (for_good ? " for good" : " once") + ": " + outcome;
                TreeState left = live();
                const size_t stages =
                    std::erase_if(left, [](const auto& each) { return each.first.find("/.ingot-") != std::string::npos; });
                if (outcome == "restored") {
                    ASSERT_EQ(difference(left, then), "") << where;
                    ASSERT_TRUE((stages == 0 && leftovers().empty()) || !problems.empty())
                        << where;  // what is left behind is named
                } else if (outcome != "rollback incomplete") {
                    ASSERT_EQ(difference(left, now), "") << where;
                }
                recover(stack_, fs_, progress_);
                ASSERT_EQ(leftovers(), std::vector<std::string>{}) << where;
                const TreeState after = live();
                ASSERT_TRUE(difference(after, now).empty() || difference(after, then).empty()) << where << "\n"
                                                                                               << difference(after, now);
                ++outcomes[outcome];
                if (difference(after, then).empty()) {
                    std::filesystem::remove_all(root());
                    ASSERT_EQ(std::system(("cp -a " + saved + " " + root()).c_str()), 0);
                }
                if (!failed) break;
            }
        }
    }
    for (const auto& [outcome, count] : outcomes) std::printf("%4d failing calls: %s\n", count, outcome.c_str());
    EXPECT_GT(outcomes["nothing changed"], 20);
    EXPECT_GT(outcomes["rolled back"], 20);
}

// The process that the next test kills.
TEST_F(RestoreLive, DISABLED_Victim) {
    open(LockMode::shared);
    const Snapshot snapshot = listed(RecordId::from_hex(std::getenv("INGOT_TEST_SNAPSHOT")));
    die_at_step(std::stoi(std::getenv("INGOT_TEST_STEP")));
    run(snapshot);
}

TEST_F(RestoreLive, KilledAtAnyStepIsFinishedByRecoveryWhichMayBeKilledToo) {
    const TreeState then = live();
    const Snapshot snapshot = take();
    change();
    const TreeState now = live();
    const std::string saved = dir_.at("saved");
    ASSERT_EQ(std::system(("cp -a " + root() + " " + saved).c_str()), 0);
    repository_.reset();
    int old_ones = 0, new_ones = 0;
    for (int nth = 1;; ++nth) {
        const int status = in_own_process("RestoreLive.DISABLED_Victim", {{"INGOT_TEST_SCENE", dir_.path()},
                                                                          {"INGOT_TEST_STEP", std::to_string(nth)},
                                                                          {"INGOT_TEST_SNAPSHOT", snapshot.id.hex()}});
        if (status == 0) break;
        ASSERT_EQ(status, 128 + SIGKILL);
        ASSERT_TRUE(unfinished_restore(fs_, dir_.at("state"), "test") || leftovers().empty()) << nth;
        (void)in_child([&] {
            die_at_step(1 + nth % 7);
            recover(stack_, fs_, progress_);
            return 0;
        });
        const RestoreResult result = recover(stack_, fs_, progress_);
        EXPECT_EQ(result.problems, std::vector<std::string>{});
        ASSERT_EQ(leftovers(), std::vector<std::string>{}) << nth;
        ASSERT_EQ(recover(stack_, fs_, progress_).outcome, "nothing");
        const bool is_new = difference(live(), then).empty();
        ASSERT_TRUE(is_new || difference(live(), now).empty()) << nth << "\n" << difference(live(), now);
        ++(is_new ? new_ones : old_ones);
        std::filesystem::remove_all(root());
        ASSERT_EQ(std::system(("cp -a " + saved + " " + root()).c_str()), 0);
    }
    std::printf("killed at %d steps: %d wholly old, %d wholly new\n", old_ones + new_ones, old_ones, new_ones);
    EXPECT_GT(old_ones, 10);
    EXPECT_GT(new_ones, 1);
}

}  // namespace
}  // namespace ingot::test
