#include "restore/tree_swap.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include "base/error.h"
#include "base/step.h"
#include "tests/restore/tree_scene.h"
#include "tests/support/faulty_filesystem.h"

namespace ingot::test {
namespace {

int the_countdown = 0;
void kill_at_zero(const char*) {
    if (--the_countdown == 0) ::kill(::getpid(), SIGKILL);
}

// Runs `body` in a child that kills itself at its nth step; true where it got that far.
template <class Body>
bool killed_at_step(int nth, Body&& body) {
    std::fflush(nullptr);  // else a child would print it again
    const pid_t child = ::fork();
    if (child == 0) {
        the_countdown = nth;
        set_step_listener(kill_at_zero);
        try {
            body();
        } catch (const std::exception& error) {
            std::fprintf(stderr, "child: %s\n", error.what());
            ::_exit(2);
        }
        ::_exit(0);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_TRUE(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
    return WIFSIGNALED(status);
}

class RandomTrees : public testing::TestWithParam<int> {};

TEST_P(RandomTrees, BecomeTheSnapshotsByTheSwapAndTheOldOnesByTheUndo) {
    std::mt19937_64 random(static_cast<uint64_t>(GetParam()));
    Scene scene;
    make_random_tree(scene.live, random);
    if (random() % 4 == 0) {
        make_random_tree(scene.wanted, random);
    } else {  // a later state of the same tree
        std::filesystem::remove_all(scene.wanted);
        ASSERT_EQ(std::system(("cp -a '" + scene.live + "' '" + scene.wanted + "'").c_str()), 0);
        change_at_random(scene.wanted, random);
    }
    scene.take();
    const TreeState wanted = state_of(scene.wanted);
    const TreeState old = state_of(scene.live, true);

    EXPECT_EQ(scene.stage(), std::vector<std::string>{});
    TreeSwap(real_filesystem(), scene.plan()).swap();
    TreeSwap(real_filesystem(), scene.plan()).swap();  // again: nothing left to do
    TreeSwap(real_filesystem(), scene.plan()).undo();
    scene.clean();
    EXPECT_EQ(difference(state_of(scene.live, true), old), "");

    EXPECT_EQ(scene.stage(), std::vector<std::string>{});
    TreeSwap(real_filesystem(), scene.plan()).swap();
    scene.clean();
    EXPECT_EQ(difference(state_of(scene.live), wanted), "");
    EXPECT_TRUE(scene.compare().empty());
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomTrees, testing::Range(0, 60));

TEST(TreeSwap, KilledAfterAnyOperationIsUndoneWholly) {
    int kills = 0;
    for (int seed = 100; seed < 104; ++seed) {
        std::mt19937_64 random(static_cast<uint64_t>(seed));
        Scene scene;
        make_random_tree(scene.live, random);
        make_random_tree(scene.wanted, random);
        scene.take();
        const TreeState old = state_of(scene.live, true);
        const TreeState wanted = state_of(scene.wanted);
        for (int nth = 1;; ++nth) {
            scene.stage();
            const bool killed = killed_at_step(nth, [&] { TreeSwap(real_filesystem(), scene.plan()).swap(); });
            if (!killed) {
                scene.clean();
                EXPECT_EQ(difference(state_of(scene.live), wanted), "");
                break;
            }
            ++kills;
            // The undo may be killed as well.
            (void)killed_at_step(1 + nth / 2, [&] { TreeSwap(real_filesystem(), scene.plan()).undo(); });
            TreeSwap(real_filesystem(), scene.plan()).undo();
            scene.clean();
            ASSERT_EQ(difference(state_of(scene.live, true), old), "") << "seed " << seed << ", killed after step " << nth;
        }
    }
    std::printf("killed after %d operations, each undone wholly\n", kills);
}

TEST(TreeSwap, UndoesWhatWasDoneWhenAnyCallFails) {
    int failures = 0;
    for (const Call call : {Call::rename, Call::sync_dir, Call::sync_file, Call::create, Call::sync, Call::remove}) {
        for (const bool for_good : {false, true}) {
            for (uint64_t nth = 1;; ++nth) {
                std::mt19937_64 random(7);
                Scene scene;
                make_random_tree(scene.live, random);
                make_random_tree(scene.wanted, random);
                scene.take();
                const TreeState old = state_of(scene.live, true);
                scene.stage();
                FaultyFileSystem fs;
                fs.fail(call, nth, for_good);
                bool swapped = true;
                try {
                    TreeSwap(fs, scene.plan()).swap();
                } catch (const Error& error) {
                    swapped = false;
                    EXPECT_EQ(error.code(), Code::failed);
                }
                const bool failed = fs.failures() > 0;
                EXPECT_EQ(failed, !swapped) << to_string(call) << " " << nth;
                if (swapped) break;
                ++failures;
                if (for_good) {
                    try {
                        TreeSwap(fs, scene.plan()).undo();
                    } catch (const Error& error) {
                        EXPECT_EQ(error.code(), Code::rollback_incomplete);
                        EXPECT_NE(error.hint(), "");
                    }
                    fs.mend();
                }
                TreeSwap(fs, scene.plan()).undo();
                scene.clean();
                ASSERT_EQ(difference(state_of(scene.live, true), old), "") << to_string(call) << " " << nth;
            }
        }
    }
    std::printf("%d failing calls, each undone wholly\n", failures);
}

TEST(TreeSwap, UndoPassesOverAFailureThatHappensOnce) {
    for (uint64_t nth = 1;; ++nth) {
        std::mt19937_64 random(8);
        Scene scene;
        make_random_tree(scene.live, random);
        make_random_tree(scene.wanted, random);
        scene.take();
        const TreeState old = state_of(scene.live, true);
        scene.stage();
        TreeSwap(real_filesystem(), scene.plan()).swap();
        FaultyFileSystem fs;
        fs.fail(Call::change, nth, false);
        TreeSwap(fs, scene.plan()).undo();
        scene.clean();
        ASSERT_EQ(difference(state_of(scene.live, true), old), "") << nth;
        if (fs.failures() == 0) break;
    }
}

TEST(TreeSwap, StopsBeforeAFileThatSomeoneChangedSinceItWasCompared) {
    Scene scene;
    write_file(scene.live + "/a", "old");
    write_file(scene.live + "/b", "old");
    write_file(scene.wanted + "/a", "new");
    write_file(scene.wanted + "/b", "new");
    scene.take();
    scene.stage();
    write_file(scene.live + "/b", "someone's");
    TreeSwap swap(real_filesystem(), scene.plan());
    try {
        swap.swap();
        FAIL() << "swapped";
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), Code::failed);
        EXPECT_NE(std::string(error.what()).find(scene.live + "/b was changed by someone else during the restore"),
                  std::string::npos)
            << error.what();
    }
    swap.undo();
    scene.clean();
    EXPECT_EQ(read_whole(scene.live + "/a"), "old");
    EXPECT_EQ(read_whole(scene.live + "/b"), "someone's");
}

TEST(TreeSwap, FindsBeforeTheFirstMoveWhatSomeoneChangedSinceItWasCompared) {
    Scene scene;
    write_file(scene.live + "/a", "old");
    write_file(scene.live + "/z", "old");
    write_file(scene.wanted + "/a", "new");
    write_file(scene.wanted + "/added", "new");
    scene.take();
    scene.stage();
    const TreeSwap swap(real_filesystem(), scene.plan());
    EXPECT_NO_THROW(swap.look_again());
    const auto named = [&](const std::string& path) {
        try {
            swap.look_again();
        } catch (const Error& error) {
            EXPECT_EQ(error.code(), Code::failed);
            return std::string(error.what()).starts_with(path + " was changed by someone else");
        }
        return false;
    };
    write_file(scene.live + "/added", "someone's");  // where one is to be added
    EXPECT_TRUE(named(scene.live + "/added"));
    std::filesystem::remove(scene.live + "/added");
    write_file(scene.live + "/z", "someone's");  // one that is to be removed
    EXPECT_TRUE(named(scene.live + "/z"));
    EXPECT_EQ(read_whole(scene.live + "/a"), "old");  // it looked, and moved nothing
    scene.clean();
}

TEST(TreeSwap, SyncsEachFileWhoseAttributesAloneItChanges) {
    Scene scene;
    for (const char* name : {"/a", "/b", "/c"}) {
        write_file(scene.live + name, "same", 0600);
        write_file(scene.wanted + name, "same", name[1] == 'c' ? 0600 : 0640);
    }
    for (const std::string& dir : {scene.live, scene.wanted}) {
        for (const char* name : {"/a", "/b", "/c"})
            std::filesystem::last_write_time(dir + name, std::filesystem::file_time_type{});
    }
    scene.take();
    scene.stage();
    FaultyFileSystem fs;
    TreeSwap(fs, scene.plan()).swap();
    EXPECT_EQ(fs.calls(Call::sync_file), 2u);
    TreeSwap(fs, scene.plan()).undo();
    EXPECT_EQ(fs.calls(Call::sync_file), 4u);
    scene.clean();
}

TEST(TreeSwap, NeverMovesAsideAFolderIntoWhichSomeoneWroteSinceItWasCompared) {
    Scene scene;
    std::filesystem::create_directories(scene.live + "/extra/deep");
    write_file(scene.live + "/extra/deep/file", "x");
    scene.take();
    scene.stage();
    write_file(scene.live + "/extra/deep/another", "y");
    TreeSwap swap(real_filesystem(), scene.plan());
    EXPECT_THROW(swap.swap(), Error);
    swap.undo();
    scene.clean();
    EXPECT_EQ(read_whole(scene.live + "/extra/deep/another"), "y");
}

TEST(TreeSwap, ReplacesASymlinkItselfAndNotWhatItLeadsTo) {
    Scene scene;
    write_file(scene.dir / "outside", "untouched");
    std::filesystem::create_symlink(scene.dir / "outside", scene.live + "/settings");
    write_file(scene.wanted + "/settings", "new");
    scene.take();
    scene.stage();
    TreeSwap(real_filesystem(), scene.plan()).swap();
    scene.clean();
    EXPECT_EQ(read_whole(scene.dir / "outside"), "untouched");
    EXPECT_TRUE(std::filesystem::is_regular_file(std::filesystem::symlink_status(scene.live + "/settings")));
}

TEST(TreeSwap, UndoNamesBothPlacesWhenSomeoneTookTheNewFilesPlace) {
    Scene scene;
    write_file(scene.live + "/a", "old");
    write_file(scene.wanted + "/a", "new");
    scene.take();
    scene.stage();
    TreeSwap(real_filesystem(), scene.plan()).swap();
    std::filesystem::remove(scene.live + "/a");
    write_file(scene.live + "/a", "someone's");
    try {
        TreeSwap(real_filesystem(), scene.plan()).undo();
        FAIL() << "undone";
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), Code::rollback_incomplete);
        EXPECT_NE(std::string(error.what()).find(scene.live + "/a was changed"), std::string::npos) << error.what();
        EXPECT_NE(std::string(error.what()).find(scene.stages.at(0) + "/0"), std::string::npos) << error.what();
    }
    EXPECT_EQ(read_whole(scene.live + "/a"), "someone's");
}

TEST(TreeSwap, MakesTheFoldersAboveARootAgainAndTakesThemAwayInTheUndo) {
    Scene scene;
    write_file(scene.wanted + "/a", "new");
    scene.take();
    std::filesystem::remove_all(scene.dir / "stack/data");
    CompareInput input;
    input.source = "data";
    input.roots = {{"data", scene.dir / "stack", "far/away/data"}};
    input.listing = replay(scene.listing);
    input.excluded = input.foreign = [](const std::string&) { return false; };
    input.spool_dir = scene.dir.path();
    input.stage_name = ".ingot-0-0";
    const TreeState old = state_of(scene.dir / "stack", true);
    stage_tree(compare_tree(input, scene.content, real_filesystem()), scene.content, real_filesystem(), scene.plan());
    TreeSwap(real_filesystem(), scene.plan()).swap();
    EXPECT_EQ(read_whole(scene.dir / "stack/far/away/data/a"), "new");
    TreeSwap(real_filesystem(), scene.plan()).undo();
    remove_stage_folder(real_filesystem(), scene.dir / "stack/.ingot-0-0");
    EXPECT_EQ(difference(state_of(scene.dir / "stack", true), old), "");
}

}  // namespace
}  // namespace ingot::test
