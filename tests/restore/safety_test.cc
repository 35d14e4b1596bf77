#include "restore/safety.h"

#include "base/clock.h"
#include "restore/recover.h"
#include "snapshot/catalog.h"
#include "tests/restore/restore_test_base.h"

namespace ingot::test {
namespace {

class SafetyTest : public RestoreTest {
protected:
    RestoreOptions keeping() {
        RestoreOptions options;
        options.keep_old = [this](const Journal& journal) {
            const SafetyResult taken = take_safety_snapshot(*repository_, stack_, fs_, journal, progress_);
            notes_ = taken.notes;
            bytes_new_ = taken.bytes_new;
            return taken.id ? taken.id->hex() : std::string();
        };
        return options;
    }
    Snapshot safety_of(const RestoreResult& result) {
        for (Snapshot& snapshot : load_snapshots(*repository_, "test", {})) {
            if (snapshot.id.hex() == result.safety) return snapshot;
        }
        throw Error(Code::failed, "no safety snapshot: " + result.safety);
    }

    std::vector<std::string> notes_;
    uint64_t bytes_new_ = 0;
};

TEST_F(SafetyTest, HoldsTheOldStateAndARestoreOfItBringsItBack) {
    const Snapshot snapshot = take();
    const TreeState then = live();
    change();
    const TreeState old = live();
    const RestoreResult result = run(snapshot, keeping());
    EXPECT_EQ(live(), then);
    EXPECT_TRUE(leftovers().empty());
    const Snapshot safety = safety_of(result);
    EXPECT_TRUE(safety.safety());
    EXPECT_TRUE(safety.complete());
    EXPECT_FALSE(safety.golden());
    EXPECT_EQ(safety.manifest.sources.size(), 3u);
    EXPECT_EQ(safety.manifest.tags, (std::vector<std::string>{"safety", "restore-" + result.restore_id}));

    const RestoreResult undone = run(safety, keeping());
    EXPECT_EQ(difference(old, live()), "");
    const RestoreResult again = run(safety_of(undone), keeping());
    EXPECT_EQ(difference(then, live()), "");
    EXPECT_NE(again.safety, "");
}

TEST_F(SafetyTest, StoresNothingAgainThatIsKnown) {
    const Snapshot first = take();
    change();
    (void)take();
    const RestoreResult result = run(first, keeping());
    EXPECT_NE(result.safety, "");
    EXPECT_EQ(bytes_new_, 0u);
}

TEST_F(SafetyTest, IsPassedOverByWordsAndNamedByItsId) {
    const Snapshot first = take();
    change();
    const RestoreResult result = run(first, keeping());
    const std::vector<Snapshot> all = load_snapshots(*repository_, "test", {});
    ASSERT_EQ(all.size(), 2u);
    EXPECT_EQ(choose(all, {"latest", std::nullopt}).snapshot->id, first.id);
    EXPECT_EQ(choose(all, {"", wall_now_ms() + 60'000}).snapshot->id, first.id);
    EXPECT_EQ(choose(all, {result.safety.substr(0, 8), std::nullopt}).snapshot->id.hex(), result.safety);
    EXPECT_EQ(error_of([&] { (void)choose(all, {"latest~1", std::nullopt}); }).code(), Code::not_found);
}

TEST_F(SafetyTest, HoldsOnlyWhatTheRestoreChanged) {
    const Snapshot snapshot = take();
    write_file(at("docs/deep/b"), "changed");
    const Snapshot safety = safety_of(run(snapshot, keeping()));
    EXPECT_EQ(safety.manifest.find("env"), nullptr);
    ASSERT_NE(safety.manifest.find("docs"), nullptr);
    EXPECT_EQ(safety.manifest.find("docs")->entries, snapshot.manifest.find("docs")->entries);
}

TEST_F(SafetyTest, IsMadeOnceForEachRestore) {
    const Snapshot snapshot = take();
    change();
    std::string first, second;
    RestoreOptions options;
    options.keep_old = [&](const Journal& journal) {
        first = take_safety_snapshot(*repository_, stack_, fs_, journal, progress_).id->hex();
        second = take_safety_snapshot(*repository_, stack_, fs_, journal, progress_).id->hex();
        return second;
    };
    run(snapshot, options);
    EXPECT_EQ(first, second);
    EXPECT_EQ(load_snapshots(*repository_, "test", {}).size(), 2u);
}

// An old state that its engine does not open is kept byte for byte, and says so.
TEST_F(SafetyTest, IsOfRawBytesWhereTheEngineDoesNotOpenTheOldState) {
    class Refusing : public FilesDriver {
    public:
        using FilesDriver::FilesDriver;
        void prepare() override { throw Error(Code::source, "file is not a database"); }
    };
    stack_.make_driver = [](SourceSpec spec) { return std::make_unique<Refusing>(std::move(spec)); };
    const Snapshot snapshot = take();
    write_file(at("fake.db"), "torn");
    const Snapshot safety = safety_of(run(snapshot, keeping()));
    ASSERT_EQ(notes_.size(), 1u);
    EXPECT_NE(notes_[0].find("file is not a database"), std::string::npos);
    EXPECT_EQ(safety.manifest.find("db")->facts.count(kRawFact), 1u);
    RestoreOptions to;
    to.to = dir_.at("look");
    run(safety, to);
    EXPECT_EQ(read_whole(dir_.at("look/db/fake.db")), "torn");
}

// Whatever fails while the old state is stored: the new one is live, the old one stays, and a resume stores it.
TEST_F(SafetyTest, IsTakenByTheResumeWhereADiskFailed) {
    const Snapshot snapshot = take();
    const TreeState then = live();
    change();
    const TreeState old = live();
    int failed = 0;
    for (uint64_t nth = 1;; ++nth) {
        RestoreOptions options = keeping();
        options.keep_old = [&, inner = options.keep_old](const Journal& journal) {
            fs_.fail(Call::change, nth, false, ENOSPC);
            return inner(journal);
        };
        RestoreResult result = run(snapshot, options);
        const bool fired = fs_.failures() > 0;
        fs_.mend();
        if (!result.problems.empty()) {
            ++failed;
            RecoverOptions again;
            again.keep_old = keeping().keep_old;
            const RestoreResult resumed = recover(stack_, fs_, progress_, again);
            ASSERT_TRUE(resumed.problems.empty()) << resumed.problems[0];
            if (!result.safety.empty() && !resumed.safety.empty()) {
                ASSERT_EQ(resumed.safety, result.safety);  // not made twice
            }
            if (result.safety.empty()) result.safety = resumed.safety;
        }
        ASSERT_EQ(leftovers(), std::vector<std::string>{});
        ASSERT_EQ(difference(then, live()), "") << nth;
        run(safety_of(result));
        ASSERT_EQ(difference(old, live()), "") << nth;
        if (!fired) break;
    }
    EXPECT_GT(failed, 3);
    std::printf("%d faults while the old state was stored, all made good by a resume\n", failed);
}

}  // namespace
}  // namespace ingot::test
