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

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

from cutting_proxy import CuttingProxy
from faulted_restore import TwoStates
from faulted_run import CI, INGOT, NIGHTLY, RANDOM, SANITIZED, main, require, rounds, run, shim_counts, shim_env, spread, work_folder
from postgres_server import programs
from recorded_services import Services
from redis_server import SERVER

try:
    from five_stores import APP_PROBE, NEW, FiveStates
except ImportError:
    FiveStates = None

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
        self.states = FiveStates(folder, self.services.config + probes + APP_PROBE.format(generation=NEW).replace('"5s"', '"1s"'),
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


if SANITIZED:
    PARTS = (cut_restores, cut_undos)  # no LD_PRELOAD
else:
    PARTS = (cut_restores, cut_undos, processes_that_do_not_start)
missing = [what for what, there in (("PostgreSQL server", programs()), ("redis-server", SERVER), ("python3-faiss", FiveStates)) if not there]
if missing:
    print(f"store_faults_test: {'FAILED' if CI else 'SKIPPED'}: no {missing}; ./dev test installs them")
    sys.exit(1 if CI else 0)
main("store_faults_test", *PARTS)
