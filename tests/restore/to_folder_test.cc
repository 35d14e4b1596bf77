#include "restore/to_folder.h"

#include <sched.h>
#include <sys/mount.h>

#include "tests/restore/restore_test_base.h"

namespace ingot::test {
namespace {

class ToFolder : public RestoreTest {
protected:
    ToFolder() : snapshot_(take()) {}
    RestoreResult run_to(const std::string& to) {
        return restore_to_folder(*repository_, snapshot_, fs_, {.only = {}, .to = to}, progress_);
    }
    Snapshot snapshot_;
};

TEST_F(ToFolder, WritesEverySourceUnderItsNameAndTouchesNothingLive) {
    const TreeState before = state_of(root(), true);
    const RestoreResult result = run_to(dir_.at("new/out/"));
    EXPECT_EQ(result.outcome, "written");
    EXPECT_EQ(difference(state_of(dir_.at("new/out/docs/docs")), state_of(at("docs"))), "");
    EXPECT_EQ(read_whole(dir_.at("new/out/env/.env")), "KEY=old value\n");
    EXPECT_EQ(read_whole(dir_.at("new/out/db/fake.db")), "rows of then");
    EXPECT_EQ(difference(state_of(root(), true), before), "");
    EXPECT_EQ(std::filesystem::directory_iterator(dir_.at("new"))->path().filename(), "out");
}

TEST_F(ToFolder, WritesIntoAnEmptyFolderAndRefusesAnother) {
    std::filesystem::create_directories(dir_.at("out"));
    run_to(dir_.at("out"));
    EXPECT_EQ(read_whole(dir_.at("out/env/.env")), "KEY=old value\n");
    EXPECT_FALSE(std::filesystem::exists(dir_.at("out/.ingot-")));
    const Error error = error_of([&] { run_to(dir_.at("out")); });
    EXPECT_EQ(error.code(), Code::usage);
    EXPECT_NE(std::string(error.what()).find("is not empty"), std::string::npos);
}

TEST_F(ToFolder, RefusesAFolderThatIsLive) {
    RestoreOptions options;
    options.to = at("docs/out");
    EXPECT_EQ(error_of([&] { run(snapshot_, options); }).code(), Code::usage);
    EXPECT_FALSE(std::filesystem::exists(at("docs/out")));
}

TEST_F(ToFolder, DryRunWritesNothing) {
    RestoreOptions options;
    options.to = dir_.at("out");
    options.dry_run = true;
    EXPECT_EQ(restore_to_folder(*repository_, snapshot_, fs_, options, progress_).outcome, "planned");
    EXPECT_FALSE(std::filesystem::exists(dir_.at("out")));
}

TEST_F(ToFolder, LeavesNothingBehindWhicheverCallFails) {
    for (const Call call : {Call::create, Call::write, Call::sync, Call::rename, Call::make_dir, Call::sync_dir}) {
        for (uint64_t nth = 1;; ++nth) {
            const std::string out = dir_.at("out");
            fs_.fail(call, nth, false, ENOSPC);
            bool written = true;
            try {
                run_to(out);
            } catch (const Error& error) {
                written = false;
                EXPECT_EQ(error.code(), Code::failed);
                EXPECT_NE(error.hint(), "") << error.what();
            }
            const bool failed = fs_.failures() > 0;
            fs_.mend();
            ASSERT_NE(failed, written) << to_string(call) << " " << nth;
            if (std::filesystem::exists(out)) {  // all of it: only the sync of its folder failed
                EXPECT_EQ(difference(state_of(out + "/docs/docs"), state_of(at("docs"))), "");
            }
            std::filesystem::remove_all(out);
            for (const auto& entry : std::filesystem::directory_iterator(dir_.path())) {
                ASSERT_FALSE(entry.path().filename().string().starts_with(".ingot-")) << to_string(call) << " " << nth;
            }
            if (!failed) break;
        }
    }
}

TEST_F(ToFolder, LeavesOutWhatIsLostAndSaysSo) {
    write_file(at("docs/big"), read_whole("/proc/self/exe").substr(0, 3 << 20));
    snapshot_ = take();
    repository_.reset();
    std::filesystem::path biggest;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(dir_.at("repo/packs"))) {
        if (entry.is_regular_file() && (biggest.empty() || entry.file_size() > std::filesystem::file_size(biggest)))
            biggest = entry.path();
    }
    std::string bytes = read_whole(biggest.string());
    bytes[bytes.size() / 2] = static_cast<char>(~bytes[bytes.size() / 2]);
    write_file(biggest.string(), bytes);
    open(LockMode::shared);
    const Error error = error_of([&] { run_to(dir_.at("out")); });
    EXPECT_EQ(error.code(), Code::damaged);
    EXPECT_NE(std::string(error.what()).find("docs/docs/big"), std::string::npos) << error.what();
    EXPECT_FALSE(std::filesystem::exists(dir_.at("out/docs/docs/big")));
    EXPECT_EQ(read_whole(dir_.at("out/env/.env")), "KEY=old value\n");
}

}  // namespace
}  // namespace ingot::test
