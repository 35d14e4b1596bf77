#include <sys/wait.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "base/step.h"
#include "cli/commands.h"
#include "restore/journal.h"
#include "tests/cli/command_fixture.h"

namespace ingot {

// The summary is the last line.
static nlohmann::json last_line_of(const std::string& out) {
    const size_t newline = out.rfind('\n', out.size() - 2);
    return nlohmann::json::parse(newline == std::string::npos ? out : out.substr(newline + 1));
}

class RestoreCommandTest : public CommandTest {
protected:
    // Dies at the first step of this name, as a power cut would.
    void die_in_restore(const char* step_name) {
        static std::string wanted;
        wanted = step_name;
        const pid_t pid = ::fork();
        if (pid == 0) {
            set_step_listener([](const char* name) {
                if (wanted == name) ::_exit(99);
            });
            ::_exit(run({"restore", "latest"}).exit);
        }
        int status = 0;
        ASSERT_EQ(::waitpid(pid, &status, 0), pid);
        ASSERT_TRUE(WIFEXITED(status));
        ASSERT_EQ(WEXITSTATUS(status), 99) << "the restore never came to " << step_name;
    }
};

TEST_F(RestoreCommandTest, PutsTheStackBackAndSaysWhichSnapshot) {
    init();
    const std::string id = snapshot();
    dir.write("stack/docs/a.txt", "damaged");
    dir.write("stack/docs/extra", "x");
    const Ran plan = run({"restore", "latest", "--dry-run"});
    EXPECT_EQ(plan.exit, 0) << plan.err;
    EXPECT_TRUE(holds(plan.out, "replace  docs/docs/a.txt") && holds(plan.out, "remove   docs/docs/extra")) << plan.out;
    EXPECT_EQ(dir.read("stack/docs/a.txt"), "damaged");
    const Ran ran = run({"restore", "latest"});
    EXPECT_EQ(ran.exit, 0) << ran.err;
    EXPECT_TRUE(holds(ran.err, "chosen: snapshot " + id)) << ran.err;
    EXPECT_EQ(dir.read("stack/docs/a.txt"), "alpha\n");
    EXPECT_FALSE(dir.has("stack/docs/extra"));
}

TEST_F(RestoreCommandTest, ToAFolderNeedsNoConfigAndTouchesNothingLive) {
    init();
    snapshot();
    dir.write("stack/docs/a.txt", "live");
    const Ran ran =
        run_plain({"restore", "latest", "-r", dir.at("repo"), "--key-file", dir.at("key"), "--to", dir.at("out"), "--json"});
    EXPECT_EQ(ran.exit, 0) << ran.err;
    EXPECT_EQ(dir.read("out/docs/docs/a.txt"), "alpha\n");
    EXPECT_EQ(dir.read("stack/docs/a.txt"), "live");
    const nlohmann::json summary = nlohmann::json::parse(ran.out);
    for (const char* name : {"snapshot_id", "targets", "bytes_written", "outage_ms", "duration_s", "outcome", "exit"}) {
        EXPECT_TRUE(summary.contains(name)) << name;
    }
    EXPECT_EQ(summary["outcome"], "written");
}

TEST_F(RestoreCommandTest, KeepsWhatItReplacedAndSaysWhere) {
    init();
    snapshot();
    dir.write("stack/docs/a.txt", "damaged");
    const Ran ran = run({"restore", "latest", "--keep-replaced", dir.at("kept"), "--json"});
    EXPECT_EQ(ran.exit, 0) << ran.err;
    const nlohmann::json summary = last_line_of(ran.out);
    const std::string kept = summary["kept_in"];
    ASSERT_TRUE(kept.starts_with(dir.at("kept/"))) << kept;
    EXPECT_EQ(dir.read(kept.substr(dir.path().size() + 1) + "/docs/docs/a.txt"), "damaged");
    dir.write("stack/docs/a.txt", "damaged again");
    EXPECT_TRUE(holds(run({"restore", "latest", "--keep-replaced", dir.at("kept")}).out,
                      "what was replaced is kept in " + dir.at("kept/")));
    EXPECT_EQ(run({"restore", "latest", "--keep-replaced", dir.at("stack/docs/kept")}).exit, 2);
}

TEST_F(RestoreCommandTest, OnlySourcesThatThereAre) {
    init();
    snapshot();
    dir.write("stack/docs/a.txt", "changed");
    dir.write("stack/.env", "CHANGED=1\n");
    EXPECT_EQ(run({"restore", "latest", "--only", "nothing"}).exit, 2);
    EXPECT_EQ(run({"restore", "latest", "--only", "env"}).exit, 0);
    EXPECT_EQ(dir.read("stack/.env"), "TOKEN=canary-9f3\nMODE=prod\n");
    EXPECT_EQ(dir.read("stack/docs/a.txt"), "changed");
}

TEST_F(RestoreCommandTest, ATimeBeforeTheFirstSnapshotIsAnError) {
    init();
    snapshot();
    EXPECT_EQ(run({"restore", "--at", "2001-01-01"}).exit, 1);
    EXPECT_EQ(run({"restore", "--at", "whenever"}).exit, 2);
    EXPECT_EQ(run({"restore", "--at", "now"}).exit, 0);
}

TEST_F(RestoreCommandTest, AnUnfinishedOneIsSaidByAllAndFinishedFirst) {
    init();
    snapshot();
    dir.write("stack/docs/a.txt", "old state");
    die_in_restore("restore.swap-begun");
    EXPECT_TRUE(holds(run({"list"}).err, "a restore of small is unfinished"));
    EXPECT_EQ(run({"list"}).exit, 0);
    EXPECT_EQ(run({"snapshot"}).exit, 1);
    EXPECT_EQ(run({"restore", "latest"}).exit, 1);
    const Ran undone = run({"restore", "--undo"});
    EXPECT_EQ(undone.exit, 0) << undone.err;
    EXPECT_FALSE(holds(undone.err, "unfinished")) << undone.err;
    EXPECT_EQ(dir.read("stack/docs/a.txt"), "old state");
    EXPECT_FALSE(holds(run({"list"}).err, "unfinished"));
    EXPECT_TRUE(holds(run({"restore", "--resume"}).out, "nothing to do"));
}

TEST_F(RestoreCommandTest, RollbackPutsTheNewestGoldenSnapshotBackWithHooksAndSaysWhatItDid) {
    write_config("[services]\nstop = \"echo stop >> ../log\"\nstart = \"echo start >> ../log\"\n");
    init();
    EXPECT_EQ(run({"rollback"}).exit, 1) << "there is no golden one yet";
    snapshot({"--golden"});
    dir.write("stack/docs/a.txt", "later");
    snapshot();
    const Ran ran = run({"rollback", "--reason", "errors above 5 %", "--json"});
    EXPECT_EQ(ran.exit, 0) << ran.err;
    EXPECT_EQ(dir.read("stack/docs/a.txt"), "alpha\n");
    EXPECT_EQ(dir.read("log"), "stop\nstart\n");
    const nlohmann::json summary = last_line_of(ran.out);
    EXPECT_EQ(summary["reason"], "errors above 5 %");
    ASSERT_GE(summary["steps"].size(), 5u);
    EXPECT_EQ(summary["steps"][2]["name"], "stop");
    EXPECT_EQ(summary["steps"][2]["failed"], false);
    EXPECT_TRUE(holds(ran.out, "{\"message_type\":\"step\",\"name\":\"stop\""));
    EXPECT_EQ(run({"rollback"}).exit, 0) << "safe to call twice";
    EXPECT_EQ(run({"rollback", "--reason", std::string(1001, 'x')}).exit, 2);
}

TEST_F(RestoreCommandTest, RollbackFinishesWhatWasLeftUnfinishedFirst) {
    init();
    snapshot({"--golden"});
    dir.write("stack/docs/a.txt", "old state");
    die_in_restore("restore.swap-begun");
    const Ran ran = run({"rollback"});
    EXPECT_EQ(ran.exit, 0) << ran.err;
    EXPECT_EQ(dir.read("stack/docs/a.txt"), "alpha\n");
    EXPECT_FALSE(holds(run({"list"}).err, "unfinished"));
}

TEST_F(RestoreCommandTest, WhileOneRunsAnotherSaysSo) {
    init();
    snapshot({"--golden"});
    JournalFile running(real_filesystem(), dir.at("state"), "small");
    Journal journal;
    journal.stack = "small";
    running.save(journal);
    for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{
             {"rollback"}, {"restore", "latest"}, {"restore", "--resume"}, {"restore", "--undo"}, {"snapshot"}}) {
        EXPECT_EQ(run(words).exit, 11) << words[0];
    }
    EXPECT_TRUE(holds(run({"list"}).err, "a restore of small is running"));
    EXPECT_EQ(run({"list"}).exit, 0);
    running.remove();
    EXPECT_EQ(run({"rollback"}).exit, 11) << "it has the lock, and no journal yet";
    EXPECT_EQ(run({"restore", "latest", "--no-services"}).exit, 2);
}

}  // namespace ingot
