#!/usr/bin/python3
"""A Qdrant server as a source, with the built binary: golden snapshots, restores that come whole or not at all, a server that is killed
right after its swap, that hangs, dies and refuses, and what two snapshots of unchanged data add.

The server is a stand-in (qdrant_server.py). Where QDRANT_URL names a real one ("http://127.0.0.1:6333", with QDRANT_API_KEY where it
wants a key), what needs no misbehaving server runs against that too: whole ways by name, by alias and by a name that needs quoting,
unchanged data, and a wrong key. Its own collections are left alone: the test makes some named ingot_test_*, and removes them.

Called by ctest with the program's path, the build folder and the source folder.
"""

import os
import signal
import sys
import time
import urllib.parse

from stack import StackTest, listed, main, quoted
from faulted_run import Counts, finish, require, start, stopped_at
from qdrant_server import KEY, POINTS, Client, Qdrant

COUNTS = Counts()
UNCHANGED_BYTES = 64 << 10
REAL = os.environ.get("QDRANT_URL", "")
VARIABLE = "RAG_QDRANT_KEY"
# More than the clients' deadlines below, and less than anybody would wait for a server that hangs.
HANGS_S = 30


class QdrantTest(StackTest):
    def setUp(self):
        super().setUp()
        self.key(KEY)
        self.addCleanup(os.environ.pop, VARIABLE, None)

    @staticmethod
    def key(key):
        os.environ[VARIABLE] = key

    def server(self, version="1.19.0", name="rag"):
        server = Qdrant(self.folder + "/qdrant", version, name)
        self.addCleanup(server.kill)
        return server

    def search(self, server, *lines, barrier=""):
        """A stack with that server, filled, and files."""
        quick = ['timeout = "1s"', 'idle_timeout = "1s"', 'snapshot_timeout = "5s"'] if isinstance(server, Qdrant) else []
        keys = [f"url = {quoted(server.url)}", *([f'api_key_env = "{VARIABLE}"'] if server.key else []), *quick, *lines]
        stack = self.stack(taken=False, sources={"search": ("qdrant", [], *keys), "files": ("files", ["docs"])}, barrier=barrier)
        stack.init()
        server.fill()
        return stack

    def golden(self, stack):
        done = stack.ingot("snapshot", "--golden").expect(0)
        require(done.summary["golden"], "not golden", done)
        return done.summary["snapshot_id"]

    def require_content(self, server, wanted, *evidence):
        require(server.content() == wanted, "the collection holds something else", *evidence)
        COUNTS.add("points compared", len(wanted[2]))

    def require_secret(self, stack, secret, *done):
        for one in done:
            require(secret not in one.said + one.out.decode(errors="replace"), "the key is shown", one)
        for at, _, names in os.walk(stack.base):
            for path in (os.path.join(at, name) for name in names):
                if os.path.isfile(path):
                    with open(path, "rb") as file:
                        require(secret.encode() not in file.read(), f"{path} holds the key")

    def problem(self, done):
        detail = next(detail for detail in done.summary["source_details"] if detail["name"] == "search")
        return str(detail)

    def whole_way(self, server, *lines, alias=None):
        stack = self.search(server, *lines)
        if alias:
            server.alias(alias)
        before = server.content()
        snapshot = self.golden(stack)
        server.put(500, 2500, seed=3)
        done = stack.ingot("restore", snapshot, "--yes").expect(0)
        self.require_content(server, before, done)
        if isinstance(server, Qdrant):
            server.restart()
            self.require_content(server, before, "after kill -9 and a start", done)
            COUNTS.add("servers killed right after their swap")
        require(len(server.collections()) == 1, f"something is left: {server.collections()}", done)
        # Again, by the names as the restore left them.
        second = self.golden(stack)
        server.put(0, 10, seed=5)
        stack.ingot("restore", second, "--yes").expect(0)
        self.require_content(server, before)
        if server.key:
            self.require_secret(stack, server.key, done)
        return stack

    def unchanged(self, stack, of):
        stack.ingot("snapshot").expect(0)
        second = stack.ingot("snapshot").expect(0).summary
        require(second["bytes_new"] < UNCHANGED_BYTES, f"{second['bytes_new']} new bytes of unchanged data")
        COUNTS.add(f"bytes that an unchanged snapshot of {of} added", second["bytes_new"])

    def wrong_key(self, server, stack, *said):
        self.key("wr0ng-key")
        try:
            taken = stack.ingot("snapshot").expect(3)
            for text in said:
                require(text in self.problem(taken), f"it does not say {text}", taken)
            self.require_secret(stack, "wr0ng-key", taken)
            return taken
        finally:
            self.key(server.key)


class Restores(QdrantTest):
    def test_by_name(self):
        self.whole_way(self.server())

    def test_by_alias(self):
        self.whole_way(self.server("1.12.4"), alias="current")

    def test_snapshots_of_an_old_server(self):
        self.whole_way(self.server("1.11.3"))

    def test_names_that_need_quoting(self):
        name = "r%20ag 100% é#&;=+'"
        for version in ("1.19.0", "1.11.3"):
            server = Qdrant(f"{self.folder}/qdrant-{version}", version, name)
            self.addCleanup(server.kill)
            self.folder += "/" + version
            self.whole_way(server, f"collections = {listed([name])}", alias="live & 'kicking' 100%")
            COUNTS.add("names that need quoting")

    def test_a_probe_that_counts_decides(self):
        server = self.server()
        stack = self.search(server, 'facts = { points = "rag" }')
        before = server.content()
        snapshot = self.golden(stack)
        with open(stack.config, encoding="utf-8") as file:
            config = file.read()
        for wanted, status in ((f"value = {POINTS + 1}", 21), ('fact = "points"', 0)):
            with open(stack.config, "w", encoding="utf-8") as file:
                file.write(f'{config}\n[[probes]]\nname = "all"\nsource = "search"\ncount = "rag"\n{wanted}\ntimeout = "300ms"\ninterval = "50ms"\n')
            server.put(0, POINTS + 9, seed=5)
            live = server.content()
            done = stack.ingot("restore", snapshot, "--yes").expect(status)
            self.require_content(server, live if status else before, done)
            COUNTS.add("probes that counted")
        shown = stack.text("config", "show").expect(0).out.decode()
        require('count = "rag"' in shown, "the probe is not shown as it was written", shown)

    def test_unchanged_data_adds_little(self):
        server = self.server()
        stack = self.search(server)
        first = stack.ingot("snapshot").expect(0).summary
        for version in ("1.19.0", "1.11.3"):
            server.restart(version)
            self.unchanged(stack, version)
        COUNTS.add("bytes that the first one added", first["bytes_new"])


class Refusals(QdrantTest):
    def test_a_server_that_misbehaves_makes_a_partial_snapshot(self):
        server = self.server()
        stack = self.search(server)
        for match, do in (("GET /aliases", "hang"), ("/shards/0/snapshot", "cut:4000"), ("/shards/1/snapshot", "hang"),
                          ("/shards/0/snapshot", "status:500"), ("points/count", "status:503"), ("/shards/1/snapshot", "die")):
            server.fault(match, do, times=5)
            done = stack.ingot("snapshot", "--golden").expect(3)
            require("search" in done.said, "the source is not named", done)
            COUNTS.add("snapshots that a server spoiled, partial")
            if do == "die":
                server.restart()

    def test_a_wrong_key_and_none(self):
        server = self.server()
        stack = self.search(server)
        snapshot = self.golden(stack)
        server.put(0, 10, seed=7)
        live = server.content()
        self.wrong_key(server, stack, "401", "Invalid API key")
        self.key("wr0ng-key")
        done = stack.ingot("restore", snapshot, "--yes").expect(1)
        self.require_content(server, live, done)
        self.require_secret(stack, "wr0ng-key", done)
        del os.environ[VARIABLE]
        done = stack.ingot("snapshot").expect(3)
        require(VARIABLE in self.problem(done), "the variable is not named", done)
        stack.configure({**stack.sources, "search": ("qdrant", [], f"url = {quoted(server.url)}")})
        done = stack.ingot("snapshot").expect(3)
        require("401" in self.problem(done) and "api_key" in self.problem(done) + done.said, "it does not say what is missing", done)
        COUNTS.add("keys refused", 4)

    def test_a_grey_and_a_red_collection(self):
        server = self.server()
        stack = self.search(server)
        before = server.content()
        snapshot = self.golden(stack)
        for status in ("grey", "red"):
            server.status(status)
            done = stack.ingot("snapshot").expect(3)
            require(f"is {status}" in self.problem(done), f"it does not say that it is {status}", done)
            COUNTS.add("collections not well: said")
        server.put(0, 10, seed=7)
        # A collection that is ill is what a restore is for.
        stack.ingot("restore", snapshot, "--yes").expect(0)
        self.require_content(server, before)
        stack.ingot("snapshot").expect(0)

    def test_another_minor_version_is_refused(self):
        server = self.server()
        stack = self.search(server)
        snapshot = self.golden(stack)
        server.put(0, 10, seed=9)
        live = server.content()
        server.restart("1.18.0")
        done = stack.ingot("restore", snapshot, "--yes").expect(23)
        require("1.19" in done.said and "1.18" in done.said, "the versions are not named", done)
        self.require_content(server, live, done)


class Failures(QdrantTest):
    def test_a_restore_that_fails_leaves_the_live_state(self):
        server = self.server()
        stack = self.search(server)
        snapshot = self.golden(stack)
        server.put(100, 2200, seed=3)
        live = server.content()
        for match, do, status in (("snapshots/upload", "status:500", 1), ("PUT /collections/rag__r", "hang", 1), ("PATCH", "status:500", 1),
                                  ("snapshots/upload", "die", 1), ("DELETE /collections/rag$", "status:500", 21),
                                  ("POST /collections/aliases", "status:500", 21)):
            server.fault(match, do)
            done = stack.ingot("restore", snapshot, "--yes").expect(status, 1, 21, 22)
            if server.process.poll() is not None:
                server.restart()
                stack.ingot("restore", "--resume").expect(0, 1, 2, 21)
            require(done.status == status, f"exit status {done.status} and not {status} after {match} {do}", done)
            self.require_content(server, live, match, do, done)
            COUNTS.add("failed restores, the live state untouched or back")

    def test_a_server_that_hangs_in_a_restore(self):
        server = self.server()
        stack = self.search(server)
        new = server.content()
        snapshot = self.golden(stack)
        server.put(100, 2200, seed=3)
        old = server.content()
        # From "removed" on the old collection is gone and its name leads nowhere: it comes back from what was kept of it.
        for step, statuses in (("created", (1,)), ("loaded", (1,)), ("staged", (1,)), ("undo-saved", (21, 22)), ("removed", (22,))):
            process = stopped_at(stack.faulted("restore", snapshot, "--yes"), "restore.qdrant." + step)
            server.signal(signal.SIGSTOP)
            began = time.monotonic()
            process.send_signal(signal.SIGCONT)
            done = finish(process, [step], 90)
            require(done.status in statuses, f"exit {done.status} at {step}", done)
            require(time.monotonic() - began < HANGS_S, f"a hanging server held it for {time.monotonic() - began:.0f} s at {step}", done)
            server.signal(signal.SIGCONT)
            undone = stack.ingot("restore", "--undo").expect(0, 1, 2, 21)
            self.require_content(server, old, step, done, undone)
            COUNTS.add("servers that hung in a restore, the old state live")
        done = stack.ingot("restore", snapshot, "--yes").expect(0)
        self.require_content(server, new, done)
        require(len(server.collections()) == 1, f"something is left: {server.collections()}", done)

    def test_writers_are_resumed_after_a_failed_pin(self):
        server = self.server()
        paused = self.folder + "/paused"
        barrier = f'pause = "touch {paused}"\nresume = "rm {paused}"\nmax_pause = "20s"'
        stack = self.search(server, barrier=barrier)
        for match, do in (("/shards/1/snapshot", "hang"), ("/shards/0/snapshot", "status:500"), ("/shards/0/snapshot", "die")):
            server.fault(match, do, times=5)
            began = time.monotonic()
            done = stack.ingot("snapshot").expect(3)
            require(not os.path.exists(paused), f"the writers were not resumed after {do}", done)
            require(time.monotonic() - began < HANGS_S, f"it took {time.monotonic() - began:.0f} s", done)
            COUNTS.add("pauses ended after a failed pin")
            if do == "die":
                server.restart()
        server.fault("none", "hang")
        stack.configure(barrier=barrier.replace(f"touch {paused}", f"touch {paused}; kill -STOP {server.process.pid}"))
        done = stack.ingot("snapshot", timeout=90).expect(3)
        require(not os.path.exists(paused), "the writers were not resumed", done)
        server.signal(signal.SIGCONT)
        COUNTS.add("pauses ended after a failed pin")
        stack.configure(barrier=barrier)
        done = stack.ingot("snapshot", "--golden").expect(0)
        require(done.summary["consistency"] == "barrier", "not of one moment", done)


class RealServer(QdrantTest):
    def setUp(self):
        if not REAL:
            self.skipTest("QDRANT_URL names no server")
        super().setUp()

    def real(self, name):
        """A client of it, with a collection of this test's own."""
        key = os.environ.get("QDRANT_API_KEY", "")
        self.key(key)
        server = Client(REAL, key, f"ingot_test_{os.getpid()}_{name}")
        self.addCleanup(server.remove)
        return server, f"collections = {listed([server.name])}"

    def test_by_name(self):
        self.whole_way(*self.real("by_name"))
        COUNTS.add("whole ways with the server of QDRANT_URL")

    def test_by_alias(self):
        server, only = self.real("by_alias")
        self.whole_way(server, only, alias=server.name.replace("by_alias", "alias"))
        COUNTS.add("whole ways with the server of QDRANT_URL")

    def test_a_name_that_needs_quoting(self):
        self.whole_way(*self.real("r ag 100% é#&;=+'"))
        COUNTS.add("whole ways with the server of QDRANT_URL")

    def test_unchanged_data_adds_little(self):
        server, only = self.real("unchanged")
        self.unchanged(self.search(server, only), urllib.parse.urlsplit(REAL).netloc)

    def test_a_wrong_key(self):
        server, only = self.real("key")
        if not server.key:
            self.skipTest("QDRANT_API_KEY is not set: a server without a key refuses none")
        self.wrong_key(server, self.search(server, only), "401")
        COUNTS.add("keys refused")


def tearDownModule():
    print(f"\ncounted: {COUNTS}", file=sys.stderr)


if __name__ == "__main__":
    main()
