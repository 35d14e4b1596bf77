#!/usr/bin/python3
"""Bad input, bad places and bad luck, one test each: the right exit status, an error that says what was done, what happened and what
to do next, and nothing lost or half written.

Called by ctest with the program's path, the build folder and the source folder, as root: it mounts small file systems, in a mount
namespace of its own.
"""

import contextlib
import hashlib
import json
import os
import shutil
import socket
import sqlite3
import threading
import time

from stack import Stack, StackTest, first_difference, held_lock, main, require_said
from faulted_mounts import Mount, need_mounts
from faulted_run import INGOT, RANDOM, require, run, run_killed
from faulted_stack import tree_state

FILES = {"files": ("files", ["docs"])}
FILES_AND_ENV = {"files": ("files", ["docs"]), "env": ("env", [".env"])}


@contextlib.contextmanager
def meanwhile(work):
    """`work(stop)` runs in a thread until the block ends."""
    stop = threading.Event()
    thread = threading.Thread(target=work, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


class Sources(StackTest):
    """What is declared and not as it should be: stored as far as it goes, named, and exit 3."""

    def partial(self, stack, source, status, *said, arguments=()):
        """A snapshot in which that source is not well: everything else is stored, and earlier snapshots stay."""
        done = stack.ingot("snapshot", *arguments).expect(3)
        summary = done.summary
        require(summary["partial"] and not summary["golden"] and summary["exit"] == 3, "not said to be partial", done)
        states = {detail["name"]: detail["status"] for detail in summary["source_details"]}
        require(states.pop(source) in ((status,) if isinstance(status, str) else status), f"{source} is not {status}", done)
        require(set(states.values()) <= {"stored"}, "another source is not stored", done)
        for text in said:
            require(text in done.said, f"it does not say \"{text}\"", done)
        text = stack.text("snapshot", *arguments)
        if text.status == 3:
            require_said(text, source, *said)
            require(b"saved, partial" in text.out, "not said to be partial", text)
        shown = stack.text("show", summary["snapshot_id"]).expect(0)
        for part in said:
            require(part in shown.out.decode(), f"`show` does not say \"{part}\"", shown)
        stack.require_whole(done)
        return done

    def test_a_missing_path_is_named_and_the_other_sources_are_stored(self):
        stack = self.stack()
        shutil.rmtree(stack.root + "/docs")
        done = self.partial(stack, "files", "missing", stack.root + "/docs")
        # Nothing of it was stored: neither live nor beside is there anything to put back.
        self.refused(stack, ["restore", done.summary["snapshot_id"], "--yes"], 1, "files", "missing")
        stack.ingot("restore", done.summary["snapshot_id"], "--only", "env,db", "--to", self.folder + "/to").expect(0)

    def test_a_missing_database_is_named(self):
        stack = self.stack()
        stack.remove("app.db")
        self.partial(stack, "db", "missing", stack.root + "/app.db")
        require(not os.path.exists(stack.root + "/app.db"), "an empty database was made where none was")

    def test_a_missing_root_of_the_stack_is_named(self):
        stack = self.stack()
        os.rename(stack.root, stack.root + "-away")
        done = stack.text("snapshot").expect(3)
        require_said(done, stack.root)
        require(not os.path.exists(stack.root), "the root was made")
        stack.require_whole(done)

    def test_empty_sources_are_partial(self):
        for source, path in (("files", "docs"), ("env", ".env"), ("db", "app.db")):
            with self.subTest(source):
                stack = self.stack(source)
                if path == "docs":
                    shutil.rmtree(stack.root + "/docs")
                    os.makedirs(stack.root + "/docs/deep/empty")
                else:
                    stack.write(path, b"")
                self.partial(stack, source, ("empty", "shrunk"), "it holds no" if path != "app.db" else "db")

    def test_what_may_not_be_read_is_named_and_what_stands_beside_it_is_stored(self):
        stack = self.stack(taken=False)
        stack.as_nobody()
        stack.init()
        stack.take()
        os.chmod(stack.root + "/docs/f3", 0)
        done = self.partial(stack, "files", "unreadable", stack.root + "/docs/f3")
        listing = stack.text("ls", done.summary["snapshot_id"]).expect(0).out.decode()
        require("files/docs/f0" in listing and "docs/f3" not in listing, "the siblings were not stored", listing)
        # In part only: never over what is live, but beside it.
        self.refused(stack, ["restore", done.summary["snapshot_id"], "--yes"], 1, "in part only", "--to")
        stack.ingot("restore", done.summary["snapshot_id"], "--to", self.folder + "/base/to").expect(0)
        require(os.path.exists(self.folder + "/base/to/files/docs/f0"), "`restore --to` of a partial snapshot left a file out")
        require(not os.path.exists(self.folder + "/base/to/files/docs/f3"), "a file was made up")
        os.chmod(stack.root + "/docs/f3", 0o644)
        stack.take()

    def test_a_folder_that_may_not_be_read_is_named(self):
        stack = self.stack(taken=False)
        stack.as_nobody()
        stack.init()
        stack.take()
        for place, name in (("docs/deep", "files"), ("docs", "files"), ("app.db", "db"), (".env", "env")):
            with self.subTest(place):
                mode = os.stat(f"{stack.root}/{place}").st_mode & 0o7777
                os.chmod(f"{stack.root}/{place}", 0)
                try:
                    self.partial(stack, name, "unreadable", f"{stack.root}/{place}")
                finally:
                    os.chmod(f"{stack.root}/{place}", mode)

    def test_a_file_that_vanishes_between_pin_and_read_is_named(self):
        # The writers are resumed when everything is pinned and nothing is read.
        stack = self.stack()
        stack.configure(barrier=f"pause = \"true\"\nresume = \"rm -f {stack.root}/docs/zz*\"")
        stack.write("docs/zz-goes", b"a file that is not there for long")
        done = stack.ingot("snapshot").expect(3)
        require("docs/zz-goes" in done.said, "what vanished is not named", done)
        listing = stack.text("ls", done.summary["snapshot_id"]).expect(0).out.decode()
        require("docs/f0" in listing and "zz-goes" not in listing, "what stayed is not there, or what vanished is", listing)
        stack.require_whole(done)

    def test_files_that_vanish_during_the_run_are_named(self):
        stack = self.stack(sources=FILES)
        seen, usual_s = False, 0.0
        for attempt in range(60):
            for number in range(24):
                stack.write(f"docs/z{number:02}", RANDOM.randbytes(1 << 19))
            moment = RANDOM.uniform(0.2, 1) * usual_s if attempt else 600

            def delete(stop):
                stop.wait(moment)
                for number in reversed(range(24)):
                    stack.remove(f"docs/z{number:02}")

            with meanwhile(delete):
                began = time.monotonic()
                done = stack.ingot("snapshot").expect(0, 3)
                usual_s = usual_s or time.monotonic() - began
            require(done.status == 0 or "docs/z" in done.said, "exit 3 without a name", done)
            require(done.status == 3 or not done.summary["partial"], "partial with exit 0", done)
            if done.status == 3:
                seen = True
                break
        require(seen, "no file vanished at the right moment in 60 runs")
        stack.require_whole(done)

    def test_a_file_that_keeps_changing_is_named_and_its_siblings_are_stored(self):
        stack = self.stack(sources=FILES)
        busy = stack.root + "/docs/busy"
        with open(busy, "wb") as file:
            for _ in range(64):
                file.write(RANDOM.randbytes(1 << 20))

        def rewrite(stop):
            with open(busy, "r+b", buffering=0) as file:
                number = 0
                while not stop.is_set():
                    number += 1
                    file.seek(number * 7919 * 4096 % (64 << 20))
                    file.write(number.to_bytes(8, "little"))
                    time.sleep(0.0005)

        with meanwhile(rewrite):
            done = stack.ingot("snapshot").expect(3)
            require("docs/busy" in done.said and "keeps changing" in done.said, "it is not named", done)
            text = stack.text("snapshot").expect(3)
            require_said(text, "docs/busy keeps changing")
        listing = stack.text("ls", done.summary["snapshot_id"]).expect(0).out.decode()
        require("docs/f0" in listing and "docs/busy" not in listing, "siblings missing, or torn bytes stored", listing)
        self.refused(stack, ["restore", done.summary["snapshot_id"], "--yes"], 1, "in part only", "--to")
        stack.ingot("restore", done.summary["snapshot_id"], "--to", self.folder + "/to").expect(0)
        stack.require_whole(done)
        stack.take()

    def test_a_file_that_is_no_database_is_named_and_a_good_one_can_be_put_over_it(self):
        stack = self.stack()
        good = stack.content()
        for bytes_ in (b"no database at all\n" * 500, b"SQLite format 3\0" + RANDOM.randbytes(8000)):
            stack.write("app.db", bytes_)
            self.partial(stack, "db", "unreadable", stack.root + "/app.db")
            done = stack.ingot("restore", next(iter(stack.taken)), "--yes").expect(0)
            stack.require_live(good, done)

    def test_a_database_with_damaged_pages_is_never_golden(self):
        stack = self.stack()
        good = stack.content()
        connection = sqlite3.connect(stack.root + "/app.db")
        connection.execute("PRAGMA journal_mode=DELETE")
        connection.executemany("INSERT INTO t VALUES (?, ?)", ((n, "x" * 900) for n in range(100, 400)))
        connection.commit()
        connection.close()
        with open(stack.root + "/app.db", "r+b") as file:
            for page in range(6, 40):
                file.seek(page * 4096)
                file.write(RANDOM.randbytes(2000))
        done = stack.text("snapshot", "--golden").expect(3)
        require_said(done, "not golden", "db")
        require(b"golden" not in done.out, "said to be golden", done)
        self.refused(stack, ["restore", "golden", "--yes"], 1, "no golden")
        stack.ingot("restore", next(iter(stack.taken)), "--yes").expect(0)
        stack.require_live(good)
        stack.require_whole()

    def test_a_socket_is_noted_and_left_out(self):
        stack = self.stack()
        with socket.socket(socket.AF_UNIX) as one:
            os.chdir(stack.root + "/docs")
            one.bind("socket")
            os.chdir("/")
            done = stack.text("snapshot").expect(0)
        require("docs/socket" in done.said, "it is not noted", done)


class Names(StackTest):
    def test_spaces_newlines_and_bytes_that_are_no_text_come_back(self):
        base = self.folder + "/a base with spaces,\n\"quotes\" and ünïcode"
        stack = Stack(base, root=base + "/the stack").fill(files=4, rows=3, kib=4)
        docs = os.fsencode(stack.root + "/docs/")
        for name in (b" ", b"\n", b"-rf", b"a\\b", b"\xff\xfe", b"\x01\x7f", b"tab\there", b"x" * 255, "ü".encode()):
            os.mkdir(docs + b"dir" + name[:200])
            for place in (docs + name, docs + b"dir" + name[:200] + b"/" + name):
                with open(place, "wb") as file:
                    file.write(name * 3)
        os.symlink(b"\n\xff to nowhere", docs + b"link\n\xfe")
        stack.init()
        stack.take()
        stack.require_whole()
        content = stack.content()
        shutil.rmtree(stack.root + "/docs")
        os.makedirs(os.fsencode(stack.root) + b"/docs/more\xff\n")
        stack.ingot("restore", "latest", "--yes").expect(0)
        stack.require_live(content)
        lines = stack.ingot("ls", "latest").expect(0).lines
        paths = {bytes.fromhex(line["path_hex"]) if "path_hex" in line else line["path"].encode() for line in lines}
        require(b"docs/dir\xff\xfe/\xff\xfe" in paths and b"docs/\n" in paths, "a name is not in `ls`", paths)
        listing = stack.text("ls", "latest").expect(0).out
        require(b"\xff" not in listing and len(listing.splitlines()) == len(lines), "a name breaks the lines of `ls`", listing)

    def test_links_out_of_the_tree_are_stored_and_restored_as_links(self):
        stack = self.stack(taken=False)
        outside = self.folder + "/outside"
        os.makedirs(outside + "/folder")
        for name in ("file", "folder/inner"):
            with open(f"{outside}/{name}", "wb") as file:
                file.write(b"not of the stack")
        os.symlink(outside + "/file", stack.root + "/docs/absolute")
        os.symlink("../../../outside/folder", stack.root + "/docs/relative")
        os.symlink("/proc/self/root", stack.root + "/docs/everything")
        stack.init()
        stack.take()
        listing = stack.text("ls", "latest").expect(0).out
        require(b"inner" not in listing, "a link was followed", listing)
        content, before = stack.content(), tree_state(outside)
        for name in ("absolute", "relative", "everything"):
            stack.remove("docs/" + name)
        os.symlink(outside + "/folder", stack.root + "/docs/absolute")
        os.mkdir(stack.root + "/docs/relative")
        stack.write("docs/relative/file", b"of the stack")
        stack.ingot("restore", "latest", "--yes").expect(0)
        stack.require_live(content)
        difference = first_difference(before, tree_state(outside))
        require(not difference, f"something outside of the stack was touched: {difference}")
        stack.require_whole()

    def test_a_folder_replaced_by_a_link_is_put_back_and_where_it_leads_is_not_touched(self):
        for place in ("docs/deep", "docs"):
            with self.subTest(place):
                stack = self.stack(place.replace("/", "-"))
                content = stack.content()
                elsewhere = stack.base + "/elsewhere"
                shutil.copytree(f"{stack.root}/{place}", elsewhere, symlinks=True)
                for at, _, names in os.walk(elsewhere):
                    for name in names:
                        if not os.path.islink(f"{at}/{name}"):
                            os.chmod(f"{at}/{name}", 0o600)
                            with open(os.fsencode(f"{at}/{name}"), "wb") as file:
                                file.write(b"somebody else's")
                before = tree_state(elsewhere)
                shutil.rmtree(f"{stack.root}/{place}")
                os.symlink(elsewhere, f"{stack.root}/{place}")
                done = stack.ingot("restore", "latest", "--yes").expect(0)
                stack.require_live(content, done)
                difference = first_difference(before, tree_state(elsewhere))
                require(not difference, f"something outside of the stack was touched: {difference}", done)

    def test_hard_links_stay_hard_links(self):
        stack = self.stack(taken=False, sources=FILES)
        for name in ("docs/one more", "docs/deep/er/and another"):
            os.link(stack.root + "/docs/f0", f"{stack.root}/{name}")
        stack.init()
        stack.take()
        content = stack.content()
        stack.require_whole()
        # One name is another file now, one is gone, and one leads to a file of somebody else.
        stack.remove("docs/one more")
        stack.write("docs/one more", b"on its own")
        stack.remove("docs/deep/same-as-f0")
        stack.remove("docs/deep/er/and another")
        other = self.folder + "/other"
        with open(other, "wb") as file:
            file.write(b"somebody else's")
        os.link(other, stack.root + "/docs/deep/er/and another")
        stack.ingot("restore", "latest", "--yes").expect(0)
        stack.require_live(content)
        inodes = {os.stat(f"{stack.root}/docs/{name}").st_ino for name in ("f0", "one more", "deep/same-as-f0", "deep/er/and another")}
        require(len(inodes) == 1, "they are several files now")
        with open(other, "rb") as file:
            require(file.read() == b"somebody else's", "what another name leads to was written to")


class Config(StackTest):
    def test_all_mistakes_are_reported_with_lines_and_the_nearest_key(self):
        config = self.folder + "/wrong.toml"
        with open(config, "w", encoding="utf-8") as file:
            file.write("[repository]\n"                # 1
                       "pth = \"/r\"\n"                # 2
                       "[stack]\n"                     # 3
                       "name = \"two words\"\n"        # 4
                       "root = \"relative\"\n"         # 5
                       "tries = 1000\n"                # 6
                       "golden_requires = \"pined\"\n" # 7
                       "[barier]\n"                    # 8
                       "pause = \"x\"\n"               # 9
                       "[sources.a]\n"                 # 10
                       "driver = \"sqlit\"\n"          # 11
                       "[sources.b]\n"                 # 12
                       "driver = \"files\"\n"          # 13
                       "paths = \"docs\"\n"            # 14
                       "exclud = [\"x\"]\n"            # 15
                       "min_ratio = 7\n"               # 16
                       "[sources.c]\n"                 # 17
                       "path = \"x\"\n"                # 18
                       "[barrier]\n"                   # 19
                       "pause = \"x\"\n"               # 20
                       "max_pause = \"ten\"\n")        # 21
        expected = {2: "`path`", 4: "`name`", 5: "absolute", 6: "`tries`", 7: "`pinned`", 8: "`barrier`", 11: "`sqlite`", 14: "`paths`",
                    15: "`exclude`", 16: "`min_ratio`", 17: "`driver`", 20: "`resume`", 21: "`max_pause`"}
        done = run([INGOT, "config", "validate", config]).expect(2)
        for line, what in expected.items():
            require(any(shown.startswith(f"{config}:{line}: ") and what in shown for shown in done.out.decode().splitlines()),
                    f"line {line} is not reported with {what}", done)
        lines = run([INGOT, "--json", "config", "validate", config]).expect(2).lines
        require(set(expected) <= {line.get("line") for line in lines}, "not every line in JSON", lines)
        require(lines[-1]["message_type"] == "summary" and lines[-1]["mistakes"] >= len(expected), "no summary", lines[-1])
        for command in ("snapshot", "list", "init"):
            done = run([INGOT, "-c", config, command]).expect(2)
            require_said(done, f"{config}:15: ", f"{config}:21: ", "config validate")
        require(sorted(os.listdir(self.folder)) == ["wrong.toml"], "something was made", os.listdir(self.folder))

    def test_a_mistake_of_syntax_is_reported_with_its_line(self):
        stack = self.stack()
        for text in ("[repository]\npath = \"/r\"\n[stack\nname = 1\n", "a = 1\n\na = \"unfinished\nb = 2\n", "a = 1\nb = 2\nc = \"\xff\"\n",
                     "a = 1\nb = 2\na = 3\n"):
            with open(stack.config, "w", encoding="latin-1") as file:
                file.write(text)
            done = self.refused(stack, ["snapshot"], 2, stack.config + ":3: ", "column")
            require("config validate" in done.said, "the hint names no command", done)

    def test_a_config_that_is_not_there_is_named(self):
        stack = self.stack()
        os.rename(stack.config, stack.config + ".away")
        self.refused(stack, ["snapshot"], 2, stack.config, "config generate")
        os.mkdir(stack.config)
        self.refused(stack, ["snapshot"], 1, stack.config)


class CommandLine(StackTest):
    def test_a_passphrase_on_the_command_line_is_refused_and_not_repeated(self):
        stack = self.stack()
        for words in (["--password=x7canary"], ["--password", "x7canary"], ["--passphrase=x7canary"]):
            done = self.refused(stack, ["list", *words], 2, "INGOT_PASSWORD_FILE")
            require("x7canary" not in done.said, "the passphrase is repeated", done)

    def test_unknown_commands_and_flags_are_refused_with_the_nearest(self):
        stack = self.stack()
        self.refused(stack, ["snapshto"], 2, "`snapshto`", "`snapshot`")
        self.refused(stack, ["key", "lst"], 2, "`list`")
        self.refused(stack, ["restore", "latest", "--dryrun"], 2, "`--dryrun`", "`--dry-run`")
        self.refused(stack, ["snapshot", "latest"], 2, "latest")
        self.refused(stack, [], 2, "no command")
        self.refused(stack, ["restore"], 2, "which snapshot")
        self.refused(stack, ["restore", "latest", "--at", "yesterday"], 2, "--at")
        self.refused(stack, ["list", "--lock-wait", "soon"], 2, "soon")
        self.refused(stack, ["snapshot", "--tag", "two words"], 2, "two words")

    def test_a_snapshot_that_is_not_there_is_refused(self):
        stack = self.stack()
        known = next(iter(stack.taken))[:8]
        unknown = f"{(int(known, 16) + 1) % (1 << 32):08x}"
        for words in (["restore", unknown, "--yes"], ["show", unknown], ["ls", unknown], ["cat", unknown, ".env"], ["diff", unknown, "latest"],
                      ["verify", unknown], ["promote", unknown]):
            self.refused(stack, words, 1, f"no snapshot {unknown}", known)
        self.refused(stack, ["restore", "the-last-one", "--yes"], 2, "the-last-one", "latest")
        self.refused(stack, ["restore", "latest~5", "--yes"], 1, "latest~5", known)
        self.refused(stack, ["restore", "golden", "--yes"], 1, "no golden snapshot", known)
        self.refused(stack, ["restore", "--at", "2001-02-03 04:05", "--yes"], 1, "2001-02-03 04:05", known)
        self.refused(stack, ["restore", "--at", "soonish", "--yes"], 2, "soonish")
        self.refused(stack, ["cat", "latest", "docs/nothing"], 1, "docs/nothing", "ingot ls")
        self.refused(stack, ["restore", "latest", "--only", "vectors", "--yes"], 2, "vectors", "ingot show")

    def test_an_ambiguous_choice_is_refused(self):
        stack = self.stack()
        second = Stack(self.folder + "/second", repo=stack.repo).fill(files=4, rows=2, kib=2)
        second.key = stack.key
        second.configure()
        with open(second.config, encoding="utf-8") as file:
            text = file.read()
        with open(second.config, "w", encoding="utf-8") as file:
            file.write(text.replace('name = "rag"', 'name = "another"'))
        second.ingot("snapshot").expect(0)
        alone = ["-r", stack.repo, "--key-file", stack.key]
        env = {"INGOT_STATE_DIR": stack.state}
        self.refused(stack, [*alone, "show", "latest"], 2, "another, rag", "--stack", env=env, config=False)
        stack.text(*alone, "show", "latest", "--stack", "rag", env=env, config=False).expect(0)
        self.refused(stack, [*alone, "show", "latest", "--stack", "third"], 1, "third", "ingot list", env=env, config=False)
        # One name in two sources of a snapshot.
        both = self.stack("both", sources={"one": ("files", ["docs"]), "two": ("files", ["docs/deep"])})
        name = "docs/deep/f1"
        self.refused(both, ["cat", "latest", name], 2, "one/" + name, "two/" + name)
        both.text("cat", "latest", "two/" + name).expect(0)

    def test_restore_into_a_folder_that_is_not_empty_is_refused(self):
        stack = self.stack()
        to = self.folder + "/to"
        os.mkdir(to)
        with open(to + "/mine", "wb") as file:
            file.write(b"kept")
        before = tree_state(to)
        self.refused(stack, ["restore", "latest", "--to", to], 2, to, "mine", "empty")
        self.refused(stack, ["restore", "latest", "--to", to + "/mine"], 1, to + "/mine")
        self.refused(stack, ["restore", "latest", "--to", to + "/mine/below"], 1, to + "/mine")
        require(not first_difference(before, tree_state(to)), "the folder was touched")
        self.refused(stack, ["restore", "latest", "--to", stack.root + "/docs/deep/to"], 2, "live", "--to")
        os.remove(to + "/mine")
        stack.ingot("restore", "latest", "--to", to).expect(0)


class Repository(StackTest):
    def test_a_wrong_key_is_said_with_exit_12(self):
        stack = self.stack()
        other = self.stack("other", taken=False)
        other.init()
        done = self.refused(stack, ["--key-file", other.key, "list"], 12, other.key)
        with open(other.key, encoding="utf-8") as file:
            digits = file.read().split()[1]
        require(digits not in done.said, "the key is shown", done)
        self.refused(stack, ["--key-file", other.key, "snapshot"], 12, other.key)
        self.refused(stack, ["--key-file", self.folder + "/none", "list"], 12, self.folder + "/none")
        stack.require_whole()

    def test_a_key_file_that_is_none_is_said_with_exit_12(self):
        stack = self.stack()
        bad = self.folder + "/bad"
        for content in (b"", b"\n", b"garbage\n", b"ingot-key-1 12\n", b"ingot-key-1 " + b"g" * 64 + b"\n", RANDOM.randbytes(2000),
                        RANDOM.randbytes(100_000)):
            with open(bad, "wb") as file:
                file.write(content)
            os.chmod(bad, 0o600)
            self.refused(stack, ["--key-file", bad, "list"], 12, bad)
        self.refused(stack, ["--key-file", self.folder, "list"], 1, self.folder)

    def test_a_wrong_passphrase_is_said_with_exit_12(self):
        stack = self.stack()
        self.refused(stack, ["list"], 12, "INGOT_PASSWORD", env={"INGOT_PASSWORD": "not it"})
        self.refused(stack, ["list"], 12, "INGOT_PASSWORD_COMMAND", env={"INGOT_PASSWORD_COMMAND": "exit 7"})

    def test_no_repository_is_said_with_exit_10(self):
        stack = self.stack()
        empty = self.folder + "/empty"
        os.mkdir(empty)
        for place in (self.folder + "/none", empty, stack.config):
            for words in (["list"], ["snapshot"], ["restore", "latest", "--yes"], ["check"]):
                self.refused(stack, ["-r", place, *words], 10, place)
        require(os.listdir(empty) == [] and not os.path.exists(self.folder + "/none"), "something was made")

    def test_a_lock_is_said_with_exit_11_with_who_holds_it(self):
        stack = self.stack()
        with held_lock(stack, 1) as holder:
            self.refused(stack, ["--lock-wait", "0s", "snapshot"], 11, stack.repo, f"pid {holder.pid}", "python3")
            began = time.monotonic()
            self.refused(stack, ["--lock-wait", "500ms", "snapshot"], 11, f"pid {holder.pid}", "waited")
            require(time.monotonic() - began >= 0.5, "it did not wait")
            stack.text("--lock-wait", "0s", "list").expect(0)  # looking goes on beside it
            stack.text("--lock-wait", "0s", "restore", "latest", "--to", self.folder + "/to").expect(0)
        with held_lock(stack, 0) as holder:
            self.refused(stack, ["--lock-wait", "0s", "list"], 11, f"pid {holder.pid}", "python3")
        stack.take()  # the lock ended with its process
        stack.require_whole()

    def change_config(self, stack, **values):
        """Both copies, with the right checksum (docs/format.md, "Config")."""
        with open(stack.repo + "/config", encoding="utf-8") as file:
            config = json.loads(file.readline())
        config.update(values)
        line = json.dumps(config, separators=(",", ":"))
        for name in ("config", "config.copy"):
            with open(f"{stack.repo}/{name}", "w", encoding="utf-8") as file:
                file.write(f"{line}\nsha256 {hashlib.sha256(line.encode()).hexdigest()}\n")

    def test_a_repository_of_a_newer_format_is_left_alone(self):
        for values, said in (({"format": 2}, "format 2"), ({"format": 2, "id": 7, "cut": None}, "format 2"),
                             ({"required": ["parity"]}, "\"parity\"")):
            with self.subTest(said):
                stack = self.stack(hashlib.sha256(repr(values).encode()).hexdigest()[:8])
                self.change_config(stack, **values)
                for words in (["list"], ["snapshot"], ["check"], ["check", "--repair"], ["restore", "latest", "--yes"],
                              ["restore", "latest", "--to", self.folder + "/to"], ["init"]):
                    done = self.refused(stack, words, 1, stack.repo)
                    require(words == ["init"] or (said in done.said and "newer ingot" in done.said), "it is not said what is newer", done)
                require(not os.path.exists(self.folder + "/to"), "something was restored")

    def test_an_optional_feature_is_no_obstacle(self):
        stack = self.stack(head="", taken=False)
        run([INGOT, "-c", stack.config, "init", "--no-encryption"]).expect(0)
        self.change_config(stack, optional=["parity"])
        stack.take()
        stack.require_whole()


class Init(StackTest):
    def test_onto_a_repository_is_refused(self):
        stack = self.stack()
        with open(stack.key, "rb") as file:
            key = file.read()
        self.refused(stack, ["init"], 1, stack.repo)
        self.refused(stack, ["init", "--no-encryption"], 1, stack.repo)
        self.refused(stack, ["--key-file", self.folder + "/new-key", "init"], 1, stack.repo)
        require(not os.path.exists(self.folder + "/new-key"), "a key was made that opens nothing")
        os.remove(stack.repo + "/config")  # a damaged one is a repository too
        self.refused(stack, ["init"], 1, stack.repo)
        shutil.copy(stack.repo + "/config.copy", stack.repo + "/config")
        with open(stack.key, "rb") as file:
            require(file.read() == key, "the key was touched")
        stack.require_whole()

    def test_onto_a_folder_that_is_not_empty_is_refused(self):
        stack = self.stack(taken=False)
        os.mkdir(stack.repo)
        with open(stack.repo + "/mine", "wb") as file:
            file.write(b"kept")
        self.refused(stack, ["init"], 1, stack.repo, "not empty")
        os.remove(stack.repo + "/mine")
        os.rmdir(stack.repo)
        with open(stack.repo, "wb") as file:
            file.write(b"kept")
        self.refused(stack, ["init"], 1, stack.repo)
        require(os.path.getsize(stack.repo) == 4, "the file was touched")

    def test_onto_an_empty_mount_point_works(self):
        stack = self.stack(taken=False)
        with Mount.tmpfs(stack.repo, "64m"):
            os.mkdir(stack.repo + "/lost+found")  # as a fresh ext4 has it
            stack.init()
            stack.take()
            require(os.path.ismount(stack.repo), "it is no mount point any more")
            stack.require_whole()

    def test_killed_half_way_can_be_run_again(self):
        times = []
        for number in range(21):
            stack = Stack(f"{self.folder}/{number}").fill(files=4, rows=2, kib=2)
            if number % 2:
                os.mkdir(stack.repo)
            if number == 0:
                began = time.monotonic()
                stack.init()
                times.append(time.monotonic() - began)
                continue
            killed = run_killed(stack.words("init"), RANDOM.uniform(0, 1.2 * times[0]))
            again = stack.text("init")
            if os.path.exists(stack.repo + "/config") and again.status == 1:
                require_said(again, stack.repo)  # it was complete
            else:
                require(again.status == 0, "init after a killed init failed", killed, again)
            stack.take()
            if number % 5 == 0:
                stack.require_whole()
            left = [name for name in os.listdir(stack.base) if ".init-" in name or name.startswith(".ingot")]
            require(not left, f"left behind: {left}")


class Space(StackTest):
    """Disks that are full, read-only, or in the way."""

    def fill_docs(self, stack, mib=20, name="big"):
        with open(f"{stack.root}/docs/{name}", "wb") as file:
            for _ in range(mib):
                file.write(RANDOM.randbytes(1 << 20))

    def test_a_full_repository_is_no_fault_of_a_source(self):
        stack = self.stack(taken=False)
        with Mount.tmpfs(self.folder + "/disk", "6m") as disk:
            stack.repo = disk.path + "/repo"
            stack.configure()
            stack.init()
            stack.take()
            self.fill_docs(stack)
            listed = sorted(stack.snapshots())
            done = stack.text("snapshot").expect(1)
            require_said(done, stack.repo, "o space left")
            require(" is unreadable" not in done.said and b"saved" not in done.out, "it is counted as a source's error", done)
            summary = stack.ingot("snapshot").expect(1).summary
            require(summary["exit"] == 1 and "snapshot_id" not in summary, "a summary of a snapshot that is none", summary)
            require(sorted(stack.snapshots()) == listed, "there is another snapshot now")
            stack.require_whole(done)
            disk.remount("size=64m")
            stack.take()
            stack.require_whole()

    def test_a_full_repository_at_init_is_said(self):
        stack = self.stack(taken=False)
        with Mount.tmpfs(self.folder + "/disk", "64m") as disk:
            disk.remount("nr_inodes=100")
            stack.repo = disk.path + "/repo"
            stack.configure()
            done = stack.text("init").expect(1)
            require_said(done, disk.path)
            disk.remount("nr_inodes=10000")
            stack.init()
            require(sorted(os.listdir(disk.path)) == ["repo"], "left behind", os.listdir(disk.path))
            stack.take()
            stack.require_whole()

    def test_a_full_state_directory_is_said_and_nothing_is_half_stored(self):
        stack = self.stack(taken=False)
        with Mount.tmpfs(self.folder + "/small", "2m") as disk:
            stack.state = disk.path + "/state"
            stack.configure()
            stack.init()
            stack.take()
            connection = sqlite3.connect(stack.root + "/app.db")
            connection.execute("PRAGMA journal_mode=DELETE")
            connection.execute("CREATE TABLE big (body BLOB)")
            connection.executemany("INSERT INTO big VALUES (?)", ((RANDOM.randbytes(1 << 16),) for _ in range(160)))
            connection.commit()
            connection.close()
            listed = sorted(stack.snapshots())
            done = stack.text("snapshot").expect(1)
            require_said(done, stack.state, "o space left")
            require(sorted(stack.snapshots()) == listed, "there is another snapshot now", done)
            stack.require_whole(done)
            disk.remount("size=64m")
            stack.take()
            # The same when what was stored is opened to be golden: it is stored, and only not golden.
            disk.remount("size=48m")
            disk.remount("size=4m")
            stack.text("list").expect(0)
            disk.remount("size=64m")
            stack.require_whole()

    def test_a_full_disk_of_the_spool_while_it_is_made_golden_leaves_the_snapshot_stored(self):
        stack = self.stack(taken=False)
        with Mount.tmpfs(self.folder + "/small", "2m") as disk:
            stack.state = disk.path + "/state"
            stack.configure()
            connection = sqlite3.connect(stack.root + "/app.db")  # stays open: in WAL mode it is not copied to be read
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("CREATE TABLE big (body BLOB)")
            connection.executemany("INSERT INTO big VALUES (?)", ((RANDOM.randbytes(1 << 16),) for _ in range(160)))
            connection.commit()
            stack.init()
            content = stack.content()
            done = stack.text("snapshot", "--golden")
            require(done.status in (1, 3), "neither failed nor not golden", done)
            require_said(done, "o space left")
            disk.remount("size=64m")
            if done.status == 3:
                stack.ingot("promote", "latest").expect(0)
            done = stack.ingot("snapshot", "--golden").expect(0)
            stack.taken[done.summary["snapshot_id"]] = content
            connection.close()
            stack.require_whole()

    def other_root(self, size="32m"):
        """A stack whose root is a small file system."""
        disk = Mount.tmpfs(self.folder + "/disk", size)
        self.addCleanup(disk.__exit__)
        stack = Stack(self.folder + "/base", root=disk.path + "/stack").fill(files=5, rows=4, kib=6)
        return stack, disk

    def test_a_target_without_room_is_refused_before_anything_is_touched(self):
        stack, disk = self.other_root()
        self.fill_docs(stack, 12)
        stack.init()
        stack.take()
        content = stack.content()
        self.fill_docs(stack, 12)  # as large, and other: staging wants room for both
        disk.remount("size=16m")
        self.refused(stack, ["restore", "latest", "--yes"], 1, disk.path, "free", "nothing was changed")
        require(not stack.leftovers(), "left behind", stack.leftovers())
        self.refused(stack, ["restore", "latest", "--to", disk.path + "/to"], 1, disk.path, "free")
        require(sorted(os.listdir(disk.path)) == ["stack"], "left behind", os.listdir(disk.path))
        disk.remount("size=64m")
        stack.ingot("restore", "latest", "--yes").expect(0)
        stack.require_live(content)

    def test_a_target_that_fills_up_while_it_is_staged_is_left_as_it_was(self):
        stack, disk = self.other_root("64m")
        for number in range(300):
            stack.write(f"docs/deep/{number}", b"then %d" % number)
        stack.init()
        stack.take()
        content = stack.content()
        for number in range(300):
            stack.write(f"docs/deep/{number}", b"now %d" % number)
        used = os.statvfs(disk.path)
        disk.remount(f"nr_inodes={used.f_files - used.f_ffree + 100}")  # no preflight counts these
        self.refused(stack, ["restore", "latest", "--yes"], 1, disk.path, "o space left", "nothing was changed")
        require(not stack.leftovers(), "left behind", stack.leftovers())
        self.refused(stack, ["restore", "latest", "--to", disk.path + "/to"], 1, disk.path, "o space left")
        require(sorted(os.listdir(disk.path)) == ["stack"], "left behind", os.listdir(disk.path))
        disk.remount("nr_inodes=100000")
        stack.ingot("restore", "latest", "--yes").expect(0)
        stack.require_live(content)

    def test_a_full_state_directory_at_restore_leaves_the_stack_as_it_was(self):
        stack = self.stack(taken=False)
        with Mount.tmpfs(self.folder + "/small", "32m") as disk:
            stack.state = disk.path + "/state"
            stack.configure()
            stack.init()
            stack.take()
            content = stack.content()
            stack.change()
            with open(disk.path + "/filler", "wb", buffering=0) as file, contextlib.suppress(OSError):
                while True:
                    file.write(bytes(4096))
            self.refused(stack, ["restore", "latest", "--yes"], 1, stack.state, "o space left")
            require(not stack.leftovers(), "left behind", stack.leftovers())
            os.remove(disk.path + "/filler")
            stack.ingot("restore", "latest", "--yes").expect(0)
            stack.require_live(content)

    def test_a_read_only_target_is_refused(self):
        stack, disk = self.other_root()
        stack.init()
        stack.take()
        stack.change()
        disk.remount("ro")
        self.refused(stack, ["restore", "latest", "--yes"], 1, disk.path, "read-only", "nothing was changed")
        self.refused(stack, ["restore", "latest", "--to", disk.path + "/to"], 1, disk.path, "ead-only")
        require(not stack.leftovers(), "left behind", stack.leftovers())
        stack.ingot("snapshot").expect(0)  # reading goes on
        disk.remount("rw")
        stack.ingot("restore", next(iter(stack.taken)), "--yes").expect(0)
        stack.require_live(stack.taken[next(iter(stack.taken))])

    def test_a_read_only_repository_can_be_restored_from(self):
        stack = self.stack(taken=False)
        with Mount.tmpfs(self.folder + "/disk", "64m") as disk:
            stack.repo = disk.path + "/repo"
            stack.configure()
            stack.init()
            stack.take()
            content = stack.content()
            stack.change()
            disk.remount("ro")
            self.refused(stack, ["snapshot"], 1, stack.repo, "ead-only")
            stack.ingot("list").expect(0)
            # The old state cannot be stored there: it stays where it is, and is named, until it is given up.
            done = stack.text("restore", "latest", "--yes").expect(0)
            require("because no safety snapshot of it could be taken" in done.said and "--no-safety" in done.said, "not named", done)
            stack.text("restore", "--resume", "--no-safety").expect(0)
            stack.require_live(content)
            stack.require_whole()

    def test_a_single_file_that_is_a_mount_point_is_refused_before_anything_is_touched(self):
        stack = self.stack()
        content = stack.content()
        with open(self.folder + "/mounted", "wb") as file:
            file.write(b"TOKEN=of the host\n")
        with Mount.bind(self.folder + "/mounted", stack.root + "/.env"):
            stack.change()
            done = self.refused(stack, ["restore", "latest", "--yes"], 1, stack.root + "/.env", "mount point", "nothing was changed")
            self.refused(stack, ["restore", "latest", "--dry-run"], 1, stack.root + "/.env", "mount point")
            require(not stack.leftovers(), "left behind", stack.leftovers(), done)
            stack.ingot("restore", "latest", "--only", "files,db", "--yes").expect(0)
        stack.ingot("restore", "latest", "--yes").expect(0)
        stack.require_live(content)

    def test_a_database_that_is_a_mount_point_is_written_into_or_refused(self):
        stack = self.stack()
        content = stack.content()
        shutil.copy(stack.root + "/app.db", self.folder + "/mounted.db")
        connection = sqlite3.connect(self.folder + "/mounted.db")
        connection.execute("DELETE FROM t")
        connection.commit()
        connection.close()
        with Mount.bind(self.folder + "/mounted.db", stack.root + "/app.db"):
            done = stack.text("restore", "latest", "--yes").expect(0, 1)
            if done.status == 1:
                require_said(done, stack.root + "/app.db", "nothing was changed")
            else:
                stack.require_live(content, done)
            require(not stack.leftovers(), "left behind", stack.leftovers(), done)

    def test_a_folder_that_is_a_mount_point_is_restored_into(self):
        stack = self.stack(taken=False)
        away = self.folder + "/away"
        os.rename(stack.root + "/docs", away)
        with Mount.tmpfs(stack.root + "/docs", "32m") as disk:
            run(["cp", "-a", away + "/.", disk.path]).expect(0)
            stack.init()
            stack.take()
            content = stack.content()
            stack.change()
            shutil.rmtree(stack.root + "/docs/deep/er")
            stack.write("docs/extra", b"not in the snapshot")
            done = stack.ingot("restore", "latest", "--yes").expect(0)
            require(os.path.ismount(stack.root + "/docs"), "it is no mount point any more")
            stack.require_live(content, done)

    def test_a_mount_inside_the_tree_is_not_moved_or_emptied(self):
        stack = self.stack()
        content = stack.content()
        os.mkdir(stack.root + "/docs/mounted")
        with Mount.tmpfs(stack.root + "/docs/mounted", "1m") as disk:
            with open(disk.path + "/theirs", "wb") as file:
                file.write(b"kept")
            stack.write("docs/f0", b"changed")
            done = stack.ingot("restore", "latest", "--yes").expect(0, 1)
            require(os.path.ismount(disk.path) and os.listdir(disk.path) == ["theirs"], "the mount was touched", done)
            require(not stack.leftovers(), "left behind", stack.leftovers(), done)
        os.rmdir(stack.root + "/docs/mounted")
        stack.ingot("restore", "latest", "--yes").expect(0)
        stack.require_live(content)


if __name__ == "__main__":
    need_mounts("bad_input_test")
    main()
