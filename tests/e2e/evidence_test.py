#!/usr/bin/python3
"""What a snapshot proves and what takes the proof back: unchanged sources, invariants across sources, coverage, classes, damage.

Called by ctest with the program's path, the build folder and the source folder.
"""

import os
import sqlite3
import stat
import time

from stack import StackTest, main, require_said
from faulted_run import require

FACTS = 'facts = { rows = "SELECT count(*) FROM files_in_docs" }'
AGREE = {"db": ("sqlite", ["app.db"], FACTS), "files": ("files", ["docs"])}
INVARIANT = '\n[[invariants]]\nname = "a row for every file"\nleft = "files.files"\nright = "db.rows"\n'
# File times tick; what was written within the last tick is read once more.
TICK_S = 0.2


def detail(done, source):
    return next(each for each in done.summary["source_details"] if each["name"] == source)


class Evidence(StackTest):
    def agreeing(self, extra=0, journal="wal"):
        """A stack whose database has a row for every file of docs."""
        stack = self.stack(taken=False, sources=AGREE)
        found = [os.lstat(os.path.join(at, name)) for at, _, names in os.walk(stack.root + "/docs") for name in names]
        files = len({each.st_ino for each in found if stat.S_ISREG(each.st_mode)})  # another name of a file is no file more
        database = sqlite3.connect(stack.root + "/app.db", isolation_level=None)
        database.execute(f"PRAGMA journal_mode = {journal}")
        database.execute("CREATE TABLE files_in_docs(id INTEGER PRIMARY KEY)")
        database.executemany("INSERT INTO files_in_docs VALUES (?)", [(n,) for n in range(files + extra)])
        self.addCleanup(database.close)
        stack.init()
        return stack, database

    def with_lines(self, stack, text):
        with open(stack.config, "a", encoding="utf-8") as file:
            file.write(text)

    def test_an_unchanged_database_is_not_read_again_and_still_proves(self):
        for journal in ("wal", "delete"):
            with self.subTest(journal=journal):
                self.folder = self.folder + "/" + journal
                os.mkdir(self.folder)
                stack, database = self.agreeing(journal=journal)
                stack.configure({"db": AGREE["db"]})
                time.sleep(TICK_S)
                first = stack.ingot("snapshot").expect(0)
                again = stack.ingot("snapshot", "--golden").expect(0)
                require(again.summary["golden"], "it is not golden", again)
                require(again.summary["bytes_read"] == 0, "something unchanged was read", again)
                require(detail(again, "db")["facts"] == detail(first, "db")["facts"], "the facts are not there", again)
                database.execute("INSERT INTO files_in_docs VALUES (100000)")
                time.sleep(TICK_S)
                changed = stack.ingot("snapshot").expect(0)
                require(changed.summary["bytes_read"] > 0, "a committed row was not read", changed)
                require(detail(changed, "db")["facts"]["rows"] == detail(first, "db")["facts"]["rows"] + 1, "an old fact", changed)
                database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                stack.take("--golden")
                stack.require_whole()

    def test_an_invariant_that_holds_is_evidence(self):
        stack, _ = self.agreeing()
        self.with_lines(stack, INVARIANT)
        done = stack.ingot("snapshot", "--golden").expect(0)
        shown = stack.text("show", done.summary["snapshot_id"]).expect(0)
        require("a row for every file" in shown.out.decode(), "the evidence does not name it", shown)

    def test_an_invariant_that_does_not_hold_is_exit_3_and_never_golden(self):
        stack, _ = self.agreeing(extra=1)
        self.with_lines(stack, INVARIANT)
        for words in ((), ("--golden",)):
            done = stack.ingot("snapshot", *words).expect(3)
            require(not done.summary["golden"] and len(done.summary["broken_invariants"]) == 1, "not said", done)
            require_said(stack.text("snapshot", *words).expect(3), '"a row for every file" does not hold')
        refused = stack.text("promote", "latest").expect(3)
        require("does not hold" in refused.said, "promote does not say why", refused)

    def test_facts_that_cannot_be_are_said_when_the_config_is_read(self):
        stack, _ = self.agreeing()
        self.with_lines(stack, INVARIANT.replace("db.rows", "db.row"))
        said = stack.text("snapshot").expect(2).said
        require("has no fact `row`; did you mean `rows`?" in said, said)

    def test_golden_requires_what_the_config_says(self):
        stack, _ = self.agreeing()
        stack.configure(AGREE, head='golden_requires = "barrier"')
        stack.text("snapshot").expect(2)
        stack.configure(AGREE, barrier='pause = "true"\nresume = "true"')
        done = stack.ingot("snapshot", "--golden").expect(0)
        require(done.summary["consistency"] == "barrier", "no barrier", done)
        stack.configure(AGREE, barrier='pause = "true"\nresume = "true"', head='golden_requires = "fuzzy"')
        stack.ingot("snapshot", "--golden").expect(0)
        stack.configure(AGREE)
        pinned = stack.ingot("snapshot", "--golden").expect(0)
        require(pinned.summary["consistency"] == "pinned", "not pinned", pinned)
        stack.configure(AGREE, barrier='pause = "true"\nresume = "true"')
        stack.text("promote", pinned.summary["snapshot_id"]).expect(3)  # no barrier then, and none can be added

    def test_a_smaller_source_is_partial_until_it_is_accepted_and_min_ratio_says_how_much(self):
        stack = self.stack(taken=False, sources={"files": ("files", ["docs"])})
        stack.write("docs/big", b"b" * 300_000)
        stack.init()
        stack.ingot("snapshot", "--golden").expect(0)
        stack.write("docs/big", b"")
        shrunk = stack.ingot("snapshot", "--golden").expect(3)
        require(detail(shrunk, "files")["status"] == "shrunk", "not shrunk", shrunk)
        stack.text("promote", "--accept", "nothing", shrunk.summary["snapshot_id"]).expect(2)
        stack.ingot("promote", shrunk.summary["snapshot_id"], "--accept", "files").expect(0)
        stack.ingot("snapshot", "--golden").expect(0)  # the accepted size counts from now on
        stack.write("docs/big", b"b" * 300_000)
        stack.ingot("snapshot", "--golden").expect(0)
        stack.write("docs/big", b"")
        stack.configure({"files": ("files", ["docs"], "min_ratio = 0")})
        stack.ingot("snapshot", "--golden").expect(0)

    def test_a_missing_path_is_named_its_siblings_are_stored_and_it_cannot_be_accepted(self):
        stack = self.stack(taken=False, sources={"files": ("files", ["docs", "gone"])})
        stack.init()
        done = stack.ingot("snapshot").expect(3)
        found = detail(done, "files")
        require(found["status"] == "missing" and found["entries"] > 1, "its siblings are not stored", done)
        require(found["problem"].endswith("/gone is not there") and "[sources.files]" in found["hint"], "not named", done)
        said = stack.text("snapshot").expect(3)
        require_said(said, "/gone is not there", "put it back")
        identity = done.summary["snapshot_id"]
        stack.text("promote", identity, "--accept", "files").expect(3)
        stack.ingot("restore", identity, "--to", stack.base + "/out").expect(0)
        require(os.path.isdir(stack.base + "/out/files/docs"), "docs did not come back")

    def test_damage_makes_exactly_those_suspect_that_need_it(self):
        stack = self.stack(taken=False, sources={"files": ("files", ["docs"])})
        stack.init()
        old = stack.ingot("snapshot", "--golden").expect(0).summary["snapshot_id"]
        packs = set(stack.stored())
        stack.write("docs/new", os.urandom(200_000))
        new = stack.ingot("snapshot", "--golden").expect(0).summary["snapshot_id"]
        sizes = {path: size for path, size in stack.stored().items() if path not in packs and "/packs/" in path}
        hurt = max(sizes, key=sizes.get)
        os.chmod(hurt, 0o600)
        with open(hurt, "r+b") as file:
            file.seek(sizes[hurt] // 2)
            byte = file.read(1)
            file.seek(sizes[hurt] // 2)
            file.write(bytes([byte[0] ^ 1]))
        done = stack.ingot("verify", "--all").expect(20)
        require(done.summary["suspect"] == [new], "others are suspect", done)
        listed = stack.text("list").expect(0).out.decode().splitlines()
        require(any(new[:8] in line and "suspect" in line for line in listed), "list does not say it", listed)
        require(any(old[:8] in line and "golden" in line for line in listed), "the old one is golden no longer", listed)
        chosen = stack.text("restore", "golden", "--dry-run").expect(0)
        require(f"chosen: snapshot {old[:8]}" in chosen.said and f"passed over: {new[:8]} is suspect" in chosen.said,
                "not said which was chosen and why", chosen)
        require("SUSPECT" in stack.text("restore", "latest", "--dry-run").said, "the suspect one is not named as such")
        with open(hurt, "r+b") as file:
            file.seek(sizes[hurt] // 2)
            file.write(byte)
        stack.ingot("verify", "--all").expect(0)
        listed = stack.text("list").expect(0).out.decode()
        require("suspect" not in listed, "read back whole, and still suspect", listed)


if __name__ == "__main__":
    main()
