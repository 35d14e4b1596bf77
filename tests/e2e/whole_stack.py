#!/usr/bin/python3
"""A RAG application that keeps one counter in six stores: how a round is written into each of them, and how it is read from the live
store and from what a restore put into a folder. Run as a program it is the application's writer.

    whole_stack.py INGOT BUILD SOURCE CONTROL PLACES     the test's own arguments; `pause` and `stop` are files of the folder CONTROL;
                                                         PLACES is JSON: the folder of the stack and the ports of its servers
"""

import contextlib
import json
import os
import sqlite3
import subprocess
import sys
import time

import bson
import faiss
import numpy
from bson.son import SON

import mongo
import qdrant_archive
from postgres_server import programs
from qdrant_server import KEY, Client
from redis_server import Redis

SHARDS, POINTS, VECTORS, DIMENSION = 2, 8, 16, 32
DATABASE = COLLECTION = "rag"


class Torn(RuntimeError):
    """One store holds parts of two rounds."""


def one_of(values, where):
    values = [int(value) for value in values]
    if len(set(values)) != 1:
        raise Torn(f"{where} holds {values}")
    return values[0]


class Sqlite:
    source = "db"

    def __init__(self, places):
        self.path = places["root"] + "/app.db"
        self.connection = None

    def fill(self):
        with contextlib.closing(sqlite3.connect(self.path)) as connection, connection:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("CREATE TABLE rounds (n INTEGER PRIMARY KEY, body TEXT)")
            connection.execute("CREATE TABLE counter (n INTEGER)")
            connection.execute("INSERT INTO counter VALUES (0)")

    def write(self, n):
        self.connection = self.connection or sqlite3.connect(self.path)
        with self.connection as transaction:
            transaction.execute("INSERT INTO rounds VALUES (?, ?)", (n, f"document {n}"))
            transaction.execute("UPDATE counter SET n = ?", (n,))

    def read(self, path=None):
        with contextlib.closing(sqlite3.connect(path or self.path)) as connection:
            return one_of(connection.execute("SELECT n, (SELECT count(*) FROM rounds), (SELECT ifnull(max(n), 0) FROM rounds) FROM counter").fetchone(),
                          "SQLite")

    def restored(self, to):
        return self.read(to + "/app.db")


class Faiss:
    source = "vectors"

    def __init__(self, places):
        faiss.omp_set_num_threads(1)
        self.path = places["root"] + "/index.faiss"

    def fill(self):
        self.write(0)

    def write(self, n):
        index = faiss.IndexFlatL2(DIMENSION)
        index.add(numpy.full((VECTORS, DIMENSION), n, dtype="float32"))
        faiss.write_index(index, self.path)  # in place, as applications do

    def read(self, path=None):
        index = faiss.read_index(path or self.path)
        if index.ntotal != VECTORS:
            raise Torn(f"FAISS has {index.ntotal} vectors")
        return one_of(index.reconstruct_n(0, VECTORS).flatten(), "FAISS")

    def restored(self, to):
        return self.read(to + "/index.faiss")


class Postgres:
    source = "app"

    def __init__(self, places):
        self.words = [programs() + "/psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", str(places["postgres"]), "-U", "postgres"]
        self.session = None

    def once(self, text, database=DATABASE):
        return subprocess.run([*self.words, "-d", database, "-c", text], check=True, capture_output=True, text=True, timeout=30).stdout.split()

    def fill(self):
        self.once(f"CREATE DATABASE {DATABASE}", "postgres")
        self.once("CREATE TABLE counter (n int); INSERT INTO counter VALUES (0); CREATE TABLE rounds (n int PRIMARY KEY, body text)")

    def write(self, n):
        if self.session is None:
            self.session = subprocess.Popen([*self.words, "-d", DATABASE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.session.stdin.write(f"BEGIN; INSERT INTO rounds VALUES ({n}, 'document {n}'); UPDATE counter SET n = {n}; COMMIT;\n\\echo {n}\n")
        self.session.stdin.flush()
        if self.session.stdout.readline() != f"{n}\n":
            raise RuntimeError("psql ended")

    def read(self):
        return one_of(self.once("SELECT n FROM counter; SELECT count(*) FROM rounds; SELECT coalesce(max(n), 0) FROM rounds"), "PostgreSQL")

    def restored(self, to):
        words = [programs() + "/pg_restore", "--data-only", "-f", "-", to + "/app.dump"]
        rows = {}
        for line in subprocess.run(words, check=True, capture_output=True, text=True, timeout=30).stdout.splitlines():
            if line.startswith("COPY "):
                table = rows.setdefault(line.split()[1], [])
            elif line[:1].isdigit():
                table.append(int(line.split("\t")[0]))
        rounds = rows["public.rounds"]
        return one_of([*rows["public.counter"], len(rounds), max(rounds, default=0)], "the dump of PostgreSQL")


class RedisStore(Redis):
    source = "cache"

    def __init__(self, places):  # pylint: disable=super-init-not-called
        self.port, self.password = places["redis"], ""  # a client: the server is the test's

    def fill(self):
        self.write(0)

    def write(self, n):
        self.ask_all([("MULTI",), ("SET", "round", n), ("HSET", "rounds", "last", n), ("EXEC",)])

    def read(self):
        return one_of([self.ask("GET", "round"), self.ask("HGET", "rounds", "last")], "Redis")

    def restored(self, to):
        server = Redis(to + "/server", "--dir", to + "/cache.redis", "--dbfilename", "dump.rdb")
        try:
            return one_of([server.ask("GET", "round"), server.ask("HGET", "rounds", "last")], "the dump of Redis")
        finally:
            server.kill()


class QdrantStore(Client):
    source = "search"

    def __init__(self, places):
        super().__init__(f"http://127.0.0.1:{places['qdrant']}", KEY, COLLECTION)

    def fill(self):
        self.ask("PUT", f"/collections/{COLLECTION}", {"vectors": {"size": 4, "distance": "Cosine"}, "shard_number": SHARDS})
        self.write(0)

    def write(self, n):
        self.ask("PUT", f"/collections/{COLLECTION}/points?wait=true", {"points": [
            {"id": point, "vector": [1.0, point, n, 0.5], "payload": {"round": n}} for point in range(POINTS)]})

    def read(self):
        points = self.ask("POST", f"/collections/{COLLECTION}/points/scroll", {"limit": 1000, "with_vector": True})["points"]
        if len(points) != POINTS:
            raise Torn(f"Qdrant has {len(points)} points")
        return one_of([value for point in points for value in (point["payload"]["round"], point["vector"][2])], "Qdrant")

    def restored(self, to):
        points = {}
        for shard in range(SHARDS):
            with open(f"{to}/search.qdrant/{COLLECTION}/shard-{shard}.tar", "rb") as file:
                points.update(qdrant_archive.read(file.read(), False)[0])
        if len(points) != POINTS:
            raise Torn(f"the archives of Qdrant have {len(points)} points")
        return one_of([payload["round"] for _, payload in points.values()], "the archives of Qdrant")


class MongoStore(mongo.Mongo):
    source = "docs"

    def __init__(self, places):
        super().__init__(places["mongo"], DATABASE)

    def fill(self):
        self.insert("counter", [SON(_id=1, n=0)])
        self.insert("rounds", [SON(_id=0)])

    def write(self, n):
        self.insert("rounds", [SON(_id=n, text=f"document {n}")])
        self.ask(update="counter", updates=[SON(q=SON(_id=1), u=SON(_id=1, n=n))])

    @staticmethod
    def checked(counter, rounds):
        return one_of([counter[0]["n"], len(rounds) - 1, rounds[-1]["_id"]], "MongoDB")

    def read(self):
        return self.checked(self.all("counter"), self.all("rounds"))

    def restored(self, to):
        found = []
        for name in ("counter", "rounds"):
            with open(f"{to}/docs.mongodb/{DATABASE}/{name}.bson", "rb") as file:
                found.append(bson.decode_all(file.read()))
        return self.checked(*found)


STORES = [Sqlite, Faiss, Postgres, RedisStore, QdrantStore, MongoStore]


def work(control, places):
    """Round after round until it is told to stop; a pause takes effect between two of them. Prints what it did and felt."""
    stores = [store(places) for store in STORES]
    n, pauses, longest = 0, [], 0.0
    while not os.path.exists(control + "/stop"):
        if os.path.exists(control + "/pause"):
            began = time.monotonic()
            with open(control + "/paused", "w", encoding="utf-8"):
                pass
            while os.path.exists(control + "/pause"):
                time.sleep(0.001)
            pauses.append([n, (time.monotonic() - began) * 1000])
            os.remove(control + "/paused")
        n += 1
        began = time.monotonic()
        for store in stores:
            store.write(n)
        longest = max(longest, (time.monotonic() - began) * 1000)
        if n == 5:
            print("writing", flush=True)
        time.sleep(0.005)
    print(json.dumps({"rounds": n, "pauses": pauses, "longest_round_ms": longest}), flush=True)


if __name__ == "__main__":
    work(sys.argv[4], json.loads(sys.argv[5]))
