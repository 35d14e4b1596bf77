#!/usr/bin/python3
"""A Qdrant server as a source, with the built binary: golden snapshots, restores that come whole or not at all, a server that is killed
right after its swap, that hangs, dies and refuses, and what two snapshots of unchanged data add. The server is
tests/support/qdrant_stand_in.py: no Debian package has the real one.

Called by ctest with the program's path, the build folder and the source folder.
"""

import json
import os
import signal
import subprocess
import sys
import urllib.request

from stack import StackTest, main
from faulted_run import Counts, require

HERE = os.path.dirname(os.path.abspath(__file__))
COUNTS = Counts()
KEY = "s3cret-of-qdrant"
POINTS, DIMENSIONS = 2000, 64
UNCHANGED_BYTES = 64 << 10


class Qdrant:
    def __init__(self, folder, version="1.19.0"):
        os.makedirs(folder)
        self.folder, self.version, self.port = folder, version, 0
        self.start()

    def start(self):
        words = ["/usr/bin/python3", HERE + "/../support/qdrant_stand_in.py", "--folder", self.folder, "--port", str(self.port),
                 "--version", self.version, "--api-key", KEY]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE)
        self.port = int(self.process.stdout.readline())
        self.process.stdout.close()

    def kill(self):
        self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait()

    def restart(self, version=None):
        self.kill()
        self.version = version or self.version
        self.start()

    def ask(self, method, path, body=None):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", method=method, headers={"api-key": KEY},
                                         data=None if body is None else json.dumps(body).encode())
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.loads(answer.read()).get("result")

    def put(self, name, first, last, seed=0):
        self.ask("PUT", f"/collections/{name}/points?wait=true", {"points": [
            {"id": n, "vector": [(n * 31 + i * 7 + seed) % 101 + 0.5 for i in range(DIMENSIONS)], "payload": {"text": f"chunk {n + seed}"}}
            for n in range(first, last)]})

    def fill(self, name="rag"):
        self.ask("PUT", f"/collections/{name}", {"vectors": {"size": DIMENSIONS, "distance": "Cosine"}, "shard_number": 2})
        self.ask("PUT", f"/collections/{name}/index?wait=true", {"field_name": "text", "field_schema": "keyword"})
        self.put(name, 0, POINTS)

    def content(self, name="rag"):
        info = self.ask("GET", f"/collections/{name}")
        points = self.ask("POST", f"/collections/{name}/points/scroll", {"limit": 100000})["points"]
        return info["config"], sorted(info["payload_schema"]), points

    def collections(self):
        return sorted(entry["name"] for entry in self.ask("GET", "/collections")["collections"])

    def fault(self, match, do, times=1):
        self.ask("POST", "/stand-in/faults", [{"match": match, "do": do, "times": times}])


class QdrantTest(StackTest):
    def setUp(self):
        super().setUp()
        os.environ["RAG_QDRANT_KEY"] = KEY
        self.addCleanup(os.environ.pop, "RAG_QDRANT_KEY", None)

    def server(self, version="1.19.0", name="qdrant"):
        server = Qdrant(f"{self.folder}/{name}", version)
        self.addCleanup(server.kill)
        return server

    def search(self, server, *lines):
        keys = [f'url = "http://127.0.0.1:{server.port}"', 'api_key_env = "RAG_QDRANT_KEY"', 'timeout = "1s"', 'idle_timeout = "1s"',
                'snapshot_timeout = "5s"', *lines]
        stack = self.stack(taken=False, sources={"search": ("qdrant", [], *keys), "files": ("files", ["docs"])})
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

    def whole_way(self, version, alias):
        server = self.server(version)
        stack = self.search(server)
        if alias:
            server.ask("POST", "/collections/aliases", {"actions": [{"create_alias": {"alias_name": "current", "collection_name": "rag"}}]})
        before = server.content()
        snapshot = self.golden(stack)
        server.put("rag", 500, 2500, seed=3)
        done = stack.ingot("restore", snapshot, "--yes").expect(0)
        self.require_content(server, before, done)
        server.restart()
        self.require_content(server, before, "after kill -9 and a start", done)
        require(len(server.collections()) == 1, f"something is left: {server.collections()}", done)
        COUNTS.add("servers killed right after their swap")
        # Again, by the names as the restore left them.
        second = self.golden(stack)
        server.put("rag", 0, 10, seed=5)
        stack.ingot("restore", second, "--yes").expect(0)
        self.require_content(server, before)
        require(KEY not in done.said, "the key is shown", done)
        for at, _, names in os.walk(stack.base):
            for path in (os.path.join(at, name) for name in names):
                if os.path.isfile(path):
                    with open(path, "rb") as file:
                        require(KEY.encode() not in file.read(), f"{path} holds the key")

    def test_by_name(self):
        self.whole_way("1.19.0", alias=False)

    def test_by_alias(self):
        self.whole_way("1.12.4", alias=True)

    def test_snapshots_of_an_old_server(self):
        self.whole_way("1.11.3", alias=False)

    def test_unchanged_data_adds_little(self):
        server = self.server()
        stack = self.search(server)
        first = stack.ingot("snapshot").expect(0).summary
        for version in ("1.19.0", "1.11.3"):
            server.restart(version)
            stack.ingot("snapshot").expect(0)
            second = stack.ingot("snapshot").expect(0).summary
            require(second["bytes_new"] < UNCHANGED_BYTES, f"{second['bytes_new']} new bytes of unchanged data")
            COUNTS.add(f"bytes that an unchanged snapshot of {version} added", second["bytes_new"])
        COUNTS.add("bytes that the first one added", first["bytes_new"])

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

    def test_a_restore_that_fails_leaves_the_live_state(self):
        server = self.server()
        stack = self.search(server)
        snapshot = self.golden(stack)
        server.put("rag", 100, 2200, seed=3)
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

    def test_another_minor_version_is_refused(self):
        server = self.server()
        stack = self.search(server)
        snapshot = self.golden(stack)
        server.put("rag", 0, 10, seed=9)
        live = server.content()
        server.restart("1.18.0")
        done = stack.ingot("restore", snapshot, "--yes").expect(1)
        require("1.19" in done.said and "1.18" in done.said, "the versions are not named", done)
        self.require_content(server, live, done)


def tearDownModule():
    print(f"\ncounted: {COUNTS}", file=sys.stderr)


if __name__ == "__main__":
    main()
