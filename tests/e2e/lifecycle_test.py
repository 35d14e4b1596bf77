#!/usr/bin/python3
"""The life of a repository, from init to restore, with the built binary: what every command says, and what comes back.

Called by ctest with the program's path, the build folder and the source folder, as root.
"""

import contextlib
import datetime
import json
import os
import shutil
import signal
import sqlite3
import stat
import threading
import time

from stack import StackTest, first_difference, main, require_said
from faulted_run import FAULTED, INGOT, RANDOM, finish, require, run, start
from faulted_stack import add_rows, tree_state

NUMBER = (int, float)
SNAPSHOT_SUMMARY = {"snapshot_id": str, "golden": bool, "consistency": str, "skew_ms": int, "pause_ms": (int, type(None)), "sources": int,
                    "streams": int, "bytes_read": int, "chunks": int, "chunks_new": int, "bytes_new": int, "bytes_meta": int,
                    "bytes_stored": int, "duration_s": NUMBER, "exit": int}
RESTORE_SUMMARY = {"snapshot_id": str, "targets": int, "bytes_written": int, "outage_ms": int, "duration_s": NUMBER, "outcome": str, "exit": int}
VERIFY_SUMMARY = {"snapshot_id": str, "packs": int, "chunks": int, "bytes": int, "findings": int, "duration_s": NUMBER, "exit": int}


def require_json(done, *types):
    """Every line of both streams is one object with its message_type; those of `types` are among them."""
    for line in done.out.splitlines() + done.err.splitlines():
        one = json.loads(line)
        require(isinstance(one.get("message_type"), str), f"no message_type in {one}", done)
    seen = {line["message_type"] for line in done.lines}
    require(set(types) <= seen, f"of {types} there is only {seen}", done)
    return done


def require_fields(summary, fields, **values):
    for name, kind in fields.items():
        require(name in summary, f"{name} is missing", summary)
        require(isinstance(summary[name], kind) and (kind is bool or not isinstance(summary[name], bool)), f"{name} is {summary[name]!r}", summary)
        require(not isinstance(summary[name], NUMBER) or summary[name] >= 0, f"{name} is negative", summary)
    for name, value in values.items():
        require(summary[name] == value, f"{name} is {summary[name]!r} and not {value!r}", summary)


def until(holds, limit_s=15):
    """Waits for what happens in another process."""
    end = time.monotonic() + limit_s
    while not holds() and time.monotonic() < end:
        time.sleep(0.01)
    return holds()


def hold_still_until_next_second():
    """--at counts in seconds. Returns the second that has come."""
    now = time.time()
    time.sleep(1.02 - now % 1)
    return datetime.datetime.fromtimestamp(int(now) + 1, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


class Summaries(StackTest):
    def test_every_field_of_the_snapshot_summary_is_there_and_right(self):
        stack = self.stack(taken=False)
        with open(stack.root + "/docs/exactly", "wb") as file:
            file.write(RANDOM.randbytes(300_000))
        require_json(stack.ingot("init").expect(0), "initialized")
        stored = sum(size for path, size in stack.stored().items())
        first = require_json(stack.take("--golden", "--tag", "first", "--tag", "second"), "summary").summary
        require_fields(first, SNAPSHOT_SUMMARY, golden=True, consistency="pinned", pause_ms=None, sources=3, exit=0)
        require(len(first["snapshot_id"]) == 64 and set(first["snapshot_id"]) <= set("0123456789abcdef"), "no id", first)
        files = [os.path.join(at, name) for at, _, names in os.walk(stack.root) for name in names if not name.endswith(("-shm", "-wal"))]
        inodes = {(st.st_dev, st.st_ino): st.st_size for st in map(os.lstat, files) if stat.S_ISREG(st.st_mode)}
        require(first["streams"] == len(inodes), f"streams: {first['streams']} where there are {len(inodes)} files", first)
        require(first["bytes_read"] == sum(inodes.values()), "not every byte was read", first, sum(inodes.values()))
        require(0 < first["chunks_new"] <= first["chunks"] and 300_000 <= first["bytes_new"] <= first["bytes_read"], "what is new", first)
        require(first["bytes_meta"] > 0, "no listing was stored", first)
        now = sum(size for path, size in stack.stored().items())
        # The attestation comes after the snapshot's own commit.
        require(0 < first["bytes_stored"] <= now - stored <= first["bytes_stored"] + 20_000, "bytes_stored is not what was written", first, now - stored)
        details = {detail["name"]: detail for detail in first["source_details"]}
        require(set(details) == {"db", "env", "files"} and details["env"]["facts"]["keys"] == 1, "source_details", first)

        second = stack.take().summary
        require_fields(second, SNAPSHOT_SUMMARY, golden=False, bytes_new=0, chunks_new=0, exit=0)
        # The database, three pages, is known by its fingerprint and not read again; the files are so new that they are.
        require(first["bytes_read"] - second["bytes_read"] == 3 * 4096, "the unchanged database was read again", first, second)
        require(second["chunks"] == first["chunks"] - 3 and second["bytes_stored"] < 40_000, "an unchanged stack cost much", second)

        with open(stack.root + "/docs/exactly", "ab") as file:
            file.write(b"100 bytes" * 11 + b"!")
        third = stack.take().summary
        require(100 <= third["bytes_new"] <= 2 * 65536 and 1 <= third["chunks_new"] <= 2, "100 appended bytes", third)

        connection = sqlite3.connect(stack.root + "/app.db", isolation_level=None)
        connection.execute("BEGIN")
        add_rows(connection, 1, 4, 1)
        connection.execute("COMMIT")
        connection.close()
        fourth = stack.take().summary
        require(0 < fourth["bytes_new"] <= 5 * 4096, "one row", fourth)
        stack.require_whole()

    def test_every_field_of_the_restore_and_verify_summaries_is_there_and_right(self):
        stack = self.stack()
        snapshot = next(iter(stack.taken))
        verified = require_json(stack.ingot("verify").expect(0), "summary").summary
        require_fields(verified, VERIFY_SUMMARY, snapshot_id=snapshot, findings=0, exit=0)
        require(verified["bytes"] > 0 and verified["packs"] == 2, "too little was read back", verified)

        planned = require_json(stack.ingot("restore", "latest", "--dry-run").expect(0), "summary").summary
        require_fields(planned, RESTORE_SUMMARY, snapshot_id=snapshot, outcome="planned", bytes_written=0, exit=0)
        nothing = stack.ingot("restore", "latest", "--yes", "--only", "files,env").expect(0).summary
        require_fields(nothing, RESTORE_SUMMARY, outcome="restored", targets=2, bytes_written=0, replaced=0, added=0, removed=0, exit=0)
        stack.write("docs/f0", b"changed")
        stack.write("docs/new", b"new")
        stack.remove("docs/f3")
        done = require_json(stack.ingot("restore", "latest", "--dry-run", "--only", "files").expect(0), "change", "summary")
        changes = {(line["what"], line["path"]) for line in done.lines if line["message_type"] == "change"}
        require({("add", "docs/f3"), ("remove", "docs/new")} <= changes, "the plan is another", changes)
        done = require_json(stack.ingot("restore", snapshot, "--yes").expect(0), "summary").summary
        require_fields(done, RESTORE_SUMMARY, snapshot_id=snapshot, outcome="restored", targets=3, added=1, removed=1, exit=0)
        require(done["bytes_written"] > 0 and done["replaced"] >= 1, "nothing was replaced", done)
        written = require_json(stack.ingot("restore", snapshot, "--to", self.folder + "/to").expect(0), "summary").summary
        require_fields(written, RESTORE_SUMMARY, snapshot_id=snapshot, outcome="written", targets=3, exit=0)

    def test_failures_end_with_a_summary_too(self):
        stack = self.stack()
        for words, status in ((["restore", "ffffffff", "--yes"], 1), (["verify", "ffffffff"], 1), (["-r", self.folder + "/none", "snapshot"], 10)):
            done = require_json(stack.ingot(*words).expect(status), "summary")
            require(done.lines[-1]["exit"] == status and done.lines[-1]["outcome"] == "failed", "no summary at the end", done)
            error = [json.loads(line) for line in done.err.splitlines()][-1]
            require(error["message_type"] == "error" and error["what"] and error["hint"] and error["exit"] == status, "no error", done)


class Looking(StackTest):
    def test_every_command_that_looks_speaks_both_ways(self):
        stack = self.stack(head="version = \"echo 1.2.3\"")
        stack.write("docs/f0", b"other bytes\n")
        stack.write(".env", b"TOKEN=two\nNEW=x\n")
        stack.take("--golden", "--tag", "day-two")
        newest = list(stack.taken)[1]
        commands = {
            ("list",): ("snapshot", newest[:8]), ("snapshots",): ("snapshot", newest[:8]),
            ("list", "--golden"): ("snapshot", "golden"), ("list", "--tag", "day-two"): ("snapshot", "day-two"),
            ("show", "latest"): ("snapshot", "1.2.3"), ("show", newest[:6]): ("snapshot", newest), ("ls", "latest"): ("entry", "files/docs/f0"),
            ("ls", "-l", "golden", "docs/deep"): ("entry", "docs/deep/er"), ("ls", "--sha256", "latest", "env"): ("entry", ".env"),
            ("diff", "latest~1", "latest"): ("difference", "docs/f0"), ("verify",): ("summary", "verified"), ("verify", "--all"): ("summary", "verified"),
            ("verify", "--all", "--sample", "50%"): ("summary", "sample"), ("verify", "--max-age", "1d"): ("summary", "verified"),
            ("promote", "latest"): ("summary", "golden"), ("stats",): ("stats", "chunks"), ("check",): ("summary", "no damage found"),
            ("check", "--quick"): ("summary", "no damage found"), ("check", "--repair"): ("summary", "no damage found"),
            ("check", "--rebuild-index"): ("summary", "no damage found"), ("key", "list"): ("key", "first"),
            ("config", "validate"): ("summary", "is good"), ("config", "show"): ("setting", "min_ratio"), ("version",): ("version", "format"),
            ("restore", "latest", "--dry-run"): ("summary", "nothing was changed"),
        }
        with self.unchanged(stack):
            live = tree_state(stack.root)
            for words in commands:
                if words[0] not in ("verify", "promote", "check"):
                    require_json(stack.ingot(*words).expect(0), commands[words][0])
        for words, (kind, said) in commands.items():
            require_json(stack.ingot(*words).expect(0), kind)
            done = stack.text(*words).expect(0)
            require(said.encode() in done.out, f"it does not say \"{said}\"", done)
            require(not done.err or words[0] == "restore", "something is said beside the result", done)
        require(not first_difference(live, tree_state(stack.root)), "looking changed the live stack")
        counts = stack.ingot("stats").expect(0).lines[0]
        require(counts["snapshots"] == 2 and counts["golden"] == 1 and counts["encrypted"] is True, "stats", counts)
        require(counts["bytes_stored"] == sum(size for path, size in stack.stored().items() if "/keys/" not in path and "/config" not in path),
                "bytes_stored is not what lies there", counts)
        summary = stack.ingot("list").expect(0).lines
        require([line["golden"] for line in summary] == [False, True] and all(line["verified"] for line in summary), "list", summary)
        stack.require_whole()

    def test_cat_gives_the_bytes_and_ls_the_sums(self):
        stack = self.stack()
        for path in ("docs/f0", "docs/empty", "docs/two\nlines and spaces", "docs/deep/same-as-f0"):
            with open(f"{stack.root}/{path}", "rb") as file:
                require(stack.text("cat", "latest", path).expect(0).out == file.read(), f"{path!r} comes otherwise")
        done = stack.text("ls", "--sha256", "latest", "files").expect(0)
        sums = self.folder + "/sums"
        with open(sums, "wb") as file:
            file.write(done.out)
        run(["sha256sum", "--check", "--strict", sums], cwd=stack.root).expect(0)
        require(len(done.out.splitlines()) >= 7, "too few files", done)

    def test_diff_shows_names_of_keys_and_bytes_and_no_values(self):
        stack = self.stack()
        stack.write(".env", b"TOKEN=value-that-is-secret\nADDED=another-secret\n")
        stack.write("docs/f3", RANDOM.randbytes(5000))
        os.chmod(stack.root + "/docs/deep/f1", 0o600)
        stack.remove("docs/empty")
        stack.take()
        done = require_json(stack.ingot("diff", "latest~1", "latest").expect(0), "difference", "summary")
        found = {line["path"]: line for line in done.lines if line["message_type"] == "difference"}
        require(set(found[".env"]["keys"]) == {"~TOKEN", "+ADDED"}, "the keys of .env", found[".env"])
        require(found["docs/empty"]["what"] == "removed" and found["docs/deep/f1"]["what"] == "metadata", "what changed", found)
        require(found["docs/f3"]["bytes_after"] == 5000 == found["docs/f3"]["bytes_new"], "counts", found["docs/f3"])
        text = stack.text("diff", "latest~1", "latest").expect(0)
        for one in (done, text):
            require(b"secret" not in one.out + one.err, "a value is shown", one)
        same = stack.ingot("diff", "latest", "latest").expect(0)
        require(len(same.lines) == 1, "a snapshot differs from itself", same)

    def test_config_generate_makes_a_config_that_is_good_and_works(self):
        stack = self.stack(taken=False)
        made = run([INGOT, "config", "generate", stack.root]).expect(0)
        config = self.folder + "/ingot.toml"
        with open(config, "wb") as file:
            file.write(made.out)
        run([INGOT, "config", "validate", config]).expect(0)
        run([INGOT, "-c", config, "--json", "config", "show"]).expect(0)
        places = ["-c", config, "-r", self.folder + "/repo", "--key-file", self.folder + "/key"]
        env = {"INGOT_STATE_DIR": self.folder + "/state"}
        run([INGOT, *places, "init"], env).expect(0)
        run([INGOT, *places, "snapshot", "--golden"], env).expect(0)
        names = run([INGOT, *places, "ls", "latest"], env).expect(0).out
        require(b"app.db" in names and b".env" in names and b"docs/f0" in names, "not everything was found", names)
        run([INGOT, "config", "generate"]).expect(0)


class Entries(StackTest):
    quick = False  # attributes and holes want a real file system

    def decorate(self, stack):
        """Everything about entries that must come back."""
        docs = stack.root + "/docs"
        with open(docs + "/sparse", "wb") as file:
            file.truncate(64 << 20)
            file.seek(20 << 20)
            file.write(RANDOM.randbytes(100_000))
            file.seek((64 << 20) - 5)
            file.write(b"end")
        os.mkfifo(docs + "/fifo", 0o640)
        os.mkdir(docs + "/sticky")
        os.chmod(docs + "/sticky", 0o1777)
        os.chown(docs + "/f3", 1234, 2345)
        os.chmod(docs + "/f3", 0o4751)
        os.chown(docs + "/deep", 4321, 0)
        os.lchown(docs + "/link", 77, 78)
        with contextlib.suppress(OSError):
            os.setxattr(docs + "/deep", "user.on-a-folder", b"\x00\xff bytes")
        os.utime(docs + "/f3", ns=(10**18, 987654321_123456789))
        os.utime(docs + "/sticky", ns=(10**18, 1))
        os.utime(docs + "/link", ns=(10**18, 12345_000000001), follow_symlinks=False)

    def sparse(self, path):
        require(os.stat(path).st_blocks * 512 < 8 << 20, f"{path} came back without its holes", os.stat(path))

    def test_everything_about_every_entry_comes_back(self):
        stack = self.stack(taken=False)
        self.decorate(stack)
        stack.init()
        stack.take("--golden")
        content = stack.content()
        to = self.folder + "/to"
        stack.ingot("restore", "golden", "--to", to).expect(0)
        difference = stack.differs(content, stack.restored(to))
        require(not difference, difference)
        self.sparse(to + "/files/docs/sparse")
        # Live, after everything was changed, moved and removed.
        inode = os.stat(stack.root + "/docs").st_ino
        for name in ("sparse", "fifo", "link", "deep/same-as-f0"):
            stack.remove("docs/" + name)
        os.chown(stack.root + "/docs/f3", 0, 0)
        os.chmod(stack.root + "/docs/sticky", 0o700)
        stack.write("docs/f0", b"other")
        stack.write("docs/sticky/new", b"new")
        shutil.rmtree(stack.root + "/docs/deep/er")
        stack.write("docs/sparse", b"x")
        stack.remove("app.db")
        os.utime(stack.root + "/docs", ns=(0, 0))
        done = stack.ingot("restore", "latest", "--yes").expect(0)
        stack.require_live(content, done)
        self.sparse(stack.root + "/docs/sparse")
        require(os.stat(stack.root + "/docs").st_ino == inode, "the folder is another one now")
        # And when all is gone, with the root.
        shutil.rmtree(stack.root + "/docs")
        stack.remove(".env")
        done = stack.ingot("restore", "latest", "--yes").expect(0)
        stack.require_live(content, done)


class Restoring(StackTest):
    def test_every_way_to_name_a_snapshot_restores_that_one(self):
        stack = self.stack(taken=False)
        stack.init()
        contents, ids, moments = [], [], []
        for number in range(3):
            stack.write("docs/f0", b"state %d" % number)
            connection = sqlite3.connect(stack.root + "/app.db", isolation_level=None)
            connection.execute("BEGIN")
            add_rows(connection, 1, 4 + number, 1)
            connection.execute("COMMIT")
            connection.close()
            contents.append(stack.content())
            ids.append(stack.take(*(["--golden"] if number == 1 else [])).summary["snapshot_id"])
            moments.append(hold_still_until_next_second())
        ways = [(["latest"], 2), (["latest~1"], 1), (["latest~2"], 0), (["golden"], 1), ([ids[0]], 0), ([ids[0][:8]], 0), ([ids[1][:4]], 1),
                (["--at", moments[0]], 0), (["--at", moments[1]], 1), (["--at", moments[2]], 2)]
        local = datetime.datetime.strptime(moments[0], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=datetime.timezone.utc).astimezone()
        ways.append((["--at", local.strftime("%Y-%m-%d %H:%M:%S")], 0))
        for words, number in ways:
            if len({i[:4] for i in ids}) < 3 and words[0] == ids[1][:4]:
                continue
            done = stack.ingot("restore", *words, "--yes").expect(0)
            require(done.summary["snapshot_id"] == ids[number], f"{words} chose another", done)
            stack.require_live(contents[number], words, done)

    def test_a_partial_snapshot_is_passed_over_and_named(self):
        stack = self.stack()
        good = next(iter(stack.taken))
        content = stack.content()
        stack.remove(".env")
        partial = stack.ingot("snapshot").expect(3).summary["snapshot_id"]
        moment = hold_still_until_next_second()
        for words in (["latest"], ["--at", moment]):
            done = stack.text("restore", *words, "--yes").expect(0)
            require(good[:8] in done.said and partial[:8] in done.said and "partial" in done.said, "what was passed over is not named", done)
            stack.require_live(content, done)

    def test_dry_run_changes_nothing_at_all(self):
        stack = self.stack()
        stack.change()
        shutil.rmtree(stack.root + "/docs/deep/er")
        stack.write("app.db", b"garbage")
        before = {place: tree_state(place) for place in (stack.root, stack.state)}
        with self.unchanged(stack):
            for words in ([], ["--only", "db"], ["--to", self.folder + "/to"]):
                stack.ingot("restore", "latest", "--dry-run", *words).expect(0)
        for place, tree in before.items():
            difference = first_difference(tree, tree_state(place))
            require(not difference, f"{place}: {difference}")
        require(not os.path.exists(self.folder + "/to"), "the folder was made")

    def test_only_touches_only_what_is_named(self):
        stack = self.stack()
        then = stack.content()
        stack.change()
        now = stack.content()
        done = stack.ingot("restore", "latest", "--only", "env", "--yes").expect(0)
        stack.require_live({**now, ("env", ".env"): then["env", ".env"]}, done)
        stack.ingot("restore", "latest", "--only", "files", "--only", "db", "--yes").expect(0)
        stack.require_live(then)
        stack.ingot("restore", "latest", "--only", "env", "--to", self.folder + "/to").expect(0)
        require(os.listdir(self.folder + "/to") == ["env"], "more was written", os.listdir(self.folder + "/to"))

    def test_the_database_answers_as_it_did_and_its_users_stay_connected(self):
        for wal in (True, False):
            with self.subTest(wal=wal):
                stack = self.stack(f"wal-{wal}", sources={"db": ("sqlite", ["app.db"], "facts = { rows = \"SELECT count(*) FROM t\" }")}, taken=False)
                application = sqlite3.connect(stack.root + "/app.db", isolation_level=None)
                application.execute(f"PRAGMA journal_mode={'WAL' if wal else 'DELETE'}")
                application.execute("BEGIN")
                add_rows(application, 1, 4, 50)  # in the -wal only
                application.execute("COMMIT")
                query = "SELECT n, length(body), substr(body, 3, 9) FROM t WHERE n % 7 = 3 ORDER BY body"
                answer = application.execute(query).fetchall()
                stack.init()
                done = stack.take("--golden")
                require(done.summary["source_details"][0]["facts"]["rows"] == 54, "facts", done)
                application.execute("DELETE FROM t WHERE n % 2 = 1")
                application.execute("CREATE TABLE more (x)")
                require(application.execute(query).fetchall() != answer, "nothing was damaged")
                stack.ingot("restore", "latest", "--yes").expect(0)
                require(application.execute(query).fetchall() == answer, "the open connection gets another answer")
                require(application.execute("PRAGMA integrity_check").fetchall() == [("ok",)], "the database is damaged")
                application.execute("UPDATE total SET rows = rows")
                application.close()
                require(sqlite3.connect(stack.root + "/app.db").execute(query).fetchall() == answer, "a new connection gets another answer")

    def test_without_a_config_on_another_machine(self):
        stack = self.stack()
        content = stack.content()
        copy = self.folder + "/copy-of-the-repository"
        shutil.copytree(stack.repo, copy, ignore=shutil.ignore_patterns("index", "tmp"))
        done = run([INGOT, "-r", copy, "--key-file", stack.key, "restore", "latest", "--to", self.folder + "/to"],
                   {"INGOT_STATE_DIR": self.folder + "/other-state"}, cwd=self.folder).expect(0)
        difference = stack.differs(content, stack.restored(self.folder + "/to"))
        require(not difference, difference, done)


class Barrier(StackTest):
    # `pause` returns when the writer has said that no unit of work is half done.
    def barrier(self, extra=""):
        flag = self.folder + "/pause"
        return (f"pause = \"touch {flag}; while [ ! -e {flag}d ]; do sleep 0.01; done{extra}\"\n"
                f"resume = \"rm -f {flag} {flag}d; date >> {self.folder}/resumed\"\nmax_pause = \"20s\"")

    @contextlib.contextmanager
    def writer(self, stack):
        """One unit of work changes the database and a file; between its halves they disagree."""
        flag, stop = self.folder + "/pause", threading.Event()
        done = {"units": 0, "in pause": 0}

        def work():
            connection = sqlite3.connect(stack.root + "/app.db", isolation_level=None, timeout=30)
            connection.execute("PRAGMA synchronous=OFF")
            while not stop.is_set():
                if os.path.exists(flag):
                    with open(flag + "d", "w", encoding="utf-8"):
                        pass
                    done["in pause"] += 1
                    until(lambda: stop.is_set() or not os.path.exists(flag), 30)
                    continue
                connection.execute("INSERT INTO unit VALUES (1)")
                time.sleep(0.004)
                with open(stack.root + "/docs/units", "a", encoding="utf-8") as file:
                    file.write("1")
                done["units"] += 1
            connection.close()

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield done
        finally:
            stop.set()
            thread.join()

    def test_all_sources_show_one_moment_beside_a_writer(self):
        # A growing file is stored as long as it was at the pin, so that what is appended after the pause changes nothing.
        sources = {"db": ("sqlite", ["app.db"]), "env": ("env", [".env"]), "files": ("files", ["docs"], "growing = [\"units\"]")}
        stack = self.stack(taken=False, sources=sources, barrier=self.barrier())
        connection = sqlite3.connect(stack.root + "/app.db", isolation_level=None)
        connection.execute("CREATE TABLE unit (x)")
        connection.close()
        stack.write("docs/units", b"")
        stack.init()
        with self.writer(stack) as done:
            for number in range(6):
                before = done["units"]
                require(until(lambda least=before + 3: done["units"] > least), "the writer was not resumed")
                taken = stack.ingot("snapshot", "--golden").expect(0)
                summary = taken.summary
                require_fields(summary, SNAPSHOT_SUMMARY, golden=True, consistency="barrier", exit=0)
                require(summary["writers_resumed"] and 0 <= summary["pause_ms"] < 10_000 and summary["skew_ms"] <= summary["pause_ms"], "the pause", taken)
                manifest = stack.ingot("show", "latest").expect(0).lines[0]["manifest"]
                require(manifest["consistency"] == "barrier" and manifest["pause_ms"] == summary["pause_ms"], "the manifest", manifest)
                to = f"{self.folder}/to{number}"
                stack.ingot("restore", summary["snapshot_id"], "--to", to).expect(0)
                rows = sqlite3.connect(to + "/db/app.db").execute("SELECT count(*) FROM unit").fetchone()[0]
                require(rows == os.path.getsize(to + "/files/docs/units") >= before, "the sources show different moments", taken)
        require(done["in pause"] == 6, "the writer was not paused once for each", done)

    def test_the_writers_are_resumed_when_the_snapshot_is_killed_in_the_pause(self):
        stack = self.stack()
        flag, log = self.folder + "/paused", self.folder + "/resumed"
        stack.configure(barrier=f"pause = \"touch {flag}; sleep 5\"\nresume = \"rm -f {flag}; date >> {log}\"\nmax_pause = \"20s\"")
        # While the pause command still runs ...
        process = start(stack.words("snapshot"))
        require(until(lambda: os.path.exists(flag)), "the writers were never paused")
        process.send_signal(signal.SIGKILL)
        finish(process, "snapshot")
        require(until(lambda: os.path.exists(log) and not os.path.exists(flag)), "the writers were not resumed")
        time.sleep(0.1)
        require(not os.path.exists(flag), "they were paused again by what was left of the pause command")
        # ... and after it, at named steps.
        stack.configure(barrier=f"pause = \"touch {flag}\"\nresume = \"rm -f {flag}; date >> {log}\"\nmax_pause = \"20s\"")
        for step in ("snapshot.paused:1", "snapshot.pinned:1"):
            if not os.path.exists(FAULTED):
                print("skipped: ingot-faulted was not built", flush=True)
                break
            os.remove(log)
            done = run(stack.faulted("snapshot"), {"INGOT_TEST_KILL_AT": step})
            require(done.status == -signal.SIGKILL, f"not killed at {step}", done)
            require(until(lambda: os.path.exists(log) and not os.path.exists(flag)), f"killed at {step}: the writers were not resumed", done)
        done = stack.take()
        require(done.summary["consistency"] == "barrier", "the next snapshot", done)
        stack.require_whole()

    def test_a_signal_resumes_the_writers_too(self):
        stack = self.stack()
        flag, log = self.folder + "/paused", self.folder + "/resumed"
        stack.configure(barrier=f"pause = \"touch {flag}; sleep 5\"\nresume = \"rm -f {flag}; date >> {log}\"\nmax_pause = \"20s\"")
        process = start(stack.words("snapshot"))
        require(until(lambda: os.path.exists(flag)), "the writers were never paused")
        process.send_signal(signal.SIGINT)
        done = finish(process, "snapshot").expect(130)
        require(os.path.exists(log) and not os.path.exists(flag), "the writers were not resumed", done)
        stack.require_whole()

    def test_a_pause_that_fails_or_lasts_too_long_ends_resumed(self):
        stack = self.stack()
        flag = self.folder + "/paused"
        for pause, limit in (("exit 3", "10s"), ("sleep 30", "300ms")):
            stack.configure(barrier=f"pause = \"touch {flag}; {pause}\"\nresume = \"rm -f {flag}\"\nmax_pause = \"{limit}\"")
            done = self.refused(stack, ["snapshot"], 1, "pause")
            require(not os.path.exists(flag), "the writers are paused still", done)
        stack.configure(barrier="pause = \"true\"\nresume = \"echo cannot >&2; exit 4\"\nmax_pause = \"5s\"")
        done = stack.text("snapshot").expect(3)
        require("exit 4" in done.said and "cannot" in done.said, "that the writers stand is not said", done)
        stack.require_whole()

    def test_golden_that_requires_a_barrier_is_refused_without_one(self):
        stack = self.stack()
        stack.configure(head="golden_requires = \"barrier\"")
        self.refused(stack, ["snapshot", "--golden"], 2, "golden_requires", "[barrier]", stack.config)
        stack.configure()
        pinned = stack.take().summary["snapshot_id"]
        stack.configure(barrier="pause = \"true\"\nresume = \"true\"", head="golden_requires = \"barrier\"")
        done = stack.text("promote", pinned).expect(3)
        require("golden requires barrier" in done.said, "the reason is not said", done)
        stack.ingot("snapshot", "--golden").expect(0)


class Coverage(StackTest):
    def test_a_source_that_shrank_is_partial_until_its_size_is_accepted(self):
        stack = self.stack(taken=False)
        stack.write("docs/large", RANDOM.randbytes(200_000))
        stack.init()
        stack.take("--golden")
        stack.remove("docs/large")
        done = stack.text("snapshot", "--golden").expect(3)
        require_said(done, "files", "shrunk", "min_ratio", "--accept files")
        shrunk = stack.ingot("snapshot").expect(3).summary
        require(shrunk["partial"] and not shrunk["golden"], "not partial", shrunk)
        done = stack.text("promote", shrunk["snapshot_id"]).expect(3)
        require("shrunk" in done.said, "the reason is not said", done)
        self.refused(stack, ["promote", shrunk["snapshot_id"], "--accept", "nothing"], 2, "nothing")
        require(len(stack.ingot("list", "--golden").expect(0).lines) == 1, "it is golden without being accepted")
        done = require_json(stack.ingot("promote", shrunk["snapshot_id"], "--accept", "files").expect(0), "summary")
        require(done.summary["golden"] and done.summary["accepted"] == ["files"], "promote", done)
        line = stack.snapshots()[shrunk["snapshot_id"]]
        require(line["golden"] and not line["partial"], "it is not golden, or partial still", line)
        stack.take("--golden")  # that size is what is expected now
        stack.require_whole()

    def test_min_ratio_says_how_much_smaller(self):
        stack = self.stack(taken=False)
        stack.write("docs/large", RANDOM.randbytes(200_000))
        stack.init()
        stack.take("--golden")
        os.truncate(stack.root + "/docs/large", 150_000)
        stack.ingot("snapshot").expect(0)
        stack.configure({**stack.sources, "files": ("files", ["docs"], "min_ratio = 0.9")})
        stack.ingot("snapshot").expect(3)
        stack.configure({**stack.sources, "files": ("files", ["docs"], "min_ratio = 0")})
        stack.ingot("snapshot").expect(0)


class Keys(StackTest):
    def file(self, name, text):
        path = f"{self.folder}/{name}"
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, 0o600)
        return path

    def test_keys_are_added_listed_changed_and_removed(self):
        stack = self.stack()
        second, phrase = self.folder + "/second", self.file("phrase", "one two three\n")
        done = require_json(stack.ingot("key", "add", "--new-key-file", second, "--label", "spare"), "key").expect(0)
        slot = done.lines[0]["slot"]
        require(os.stat(second).st_mode & 0o777 == 0o600, "the key file is not private")
        stack.text("--key-file", second, "list").expect(0)
        stack.text("key", "add", "--new-passphrase-file", phrase, "--label", "memo").expect(0)
        stack.text("list", env={"INGOT_PASSWORD_FILE": phrase}).expect(0)
        lines = stack.ingot("key", "list").expect(0).lines
        require(sorted((line["kind"], line["label"]) for line in lines) == [("key file", "first"), ("key file", "spare"), ("passphrase", "memo")],
                "key list", lines)
        changed = self.file("changed", "four five six\n")
        stack.text("key", "passwd", "--new-passphrase-file", changed).expect(0)
        stack.text("list", env={"INGOT_PASSWORD_FILE": changed}).expect(0)
        stack.text("list", env={"INGOT_PASSWORD_FILE": phrase}).expect(12)
        stack.text("key", "remove", slot).expect(0)
        self.refused(stack, ["--key-file", second, "list"], 12, second)
        self.refused(stack, ["key", "remove", slot], 1, slot)
        for line in stack.ingot("key", "list").expect(0).lines:
            if line["kind"] == "passphrase":
                stack.text("key", "remove", line["slot"]).expect(0)
        last = stack.ingot("key", "list").expect(0).lines[0]["slot"]
        self.refused(stack, ["key", "remove", last], 2, "last key")
        stack.require_whole()

    def test_a_repository_with_a_passphrase_opens_from_every_place(self):
        stack = self.stack(taken=False, key=False)
        phrase = self.file("phrase", "correct horse\nsecond line\n")
        places = ({"INGOT_PASSWORD_FILE": phrase}, {"INGOT_PASSWORD_COMMAND": f"head -n 1 {phrase}"}, {"INGOT_PASSWORD": "correct horse"})
        self.assertEqual(stack.text("init").status, 2)
        require(not os.path.exists(stack.repo), "something was made without a key")
        stack.text("init", env=places[0]).expect(0)
        content = stack.content()
        for number, place in enumerate(places):
            stack.text("snapshot", "--golden", env=place).expect(0)
            stack.text("restore", "latest", "--to", f"{self.folder}/to{number}", env=place).expect(0)
            difference = stack.differs(content, stack.restored(f"{self.folder}/to{number}"))
            require(not difference, difference)
        self.refused(stack, ["list"], 2, "INGOT_PASSWORD_FILE")
        self.refused(stack, ["list"], 12, "INGOT_PASSWORD", env={"INGOT_PASSWORD": "wrong"})


class Secrets(StackTest):
    """Canaries: the value of an .env, a key and a passphrase appear in nothing that others can see."""

    def setUp(self):
        super().setUp()
        self.value = b"canary-value-" + os.urandom(8).hex().encode()
        self.phrase = "canary-phrase-" + os.urandom(8).hex()

    def canaries(self, stack):
        with open(stack.key, "rb") as file:
            digits = file.read().split()[1]
        return [self.value, self.phrase.encode(), digits, bytes.fromhex(digits.decode()), digits.upper()]

    def require_silent(self, canaries, place, data):
        for canary in canaries:
            require(canary not in data, f"a secret is in {place}")

    def require_files_silent(self, canaries, *folders):
        for folder in folders:
            for at, folders_in, names in os.walk(folder):
                for name in folders_in + names:
                    self.require_silent(canaries, "a name", os.fsencode(name))
                for name in names:
                    with contextlib.suppress(OSError), open(os.path.join(at, name), "rb") as file:
                        self.require_silent(canaries, os.path.join(at, name), file.read())

    def watch(self, canaries, stop, found, me):
        """What any user sees of processes, and what our children are given."""
        while not stop.is_set():
            for pid in filter(str.isdigit, os.listdir("/proc")):
                with contextlib.suppress(OSError):
                    with open(f"/proc/{pid}/cmdline", "rb") as file:
                        line = file.read()
                    with open(f"/proc/{pid}/comm", "rb") as file:
                        name = file.read()
                    environment = b""
                    if name.strip() != os.fsencode(os.path.basename(INGOT))[:15] and int(pid) != me:
                        with open(f"/proc/{pid}/environ", "rb") as file:
                            environment = file.read()
                    found.extend((pid, line, name) for canary in canaries if canary in line or canary in environment)
                    found.seen += b"look-at-me" in line
            stop.wait(0.002)

    def test_no_secret_is_anywhere_others_can_look(self):
        stack = self.stack(taken=False)
        looked = self.folder + "/looked"
        os.mkdir(looked)
        # Every command that is run looks at its own environment and at its parent's, and takes a moment.
        look = f": look-at-me; env > {looked}/env.$$; cat /proc/$PPID/environ /proc/$PPID/cmdline > {looked}/parent.$$; sleep 0.05"
        stack.configure(head=f"version = \"{look}\"", barrier=f"pause = \"{look}\"\nresume = \"{look}\"")
        stack.write(".env", b"# comment\nAPI_KEY=" + self.value + b"\nURL=\"https://user:" + self.value + b"@example.org\"\n")
        stack.init()
        phrase = self.folder + "/phrase"
        with open(phrase, "w", encoding="utf-8") as file:
            file.write(self.phrase + "\n")
        os.chmod(phrase, 0o600)
        stack.text("key", "add", "--new-passphrase-file", phrase).expect(0)
        canaries = self.canaries(stack)

        class Found(list):
            seen = 0

        found, stop = Found(), threading.Event()
        thread = threading.Thread(target=self.watch, args=(canaries, stop, found, os.getpid()))
        thread.start()
        try:
            ways = ({}, {"INGOT_PASSWORD": self.phrase}, {"INGOT_PASSWORD_FILE": phrase}, {"INGOT_PASSWORD_COMMAND": f"head -n 1 {phrase}"})
            for number, env in enumerate(ways):
                stack.write("docs/f0", b"state %d" % number)
                with open(stack.root + "/.env", "ab") as file:
                    file.write(b"N%d=%s\n" % (number, self.value))
                for words in (["-v", "snapshot", "--golden"], ["--json", "snapshot"]):
                    done = stack.text(*words, env=env).expect(0)
                    self.require_silent(canaries, f"what {words} says", done.out + done.err)
            commands = [["list"], ["show", "latest"], ["ls", "-l", "latest"], ["diff", "latest~5", "latest"], ["verify", "--all"], ["check"], ["stats"],
                        ["key", "list"], ["config", "show"], ["config", "validate"], ["restore", "latest~3", "--dry-run"],
                        ["restore", "latest~3", "--yes"], ["restore", "latest", "--to", self.folder + "/to"], ["promote", "latest~2"],
                        ["snapshot", "--password=" + self.phrase], ["cat", "latest", "none"], ["--key-file", self.folder + "/stack-key", "list"]]
            shutil.copy(stack.root + "/.env", self.folder + "/stack-key")  # a secret given where a key file belongs
            for words in commands:
                for flags in (["-v"], ["--json"]):
                    # On a command line it stands until the program has wiped it: only what is said is looked at.
                    if any(self.phrase in word for word in words):
                        stop.set()
                        thread.join()
                    done = stack.text(*flags, *words)
                    self.require_silent(canaries, f"what {words} says", done.out + done.err)
        finally:
            stop.set()
            thread.join()
        require(not found, "a secret is in a command line or an environment", found)
        require(found.seen > 0, "no command was seen: nothing was tested")
        names = os.listdir(looked)
        require(len(names) >= 2 * 3 * 8, "the commands did not look", names)
        self.require_files_silent(canaries, looked, stack.repo, stack.state)
        require(os.stat(stack.state).st_mode & 0o077 == 0, "the state directory is open to others")
        with open(self.folder + "/to/env/.env", "rb") as file:
            require(self.value in file.read(), "the value itself did not come back")
        require(stack.text("cat", "latest", ".env").expect(0).out.count(self.value) > 0, "cat into a pipe holds values back")

    def test_no_secret_is_left_behind_by_a_killed_run(self):
        stack = self.stack(taken=False)
        stack.write(".env", b"API_KEY=" + self.value + b"\n")
        stack.init()
        stack.take()
        canaries = self.canaries(stack)
        for _ in range(8):
            stack.write("docs/f0", RANDOM.randbytes(100_000))
            process = start(stack.words("snapshot", "--golden"))
            time.sleep(RANDOM.uniform(0, 0.08))
            process.send_signal(signal.SIGKILL)
            finish(process, "snapshot")
        stack.take()
        self.require_files_silent(canaries, stack.repo, stack.state)
        stack.require_whole()


if __name__ == "__main__":
    main()
