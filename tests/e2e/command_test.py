#!/usr/bin/python3
"""Sources of the driver `command`, with the built binary: commands that misbehave in every way, and restores that fail or are killed.

Called by ctest with the program's path, the build folder and the source folder.
"""

import os
import signal
import threading
import time

from command_stack import COUNTS, FILES, CommandTest, command, gone, main, wait_until
from stack import require_said
from faulted_mounts import Mount, own_namespace
from faulted_run import CI, require, run, start


class Snapshots(CommandTest):
    def failing(self, said, snapshot, *lines, within_s=20, **options):
        """A command that misbehaves: exit 3, nothing of it is stored, the files beside it are."""
        once = "tries = 1"  # what fails by itself would be tried three times
        stack = self.with_command(command("cat state"), head=once)
        self.write(stack, "state", "good")
        good = stack.ingot("snapshot").expect(0)
        stack.configure({"app": command(snapshot, *lines, **options), **FILES}, head=once)
        began = time.monotonic()
        done = stack.ingot("snapshot", timeout=60).expect(3)
        require(time.monotonic() - began < within_s, f"it took {time.monotonic() - began:.1f} s", done)
        detail = self.details(done)
        require(detail["status"] == "unreadable" and detail["bytes"] == 0, "not said to be unreadable", done)
        require(self.details(done, "files")["status"] == "stored", "the files were not stored", done)
        require(said in detail["problem"], f"it does not say \"{said}\"", done)
        require(len(detail["problem"]) < 1000, "the error is a flood", done)
        listed = stack.text("ls", done.summary["snapshot_id"]).expect(0).out.decode()
        require("app.out" not in listed, "half a file is listed", listed)
        require_said(stack.text("snapshot", timeout=60).expect(3), "app", said)
        self.refused(stack, ["restore", done.summary["snapshot_id"], "--yes"], 1, "app")
        text = stack.text("cat", good.summary["snapshot_id"], "app/app.out").expect(0)
        require(text.out == b"good", "the snapshot of before does not hold what it held", text)
        COUNTS.add("bad commands refused")

    def test_half_an_output_is_not_stored(self):
        self.failing("ended with status 2: connection lost", "echo half; echo 'connection lost' >&2; exit 2")

    def test_a_failure_in_front_of_a_pipe_is_seen(self):
        self.failing("ended with status 2", "(echo half; exit 2) | gzip -n")

    def test_a_hanging_command_is_ended(self):
        self.failing("printed nothing for 500 ms and was ended", "echo half; sleep 60", idle_timeout="500ms")

    def test_an_output_without_end_is_ended(self):
        self.failing("ran longer than 1.0 s and was ended", "while :; do echo more; sleep 0.1; done", timeout="1s")

    def test_no_output_is_a_failure(self):
        self.failing("printed nothing: no such database", "echo 'no such database' >&2")

    def test_a_flood_of_error_output_neither_blocks_nor_fills_memory(self):
        self.failing("it had said: the same error", "yes 'the same error' >&2", timeout="2s")

    def test_a_killed_command_is_a_failure(self):
        self.failing("ended with status 137", "echo half; kill -9 $$")

    def test_a_program_that_is_missing_is_named(self):
        stack = self.with_command(command("no-such-dump --all"))
        done = stack.text("snapshot").expect(3)
        require_said(done, "the program \"no-such-dump\" is not there", "PATH")
        COUNTS.add("bad commands refused")

    def test_a_large_output_and_one_larger_than_the_disk(self):
        stack = self.with_command(command("head -c 300000000 /dev/zero"))
        done = stack.ingot("snapshot").expect(0)
        require(self.details(done)["bytes"] == 300_000_000, "not all of it", done)
        listed = stack.ingot("ls", "latest", "app").expect(0).out
        require(b"300000000" in listed, "not all of it is listed", listed)
        COUNTS.add("MB of one output", 300)
        if not own_namespace():
            require(not CI, "file systems cannot be mounted here")
            self.skipTest("file systems cannot be mounted here: no full disk")
        with Mount.tmpfs(self.folder + "/small", "64m") as small:
            full = self.with_command(command("yes", timeout="30s"), "full", state=small.path + "/state", repo=small.path + "/repo")
            done = full.ingot("snapshot", timeout=60).expect(3)
            require("No space left" in self.details(done)["problem"], "another problem", done)
            require(self.details(done, "files")["status"] == "stored", "the files were not stored", done)
            COUNTS.add("bad commands refused")

    def test_an_interrupt_ends_the_command_with_all_it_started(self):
        stack = self.with_command(command("echo $$ > ../pid; echo begun; sleep 60 | cat", moment="start"))
        process = start(stack.words("snapshot"))
        pid = stack.base + "/pid"
        wait_until(lambda: os.path.exists(pid) and os.path.getsize(pid) > 0, "the command's start")
        with open(pid, encoding="utf-8") as file:
            group = int(file.read())
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
        require(process.returncode == 130, f"exit {process.returncode}")
        require(gone(group), "the command lives on")
        left = run(["pgrep", "-g", str(group)]).out.split()
        require(all(gone(int(one)) for one in left), f"a part of the command lives on: {left}")

    def test_mistakes_in_the_config_are_told_at_once(self):
        stack = self.with_command(command("true"))
        stack.configure({"app": command("true", "allow_empty = \"yes\"", undo="none", moment="now", timeot="1h"),
                         "b": command("true", moment="now"), "c": command("true", undo="none"), "d": ("command", [])})
        done = stack.text("config", "validate").expect(2)
        for text in ("`allow_empty` wants true or false", "no key `timeot`; did you mean `timeout`", "`moment` of source b is none of",
                     "`undo` of source c is given without `restore`", "[sources.d] needs `snapshot`"):
            require(text in done.said + done.out.decode(), f"it does not say {text}", done)

    def test_facts_are_read_from_the_output_and_compared(self):
        stack = self.with_command(command("printf 'row 1\\nrow 2\\nrow 3\\n'", 'facts = { rows = "grep -c row || true" }',
                                          check="grep -q row"))
        done = stack.ingot("snapshot", "--golden").expect(0)
        require(self.details(done)["facts"] == {"bytes": 18, "rows": 3}, "other facts", done)
        shown = stack.text("show", "latest").expect(0).out.decode()
        require("app.rows = 3" in shown, "the fact is not shown", shown)
        stack.configure({"app": command("printf 'row 1\\nrow 2\\nrow 3\\n'", check="grep -q column"), **FILES})
        done = stack.text("snapshot", "--golden").expect(3)
        require_said(done, "the check command of app", "ended with status 1")

    def test_an_empty_output_may_be_declared_ordinary(self):
        stack = self.with_command(command("cat state", "allow_empty = true", restore="cat > state"))
        self.write(stack, "state", "")
        empty = stack.ingot("snapshot", "--golden").expect(0)
        require(self.details(empty)["status"] == "stored", "not stored", empty)
        self.write(stack, "state", "more")
        stack.ingot("restore", empty.summary["snapshot_id"], "--yes").expect(0)
        require(self.read(stack, "state") == "", "not restored")


class Restores(CommandTest):
    """An application whose state is one file, dumped by `cat`."""

    def application(self, restore="cat > state", **options):
        stack = self.with_command(command("cat state", restore=restore, **options))
        self.write(stack, "state", "snapshot")
        self.snapshot = stack.ingot("snapshot", "--golden").expect(0).summary["snapshot_id"]
        self.write(stack, "state", "today")
        with open(stack.root + "/docs/f0", "w", encoding="utf-8") as file:
            file.write("changed")
        return stack

    def require_clean(self, stack):
        left = [name for name in os.listdir(stack.state) if name.startswith((".ingot-", "restore-"))]
        require(not left and not stack.leftovers(), f"left behind: {left}")

    def test_the_output_is_fed_back(self):
        stack = self.application()
        planned = stack.text("restore", self.snapshot, "--dry-run").expect(0)
        require("app.out" in planned.out.decode(), "the plan does not name it", planned)
        require(self.read(stack, "state") == "today", "a plan changed something")
        stack.ingot("restore", self.snapshot, "--yes").expect(0)
        require(self.read(stack, "state") == "snapshot", "not restored")
        self.require_clean(stack)
        stack.ingot("restore", self.snapshot, "--to", self.folder + "/to").expect(0)
        with open(self.folder + "/to/app/app.out", encoding="utf-8") as file:
            require(file.read() == "snapshot", "other content")

    def test_a_restore_command_that_fails_is_taken_back(self):
        stack = self.application("read -r -n 4 word; printf half > state; [ \"$word\" = toda ] && printf today > state")
        docs = stack.content()
        done = stack.text("restore", self.snapshot, "--yes").expect(21)
        require_said(done, "the restore command of app", "ended with status 1", "the old state is live")
        require(self.read(stack, "state") == "today", f"the old content is not back: {self.read(stack, 'state')}")
        require(not stack.differs(docs, stack.content()), "the files were left changed")
        self.require_clean(stack)
        COUNTS.add("restores taken back")

    def test_a_restore_command_that_hangs_is_taken_back(self):
        stack = self.application("cat > new; grep -q today new || sleep 60; mv new state", timeout="1s")
        require_said(stack.text("restore", self.snapshot, "--yes").expect(21), "ran longer than 1.0 s")
        require(self.read(stack, "state") == "today", "the old content is not back")
        COUNTS.add("restores taken back")

    def test_an_undo_that_fails_says_what_to_do(self):
        stack = self.application("printf half > state; exit 1")
        done = stack.text("restore", self.snapshot, "--yes").expect(22)
        require_said(done, "to be fed to: printf half > state; exit 1", "ingot restore --resume")
        stack.configure({"app": command("cat state", restore="cat > state"), **FILES})
        stack.text("restore", "--resume").expect(0)
        require(self.read(stack, "state") == "today", "the old content is not back")
        self.require_clean(stack)
        COUNTS.add("restores taken back")

    def test_a_source_that_cannot_be_dumped_is_refused_unless_its_old_state_is_given_up(self):
        stack = self.application()
        stack.remove("state")
        self.refused(stack, ["restore", self.snapshot, "--yes"], 1, "keeping the old state of app", "undo = \"none\" in [sources.app]")
        stack.configure({"app": command("cat state", restore="cat > state", undo="none"), **FILES})
        stack.ingot("restore", self.snapshot, "--yes").expect(0)
        require(self.read(stack, "state") == "snapshot", "not restored")

    def test_without_a_restore_command_the_output_comes_back_as_a_file(self):
        stack = self.with_command(command("cat state", name="state.seen"))
        self.write(stack, "state", "snapshot")
        taken = stack.ingot("snapshot", "--golden").expect(0).summary["snapshot_id"]
        self.write(stack, "state", "today")
        stack.ingot("restore", taken, "--yes").expect(0)
        require((self.read(stack, "state"), self.read(stack, "state.seen")) == ("today", "snapshot"), "other content")
        stack.remove("state")
        done = stack.ingot("snapshot").expect(3)  # the file that was restored is not the source
        require(self.details(done)["status"] == "unreadable", "not said to be unreadable", done)

    def test_what_a_killed_restore_left_running_is_waited_for(self):
        stack = self.application("touch ../reading; while [ ! -e ../go-on ]; do sleep 0.05; done; cat > state")
        process = start(stack.words("restore", self.snapshot, "--yes"))
        wait_until(lambda: os.path.exists(stack.base + "/reading"), "the restore command's start")
        process.kill()
        process.communicate()
        timer = threading.Timer(1, lambda: open(stack.base + "/go-on", "w", encoding="utf-8").close())
        timer.start()
        stack.text("restore", "--undo").expect(0)
        timer.join()
        require(self.read(stack, "state") == "today", f"the old content is not back: {self.read(stack, 'state')}")
        self.require_clean(stack)
        COUNTS.add("killed restores taken back")

    def test_a_spoiled_artifact_is_not_fed(self):
        stack = self.application()
        stack.configure({"app": command("cat state", restore="cat > state", check="grep -q never"), **FILES})
        self.refused(stack, ["restore", self.snapshot, "--yes"], 20, "the check command of app", "nothing was changed")
        require(self.read(stack, "state") == "today", "something was changed")


if __name__ == "__main__":
    main()
