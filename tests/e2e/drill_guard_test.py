#!/usr/bin/python3
"""`ingot drill` and `ingot guard` with the built binary.

Called by ctest with the program's path, the build folder and the source folder.
"""

import os
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

from faulted_restore import TwoStates
from faulted_run import finish, main, require, start, work_folder
from faulted_stack import tree_state
from recorded_services import Services

PROBE = """
[[probes]]
name = "rows"
source = "db"
sql = "SELECT rows FROM total"
value = {rows}
timeout = "1s"
interval = "50ms"
"""


def scratch(stack):
    return [name for at, folders, _ in os.walk(stack.state) for name in folders if name.startswith("scratch-")]


def drills(counts):
    with work_folder("drill", quick=True) as folder:
        states = TwoStates(folder, more=PROBE.format(rows=60))
        stack = states.stack
        none = stack.ingot("drill").expect(1)
        require("golden" in none.said, "no golden snapshot, and it does not say so", none)
        before = tree_state(stack.root)
        done = stack.ingot("drill", "latest").expect(0)
        require(tree_state(stack.root) == before, "a drill touched what is live", done)
        require(done.summary["drilled"] and done.summary["probes_passed"] == 1, "not drilled", done)
        require(not scratch(stack), "scratch is left", done)
        listed = [one for one in stack.ingot("list").expect(0).lines if one.get("id") == states.snapshot][0]
        require(listed["drilled"], "list does not say when", listed)
        shown = stack.ingot("show", states.snapshot).expect(0)
        evidence = [one for one in shown.lines[0]["attestations"] if one["kind"] == "drilled"]
        require(len(evidence) == 1 and "db" in evidence[0]["evidence"], "no evidence", shown)
        counts["sources drilled"] = done.summary["sources"]
        counts["entries opened"] = done.summary["entries"]

        done = stack.ingot("drill", "latest", "--to", stack.root + "/docs").expect(2)
        require(tree_state(stack.root) == before, "a refused drill touched what is live", done)
        counts.add("refused inside what is live")

        with open(stack.config, encoding="utf-8") as file:
            config = file.read()
        with open(stack.config, "w", encoding="utf-8") as file:
            file.write(config.replace("value = 60", "value = 61"))
        done = stack.ingot("drill", "latest").expect(3)
        require("found 60 and not 61" in done.said, "the probe is not named", done)
        require(not scratch(stack), "scratch is left", done)
        counts.add("drills that failed")


def guards(counts):
    with work_folder("guard", quick=True) as folder:
        services = Services(folder + "/services")
        states = TwoStates(folder, more=services.config + PROBE.format(rows=65))
        stack = states.stack
        root = stack.root

        done = stack.ingot("guard", "--", "/bin/sh", "-c", f"echo deployed > {root}/docs/f1; exit 0").expect(0)
        require(done.lines[-1]["outcome"] == "kept", "not kept", done)
        with open(root + "/docs/f1", encoding="utf-8") as file:
            require(file.read() == "deployed\n", "the command's work was taken back", done)
        tags = [one["tags"] for one in stack.ingot("list").expect(0).lines if one.get("golden")]
        require(tags == [["before-deploy"]], f"tags of golden snapshots: {tags}")
        counts.add("deploys kept")

        before = stack.content()
        spoil = f"echo spoiled > {root}/docs/f2; rm {root}/.env; exit 7"
        done = stack.ingot("guard", "--reason", "release 42", "--", "/bin/sh", "-c", spoil).expect(21)
        require("the command ended with 7" in done.said and "rolled back to snapshot" in done.said, "it does not say both", done)
        require(not before.differs(stack.content()), "not as before", before.differs(stack.content()), done)
        services.require_running(done)
        counts.add("failed deploys rolled back")

        wrong = f"import sqlite3; c = sqlite3.connect({root + '/app.db'!r}); c.execute('UPDATE total SET rows = 1'); c.commit()"
        done = stack.ingot("guard", "--", "/usr/bin/python3", "-c", wrong).expect(21)
        require("the command ended with 0, and then the probe rows failed" in done.said, "it does not say both", done)
        require(not before.differs(stack.content()), "not as before", before.differs(stack.content()), done)
        counts.add("failed probes rolled back")

        done = stack.ingot("guard", "--no-rollback", "--", "/bin/sh", "-c", f"echo left > {root}/docs/f2; exit 9").expect(9)
        with open(root + "/docs/f2", encoding="utf-8") as file:
            require(file.read() == "left\n", "rolled back all the same", done)
        stack.ingot("restore", done.lines[-1]["snapshot_id"], "--yes").expect(0)
        require(not before.differs(stack.content()), "not as before", done)
        done = stack.ingot("guard", "--no-rollback", "--", "no-such-program").expect(127)
        done = stack.ingot("guard").expect(2)
        counts.add("statuses passed on", 2)

        # A signal reaches the command's whole group, and the stack is put back.
        marker = folder + "/signalled"
        words = stack.words("guard", "--", "/bin/sh", "-c",
                            f"echo half > {root}/docs/f2; (trap 'echo child >> {marker}; exit 1' TERM; sleep 30 & wait) & "
                            f"trap 'echo shell >> {marker}; wait; exit 1' TERM; echo > {marker}.up; wait")
        process = start(words)
        deadline = time.monotonic() + 20
        while not os.path.exists(marker + ".up") and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        done = finish(process, words).expect(21)
        with open(marker, encoding="utf-8") as file:
            require(sorted(file.read().split()) == ["child", "shell"], "not the whole group was told", done)
        require(not before.differs(stack.content()), "not as before", done)
        counts.add("signals passed to the group")

        # The way back does not work: 22, for somebody has to come.
        spoil = f"echo spoiled > {root}/docs/f2; exit 7"
        for hook in ("fails.stop", "fails.start"):
            services.mark(hook)
            done = stack.ingot("guard", "--", "/bin/sh", "-c", spoil).expect(22)
            golden = done.said.split("snapshot ")[1][:8]
            require("the command ended with 7" in done.said and "the stack was not put back" in done.said, "it does not say both", done)
            with open(root + "/docs/f2", encoding="utf-8") as file:
                require(file.read() == "spoiled\n", "another state", done)
            services.unmark(hook)
            stack.ingot("restore", "--undo").expect(0)
            services.require_running(done)
            stack.ingot("restore", golden, "--yes").expect(0)
            require(not before.differs(stack.content()), "not as before", before.differs(stack.content()), done)
            counts.add("exit 22: not put back, and what to do")

        # No way back, no deploy.
        os.remove(root + "/.env")
        done = stack.ingot("guard", "--", "/bin/sh", "-c", f"echo ran > {folder}/ran").expect(1)
        require("the command was not run" in done.said and not os.path.exists(folder + "/ran"), "run without a way back", done)
        counts.add("not run without a golden snapshot")


main("drill and guard", drills, guards)
