#!/usr/bin/python3
"""A whole stack at one moment: SQLite, FAISS, PostgreSQL, Redis, Qdrant, MongoDB, `.env` and nginx in one config, with a pause of the
writer around the pins. Each snapshot taken under that writer is restored, and holds one and the same round in every store: the one that
the writer had ended when it was paused: in a folder, and again in the live services. Printed: the pause as the writer saw it.

Qdrant and MongoDB are stand-ins (tests/support); no Debian package has the real ones.
Called by ctest with the program's path, the build folder and the source folder. INGOT_NIGHTLY=1 takes more snapshots.
"""

import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import time

from stack import Stack, StackTest, main, quoted
from faulted_run import BUILD, CI, INGOT, SANITIZED, SOURCE, Counts, require, rounds
from nginx_test import CONF, NGINX, SITE
from postgres_server import Postgres, programs
from qdrant_server import KEY, Qdrant
from redis_server import SERVER as REDIS
from redis_server import Redis

try:
    import mongo
    import whole_stack
except ImportError:
    whole_stack = None

HERE = os.path.dirname(os.path.abspath(__file__))
COUNTS = Counts()
SNAPSHOTS = rounds(50, 200, 5)
GOLDEN_EACH = 10
# Into the live services all are restored, as long as the machine is quick: no test is to take minutes because another one is run beside it.
LEAST_LIVE, LIVE_S = rounds(5, 200, 1), 60
# As the writer sees it, on a machine that has nothing else to do.
LONGEST_PAUSE_MS = 250


def machine_is_busy(before):
    """More than this test by itself: it keeps about two processors at work."""
    return before > os.cpu_count() / 2 or os.getloadavg()[0] > os.cpu_count() + 1


class WholeStack(StackTest):
    def setUp(self):
        missing = [what for what, there in (("redis-server", REDIS), ("PostgreSQL server", programs()), ("nginx", NGINX),
                                            ("python3-bson, python3-faiss", whole_stack)) if not there]
        if missing:
            require(not CI, f"no {missing}; ./dev test installs them")
            self.skipTest(f"no {missing} on this host; ./dev test installs them")
        super().setUp()
        os.environ["RAG_QDRANT_KEY"] = KEY
        self.addCleanup(os.environ.pop, "RAG_QDRANT_KEY", None)

    def start_servers(self):
        self.postgres = Postgres(self.folder + "/pg/server")
        self.addCleanup(self.postgres.stop)
        self.redis, self.qdrant, self.mongo = Redis(self.folder + "/redis"), Qdrant(self.folder + "/qdrant"), mongo.StandIn(self.folder + "/mongo")
        for server in (self.redis, self.qdrant, self.mongo):
            self.addCleanup(server.kill)

    def make_stack(self):
        var, root = self.folder + "/var", self.folder + "/base/stack"
        sources = {
            "db": ("sqlite", ["app.db"]),
            "vectors": ("faiss", [], 'path = "index.faiss"'),
            "app": ("postgres", [], f"url = {quoted(self.postgres.url(whole_stack.DATABASE))}"),
            "cache": ("redis", [], f'url = "redis://127.0.0.1:{self.redis.port}"'),
            "search": ("qdrant", [], f'url = "http://127.0.0.1:{self.qdrant.port}"', 'api_key_env = "RAG_QDRANT_KEY"'),
            "docs": ("mongodb", [], f'uri = "mongodb://127.0.0.1:{self.mongo.port}/{whole_stack.DATABASE}"'),
            "env": ("env", [".env"]),
            "web": ("nginx", [], 'conf = "web/nginx.conf"', f"prefix = {quoted(var)}"),
        }
        self.control = self.folder + "/control"
        pause = f"touch {self.control}/pause; until [ -e {self.control}/paused ]; do sleep 0.002; done"
        barrier = f"pause = {json.dumps(pause)}\nresume = {json.dumps(f'rm -f {self.control}/pause')}\nmax_pause = \"30s\""
        stack = Stack(self.folder + "/base", sources, barrier=barrier)
        for folder in (self.control, var, root + "/web/sites-enabled"):
            os.makedirs(folder)
        with open(root + "/web/nginx.conf", "w", encoding="utf-8") as file:
            file.write(CONF.format(var=var, web=root + "/web", user="user root;\n" if os.geteuid() == 0 else ""))
        places = {"root": root, "postgres": self.postgres.port, "redis": self.redis.port, "qdrant": self.qdrant.port, "mongo": self.mongo.port}
        return stack, places

    def deploy(self, folder, number):
        """What is deployed, and not written by the application, has a number of its own: it changes between two snapshots."""
        port = mongo.free_port()  # nobody listens there: nginx only reads it
        for path, text in ((".env", f"DEPLOY={number}\n"), ("web/sites-enabled/rag", SITE.format(port=port, root=folder, answer=f"deploy {number}"))):
            with open(f"{folder}/{path}.new", "w", encoding="utf-8") as file:
                file.write(text)
            os.replace(f"{folder}/{path}.new", f"{folder}/{path}")

    @staticmethod
    def deployed(env, site):
        with open(env, encoding="utf-8") as file:
            number = int(file.read().removeprefix("DEPLOY="))
        with open(site, encoding="utf-8") as file:
            require(f'"deploy {number}"' in file.read(), f".env is of deploy {number}, and the site of another one")
        return number

    @contextlib.contextmanager
    def writing(self, places):
        words = ["/usr/bin/python3", HERE + "/whole_stack.py", INGOT, BUILD, SOURCE, self.control, json.dumps(places)]
        path = os.pathsep.join([HERE, HERE + "/../support"])
        process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": path})
        told = {}
        try:
            require(process.stdout.readline() == "writing\n", "the writer did not start")
            yield told
            with open(self.control + "/stop", "w", encoding="utf-8"):
                pass
            told.update(json.loads(process.communicate(timeout=60)[0]))
            require(process.returncode == 0, "the writer failed")
        finally:
            process.kill()
            process.wait()
            process.stdout.close()

    def test_every_snapshot_is_one_round_in_every_store(self):
        load = os.getloadavg()[0]
        self.start_servers()
        stack, places = self.make_stack()
        stores = [store(places) for store in whole_stack.STORES]
        for store in stores:
            store.fill()
        self.deploy(stack.root, 0)
        stack.init()

        taken, said, began = [], [], time.monotonic()
        with self.writing(places) as told:
            for number in range(SNAPSHOTS):
                self.deploy(stack.root, number)
                golden = ["--golden"] if number % GOLDEN_EACH == 0 else []
                done = stack.ingot("snapshot", *golden).expect(0)
                require(done.summary["consistency"] == "barrier" and done.summary["golden"] == bool(golden), "not one moment", done)
                taken.append(done.summary["snapshot_id"])
                said.append(done.summary["pause_ms"])
        snapshots_s = time.monotonic() - began
        require(len(told["pauses"]) == SNAPSHOTS, f"the writer was paused {len(told['pauses'])} times", told)
        at = [n for n, _ in told["pauses"]]
        require(len(set(at)) > SNAPSHOTS // 2, "the writer hardly ran", at)

        began = time.monotonic()
        for number, (snapshot, wanted) in enumerate(zip(taken, at)):
            to = self.folder + "/to"
            done = stack.ingot("restore", snapshot, "--to", to).expect(0)
            found = {store.source: store.restored(f"{to}/{store.source}") for store in stores}
            require(set(found.values()) == {wanted}, f"snapshot {number} was taken in round {wanted}, and holds {found}", done)
            deploy = self.deployed(to + "/env/.env", to + "/web/web/sites-enabled/rag")
            require(deploy == number, f"snapshot {number} holds deploy {deploy}", done)
            shutil.rmtree(to)
            COUNTS.add("snapshots with one round in all stores")
            COUNTS.add("stores read from restored folders", len(found))
        folders_s = time.monotonic() - began

        began = time.monotonic()
        for number, (snapshot, wanted) in enumerate(zip(taken, at)):
            if number >= LEAST_LIVE and time.monotonic() - began > LIVE_S:
                break
            done = stack.ingot("restore", snapshot, "--yes").expect(0)
            found = {store.source: store.read() for store in stores}
            require(set(found.values()) == {wanted}, f"round {wanted} was to be put back, and there is {found}", done)
            deploy = self.deployed(stack.root + "/.env", stack.root + "/web/sites-enabled/rag")
            require(deploy == number, f"deploy {number} was to be put back, and there is {deploy}", done)
            COUNTS.add("restores into the live services")
        live_s = time.monotonic() - began

        felt = [ms for _, ms in told["pauses"]]
        busy = machine_is_busy(load)
        print(f"\n{SNAPSHOTS} snapshots in {snapshots_s:.0f} s under a writer of {told['rounds']} rounds, {len(set(at))} different ones; restored to a folder in "
              f"{folders_s:.0f} s, {COUNTS['restores into the live services']} live in {live_s:.0f} s.\nPause as the writer saw it: median "
              f"{statistics.median(felt):.0f} ms, most {max(felt):.0f} ms (as Ingot says it: {statistics.median(said):.0f}, {max(said):.0f}); its longest round "
              f"{told['longest_round_ms']:.0f} ms. Load {load:.1f} before, {os.getloadavg()[0]:.1f} after: {'busy' if busy else 'idle'}.", file=sys.stderr)
        require(busy or SANITIZED or max(felt) < LONGEST_PAUSE_MS, f"a pause of {max(felt):.0f} ms on an idle machine", felt)


def tearDownModule():
    print(f"counted: {COUNTS}", file=sys.stderr)


if __name__ == "__main__":
    main()
