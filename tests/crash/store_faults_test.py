#!/usr/bin/python3
"""Servers and hosts that fail under a restore: the first statement, request, process or file call, the second, the third, ...; once, and
from then on. Five kinds of target with services (PostgreSQL and Redis behind a proxy that cuts), and HTTP probes behind another.

One outcome rule for all: exit 0 is wholly new, 1 and 21 are wholly old, 22 names what to do; the services run unless it is 22; what was
unfinished is recovered once the fault is over. A sample by default, every call with INGOT_NIGHTLY=1.
"""

import contextlib
import http.server
import os
import sys
import threading

for where in ("support", "e2e"):
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", where))

from cutting_proxy import CuttingProxy
from faulted_restore import TwoStates
from faulted_run import CI, INGOT, NIGHTLY, SANITIZED, main, require, rounds, run, shim_counts, shim_env, spread, work_folder
from postgres_server import programs
from qdrant_server import KEY as QDRANT_KEY
from qdrant_server import Qdrant
from recorded_services import Services
from redis_server import SERVER

try:
    from five_stores import NEW, FiveStates, probes_of
except ImportError:
    FiveStates = None

POINTS = 12

HTTP_PROBE = """
[[probes]]
name = "health"
http = "http://127.0.0.1:{port}/health"
contains = "ok"
timeout = "400ms"
interval = "50ms"
"""


class Health(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_):
        pass


class Site:
    """The five stores with services and probes; the proxies by name."""

    def __init__(self, folder):
        self.services = Services(folder + "/services")
        self.proxies = {name: CuttingProxy() for name in ("app", "cache", "http")}
        self.health = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Health)
        threading.Thread(target=self.health.serve_forever, daemon=True).start()
        probes = HTTP_PROBE.format(port=self.proxies["http"].in_front_of(self.health.server_address[1]))
        self.states = FiveStates(folder, self.services.config + probes + probes_of(NEW, "1s"),
                                 port_of=lambda store, port: self.proxies[store].in_front_of(port))
        self.stack = self.states.stack

    def close(self):
        self.states.stop()
        self.health.shutdown()
        self.health.server_close()
        for proxy in self.proxies.values():
            proxy.close()

    def set_old(self):
        self.pass_all()
        self.states.set_old()
        self.services.forget()

    def pass_all(self):
        for proxy in self.proxies.values():
            proxy.pass_all()

    def judge(self, what, done, new, old, counts):
        """`new`: the state that exit 0 means."""
        require(done.status in (0, 1, 21, 22), f"{what}: a wrong exit code", done)
        counts.add(f"exit {done.status}")
        if done.status != 22:
            self.services.require_running(what, done)
        else:
            require('"hint":""' not in done.said.splitlines()[-1], f"{what}: exit 22 names no manual action", done)
        self.pass_all()
        recovered = self.stack.ingot("restore", "--resume").expect(0)
        state = self.states.which(what, done, recovered)
        require(done.status == 22 or state == (new if done.status == 0 else old), f"{what}: exit {done.status}, and the {state} state is live",
                done, recovered)
        require(not self.stack.leftovers(), f"{what}: left behind: {self.stack.leftovers()}", done, recovered)
        self.services.require_running(what, done, recovered)
        counts["targets in a third state"] = counts["services left stopped"] = 0


@contextlib.contextmanager
def site(name):
    with work_folder(name, quick=True) as folder:
        the = Site(folder)
        try:
            yield the
        finally:
            the.close()


def cases(calls, each):
    """(which call, from then on?): an even sample, or all."""
    for index, at in enumerate(range(1, calls + 1) if NIGHTLY else spread(1, calls, each)):
        for forever in (False, True) if NIGHTLY else (index % 2 == 0,):
            yield at, forever


def cut_restores(counts):
    """SQL of PostgreSQL, commands of Redis, requests of HTTP probes."""
    with site("faults-stores") as the:
        words = the.states.words(INGOT)
        for name, proxy in the.proxies.items():
            the.set_old()
            run(words).expect(0)
            calls = proxy.pieces
            require(the.states.which() == "new" and calls > 0, f"nothing went by the proxy of {name}")
            counts[f"{name} pieces"] = calls
            for at, forever in cases(calls, rounds(5, 0, 1)):
                the.set_old()
                proxy.cut(at, forever)
                done = run(words)
                counts.add("runs")
                counts.add("faults that struck", proxy.cuts > 0)
                the.judge(f"{name}: piece {at} of {calls} cut{' and all after it' if forever else ''}", done, "new", "old", counts)


def cut_undos(counts):
    with site("faults-undo") as the:
        the.set_old()
        run(the.states.words(INGOT)).expect(0)
        require(the.states.which() == "new", "not restored")
        for name in ("app", "cache"):
            proxy = the.proxies[name]

            def back():
                """The new state is live again, and its restore is the last one."""
                the.pass_all()
                if the.states.live == "old":
                    run(the.states.words(INGOT)).expect(0)
                    require(the.states.which() == "new", "not restored")
                the.services.forget()

            back()
            the.pass_all()
            the.stack.ingot("undo", "--yes").expect(21)  # the probe wants the new generation: up to there, all of it is passed
            calls = proxy.pieces
            for at, forever in cases(calls, rounds(3, 0, 1)):
                back()
                proxy.cut(at, forever)
                done = the.stack.ingot("undo", "--yes")
                counts.add("runs")
                counts.add("faults that struck", proxy.cuts > 0)
                require(done.status != 0, "the probe wants the new generation", done)
                the.judge(f"undo, {name}: piece {at} of {calls} cut{' and all after it' if forever else ''}", done, "old", "new", counts)


def processes_that_do_not_start(counts):
    """Of a restore: hooks, probes, pg_restore, the engine's child; and of undo, drill and guard."""
    with site("faults-start") as the:
        log = the.stack.base + "/calls"
        the.stack.ingot("promote", the.states.snapshot).expect(0)
        words = the.states.words(INGOT)
        the.set_old()
        run(words, shim_env("spawn", [], count=log)).expect(0)
        calls = shim_counts(log)[0]
        counts["processes of a restore"] = calls
        require(the.states.which() == "new", "not restored")
        for at, forever in cases(calls, 8):
            the.set_old()
            done = run(words, shim_env("spawn", [], at, "forever" if forever else "once", "EAGAIN", log))
            counts.add("runs")
            counts.add("faults that struck", shim_counts(log)[1] > 0)
            the.judge(f"process {at} of {calls}{' and all after it' if forever else ''} does not start", done, "new", "old", counts)


def drills_that_do_not_start(counts):
    """The programs and children that open what five kinds of source left: nothing live is touched, and what failed is said."""
    with site("faults-drill") as the:
        log = the.stack.base + "/calls"
        the.set_old()
        words = the.stack.words("drill", "latest")
        run(words, shim_env("spawn", [], count=log)).expect(0)
        calls = shim_counts(log)[0]
        counts["processes of a drill"] = calls
        require(calls > 0, "a drill started nothing")
        for at, forever in cases(calls, 4):
            done = run(words, shim_env("spawn", [], at, "forever" if forever else "once", "EAGAIN", log)).expect(0, 1, 3)
            require(done.status == 0 or "hint" in done.said or done.summary.get("problems"), f"process {at} does not start, and no word of it", done)
            require(the.states.which(done) == "old", f"process {at} of a drill does not start: something live was touched", done)
            counts.add("runs")
            counts.add(f"exit {done.status}")
        the.stack.ingot("drill", "latest").expect(0)


class CollectionStates(TwoStates):
    """With a collection of Qdrant behind a proxy: HTTP is what the source itself speaks."""

    def __init__(self, base, proxy, more):
        self.qdrant, self.live = Qdrant(base + "/qdrant"), None
        os.environ["RAG_QDRANT_KEY"] = QDRANT_KEY
        lines = ['[sources.search]', 'driver = "qdrant"', f'url = "http://127.0.0.1:{proxy.in_front_of(self.qdrant.port)}"', 'api_key_env = "RAG_QDRANT_KEY"']
        try:
            super().__init__(base, more="\n" + "\n".join(lines) + "\n" + more)
        except BaseException:
            self.qdrant.kill()
            raise

    def write(self, generation):
        self.qdrant.ask("PUT", self.qdrant.path() + "/points?wait=true", {"points": [
            {"id": n, "vector": [1.0, n, generation, 0.5], "payload": {"generation": generation}} for n in range(POINTS)]})

    def fill_more(self):
        self.qdrant.ask("PUT", self.qdrant.path(), {"vectors": {"size": 4, "distance": "Cosine"}, "shard_number": 2})
        self.write(1)

    def set_old(self):
        super().set_old()
        if self.live != "old":
            self.write(2)
            self.live = "old"

    def which(self, *evidence, unfinished=False):
        state = super().which(*evidence, unfinished=unfinished)
        points = self.qdrant.ask("POST", self.qdrant.path() + "/points/scroll", {"limit": 1000})["points"]
        found = {point["payload"]["generation"] for point in points}
        require(found == {1 if state == "new" else 2} and len(points) == POINTS, f"files are {state}, and Qdrant is of {found}", *evidence)
        if not unfinished:
            # One, under its own name or behind an alias of that name.
            require(len(self.qdrant.collections()) == 1, f"collections are left: {self.qdrant.collections()}", *evidence)
            self.live = state
        return state


def cut_requests(counts):
    """Of a source that speaks HTTP (the stand-in of Qdrant)."""
    with work_folder("faults-http", quick=True) as folder:
        services, proxy = Services(folder + "/services"), CuttingProxy()
        states = CollectionStates(folder, proxy, services.config)
        try:
            words = states.words(INGOT)
            proxy.pass_all()
            run(words).expect(0)
            calls = proxy.pieces
            require(states.which() == "new" and calls > 0, "nothing went by the proxy")
            counts["requests"] = calls
            for at, forever in cases(calls, rounds(10, 0, 2)):
                states.set_old()
                services.forget()
                proxy.cut(at, forever)
                done = run(words).expect(0, 1, 21, 22)
                counts.add("runs")
                counts.add("faults that struck", proxy.cuts > 0)
                counts.add(f"exit {done.status}")
                what = f"request {at} of {calls} cut{' and all after it' if forever else ''}"
                if done.status != 22:
                    services.require_running(what, done)
                proxy.pass_all()
                again = states.stack.ingot("restore", "--resume").expect(0)
                state = states.which(what, done, again)
                require(done.status == 22 or state == ("new" if done.status == 0 else "old"), f"{what}: exit {done.status}, {state} state", done)
                require(not states.stack.leftovers(), f"{what}: left behind: {states.stack.leftovers()}", done, again)
                services.require_running(what, done, again)
            counts["targets in a third state"] = counts["services left stopped"] = 0
        finally:
            states.qdrant.kill()
            proxy.close()


PARTS = [cut_restores, cut_undos, cut_requests]
if not SANITIZED:  # no LD_PRELOAD
    PARTS += [processes_that_do_not_start, drills_that_do_not_start]
missing = [what for what, there in (("PostgreSQL server", programs()), ("redis-server", SERVER), ("python3-faiss", FiveStates)) if not there]
if missing:
    print(f"store_faults_test: {'FAILED' if CI else 'SKIPPED'}: no {missing}; ./dev test installs them")
    sys.exit(1 if CI else 0)
main("store_faults_test", *PARTS)
