#!/usr/bin/python3
"""A state directory that is full is no fault of a source: every driver that copies its source into a spool there ends the snapshot with
exit status 1, names the folder, resumes the writers, stores no half snapshot, and takes a whole one once there is room.

Called by ctest with the program's path, the build folder and the source folder.
"""

import contextlib
import os
import sqlite3
import sys

from stack import StackTest, main, quoted
from faulted_mounts import Mount, need_mounts
from faulted_run import CI, RANDOM, Counts, require
from postgres_server import Postgres, programs
from qdrant_server import KEY, Qdrant
from redis_server import SERVER as REDIS
from redis_server import Redis

try:
    import faiss

    from faiss_indexes import DIMENSION, faiss_source, vectors
except ImportError:
    faiss = None
try:
    from bson.son import SON

    import mongo
except ImportError:
    mongo = None

COUNTS = Counts()
SMALL, ROOMY = "4m", "256m"
# More than SMALL holds, hard to compress.
BLOBS = [RANDOM.randbytes(64 << 10) for _ in range(160)]


class FullSpoolTest(StackTest):
    def need(self, there, what):
        if not there:
            require(not CI, f"no {what}; ./dev test installs it")
            self.skipTest(f"no {what} on this host; ./dev test installs it")

    def full(self, source, fill, name="base"):
        """`fill()` puts into the source what does not fit into the spool. It is the only source: another one's listing would not fit
        either, and end the snapshot as it should end by itself."""
        paused = self.folder + "/paused"
        with Mount.tmpfs(self.folder + "/state", ROOMY) as disk:
            stack = self.stack(name, taken=False, state=disk.path + "/state", sources={"it": source},
                               barrier=f'pause = "touch {paused}"\nresume = "rm {paused}"')
            stack.init()
            stack.ingot("snapshot").expect(0)
            fill()
            listed = sorted(stack.snapshots())
            disk.remount(f"size={SMALL}")
            done = stack.ingot("snapshot", timeout=60)
            require(done.status == 1 and "unreadable" not in done.said, f"exit status {done.status} and not 1: a full disk is counted as the source's fault", done)
            require("o space left" in done.said and disk.path in done.said, "it does not name the folder that is full", done)
            require(not os.path.exists(paused), "the writers were not resumed", done)
            require(sorted(stack.snapshots()) == listed, "there is another snapshot now", done)
            stack.ingot("check").expect(0)
            disk.remount(f"size={ROOMY}")
            stack.ingot("snapshot").expect(0)
            require(len(stack.snapshots()) == len(listed) + 1, "no snapshot though there is room", done)
            COUNTS.add("drivers whose full spool ended with 1")

    def test_sqlite(self):
        path = self.folder + "/rollback.db"

        def fill(blobs=BLOBS):
            with contextlib.closing(sqlite3.connect(path)) as connection, connection:
                connection.execute("PRAGMA journal_mode=DELETE")  # with a log it would be read in place
                connection.execute("CREATE TABLE IF NOT EXISTS big (body BLOB)")
                connection.executemany("INSERT INTO big VALUES (?)", ((blob,) for blob in blobs))
        fill(BLOBS[:1])
        self.full(("sqlite", [path]), fill)

    def test_sqlite_with_a_log(self):
        path = self.folder + "/wal.db"
        connection = sqlite3.connect(path)  # stays open: with its log in use it is copied
        self.addCleanup(connection.close)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE big (body BLOB)")
        connection.commit()

        def fill():
            connection.executemany("INSERT INTO big VALUES (?)", ((blob,) for blob in BLOBS))
            connection.commit()
        self.full(("sqlite", [path]), fill)

    def test_faiss(self):
        self.need(faiss, "python3-faiss")
        path = self.folder + "/index.faiss"

        def write(count):
            index = faiss.IndexFlatL2(DIMENSION)
            index.add(vectors(count))
            faiss.write_index(index, path)
        write(10)
        # Who has it open for writing may change it at any time: it is copied while it is pinned.
        held = open(path, "r+b")  # pylint: disable=consider-using-with
        self.addCleanup(held.close)
        self.full(faiss_source(path), lambda: write(100_000))

    def test_postgres(self):
        self.need(programs(), "PostgreSQL server")
        server = Postgres(self.folder + "/pg/server")
        self.addCleanup(server.stop)
        server.sql("CREATE DATABASE rag")
        server.sql("CREATE TABLE chunks (body text)", "rag")
        self.full(("postgres", [], f"url = {quoted(server.url('rag'))}"),
                  lambda: server.sql("INSERT INTO chunks SELECT repeat(md5(i::text), 100) FROM generate_series(1, 4000) i", "rag"))

    def redis(self, user=""):
        self.need(REDIS, "redis-server")
        server = Redis(self.folder + "/redis")
        self.addCleanup(server.kill)
        server.ask("SET", "one", "1")
        login = ""
        if user:
            server.ask("ACL", "SETUSER", user, "on", ">pw", "~*", "+@all", "-psync")
            login = f"{user}:pw@"
        self.full(("redis", [], f'url = "redis://{login}127.0.0.1:{server.port}"'),
                  lambda: server.ask_all([("SET", f"chunk:{n}", blob) for n, blob in enumerate(BLOBS)]))

    def test_redis(self):
        self.redis()

    def test_redis_that_saves_a_file(self):
        self.redis("narrow")

    def test_redis_whose_server_is_stopped(self):
        self.need(REDIS, "redis-server")
        server = Redis(self.folder + "/redis", "--dbfilename", "dump.rdb")
        self.addCleanup(server.kill)

        def save(many):
            server.ask_all([("SET", f"chunk:{n}", blob) for n, blob in enumerate(BLOBS[:many])] + [("SAVE",)])
            server.kill()
            os.chown(server.folder + "/dump.rdb", 65534, 65534)
        save(1)

        def fill():
            server.start()
            save(len(BLOBS))
        self.full(("redis", [], f'url = "redis://127.0.0.1:{server.port}"', f"data_dir = {quoted(server.folder)}", 'timeout = "2s"'), fill)

    def test_qdrant(self):
        os.environ["RAG_QDRANT_KEY"] = KEY
        self.addCleanup(os.environ.pop, "RAG_QDRANT_KEY", None)
        for version in ("1.19.0", "1.11.3"):  # streamed; made by the server first
            server = Qdrant(f"{self.folder}/qdrant-{version}", version)
            self.addCleanup(server.kill)
            server.fill()
            self.full(("qdrant", [], f'url = "http://127.0.0.1:{server.port}"', 'api_key_env = "RAG_QDRANT_KEY"'),
                      lambda server=server: server.put(0, 40_000, seed=1), version)

    def test_mongodb(self):
        self.need(mongo, "python3-bson")
        server = mongo.StandIn(self.folder + "/mongo")
        self.addCleanup(server.kill)
        server.insert("chunks", [SON(_id=-1, text="one")])
        self.full(("mongodb", [], f"uri = {quoted(server.uri())}"),
                  lambda: server.insert("chunks", [SON(_id=n, body=blob) for n, blob in enumerate(BLOBS)], batch=20))


def tearDownModule():
    print(f"\ncounted: {COUNTS}", file=sys.stderr)


if __name__ == "__main__":
    need_mounts("full_spool_test")
    main()
