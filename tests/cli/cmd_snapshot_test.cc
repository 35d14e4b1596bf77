#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "store/lock.h"
#include "tests/cli/command_fixture.h"

namespace ingot {

using SnapshotTest = CommandTest;

static nlohmann::json last_line(const std::string& text) {
    const size_t end = text.find_last_not_of('\n');
    const size_t begin = text.rfind('\n', end);
    return nlohmann::json::parse(text.substr(begin == std::string::npos ? 0 : begin + 1));
}

TEST_F(SnapshotTest, EndsWithOneLineThatSaysWhatWasSaved) {
    init();
    const Ran plain = run({"snapshot"});
    EXPECT_EQ(plain.exit, 0) << plain.err;
    EXPECT_EQ(plain.out.size(), std::string("snapshot 3f2a91bc saved\n").size()) << plain.out;
    EXPECT_TRUE(run({"snapshot", "--golden"}).out.ends_with(" saved, golden\n"));
}

TEST_F(SnapshotTest, TheSummaryHasEveryFieldThatIsPromised) {
    init();
    const Ran ran = run({"snapshot", "--golden", "--tag", "t", "--json"});
    ASSERT_EQ(ran.exit, 0) << ran.err;
    const nlohmann::json summary = last_line(ran.out);
    for (const char* name :
         {"message_type", "snapshot_id", "golden", "consistency", "skew_ms", "pause_ms", "sources", "streams", "bytes_read",
          "chunks", "chunks_new", "bytes_new", "bytes_meta", "bytes_stored", "duration_s", "exit"}) {
        EXPECT_TRUE(summary.contains(name)) << name;
    }
    EXPECT_EQ(summary["message_type"], "summary");
    EXPECT_EQ(summary["golden"], true);
    EXPECT_EQ(summary["sources"], 2);
    EXPECT_EQ(summary["pause_ms"], nullptr);
}

TEST_F(SnapshotTest, AMissingSourceMakesItPartialAndStatusThree) {
    init();
    snapshot();
    remove_tree(real_filesystem(), dir.at("stack/docs"));
    const Ran ran = run({"snapshot", "--golden"});
    EXPECT_EQ(ran.exit, 3);
    EXPECT_TRUE(ran.out.ends_with(" saved, partial\n")) << ran.out;
    EXPECT_TRUE(holds(ran.err, "docs is missing")) << ran.err;
    EXPECT_TRUE(holds(ran.err, "not golden")) << ran.err;
}

TEST_F(SnapshotTest, ALockedRepositoryIsStatusElevenAndNamesTheHolder) {
    init();
    // Another process has it, until the pipe to it is closed.
    std::array<int, 2> ready{}, go{};
    ASSERT_EQ(::pipe(ready.data()), 0);
    ASSERT_EQ(::pipe(go.data()), 0);
    const pid_t pid = ::fork();
    if (pid == 0) {
        ::close(go[1]);
        const Lock lock(dir.at("repo/config"), LockMode::append, 0);
        char byte = 'x';
        if (::write(ready[1], &byte, 1) == 1 && ::read(go[0], &byte, 1) == 0) ::_exit(0);
        ::_exit(1);
    }
    char byte = 0;
    ASSERT_EQ(::read(ready[0], &byte, 1), 1);
    const Ran ran = run({"snapshot", "--lock-wait", "0s"});
    ::close(go[1]);
    ::waitpid(pid, nullptr, 0);
    for (const int fd : {ready[0], ready[1], go[0]}) ::close(fd);
    EXPECT_EQ(ran.exit, 11);
    EXPECT_TRUE(holds(ran.err, "pid " + std::to_string(pid))) << ran.err;
}

TEST_F(SnapshotTest, ABrokenConfigIsRefusedWithAllItsMistakes) {
    init();
    write_config("[sources.x]\ndriver = \"fils\"\n[barier]\n");
    const Ran ran = run({"snapshot"});
    EXPECT_EQ(ran.exit, 2);
    EXPECT_TRUE(holds(ran.err, "did you mean `files`?") && holds(ran.err, "did you mean `barrier`?")) << ran.err;
}

TEST_F(SnapshotTest, PromoteAttestsAndAcceptsASmallerSize) {
    init();
    const std::string id = snapshot();
    EXPECT_EQ(run({"promote", id}).out, "snapshot " + id + " is golden\n");
    EXPECT_EQ(run({"promote", id, "--accept", "nothing"}).exit, 2);
    EXPECT_TRUE(holds(run({"list", "--golden"}).out, id));
}

TEST_F(SnapshotTest, ATagIsOneWord) {
    init();
    EXPECT_EQ(run({"snapshot", "--tag", "two words"}).exit, 2);
    EXPECT_EQ(run({"snapshot", "--tag", ""}).exit, 2);
}

}  // namespace ingot
