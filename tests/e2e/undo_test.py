#!/usr/bin/python3
"""`ingot undo` with the built binary: the old state of a restore is a snapshot, and comes back; what fails then stays and is named.

Called by ctest with the program's path, the build folder and the source folder.
"""

import os
import sqlite3
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

from faulted_restore import TwoStates
from faulted_run import main, require, run, work_folder
from recorded_services import Services
from stack import held_lock


def safeties(stack):
    return [one for one in stack.ingot("list").expect(0).lines if "safety" in one.get("tags", [])]


def impatient(stack, *words):
    """Waits a second for locks."""
    return run([word if word != "30s" else "1s" for word in stack.words(*words)])


def require_state(states, wanted, done):
    require(states.which(done) == wanted, f"the state is not {wanted}", done)
    require(not states.stack.leftovers(), f"left behind: {states.stack.leftovers()}", done)


def there_and_back(counts):
    """Restore, undo, undo of the undo; with hooks; the old state whole each time, hard links and the -wal's rows too."""
    with work_folder("undo", quick=True) as folder:
        services = Services(folder + "/services")
        states = TwoStates(folder, more=services.config)
        stack = states.stack
        nothing = stack.ingot("undo").expect(1)
        require("no restore" in nothing.said, "it does not say that there is none", nothing)
        done = stack.ingot("restore", states.snapshot, "--yes").expect(0)
        require_state(states, "new", done)
        require(done.summary["safety_snapshot_id"], "no safety snapshot", done)
        services.forget()
        planned = stack.ingot("undo", "--dry-run").expect(0)
        require(planned.summary["outcome"] == "planned", "a dry run did something", planned)
        require_state(states, "new", planned)
        for number, wanted in enumerate(("old", "new", "old")):
            done = stack.ingot("undo", "--yes").expect(0)
            require_state(states, wanted, done)
            services.require_running(done)
            require(done.summary["safety_snapshot_id"], "an undo without a way back", done)
            require(len(safeties(stack)) == number + 2, "not one safety snapshot for each restore", done)
            counts.add("undone wholly")
        require("stop" in services.calls(), "the hooks were not run", services.calls())
        # By the id of the first restore: the state before it.
        stack.ingot("restore", states.snapshot, "--yes").expect(0)
        first = safeties(stack)[0]
        restore = next(tag for tag in first["tags"] if tag.startswith("restore-"))[len("restore-"):]
        done = stack.ingot("undo", restore[:8], "--yes").expect(0)
        require_state(states, "old", done)
        counts.add("undone by a restore's id")
        # Nothing but an id names a safety snapshot.
        done = stack.ingot("restore", "latest", "--dry-run").expect(0)
        require(done.summary["snapshot_id"] == states.snapshot, "latest is a safety snapshot", done)
        stack.ingot("verify", "--all").expect(0)
        stack.ingot("check").expect(0)
        new_bytes = [one["bytes_new"] for one in safeties(stack)]
        # Each restore of a SQLite database counts up a number in its first page.
        require(sum(new_bytes[1:]) <= 4096 * (len(new_bytes) - 1), "known bytes were stored again", new_bytes)
        counts["bytes new in the safety snapshots"] = new_bytes[0]
        counts["bytes new in those of undos"] = sum(new_bytes[1:])


def refusals(counts):
    with work_folder("undo-refused", quick=True) as folder:
        states = TwoStates(folder)
        stack = states.stack
        stack.ingot("restore", states.snapshot, "--yes").expect(0)
        stack.ingot("undo", "--yes", "--no-safety").expect(0)
        done = stack.ingot("undo", "--yes").expect(1)
        require("has no safety snapshot" in done.said and "restores that can be undone" in done.said, "not clear", done)
        require_state(states, "old", done)
        done = stack.ingot("undo", "ffffffff", "--yes").expect(1)
        require("no safety snapshot of a restore ffffffff" in done.said, "not clear", done)
        counts.add("refused", 2)


def kept_when_it_cannot_be_stored(counts):
    """Locked by another process: exit 0 with a warning, the old state named; --resume stores it; rollback is never kept back."""
    with work_folder("undo-locked", quick=True) as folder:
        states = TwoStates(folder)
        stack = states.stack
        with held_lock(stack, 1):
            done = impatient(stack, "restore", states.snapshot, "--yes").expect(0)
            require("no safety snapshot of it could be taken" in done.said, "it does not say so", done)
            require(not done.summary["safety_snapshot_id"], "a safety snapshot under a lock", done)
            require(states.which(done, unfinished=True) == "new", "not the new state", done)
            require(stack.leftovers(), "the old state is not there any more", done)
        done = stack.ingot("restore", "--resume").expect(0)
        require(done.summary["safety_snapshot_id"], "the resume made none", done)
        require_state(states, "new", done)
        done = stack.ingot("undo", "--yes").expect(0)
        require_state(states, "old", done)
        counts.add("stored by a resume")

        stack.ingot("promote", states.snapshot).expect(0)
        with held_lock(stack, 1):
            impatient(stack, "restore", states.snapshot, "--yes").expect(0)
            done = impatient(stack, "rollback", "--reason", "again").expect(0)
            require("stays where it lies" in done.said, "it does not say where the old state is", done)
            require(states.which(done, unfinished=True) == "new", "not the new state", done)
            aside = [name for name in os.listdir(stack.state) if name.startswith("rag.left-")]
            require(len(aside) == 1 and aside[0] in done.said, "what was set aside is not named", done)
        counts.add("rollbacks not kept back")
        # The rollback's own old state waits too: both are stored now, and the rollback stays the last restore.
        before = len(safeties(stack))
        done = stack.ingot("restore", "--resume").expect(0)
        last = done.summary["safety_snapshot_id"]
        require("set aside, is snapshot" in done.said and len(safeties(stack)) == before + 2, "what was set aside was not stored", done)
        require_state(states, "new", done)
        require(not [name for name in os.listdir(stack.state) if name.startswith("rag.left-")], "left behind", done)
        require(stack.ingot("undo", "--dry-run").expect(0).summary["snapshot_id"] == last, "another restore is the last one now", done)
        done = stack.ingot("undo", aside[0].removeprefix("rag.left-"), "--yes").expect(0)
        require_state(states, "old", done)
        counts.add("old states that were set aside, stored later and brought back")


def raw_bytes(counts):
    """A torn database is why it was restored: its bytes are stored as they are, and come back beside."""
    with work_folder("undo-raw", quick=True) as folder:
        states = TwoStates(folder)
        stack = states.stack
        for end in ("-wal", "-shm"):
            if os.path.exists(stack.root + "/app.db" + end):
                os.remove(stack.root + "/app.db" + end)
        torn = b"this is no database" * 500
        with open(stack.root + "/app.db", "wb") as file:
            file.write(torn)
        done = stack.ingot("restore", states.snapshot, "--yes").expect(0)
        require("stored as raw bytes" in done.said, "it does not say so", done)
        require_state(states, "new", done)
        safety = done.summary["safety_snapshot_id"]
        done = stack.ingot("undo", "--yes").expect(1)
        require("raw bytes" in done.said and "--only" in done.said, "not clear", done)
        require_state(states, "new", done)
        stack.ingot("restore", safety, "--only", "db", "--to", folder + "/look").expect(0)
        with open(folder + "/look/db/app.db", "rb") as file:
            require(file.read() == torn, "other bytes came back")
        stack.ingot("undo", "--only", "env,files", "--yes").expect(0)
        with sqlite3.connect(stack.root + "/app.db") as connection:
            require(connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok", "the database was touched")
        counts.add("torn databases kept as raw bytes")


main("undo", there_and_back, refusals, kept_when_it_cannot_be_stored, raw_bytes)
