#!/usr/bin/python3
"""`ingot drill` into scratch engines, with the built binary: real PostgreSQL and Redis servers, and the stand-ins of Qdrant and MongoDB.
What is live is never touched, whatever ends the drill, and nothing is left behind in a server.

Called by ctest with the program's path, the build folder and the source folder.
"""

import os
import signal
import sys
import time

from stack import StackTest, main, quoted
import mongo
from postgres_server import Postgres, name, programs
from qdrant_server import KEY, POINTS, Qdrant
from redis_test import SERVER as REDIS, Redis
from faulted_run import CI, Counts, finish, require, start, work_folder

COUNTS = Counts()
SERVERS = []  # PostgreSQL, for all tests, with its folder
ROWS, MADE = 500, "ingot_drill"
PROBES = """
[[probes]]
name = "rows"
source = "app"
sql = "SELECT count(*) FROM chunks"
fact = "chunks"
timeout = "1s"

[[probes]]
name = "points"
source = "search"
count = "rag"
value = %d

[[probes]]
name = "top-k"
source = "search"
k = 5

[[probes]]
name = "web"
http = "http://127.0.0.1:9/"
timeout = "1s"

[[invariants]]
left = "app.chunks"
right = "cache.chunks"
""" % POINTS

HOLD = """#!/bin/sh
case "$*" in *--single-transaction*)
    echo > {folder}/loading
    while [ -e {folder}/hold ]; do sleep 0.05; done ;;
esac
exec "$@"
"""


class DrillEnginesTest(StackTest):
    def setUp(self):
        if programs() is None or REDIS is None:
            require(not CI, "no PostgreSQL or Redis server; ./dev test installs them")
            self.skipTest("no PostgreSQL or Redis server on this host; ./dev test installs them")
        super().setUp()
        os.environ["RAG_QDRANT_KEY"] = KEY
        self.addCleanup(os.environ.pop, "RAG_QDRANT_KEY", None)
        if not SERVERS:
            folder = work_folder("drillpg", quick=True)
            SERVERS.extend((folder, Postgres(folder.__enter__() + "/server")))

    def tearDown(self):
        server = SERVERS[1]
        if server.process.poll() is not None:
            server.start()
        for database in filter(None, server.databases()):
            server.sql(f"DROP DATABASE {name(database)} WITH (FORCE)")
        super().tearDown()

    def postgres(self):
        server = SERVERS[1]
        server.sql("CREATE DATABASE rag")
        server.sql("CREATE TABLE chunks (id int PRIMARY KEY, body text)", "rag")
        server.sql(f"INSERT INTO chunks SELECT i, md5(i::text) FROM generate_series(1, {ROWS}) i", "rag")
        return server

    def source(self, server, *lines, user="postgres"):
        return ("postgres", [], f"url = {quoted(server.url('rag', user))}", 'facts = { chunks = "SELECT count(*) FROM chunks" }', *lines)

    def small(self, *lines, user="postgres"):
        """PostgreSQL and files, with a golden snapshot."""
        server = self.postgres()
        stack = self.stack(taken=False, sources={"app": self.source(server, *lines, user=user), "files": ("files", ["docs"])})
        stack.init()
        stack.ingot("snapshot", "--golden").expect(0)
        return server, stack

    def require_no_scratch(self, stack, server, *evidence):
        made = [one for one in server.databases() if one.startswith(MADE)]
        require(not made, f"left in the server: {made}", *evidence)
        left = [each for at, folders, names in os.walk(stack.state) for each in folders + names if each.startswith(("scratch-", "drill-"))]
        require(not left, f"left in the state directory: {left}", *evidence)
        require(not [one for one in os.listdir("/var/tmp") if one.startswith("ingot-drill-")], "left in /var/tmp", *evidence)

    def whole(self):
        """All four servers, filled, and a golden snapshot of them."""
        postgres = self.postgres()
        redis = Redis(self.folder + "/redis")
        self.addCleanup(redis.kill)
        redis.ask_all([("SET", f"chunk:{n}", n) for n in range(ROWS)] + [("SET", "gone soon", 1, "PX", 1)])
        qdrant = Qdrant(self.folder + "/qdrant")
        self.addCleanup(qdrant.kill)
        qdrant.fill()
        documents = mongo.StandIn(self.folder + "/mongo")
        self.addCleanup(documents.kill)
        documents.insert("chunks", [{"_id": n, "text": f"chunk {n}"} for n in range(300)])
        stack = self.stack(taken=False, head="", sources={
            "app": self.source(postgres),
            "cache": ("redis", [], f'url = "redis://127.0.0.1:{redis.port}"', 'facts = { chunks = "chunk:*" }'),
            "search": ("qdrant", [], f"url = {quoted(qdrant.url)}", 'api_key_env = "RAG_QDRANT_KEY"'),
            "docs": ("mongodb", [], f"uri = {quoted(documents.uri())}", 'facts = { old = "chunks {\\"_id\\": {\\"$lt\\": 100}}" }'),
            "files": ("files", ["docs"])})
        with open(stack.config, "a", encoding="utf-8") as file:
            file.write(PROBES)
        stack.init()
        done = stack.ingot("snapshot", "--golden").expect(0)
        require(done.summary["golden"], "not golden", done)
        return stack, postgres, redis, qdrant, documents

    def test_every_engine_is_loaded_asked_and_emptied_and_what_is_live_stays_as_it_is(self):
        stack, postgres, redis, qdrant, documents = self.whole()
        # What is live has moved on: a drill that asked it would see that.
        postgres.sql("DELETE FROM chunks WHERE id > 10", "rag")
        redis.ask_all([("FLUSHDB",), ("SET", "chunk:1", "other")])
        qdrant.put(0, 50, seed=9)
        documents.insert("chunks", [{"_id": 9999, "text": "later"}])
        before = postgres.content("rag"), redis.content(), qdrant.content(), documents.content()
        done = stack.ingot("drill").expect(0)
        summary = done.summary
        require(summary["drilled"] and summary["scratch_engines"] == 4 and summary["left"] == [], "not four engines", done)
        require(summary["probes_passed"] == 3 and summary["probes_not_asked"] == 1, "other probes", done)
        require(before == (postgres.content("rag"), redis.content(), qdrant.content(), documents.content()), "a live store was touched", done)
        require(qdrant.collections() == ["rag"], f"left in Qdrant: {qdrant.collections()}", done)
        require(not [one for one in documents.ask("admin", listDatabases=1)["databases"] if one["name"].startswith(MADE)], "left in MongoDB", done)
        self.require_no_scratch(stack, postgres, done)
        shown = stack.ingot("show", summary["snapshot_id"]).expect(0)
        evidence = [one for one in shown.lines[0]["attestations"] if one["kind"] == "drilled"][0]["evidence"]
        require(evidence["app"]["chunks"] == ROWS and "ingot_drill_" in evidence["app"]["scratch"], "no evidence of the database", shown)
        require(evidence["cache"]["keys"] == ROWS, "no evidence of the keys", shown)
        listed = [one for one in stack.ingot("list").expect(0).lines if one.get("id") == summary["snapshot_id"]][0]
        require(listed["drilled"], "list does not say when", listed)
        COUNTS["engines drilled"] = summary["scratch_engines"]

    def test_without_the_live_server_a_temporary_one_is_started(self):
        server, stack = self.small()
        server.kill()
        done = stack.ingot("drill").expect(0)
        require(done.summary["scratch_engines"] == 1, "not loaded", done)
        server.start()
        self.require_no_scratch(stack, server, done)
        COUNTS.add("temporary servers")

    def test_a_server_that_lets_nobody_make_a_database(self):
        server = self.postgres()
        server.sql("CREATE ROLE poor LOGIN IN ROLE pg_read_all_data")
        self.addCleanup(server.sql, "DROP ROLE poor")
        stack = self.stack(taken=False, sources={"app": self.source(server, user="poor"), "files": ("files", ["docs"])})
        stack.init()
        stack.ingot("snapshot", "--golden").expect(0)
        before = server.content("rag")
        done = stack.ingot("drill").expect(3)
        require("may not create a scratch database" in done.said and "CREATEDB" in done.said, "it does not say why", done)
        require(not done.summary["drilled"], "attested all the same", done)
        require(before == server.content("rag"), "the live database was touched", done)
        self.require_no_scratch(stack, server, done)
        # The server of its own that the message offers.
        with open(stack.config, encoding="utf-8") as file:
            text = file.read()
        with open(stack.config, "w", encoding="utf-8") as file:
            file.write(text.replace("[sources.app]\n", '[sources.app]\nscratch = "server"\n'))
        stack.ingot("drill").expect(0)
        self.require_no_scratch(stack, server)
        COUNTS.add("refused for its rights")

    def test_servers_without_room(self):
        stack, postgres, _, qdrant, _ = self.whole()
        qdrant.fault("POST .*/snapshots/upload", "status:507", 9)
        done = stack.ingot("drill").expect(3)
        require("search cannot be loaded into a scratch engine" in done.said and "507" in done.said, "it does not say why", done)
        qdrant.fault("nothing", "status:500")
        require(qdrant.collections() == ["rag"], f"left in Qdrant: {qdrant.collections()}", done)
        self.require_no_scratch(stack, postgres, done)
        COUNTS.add("servers without room")

    def test_a_live_database_with_the_name_of_a_drill_is_refused(self):
        server, stack = self.small()
        server.sql("ALTER DATABASE rag RENAME TO ingot_drill_live")
        with open(stack.config, encoding="utf-8") as file:
            text = file.read()
        with open(stack.config, "w", encoding="utf-8") as file:
            file.write(text.replace("/rag\"", "/ingot_drill_live\""))
        done = stack.ingot("drill").expect(2)
        require("what a drill makes and drops" in done.said, "it does not say why", done)
        require(server.databases() == ["ingot_drill_live"], "the live database is gone", done)
        COUNTS.add("refused as the same")

    def held(self):
        """A drill that is held while its scratch database is loaded."""
        tool, words = self.folder + "/tool", []
        with open(tool, "w", encoding="utf-8") as file:
            file.write(HOLD.format(folder=self.folder))
        os.chmod(tool, 0o755)
        server, stack = self.small(f"tools = {quoted(tool)}")
        with open(self.folder + "/hold", "w", encoding="utf-8"):
            pass
        words = stack.words("drill")
        process = start(words)
        until = time.monotonic() + 60
        while not os.path.exists(self.folder + "/loading"):
            require(time.monotonic() < until and process.poll() is None, "it does not begin to load")
            time.sleep(0.02)
        require(any(one.startswith(MADE) for one in server.databases()), "there is no scratch database")
        return server, stack, process, words

    def test_a_signal_ends_a_drill_and_its_database(self):
        server, stack, process, words = self.held()
        process.send_signal(signal.SIGTERM)
        done = finish(process, words).expect(130)
        self.require_no_scratch(stack, server, done)
        COUNTS.add("drills ended by a signal")

    def test_what_a_killed_drill_left_the_next_one_removes(self):
        server, stack, process, words = self.held()
        process.send_signal(signal.SIGKILL)
        finish(process, words)
        left = [one for one in server.databases() if one.startswith(MADE)]
        require(len(left) == 1, "nothing was left: the test shows nothing")
        os.remove(self.folder + "/hold")
        done = stack.ingot("drill").expect(0)
        self.require_no_scratch(stack, server, done)
        COUNTS.add("killed drills cleaned up after")


def tearDownModule():
    if SERVERS:
        SERVERS[1].stop()
        SERVERS[0].__exit__(None, None, None)
    print(f"\ncounted: {COUNTS}", file=sys.stderr)


if __name__ == "__main__":
    main()
