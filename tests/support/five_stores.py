"""The two states of faulted_restore.py in five kinds of target: files, SQLite, a FAISS index, PostgreSQL and Redis, with the real servers.

Every store tells by itself of which generation it is, and what is torn is of none.
"""

import hashlib
import os
import signal

import faiss
import numpy

from faulted_restore import TwoStates
from faulted_run import Failed, require, run
from faulted_stack import entry_state, row_of
from postgres_server import Postgres
from redis_server import Redis

NEW, OLD = 1, 2  # generations: the snapshot's, and the live one
APP, SAVED = "rag", "saved"  # SAVED: the old database, from which it is made again
ROWS = {NEW: 120, OLD: 80}
KEYS = {NEW: 60, OLD: 45}
DIMENSION, VECTORS = 16, {NEW: 64, OLD: 48}

SOURCES = """
[sources.vectors]
driver = "faiss"
path = "vectors/index.faiss"

[sources.app]
driver = "postgres"
url = "{url}"

[sources.cache]
driver = "redis"
url = "redis://127.0.0.1:{port}"
timeout = "5s"
"""

SERVER_PROBES = """
[[probes]]
name = "app"
source = "app"
sql = "SELECT generation FROM total"
value = {generation}
timeout = "5s"
interval = "50ms"

[[probes]]
name = "cache"
source = "cache"
count = "chunk:*"
value = {keys}
timeout = "5s"
interval = "50ms"
"""


def rows_digest(generation):
    return hashlib.md5("".join(row_of(generation, n) for n in range(1, ROWS[generation] + 1)).encode()).hexdigest()


def keys_of(generation):
    """(database, key) -> value. The two states share keys, databases and values only in part."""
    found = {(0, "generation"): str(generation)}
    for n in range(KEYS[generation]):
        found[0 if n % 3 else generation, f"chunk:{n}"] = row_of(generation, n)[:90]
    return found


def probes_of(generation, timeout="5s"):
    """Of the servers themselves: they pass upon that state."""
    keys = sum(key.startswith("chunk:") for db, key in keys_of(generation) if db == 0)
    return SERVER_PROBES.format(generation=generation, keys=keys).replace('"5s"', f'"{timeout}"')


class FiveStates(TwoStates):
    """Of `port_of(store, port)` the config's port of a server is asked: a test may put something between."""

    def __init__(self, base, more="", redis_options=(), port_of=lambda store, port: port):
        faiss.omp_set_num_threads(1)  # its threads spin
        self.postgres = Postgres(base + "/pg/server")
        self.redis = None
        try:
            self.redis = Redis(base + "/redis", *redis_options)
            self.live = None  # the state that was last seen whole in the servers
            url = f"postgresql://postgres@127.0.0.1:{port_of('app', self.postgres.port)}/{APP}"
            super().__init__(base, more=SOURCES.format(url=url, port=port_of("cache", self.redis.port)) + more)
        except BaseException:
            self.stop()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self.postgres.stop()
        if self.redis is not None:
            self.redis.signal(signal.SIGCONT)
            self.redis.kill()

    def restart_servers(self):
        """kill -9 of both, and a start."""
        self.postgres.kill()
        self.redis.kill()
        self.redis.start()
        self.postgres.start()

    # The states.

    def fill_more(self):
        os.mkdir(self.stack.root + "/vectors")
        self.write_index(NEW)
        self.new_index = self.index_state()
        self.write_database(APP, NEW)
        self.write_keys(NEW)

    def change_more(self):
        self.write_index(OLD)
        self.old_index = self.index_state()
        self.write_database(SAVED, OLD)

    def set_old(self):
        run(["rm", "-rf", self.stack.root]).expect(0)
        run(["cp", "-a", self.saved, self.stack.root]).expect(0)
        if os.path.exists(self.stack.root + "/app.db-shm"):
            os.remove(self.stack.root + "/app.db-shm")
        if self.live == "old":
            return
        self.stack.ingot("restore", "--resume")
        for text in (f'DROP DATABASE IF EXISTS "{APP}" WITH (FORCE)', f'CREATE DATABASE "{APP}" TEMPLATE "{SAVED}"'):
            self.postgres.sql(text)
        self.write_keys(OLD)
        self.live = "old"

    def write_index(self, generation):
        index = faiss.IndexFlatL2(DIMENSION)
        index.add(numpy.full((VECTORS[generation], DIMENSION), generation, dtype="float32"))
        faiss.write_index(index, self.stack.root + "/vectors/index.faiss")

    def index_state(self):
        return entry_state(self.stack.root + "/vectors/index.faiss", {}, "")

    def write_database(self, database, generation):
        self.postgres.sql(f'CREATE DATABASE "{database}"')
        rows = ",".join(f"({n}, '{row_of(generation, n)}')" for n in range(1, ROWS[generation] + 1))
        self.postgres.sql("CREATE TABLE t (n int PRIMARY KEY, body text); CREATE TABLE total (generation int); "
                          f"INSERT INTO total VALUES ({generation}); INSERT INTO t VALUES {rows}", database)

    def write_keys(self, generation):
        commands, db = [("FLUSHALL",), ("FUNCTION", "FLUSH")], 0
        for (wanted, key), value in sorted(keys_of(generation).items()):
            if wanted != db:
                db = wanted
                commands.append(("SELECT", db))
            commands.append(("SET", key, value))
        commands.append(("FUNCTION", "LOAD", f"#!lua name=rag\nredis.register_function('generation', function() return {generation} end)"))
        if "--appendonly" not in self.redis.options:
            commands.append(("SAVE",))  # or a kill -9 takes it away
        self.redis.ask_all(commands)

    # What is live.

    def app_generation(self):
        """And that nothing lies beside the live database."""
        text = self.postgres.sql("SELECT (SELECT string_agg(generation::text, ' ') FROM total), (SELECT md5(string_agg(body, '' ORDER BY n)) FROM t), "
                                 "(SELECT string_agg(datname, ' ' ORDER BY datname) FROM pg_database WHERE NOT datistemplate AND datname <> 'postgres')", APP)
        generation, digest, databases = text.split("|")
        require(databases == f"{APP} {SAVED}", f"databases are left: {databases}")
        require(generation in ("1", "2") and digest == rows_digest(int(generation)), f"PostgreSQL is torn: {text}")
        return int(generation)

    def cache_generation(self):
        """And that the spare databases are empty."""
        live = {}
        for db in self.redis.used():
            keys = self.redis.ask("KEYS", "*", db=db)
            live.update({(db, key): value for key, value in zip(keys, self.redis.ask("MGET", *keys, db=db))})
        generation = int(live.get((0, "generation"), 0))
        require(generation in KEYS and live == keys_of(generation), f"Redis is torn: {sorted(live)}")
        require(self.redis.ask("FCALL", "generation", 0) == generation, f"Redis: the functions are not of generation {generation}")
        return generation

    def which(self, *evidence, unfinished=False):
        state = super().which(*evidence, unfinished=unfinished)
        if unfinished:
            return state
        wanted = NEW if state == "new" else OLD
        require(self.index_state() == (self.new_index if state == "new" else self.old_index), f"files are {state}, and the index is not", *evidence)
        try:
            found = {"PostgreSQL": self.app_generation(), "Redis": self.cache_generation()}
        except (Failed, RuntimeError, OSError) as error:
            with open(self.postgres.folder + "/log", encoding="utf-8", errors="replace") as log:
                told = "what PostgreSQL logged last:\n" + log.read()[-3000:]
            raise Failed("\n".join([str(error), *map(str, evidence), told])) from None
        require(set(found.values()) == {wanted}, f"files and SQLite are of generation {wanted}, and {found}", *evidence)
        self.live = state
        return state
