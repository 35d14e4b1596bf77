#!/usr/bin/python3
"""A Redis server as a source, with the built binary and the real server: golden snapshots, restores that come whole or not at all, a
server that is killed right after its swap, that hangs, dies and refuses, and what two snapshots of unchanged data add.

Called by ctest with the program's path, the build folder and the source folder.
"""

import os
import shutil
import signal
import sys
import threading
import time

from stack import StackTest, main
from faulted_run import CI, FAULTED, Counts, finish, require, rounds, run, start, stopped_at
from redis_server import SERVER, Redis

COUNTS = Counts()
PASSWORD = "s3cret-of-redis"
# Two snapshots of unchanged data may add so much.
UNCHANGED_BYTES = 64 << 10


class RedisStackTest(StackTest):
    def setUp(self):
        if SERVER is None:
            require(not CI, "no redis-server; ./dev test installs it")
            self.skipTest("no redis-server on this host; ./dev test installs it")
        super().setUp()
        self.servers = []

    def tearDown(self):
        for server in self.servers:
            server.signal(signal.SIGCONT)
            server.kill()
        super().tearDown()

    def server(self, *options, password="", name="redis"):
        server = Redis(f"{self.folder}/{name}", *options, password=password)
        self.servers.append(server)
        return server

    def cache(self, server, *lines, **arguments):
        """A stack with a Redis server and files."""
        keys = [f'url = "redis://127.0.0.1:{server.port}"', 'facts = { chunks = "chunk:*" }', 'timeout = "2s"', *lines]
        if server.password:
            keys.append('password_env = "RAG_REDIS_PASSWORD"')
            os.environ["RAG_REDIS_PASSWORD"] = server.password
            self.addCleanup(os.environ.pop, "RAG_REDIS_PASSWORD", None)
        stack = self.stack(taken=False, sources={"cache": ("redis", [], *keys), "files": ("files", ["docs"])}, **arguments)
        stack.init()
        server.fill()
        return stack

    def golden(self, stack):
        done = stack.ingot("snapshot", "--golden").expect(0)
        require(done.summary["golden"], "not golden", done)
        return done.summary["snapshot_id"]

    def require_content(self, server, wanted, *evidence):
        got = server.content()
        for key in sorted(set(got) | set(wanted), key=repr):
            require(got.get(key) == wanted.get(key), f"{key} is {str(got.get(key))[:200]} and not {str(wanted.get(key))[:200]}", *evidence)
        COUNTS.add("keys compared", len(wanted) - 1)


class Restores(RedisStackTest):
    def whole_way(self, *options, password=""):
        server = self.server(*options, password=password)
        stack = self.cache(server)
        before = server.content()
        snapshot = self.golden(stack)
        shown = stack.text("show", snapshot).expect(0).out.decode()
        require("chunks" in shown and "2000" in shown, "the facts are not shown", shown)
        server.damage()
        done = stack.ingot("restore", snapshot, "--yes").expect(0)
        self.require_content(server, before, done)
        require(server.ask("FCALL", "answer", 0) == 42, "the function did not come back", done)
        server.restart()  # kill -9
        self.require_content(server, before, "after kill -9 and a start", done)
        require(server.used() == [0, 1], f"something is left beside the live data: {server.used()}", done)
        COUNTS.add("servers killed right after their swap, with the new data after it")
        require(PASSWORD not in done.said + shown + done.out.decode(), "the password is shown", done)
        for at, _, names in os.walk(stack.base):
            for path in (os.path.join(at, name) for name in names):
                if os.path.isfile(path):
                    with open(path, "rb") as file:
                        require(PASSWORD.encode() not in file.read(), f"{path} holds the password")

    def test_without_persistence(self):
        self.whole_way()

    def test_with_an_append_only_file(self):
        self.whole_way("--appendonly", "yes")

    def test_with_a_password(self):
        self.whole_way("--appendonly", "yes", "--appendfsync", "always", password=PASSWORD)

    def test_a_server_starts_from_what_a_snapshot_holds(self):
        server = self.server()
        stack = self.cache(server)
        before = server.content()
        snapshot = self.golden(stack)
        stack.ingot("restore", snapshot, "--to", self.folder + "/to").expect(0)
        found = [os.path.join(at, "dump.rdb") for at, _, names in os.walk(self.folder + "/to") if "dump.rdb" in names]
        require(len(found) == 1, f"no dump: {found}")
        other = self.server(name="other")
        other.kill()
        shutil.copy(found[0], other.folder + "/dump.rdb")
        other.start()
        self.require_content(other, before)


    def test_a_stopped_server_is_taken_from_its_files(self):
        server = self.server("--appendonly", "yes")
        stack = self.cache(server, f'data_dir = "{self.folder}/redis"')
        before = server.content()
        server.signal(signal.SIGTERM)
        server.process.wait()
        snapshot = self.golden(stack)
        stack.ingot("restore", snapshot, "--to", self.folder + "/to").expect(0)
        files = next(os.path.join(at, "files") for at, folders, _ in os.walk(self.folder + "/to") if "files" in folders and "cache.redis" in at)
        shutil.rmtree(server.folder)
        shutil.copytree(files, server.folder)
        server.start()
        self.require_content(server, before)
        done = stack.text("restore", snapshot, "--yes").expect(1)
        require("--to DIR" in done.said, "it does not say how", done)
        self.require_content(server, before, done)


class Unchanged(RedisStackTest):
    def test_unchanged_data_adds_next_to_nothing_also_after_a_restart(self):
        server = self.server()
        stack = self.cache(server)
        first = stack.ingot("snapshot").expect(0).summary
        again = stack.ingot("snapshot").expect(0).summary
        server.ask("SAVE")
        server.restart()
        restarted = stack.ingot("snapshot").expect(0).summary
        server.ask("SET", "chunk:7", "changed")
        changed = stack.ingot("snapshot").expect(0).summary
        print(f"\nbytes_new: first {first['bytes_new']}, again {again['bytes_new']}, after a restart of the server {restarted['bytes_new']}, "
              f"after one change {changed['bytes_new']}", end=" ")
        require(again["bytes_new"] < UNCHANGED_BYTES, "unchanged data was stored again", again)
        require(restarted["bytes_new"] < UNCHANGED_BYTES, "unchanged data was stored again after a restart", restarted)
        require(changed["bytes_new"] < first["bytes_new"], "one change stored everything again", changed)


class Failures(RedisStackTest):
    def partial(self, stack, *said):
        done = stack.ingot("snapshot", timeout=60)
        done.expect(3)
        detail = next(detail for detail in done.summary["source_details"] if detail["name"] == "cache")
        for text in said:
            require(text in str(detail), f"it does not say {text}", detail)
        require(PASSWORD not in done.said + str(detail), "the password is shown", done)
        COUNTS.add("bad servers said")
        return detail

    def test_what_is_no_good_server_makes_a_snapshot_partial(self):
        server = self.server(password=PASSWORD)
        stack = self.cache(server)
        os.environ["RAG_REDIS_PASSWORD"] = "wrong"
        self.partial(stack, "logging in")
        del os.environ["RAG_REDIS_PASSWORD"]
        self.partial(stack, "RAG_REDIS_PASSWORD")
        os.environ["RAG_REDIS_PASSWORD"] = PASSWORD
        server.signal(signal.SIGSTOP)
        began = time.monotonic()
        self.partial(stack, "does not answer")
        require(time.monotonic() - began < 30, f"a hanging server held it for {time.monotonic() - began:.0f} s")
        server.signal(signal.SIGCONT)
        server.kill()
        self.partial(stack, "connecting")

    def test_configs_that_cannot_work(self):
        server = self.server()
        stack = self.cache(server)
        for lines, *said in ((["url = \"127.0.0.1:6379\""], "redis://"), (["url = \"rediss://h\"", "tls_cert = \"c\""], "tls_key"), ([], "url"),
                             (["url = \"redis://u:hidden@h:x\""], "port"), (["url = \"redis://h\"", "spare_db = 1.5"], "spare_db")):
            stack.configure({"cache": ("redis", [], *lines)})
            done = stack.text("config", "validate").expect(2)
            for text in said:
                require(text in done.said + done.out.decode(), f"it does not say {text}", done)
            require("hidden" not in done.said + done.out.decode(), "the password is shown", done)
            COUNTS.add("bad configs refused")

    def refused_restore(self, server, stack, snapshot, status, *said):
        live = server.content()
        done = stack.text("restore", snapshot, "--yes", timeout=60).expect(status)
        for text in said:
            require(text in done.said, f"it does not say {text}", done)
        self.require_content(server, live, done)
        require(not stack.leftovers(), f"left behind: {stack.leftovers()}", done)
        COUNTS.add("restores refused with the live data untouched")

    def test_a_restore_that_cannot_be_is_refused_before_anything_is_touched(self):
        server = self.server("--databases", "4")
        stack = self.cache(server)
        snapshot = self.golden(stack)
        server.ask("CONFIG", "SET", "maxmemory", "1mb")
        self.refused_restore(server, stack, snapshot, 1, "maxmemory")
        server.ask("CONFIG", "SET", "maxmemory", "0")
        server.ask("SET", "mine", "1", db=2)
        server.ask("SET", "mine", "1", db=3)
        self.refused_restore(server, stack, snapshot, 1, "spare database")
        server.ask("FLUSHDB", db=3)
        server.ask("FLUSHDB", db=2)
        server.ask("REPLICAOF", "127.0.0.1", "1")
        self.refused_restore(server, stack, snapshot, 1, "replica")

    def test_a_flipped_byte_in_what_is_stored_is_seen(self):
        server = self.server()
        stack = self.cache(server)
        snapshot = self.golden(stack)
        packs = sorted((os.path.getsize(path), path) for path in stack.stored() if "/packs/" in path)
        path = packs[-1][1]
        os.chmod(path, 0o600)
        with open(path, "r+b") as file:
            file.seek(packs[-1][0] // 2)
            byte = file.read(1)
            file.seek(-1, os.SEEK_CUR)
            file.write(bytes([byte[0] ^ 1]))
        server.damage()
        live = server.content()
        done = stack.ingot("restore", snapshot, "--yes")
        require(done.status == 20, f"exit {done.status}", done)
        self.require_content(server, live, done)
        COUNTS.add("flipped bytes found")

    def test_killed_at_every_step_it_is_old_or_new_and_recovers(self):
        server = self.server("--appendonly", "yes")
        stack = self.cache(server)
        new = server.content()
        snapshot = self.golden(stack)
        server.damage()
        old = server.content()
        for step in ("restore.redis.staged", "restore.redis.undo-saved", "restore.redis.swap-begun", "restore.redis.exchanged",
                     "restore.redis.swapped"):
            for crash in (False, True):
                env = {"INGOT_TEST_KILL_AT": step}
                done = run(stack.words("restore", snapshot, "--yes", program=FAULTED), env, 60)
                require(done.status in (-9, 137), f"it was not killed at {step}", done)
                if crash:
                    server.restart()
                undone = stack.ingot("restore", "--undo")
                require(undone.status in (0, 1, 21), f"--undo after a kill at {step} ended with {undone.status}", undone)
                self.require_content(server, old, step, undone)
                require(server.used() == sorted({key[0] for key in old if key != "functions"}), f"something is left in {server.used()}", step, undone)
                COUNTS.add("kills recovered to the old state")
        done = run(stack.words("restore", snapshot, "--yes", program=FAULTED), {"INGOT_TEST_KILL_AT": "restore.redis.swapped"}, 60)
        stack.ingot("restore", "--resume")
        done = stack.ingot("restore", snapshot, "--yes").expect(0)
        self.require_content(server, new, done)

    def test_a_server_that_hangs_or_dies_in_a_restore(self):
        server = self.server("--appendonly", "yes")
        stack = self.cache(server)
        new = server.content()
        snapshot = self.golden(stack)
        server.damage()
        old = server.content()
        for step in ("restore.redis.staged", "restore.redis.undo-saved"):
            for dies in (False, True):
                process = stopped_at(stack.faulted("restore", snapshot, "--yes"), step)
                server.signal(signal.SIGKILL if dies else signal.SIGSTOP)
                process.send_signal(signal.SIGCONT)
                done = finish(process, [step], 60)
                require(done.status in (1, 21, 22), f"exit {done.status} at {step}", done)
                if dies:
                    server.restart()
                else:
                    server.signal(signal.SIGCONT)
                now = server.content()
                require(all(now.get(key) == value for key, value in old.items()), f"the live data was touched at {step}", done)
                undone = stack.ingot("restore", "--undo")
                require(undone.status in (0, 1, 21), f"--undo ended with {undone.status}", done, undone)
                self.require_content(server, old, step, done, undone)
                COUNTS.add("servers that hung or died in a restore")
        done = stack.ingot("restore", snapshot, "--yes").expect(0)
        self.require_content(server, new, done)


class Moments(RedisStackTest):
    def test_writers_are_resumed_when_the_server_hangs_in_the_pin(self):
        server = self.server()
        pause = f"{self.folder}/paused"
        stack = self.cache(server, barrier=f'pause = "touch {pause}; kill -STOP {server.process.pid}"\nresume = "rm {pause}"\nmax_pause = "20s"')
        done = stack.ingot("snapshot", timeout=90).expect(3)
        require(not os.path.exists(pause), "the writers were not resumed", done)
        server.signal(signal.SIGCONT)
        server.ask("PING")
        stack.configure(barrier=f'pause = "touch {pause}"\nresume = "rm {pause}"')
        done = stack.ingot("snapshot", "--golden").expect(0)
        require(done.summary["consistency"] == "barrier", "not of one moment", done)
        COUNTS.add("pauses ended")

    def test_a_snapshot_under_a_writer_is_one_moment(self):
        server = self.server()
        stack = self.cache(server)
        stop = threading.Event()

        def write():
            n = 0
            while not stop.is_set():
                n += 1
                server.ask_all([("MULTI",), ("SET", "a", n), ("SET", "b", n), ("EXEC",)])

        writer = threading.Thread(target=write)
        writer.start()
        try:
            ids = [stack.ingot("snapshot").expect(0).summary["snapshot_id"] for _ in range(rounds(3, 30))]
        finally:
            stop.set()
            writer.join()
        for snapshot in ids:
            stack.ingot("restore", snapshot, "--yes").expect(0)
            a, b = server.ask_all([("GET", "a"), ("GET", "b")])
            require(a == b, f"a is {a} and b is {b}", snapshot)
            COUNTS.add("snapshots under a writer, each one moment")


def tearDownModule():
    print(f"\ncounted: {COUNTS}", file=sys.stderr)


if __name__ == "__main__":
    main()
