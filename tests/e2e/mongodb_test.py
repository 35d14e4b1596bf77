#!/usr/bin/python3
"""MongoDB as a source, with the built binary: golden snapshots, restores that come whole or not at all, a server that is killed right
after its swap, that hangs, dies and refuses, what a change costs, and no password anywhere.

The server is the stand-in (tests/support/mongo_server.py), which reads snapshots as a replica set does; FerretDB where it is built
($INGOT_FERRETDB, or a nightly run with Go), and a real server where MONGO_URL names one whose database may be written to.
Called by ctest with the program's path, the build folder and the source folder.
"""

import os
import random
import signal
import sys
import threading
import time

from stack import StackTest, main
from faulted_run import CI, FAULTED, NIGHTLY, Counts, finish, require, rounds, run, start, stopped_at

try:
    import bson
    from bson.son import SON

    import mongo
except ImportError:
    bson = None

COUNTS = Counts()
PASSWORD = "s3cret-of-mongo"
# Two snapshots of unchanged data may add so much.
UNCHANGED_BYTES = 64 << 10
# What a change of 1 % of the documents at random, and the same appended, may add to a collection of this size.
CHANGE_BYTES = (100 if NIGHTLY else 20) << 20
RANDOM_SHARE, APPENDED_SHARE = 0.15, 0.02
STEPS = ("restore.mongodb.created", "restore.mongodb.staged", "restore.mongodb.undo-saved", "restore.mongodb.swap-begun",
         "restore.mongodb.renamed", "restore.mongodb.swapped")


def fill(server, many=1500, plain=False):
    server.insert("chunks", [SON(_id=n, text=f"the text of chunk {n} " * (n % 9), deleted=n % 7 == 0) for n in range(many)])
    server.ask(createIndexes="chunks", indexes=[SON(key=SON(text=1), name="text_1"), SON(key=SON([("deleted", 1), ("_id", -1)]), name="d_id")])
    if plain:  # FerretDB has no views and no validators, and does not rename a name with a dot in it
        return
    server.insert("fs.files", [SON(_id=bson.ObjectId(), filename="a.pdf", length=bson.Int64(n)) for n in range(20)])
    server.insert("fs.chunks", [SON([("_id", n), ("files_id", n), ("n", 0), ("data", bson.Binary(os.urandom(20_000)))]) for n in range(20)])
    server.insert("types", [SON(_id="text", a=None, b=[1, 2.5, SON(c=True)]), SON(_id=SON(a=1), d=bson.Decimal128("1.5"))])
    server.ask(create="strict", validator=SON([("$jsonSchema", SON(required=["text"]))]))
    server.ask(insert="strict", documents=[SON(_id=1)], bypassDocumentValidation=True)
    server.ask(create="live", viewOn="chunks", pipeline=[SON([("$match", SON(deleted=False))])])


def damage(server):
    server.ask(delete="chunks", deletes=[SON(q=SON([("_id", SON([("$gte", 10)]))]), limit=0)])
    server.insert("chunks", [SON(_id=9_000_000, text="wrong")])
    if "fs.files" in server.names():
        server.ask(drop="fs.files")
    server.insert("another", [SON(_id=1, application=True)])


class MongoStackTest(StackTest):
    def setUp(self):
        if bson is None:
            require(not CI, "no python3-bson; ./dev test installs it")
            self.skipTest("no python3-bson on this host; ./dev test installs it")
        super().setUp()
        self.servers = []

    def tearDown(self):
        for server in self.servers:
            server.kill()
        super().tearDown()

    def server(self, *options, name="mongo", program=None):
        folder = f"{self.folder}/{name}"
        server = mongo.FerretDB(folder, program) if program else mongo.StandIn(folder, *options)
        self.servers.append(server)
        return server

    def docs(self, server, *lines, login="", filled=True, plain=False, uri=None, **arguments):
        os.environ["RAG_MONGO_URI"] = uri or server.uri(login)
        self.addCleanup(os.environ.pop, "RAG_MONGO_URI", None)
        keys = ['uri_env = "RAG_MONGO_URI"', 'timeout = "2s"', 'index_timeout = "2s"', *lines]
        stack = self.stack(taken=False, sources={"docs": ("mongodb", [], *keys), "files": ("files", ["docs"])}, **arguments)
        stack.init()
        if filled:
            fill(server, plain=plain)
        return stack

    def golden(self, stack):
        done = stack.ingot("snapshot", "--golden").expect(0)
        require(done.summary["golden"], "not golden", done)
        return done.summary["snapshot_id"]

    def require_content(self, server, wanted, *evidence):
        got = server.content()
        for name in sorted(set(got) | set(wanted)):
            require(got.get(name) == wanted.get(name), f"{name} is {str(got.get(name))[:300]} and not {str(wanted.get(name))[:300]}", *evidence)
            COUNTS.add("documents compared", len((wanted[name] + [[]])[3]) if len(wanted[name]) > 3 else 0)


class Restores(MongoStackTest):
    def whole_way(self, server, stack):
        before = server.content()
        snapshot = self.golden(stack)
        damage(server)
        done = stack.ingot("restore", snapshot, "--yes").expect(0)
        self.require_content(server, before, done)
        if isinstance(server, mongo.Process):
            server.restart()  # kill -9
            COUNTS.add("servers killed right after their swap, with the new data after it")
        self.require_content(server, before, "after kill -9 and a start", done)
        require(not server.beside(), f"left beside the live data: {server.beside()}", done)
        return snapshot

    def test_of_a_replica_set(self):
        server = self.server()
        stack = self.docs(server, 'facts = { kept = "chunks {\\"deleted\\": false}" }')
        snapshot = self.whole_way(server, stack)
        shown = stack.text("show", snapshot).expect(0).out.decode()
        kept = str(sum(1 for n in range(1500) if n % 7))
        require("kept" in shown and kept in shown, f"the fact {kept} is not shown", shown)
        probe = '\n[[probes]]\nname = "kept"\nsource = "docs"\ncount = "chunks {\\"deleted\\": false}"\ntimeout = "300ms"\ninterval = "50ms"\n'
        with open(stack.config, "a", encoding="utf-8") as file:
            file.write(probe + 'fact = "kept"\n' + probe.replace('name = "kept"', 'name = "too many"') + "value = 1\n")
        damage(server)
        live = server.content()
        done = stack.ingot("restore", snapshot, "--yes").expect(21)
        require("too many" in done.said and "the probe kept" not in done.said, "not the probe that did not pass is named", done)
        self.require_content(server, live, done)

    def test_with_a_password_that_is_nowhere(self):
        server = self.server("--user", "rag", "--password", PASSWORD)
        stack = self.docs(server, login=f"rag:{PASSWORD}@", filled=False)
        server.kill()
        server.words = [word for word in server.words if word not in ("--user", "rag", "--password", PASSWORD)]
        server.start()
        fill(server)
        server.ask(drop="strict")
        before = server.content()
        server.kill()
        server.words += ["--user", "rag", "--password", PASSWORD]
        server.start()
        snapshot = self.golden(stack)
        done = stack.text("restore", snapshot, "--yes", timeout=60).expect(0)
        os.environ["RAG_MONGO_URI"] = server.uri(f"rag:{PASSWORD}-wrong@")
        refused = stack.text("snapshot").expect(3)
        require("Authentication failed" in refused.said + refused.out.decode(), "it does not say why", refused)
        require(PASSWORD not in done.said + done.out.decode() + refused.said + refused.out.decode(), "the password is shown", done, refused)
        for at, _, names in os.walk(stack.base):
            for path in (os.path.join(at, name) for name in names):
                if os.path.isfile(path):
                    with open(path, "rb") as file:
                        require(PASSWORD.encode() not in file.read(), f"{path} holds the password")
        server.kill()
        server.words = server.words[:-4]
        server.start()
        self.require_content(server, before)

    def test_of_ferretdb(self):
        program, why = mongo.ferretdb()
        if program is None:
            self.skipTest(why)
        server = self.server(program=program)
        stack = self.docs(server, 'writers = "paused"', plain=True)
        self.whole_way(server, stack)
        COUNTS.add("whole ways with FerretDB")

    def test_of_the_server_that_MONGO_URL_names(self):
        uri = os.environ.get("MONGO_URL")
        if not uri:
            self.skipTest("MONGO_URL names no server")
        host, database = uri.split("://", 1)[1].split("?")[0].rsplit("@", 1)[-1].split("/")
        server = mongo.Mongo(int(host.split(":")[1]), database)
        require(not server.content(), f"{database} is not empty, and this test would fill it")
        try:
            self.whole_way(server, self.docs(server, uri=uri, plain=True))
        finally:
            server.ask(dropDatabase=1)
        COUNTS.add("whole ways with MongoDB")


class Changes(MongoStackTest):
    def test_unchanged_data_adds_next_to_nothing(self):
        server = self.server()
        stack = self.docs(server)
        first = stack.ingot("snapshot").expect(0).summary
        again = stack.ingot("snapshot").expect(0).summary
        server.restart()
        restarted = stack.ingot("snapshot").expect(0).summary
        print(f"\nbytes_new: first {first['bytes_new']}, again {again['bytes_new']}, after a restart {restarted['bytes_new']}", end=" ")
        require(max(again["bytes_new"], restarted["bytes_new"]) < UNCHANGED_BYTES, "unchanged data was stored again", again, restarted)

    def test_what_a_change_of_one_percent_costs(self):
        server = self.server()
        stack = self.docs(server, filled=False)
        chance = random.Random(7)
        # Text as of a model's tokens: hard to compress, 1 KiB each.
        many = CHANGE_BYTES // 1024
        document = lambda n: SON(_id=n, text=chance.randbytes(480).hex())
        server.insert("chunks", [document(n) for n in range(many)])
        first = stack.ingot("snapshot").expect(0).summary["bytes_new"]
        changed = chance.sample(range(many), many // 100)
        server.ask(update="chunks", updates=[SON(q=SON(_id=n), u=document(n)) for n in changed])
        scattered = stack.ingot("snapshot").expect(0).summary["bytes_new"]
        server.insert("chunks", [document(n) for n in range(many, many + many // 100)])
        appended = stack.ingot("snapshot").expect(0).summary["bytes_new"]
        print(f"\n{many} documents of 1 KiB: stored {first}, 1 % changed at random adds {scattered} ({scattered / first:.1%}), "
              f"1 % appended adds {appended} ({appended / first:.1%})", end=" ")
        require(scattered < RANDOM_SHARE * first, "a scattered change stored too much")
        require(appended < APPENDED_SHARE * first, "an append stored too much")


class Failures(MongoStackTest):
    def partial(self, stack, *said):
        done = stack.ingot("snapshot", timeout=60).expect(3)
        detail = next(detail for detail in done.summary["source_details"] if detail["name"] == "docs")
        for text in said:
            require(text in str(detail), f"it does not say {text}", detail)
        COUNTS.add("bad servers said")

    def test_what_is_no_good_server_makes_a_snapshot_partial(self):
        server = self.server()
        stack = self.docs(server)
        os.environ["RAG_MONGO_URI"] = "postgresql://rag@127.0.0.1/x"
        self.partial(stack, "RAG_MONGO_URI", "no address of MongoDB")
        del os.environ["RAG_MONGO_URI"]
        self.partial(stack, "RAG_MONGO_URI", "not set")
        os.environ["RAG_MONGO_URI"] = server.uri().replace("/app", "/elsewhere")
        self.partial(stack, "no collection")
        os.environ["RAG_MONGO_URI"] = server.uri()
        for command in ("listCollections", "find", "getMore", "listIndexes"):
            server.fail(command)
            self.partial(stack, "as it was told to")
        server.fail()
        server.signal(signal.SIGSTOP)
        began = time.monotonic()
        self.partial(stack, "127.0.0.1")
        require(time.monotonic() - began < 40, f"a hanging server held it for {time.monotonic() - began:.0f} s")
        server.signal(signal.SIGCONT)
        server.ask(create="measured", timeseries=SON(timeField="t"))
        self.partial(stack, "time series", "app.measured")
        server.kill()
        self.partial(stack, "127.0.0.1")

    def test_configs_that_cannot_work(self):
        server = self.server()
        stack = self.docs(server)
        for lines, *said in (([], "uri_env"), (['uri = "127.0.0.1:27017"'], "mongodb://"), (['uri = "mongodb://u:hidden@h"', "writers = \"no\""], "writers"),
                             (['uri = "mongodb://u:hidden@h"', 'uri_env = "X"'], "uri_env"), (['uri = "mongodb://h"', 'databases = ["a b"]'], "a b"),
                             (['uri = "mongodb://h"', 'facts = { n = "c {" }'], "JSON"), (['uri = "mongodb://h"', "url = \"x\""], "url")):
            stack.configure({"docs": ("mongodb", [], *lines)})
            done = stack.text("config", "validate").expect(2)
            for text in said:
                require(text in done.said + done.out.decode(), f"it does not say {text}", done)
            require("hidden" not in done.said + done.out.decode(), "the password is shown", done)
            COUNTS.add("bad configs refused")

    def failed_restore(self, server, stack, snapshot, *statuses):
        live = server.content()
        done = stack.ingot("restore", snapshot, "--yes", timeout=60).expect(*statuses)
        if server.faults:
            server.fail()
        self.require_content(server, live, done)
        require(not server.beside(), f"left beside the live data: {server.beside()}", done)
        require(not stack.leftovers(), f"left behind: {stack.leftovers()}", done)
        COUNTS.add("restores that failed with the live data untouched")
        return done

    def test_a_restore_that_fails_half_way_is_taken_back(self):
        server = self.server()
        server.faults = True
        stack = self.docs(server)
        snapshot = self.golden(stack)
        damage(server)
        for command, after, status in (("create", 1, 1), ("insert", 3, 1), ("createIndexes", 0, 1), ("renameCollection", 0, 21), ("renameCollection", 4, 21)):
            server.fail(command, after, times=1)
            self.failed_restore(server, stack, snapshot, status)
        # It cannot be taken back either, until the server renames again.
        live = server.content()
        server.fail("renameCollection", 4)
        stack.ingot("restore", snapshot, "--yes", timeout=60).expect(22)
        server.fail()
        undone = stack.ingot("restore", "--undo").expect(0, 21)
        self.require_content(server, live, undone)
        require(not server.beside() and not stack.leftovers(), f"left behind: {server.beside()} {stack.leftovers()}", undone)

    def test_a_restore_that_cannot_be_is_refused(self):
        server = self.server()
        server.faults = False
        stack = self.docs(server)
        snapshot = self.golden(stack)
        plain = list(server.words)
        for options, said, status in ((["--version", "5.0.1"], "version 5.0.1", 23), (["--secondary"], "no primary", 1), (["--mongos"], "mongos", 1)):
            server.words = plain + options
            server.restart()
            done = self.failed_restore(server, stack, snapshot, status)
            require(said in done.said + done.out.decode(), f"it does not say {said}", done)

    def test_a_flipped_byte_in_what_is_stored_is_seen(self):
        server = self.server()
        server.faults = False
        stack = self.docs(server)
        snapshot = self.golden(stack)
        size, path = max((size, path) for path, size in stack.stored().items() if "/packs/" in path)
        os.chmod(path, 0o600)
        with open(path, "r+b") as file:
            file.seek(size // 2)
            byte = file.read(1)
            file.seek(-1, os.SEEK_CUR)
            file.write(bytes([byte[0] ^ 1]))
        damage(server)
        self.failed_restore(server, stack, snapshot, 20)
        COUNTS.add("flipped bytes found")

    def test_killed_at_every_step_it_is_old_or_new_and_recovers(self):
        server = self.server()
        stack = self.docs(server)
        new = server.content()
        snapshot = self.golden(stack)
        damage(server)
        old = server.content()
        for step in STEPS:
            for crash in (False, True):
                done = run(stack.words("restore", snapshot, "--yes", program=FAULTED), {"INGOT_TEST_KILL_AT": step}, 60)
                require(done.status in (-9, 137), f"it was not killed at {step}", done)
                if crash:
                    server.restart()
                undone = stack.ingot("restore", "--undo")
                require(undone.status in (0, 1, 21), f"--undo after a kill at {step} ended with {undone.status}", undone)
                self.require_content(server, old, step, undone)
                require(not server.beside(), f"left beside the live data: {server.beside()}", step, undone)
                COUNTS.add("kills recovered to the old state")
        run(stack.words("restore", snapshot, "--yes", program=FAULTED), {"INGOT_TEST_KILL_AT": "restore.mongodb.renamed"}, 60)
        stack.ingot("restore", "--resume")
        done = stack.ingot("restore", snapshot, "--yes").expect(0)
        self.require_content(server, new, done)

    def test_a_server_that_hangs_or_dies_in_a_restore(self):
        server = self.server()
        stack = self.docs(server)
        new = server.content()
        snapshot = self.golden(stack)
        damage(server)
        old = server.content()
        for step in ("restore.mongodb.created", "restore.mongodb.undo-saved", "restore.mongodb.renamed"):
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
                undone = stack.ingot("restore", "--undo")
                require(undone.status in (0, 1, 21), f"--undo ended with {undone.status}", done, undone)
                self.require_content(server, old, step, done, undone)
                COUNTS.add("servers that hung or died in a restore")
        done = stack.ingot("restore", snapshot, "--yes").expect(0)
        self.require_content(server, new, done)


class Moments(MongoStackTest):
    def test_writers_are_resumed_when_the_server_hangs_in_the_pin(self):
        server = self.server()
        pause = f"{self.folder}/paused"
        stack = self.docs(server, barrier=f'pause = "touch {pause}; kill -STOP {server.process.pid}"\nresume = "rm {pause}"\nmax_pause = "20s"')
        done = stack.ingot("snapshot", timeout=90).expect(3)
        require(not os.path.exists(pause), "the writers were not resumed", done)
        server.signal(signal.SIGCONT)
        stack.configure(barrier=f'pause = "touch {pause}"\nresume = "rm {pause}"')
        done = stack.ingot("snapshot", "--golden").expect(0)
        require(done.summary["consistency"] == "barrier", "not of one moment", done)
        COUNTS.add("pauses ended")

    def test_a_snapshot_under_a_writer_is_one_moment(self):
        server = self.server()
        stack = self.docs(server)
        stop = threading.Event()

        def write():
            n = 0
            while not stop.is_set():
                n += 1
                server.insert("a", [SON(_id=n)])
                server.insert("z", [SON(_id=n)])

        server.insert("a", [SON(_id=0)])
        server.insert("z", [SON(_id=0)])
        writer = threading.Thread(target=write)
        writer.start()
        try:
            ids = [stack.ingot("snapshot").expect(0).summary["snapshot_id"] for _ in range(rounds(3, 30))]
        finally:
            stop.set()
            writer.join()
        for snapshot in ids:
            stack.ingot("restore", snapshot, "--yes").expect(0)
            a, z = len(server.all("a")), len(server.all("z"))
            # `z` is written right after `a`.
            require(a - z in (0, 1), f"a has {a} and z has {z}", snapshot)
            COUNTS.add("snapshots under a writer, each one moment")

    def test_a_server_without_snapshots_is_fuzzy_and_says_so(self):
        server = self.server("--standalone")
        stack = self.docs(server)
        done = stack.ingot("snapshot").expect(0)
        require(done.summary["consistency"] == "fuzzy", "not fuzzy", done)
        require("no snapshots" in done.said + done.out.decode(), "it does not say why", done)


def tearDownModule():
    print(f"\ncounted: {COUNTS}", file=sys.stderr)


if __name__ == "__main__":
    main()
