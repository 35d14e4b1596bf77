#include "restore/journal.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/base/temp_dir.h"
#include "tests/support/faulty_filesystem.h"

namespace ingot {
namespace {

Journal some_journal() {
    Journal journal;
    journal.restore_id = "0123456789abcdef";
    journal.stack = "stack";
    journal.snapshot.bytes[3] = 7;
    journal.state = RestoreState::stopped;
    journal.started_ms = 1'700'000'000'000;
    journal.targets.push_back(
        {"docs", "files", false, {"/a/.ingot-1", "/b/\xff\n"}, "", "/state/work", true, true, {{"docs", "/srv/docs"}}});
    journal.targets.push_back({"db", "sqlite", true, {"/a/.ingot-2"}, "/a/.ingot-2/staged", "/a/.ingot-2/work", true, false, {}});
    journal.targets[1].after_swap_owed = true;
    journal.kept_dir = "/kept/1";
    journal.reason = "error rate";
    journal.services = {true, false, true, true, "v2", "v1"};
    journal.expected = {{"rows", "12"}, {"users", "3"}};
    journal.steps = {{"stop", 1'700'000'000'001, 250, true, "said\nmore"}};
    return journal;
}

Code code_of(const std::function<void()>& call) {
    try {
        call();
    } catch (const Error& error) {
        return error.code();
    }
    ADD_FAILURE() << "nothing was thrown";
    return Code::usage;
}

TEST(Journal, ReadsBackWhatWasWritten) {
    const Journal journal = some_journal();
    const Journal again = decode_journal(encode_journal(journal), "journal");
    EXPECT_EQ(encode_journal(again), encode_journal(journal));
    EXPECT_EQ(again.state, RestoreState::stopped);
    EXPECT_EQ(again.targets[0].stage_dirs[1], "/b/\xff\n");
    EXPECT_EQ(again.targets[0].roots.at(0).live_path, "/srv/docs");
    EXPECT_EQ(again.kept_dir, "/kept/1");
    EXPECT_TRUE(again.targets[1].engine);
    EXPECT_FALSE(again.targets[1].swapped);
    EXPECT_TRUE(again.targets[1].after_swap_owed);
    EXPECT_EQ(again.reason, "error rate");
    EXPECT_TRUE(again.services.undrain_owed && again.services.start_begun && again.services.checkout_begun);
    EXPECT_FALSE(again.services.start_owed);
    EXPECT_FALSE(again.going_back);
    Journal back = journal;
    back.going_back = true;
    EXPECT_TRUE(decode_journal(encode_journal(back), "journal").going_back);
    EXPECT_EQ(again.services.version_before, "v2");
    EXPECT_EQ(again.services.version_after, "v1");
    EXPECT_EQ(again.expected.at("rows"), "12");
    EXPECT_EQ(again.steps.at(0).detail, "said\nmore");
    EXPECT_TRUE(again.steps.at(0).failed);
}

TEST(Journal, NoticesEveryFlippedBitAndEveryLengthThatIsNotItsOwn) {
    const Bytes good = encode_journal(some_journal());
    for (size_t bit = 0; bit < good.size() * 8; ++bit) {
        Bytes bad = good;
        bad[bit / 8] = static_cast<uint8_t>(bad[bit / 8] ^ (1u << bit % 8));
        ASSERT_EQ(code_of([&] { (void)decode_journal(bad, "journal"); }), Code::damaged) << "bit " << bit;
    }
    for (size_t size = 0; size < good.size(); ++size) {
        ASSERT_EQ(code_of([&] { (void)decode_journal(ByteView(good).first(size), "journal"); }), Code::damaged) << size;
    }
}

TEST(JournalFile, IsThereForOneRestoreAtATime) {
    TempDir dir;
    JournalFile file(real_filesystem(), dir.at("state"), "stack");
    EXPECT_EQ(code_of([&] { JournalFile(real_filesystem(), dir.at("state"), "stack"); }), Code::locked);
    const JournalFile other(real_filesystem(), dir.at("state"), "another");
    EXPECT_TRUE(restore_is_running(dir.at("state"), "stack"));
    EXPECT_FALSE(restore_is_running(dir.at("state"), "never"));
    EXPECT_FALSE(file.load());
    file.save(some_journal());
    EXPECT_EQ(file.load()->restore_id, "0123456789abcdef");
    EXPECT_TRUE(unfinished_restore(real_filesystem(), dir.at("state"), "stack"));  // takes no lock
    file.remove();
    EXPECT_FALSE(unfinished_restore(real_filesystem(), dir.at("state"), "stack"));
    file.remove();
}

TEST(JournalFile, IsTheOldOneOrTheNewOneWhicheverCallFails) {
    for (uint64_t nth = 1;; ++nth) {
        TempDir dir;
        test::FaultyFileSystem fs;
        JournalFile file(fs, dir.at("state"), "stack");
        Journal journal = some_journal();
        file.save(journal);
        journal.state = RestoreState::proven;
        fs.fail(test::Call::change, nth, false);
        bool saved = true;
        try {
            file.save(journal);
        } catch (const Error&) {
            saved = false;
        }
        const RestoreState state = file.load()->state;
        EXPECT_TRUE(state == RestoreState::proven || (!saved && state == RestoreState::stopped)) << nth;
        if (fs.failures() == 0) break;
        EXPECT_FALSE(saved);
    }
}

TEST(JournalFile, RemembersWhetherProbesMayDecideBesideTheJournal) {
    const TempDir dir;
    FileSystem& fs = real_filesystem();
    {
        JournalFile file(fs, dir.path(), "rag");
        EXPECT_FALSE(file.probes_may_decide());
        EXPECT_NO_THROW(file.no_more_probes());
        for (int again = 0; again < 2; ++again) file.let_probes_decide();
        file.save(some_journal());
    }
    JournalFile file(fs, dir.path(), "rag");
    EXPECT_TRUE(file.probes_may_decide());
    file.no_more_probes();
    EXPECT_FALSE(file.probes_may_decide());
    EXPECT_TRUE(file.load());
    file.let_probes_decide();
    file.remove();
    EXPECT_FALSE(file.probes_may_decide());
    EXPECT_FALSE(file.load());
}

}  // namespace
}  // namespace ingot
