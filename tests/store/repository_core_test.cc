// The fault loop: call 1 of a kind fails, then call 2, then 3, until a whole run passes; once, and for good from there on.
// After each: what was reported as saved is there, what was not is whole or absent, and the next session succeeds.
// (RELIABILITY of the store: I01, I02, I06 and I07 of the fault matrix; RocksDB's own files are in index_test and
// index_mend_test.)
#include "store/repository_core.h"

#include "tests/store/lossy_filesystem.h"
#include "tests/store/scenario.h"

namespace ingot {
namespace {

namespace fs = std::filesystem;
using test::Call;
using test::drop_empty_folders;
using test::LossyFileSystem;
using test::nightly;
using test::put_back;
using test::Scenario;

constexpr std::array kCalls = {Call::create,   Call::write, Call::sync, Call::rename, Call::remove, Call::make_dir,
                               Call::sync_dir, Call::open,  Call::read, Call::list,   Call::look};

class FaultLoop : public ::testing::Test {
protected:
    // Runs `work` with the n-th call failing, until nothing failed any more; `check` after each. Counts into totals.
    template <class Prepare, class Work, class Check>
    void loop(Call call, bool for_good, uint64_t most_points, Prepare prepare, Work work, Check check) {
        prepare();
        uint64_t calls = 0;
        {
            LossyFileSystem counting;
            work(counting);
            calls = counting.count(call);
        }
        // Every n-th call of a kind that has many; once for good and once not, from different starts.
        const uint64_t stride = nightly() ? 1 : 1 + calls / most_points;
        for (uint64_t n = for_good ? 1 : 1 + stride / 2;; n += stride) {
            prepare();
            LossyFileSystem faulty;
            faulty.fail(call, n, for_good, n % 2 == 0 ? ENOSPC : EIO);
            const std::string when = fmt::format("{} {}{} failed", test::kCallNames[static_cast<size_t>(call)], n,
                                                 for_good ? " and all later ones" : "");
            std::string message;
            const auto code = code_of([&] { work(faulty); }, &message);
            if (faulty.failures() == 0) {
                EXPECT_EQ(code, std::nullopt) << message;
                break;
            }
            ++points_;
            if (code) {
                ++thrown_;
                EXPECT_EQ(code, Code::failed) << when << ": " << message;
                EXPECT_NE(message.find("injected"), std::string::npos) << "the cause is not named: " << message;
            } else {
                ++survived_;
            }
            check(!code, when);
        }
    }

    test::TempDir dir_{test::fast_folder()};
    Scenario scenario_{dir_ / "repo", dir_ / "state"};
    uint64_t points_ = 0, thrown_ = 0, survived_ = 0;
};

TEST_F(FaultLoop, OfInitLeavesARepositoryOrNone) {
    for (const bool in_folder : {false, true}) {
        for (const Call call : kCalls) {
            for (const bool for_good : {false, true}) {
                const auto prepare = [&] {
                    fs::remove_all(scenario_.path());
                    fs::remove_all(scenario_.state());
                    for (const auto& entry : fs::directory_iterator(dir_.path())) fs::remove_all(entry.path());
                    if (in_folder) fs::create_directory(scenario_.path());
                };
                loop(
                    call, for_good, 4, prepare, [&](FileSystem& faulty) { scenario_.init(faulty); },
                    [&](bool succeeded, const std::string& when) {
                        const auto opened = code_of([&] { scenario_.open(real_filesystem()); });
                        EXPECT_TRUE(!opened || (!succeeded && opened == Code::no_repository)) << when;
                        if (opened) scenario_.init(real_filesystem());
                        drop_empty_folders(scenario_.path());
                        scenario_.expect_usable({}, "after init, when " + when);
                        size_t beside = 0;
                        for (const auto& entry : fs::directory_iterator(dir_.path()))
                            beside += entry.path().filename().string().find(".init-") != std::string::npos ? 1U : 0U;
                        if (opened) {
                            EXPECT_EQ(beside, 0U) << "the leftovers of a failed init are gone with the next, when " << when;
                        }
                    });
            }
        }
    }
    fmt::print("init: {} calls failed, {} reported, {} without effect\n", points_, thrown_, survived_);
}

TEST_F(FaultLoop, OfASessionNeverReportsWhatIsNotThereAndNeverLosesWhatIs) {
    std::vector<RecordId> acknowledged;
    scenario_.init(real_filesystem());
    drop_empty_folders(scenario_.path());
    // The first session, of a client that saw nothing yet; then one that finds what another stored.
    for (uint64_t round = 1; round <= 2; ++round) {
        put_back(scenario_.path(), dir_ / "template");
        if (round == 1) fs::create_directory(scenario_.state());
        put_back(scenario_.state(), dir_ / "template-state");
        for (const Call call : kCalls) {
            for (const bool for_good : {false, true}) {
                std::optional<RecordId> id;
                loop(
                    call, for_good, 8,
                    [&] {
                        put_back(dir_ / "template", scenario_.path());
                        put_back(dir_ / "template-state", scenario_.state());
                        id.reset();
                    },
                    [&](FileSystem& faulty) { id = scenario_.session(faulty, round); },
                    [&](bool succeeded, const std::string& when) {
                        EXPECT_EQ(succeeded, id.has_value());
                        std::vector<RecordId> expected = acknowledged;
                        if (id) expected.push_back(*id);
                        scenario_.expect_usable(expected, fmt::format("session {}, when {}", round, when));
                    });
            }
        }
        put_back(dir_ / "template", scenario_.path());
        put_back(dir_ / "template-state", scenario_.state());
        acknowledged.push_back(scenario_.session(real_filesystem(), round));
    }
    fmt::print("sessions: {} calls failed, {} reported, {} without effect; acknowledged records lost: 0\n", points_, thrown_,
               survived_);
}

// A reader meets errors as errors: it never shows fewer records, or other bytes.
TEST_F(FaultLoop, OfReadingNeverShowsLess) {
    scenario_.init(real_filesystem());
    drop_empty_folders(scenario_.path());
    const std::vector<RecordId> acknowledged = {scenario_.session(real_filesystem(), 1), scenario_.session(real_filesystem(), 2)};
    for (const Call call : {Call::open, Call::read, Call::list, Call::look}) {
        for (const bool for_good : {false, true}) {
            loop(
                call, for_good, 12, [] {},
                [&](FileSystem& faulty) {
                    const auto repository = scenario_.open(faulty, LockMode::shared);
                    EXPECT_EQ(Scenario::expect_whole(*repository, acknowledged, "while reading"), 2U);
                },
                [](bool, const std::string&) {});
        }
    }
    fmt::print("reading: {} calls failed, {} reported, {} without effect\n", points_, thrown_, survived_);
}

}  // namespace
}  // namespace ingot
