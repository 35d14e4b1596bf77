"""A stack with a stored snapshot (the new state) and a live state that differs from it everywhere (the old one).

After a restore that was hurt and then recovered, all sources together are the one or the other: no third state exists.
"""

import os
import shutil

from faulted_run import RANDOM, require, run
from faulted_stack import Stack, add_rows, make_database


def comes_again(name):
    """Is this a step of every restore? Packs and commits depend on what is stored, and waits to be, by then; snapshots are killed there."""
    return name.startswith(("restore.", "safety."))


class TwoStates:
    def __init__(self, base, **places):
        self.stack = Stack(base, **places)
        os.makedirs(os.path.dirname(self.stack.root), exist_ok=True)
        self.stack.fill(files=9, rows=60, kib=8)
        self.fill_more()
        self.stack.init()
        self.snapshot = self.stack.ingot("snapshot").expect(0).summary["snapshot_id"]
        self.new = self.stack.content()
        self.saved = base + "/old-state"
        self.make_old()
        self.set_old()
        self.old = self.stack.content()
        require(self.old.differs(self.new), "the two states are one")

    def fill_more(self):
        """Of a stack with more sources: their new state, before it is stored."""

    def change_more(self):
        """Their old state; what lies below the stack's root is then saved with the rest of it."""

    def make_old(self):
        """Other contents, types, names and metadata; the database with a -wal that holds committed rows."""
        root = self.stack.root
        docs = root + "/docs"
        self.stack.change()
        os.remove(docs + "/f3")
        os.mkdir(docs + "/f3")  # a folder where the snapshot has a file
        self.stack.write("docs/f3/inside", b"old")
        shutil.rmtree(docs + "/deep/er")
        self.stack.write("docs/deep/er", b"a file where the snapshot has a folder")
        os.remove(docs + "/dangling")
        os.symlink("elsewhere", docs + "/dangling")
        os.chmod(docs + "/empty", 0o600)
        os.makedirs(docs + "/added/below")
        self.stack.write("docs/added/below/file", RANDOM.randbytes(3000))
        os.link(docs + "/f6", docs + "/added/f6-too")
        os.remove(root + "/app.db")
        connection = make_database(root + "/app.db", 2, 40)
        connection.execute("PRAGMA wal_autocheckpoint=0")
        connection.execute("BEGIN")
        add_rows(connection, 2, 40, 25)
        connection.execute("COMMIT")
        self.change_more()
        run(["cp", "-a", root, self.saved]).expect(0)  # with the -wal, which closing would remove
        connection.close()

    def set_old(self):
        """The old state is live, durably, and no restore is unfinished."""
        shutil.rmtree(self.stack.root, ignore_errors=True)
        run(["cp", "-a", self.saved, self.stack.root]).expect(0)
        if os.path.exists(self.stack.root + "/app.db-shm"):
            os.remove(self.stack.root + "/app.db-shm")
        self.stack.ingot("restore", "--resume")
        os.sync()

    def words(self, program):
        return self.stack.words("restore", self.snapshot, "--yes", program=program)

    def which(self, *evidence, unfinished=False):
        """"old" or "new": what is live, wholly. Anything else is a failure."""
        new, old, live = self.new, self.old, self.stack.content()
        if unfinished:
            new, old, live = (one.without_stages() for one in (new, old, live))
        from_new, from_old = new.differs(live), old.differs(live)
        require(not from_new or not from_old, "neither wholly old nor wholly new", "beside the new state: " + from_new,
                "beside the old state: " + from_old, *evidence)
        return "old" if from_new else "new"

    def recovered(self, way, *evidence):
        """Recovers in one of three ways, and says which state is live then."""
        if way == "again":
            # A plain restore does not start over what is unfinished: it says so, or there was nothing and it works.
            done = self.stack.ingot("restore", self.snapshot, "--yes").expect(0, 1)
            if done.status == 1:
                require("--resume" in done.said and "--undo" in done.said, "the refusal does not name the two ways on", *evidence, done)
                done = self.stack.ingot("restore", "--resume").expect(0)
        else:
            done = self.stack.ingot("restore", "--" + way).expect(0, 1)
            if way == "undo" and done.status == 1:
                # What was proven is not undone any more.
                require(self.which(*evidence, done, unfinished=True) == "new" and "--resume" in done.said, "--undo was refused", *evidence, done)
                done = self.stack.ingot("restore", "--resume").expect(0)
            done.expect(0)
        state = self.which(*evidence, done)
        outcome = done.summary["outcome"]
        require({"restored": "new", "undone": "old"}.get(outcome, state) == state, f"'{outcome}' was said, and the {state} state is live",
                *evidence, done)
        require(not self.stack.leftovers(), f"left behind: {self.stack.leftovers()}", *evidence, done)
        again = self.stack.ingot("restore", "--resume").expect(0)
        require(again.summary["outcome"] == "nothing", "there was something left to recover", again)
        return state


WAYS = ("resume", "undo", "again")
