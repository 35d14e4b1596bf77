#!/usr/bin/python3
"""Hooks, probes and `ingot rollback` with the built binary: recording stand-ins for the services, and every way to misbehave.

Called by ctest with the program's path, the build folder and the source folder.
"""

import contextlib
import http.server
import os
import signal
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

from faulted_restore import TwoStates
from faulted_run import INGOT, SOURCE, finish, main, require, run, start, work_folder
from recorded_services import Services


class Scene:
    """Two states (a stored one, golden, and another that is live) and recorded services."""

    def __init__(self, folder, more="", timeout="20s"):
        self.services = Services(folder + "/services", timeout)
        self.states = TwoStates(folder, more=self.services.config + more)
        self.stack = self.states.stack
        self.stack.ingot("promote", self.states.snapshot).expect(0)
        self.services.forget()

    def rollback(self, *words, timeout=60):
        return self.stack.ingot("rollback", *words, timeout=timeout)

    def require_state(self, wanted, done):
        require(self.states.which(done) == wanted, f"the state is not {wanted}", done)
        self.services.require_running(done)
        require(not self.stack.leftovers(), f"left behind: {self.stack.leftovers()}", done)

    def back_to_old(self):
        self.services.unmark(*(name for name in os.listdir(self.services.base) if name.startswith(("fails.", "slow."))))
        self.states.set_old()
        self.services.forget()


@contextlib.contextmanager
def answering(answers):
    """An HTTP server on a free loopback port; the last answer is given again and again. Each is (status, body)."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            status, body = answers[min(len(asked), len(answers)) - 1]
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_address[1], asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def order_and_record(counts):
    with work_folder("services") as folder:
        scene = Scene(folder)
        scene.services.mark("slow.stop", "0.2")
        scene.services.mark("slow.start", "0.2")
        done = scene.rollback("--reason", "error rate above 5 %").expect(0)
        scene.require_state("new", done)
        wanted = ["drain", "stop", "before_swap", "after_swap", "start", "undrain"]
        require(scene.services.calls() == wanted, f"not {wanted}", scene.services.calls(), done)
        line = scene.services.lines()[0]
        require(line[2] == scene.states.snapshot and line[3] == done.summary["restore_id"], "the environment of hooks", line, done)
        require(done.summary["reason"] == "error rate above 5 %", "the reason is not kept", done)
        names = [step["name"] for step in done.summary["steps"]]
        require(names == ["check", "stage", "drain", "stop", "before_swap db", "after_swap db", "swap", "activate", "start", "undrain"],
                "the timeline", names)
        require(400 <= done.summary["outage_ms"] < 5000, f"outage_ms: {done.summary['outage_ms']}", done)
        streamed = [one["name"] for one in done.lines if one["message_type"] == "step"]
        require(streamed == names, "the steps are not said as they end", done)
        counts["hooks called in order"] = len(wanted)
        counts["outage, ms"] = done.summary["outage_ms"]
        again = scene.rollback().expect(0)
        scene.require_state("new", again)


def probes(counts):
    with answering([(503, ""), (200, "starting"), (200, '{"status": "ok", "vectors": 7}')]) as (port, asked):
        with work_folder("probes") as folder:
            base = f"http://127.0.0.1:{port}"
            more = f"""
[[probes]]
name = "health"
http = "{base}/health?token=s3cret"
contains = "ok"
json = {{ "/status" = "ok", "/vectors" = 7 }}
timeout = "10s"
interval = "50ms"

[[probes]]
name = "port"
tcp = "127.0.0.1:{port}"

[[probes]]
name = "rows"
source = "db"
sql = "SELECT rows FROM total"
value = 60
"""
            scene = Scene(folder, more)
            done = scene.rollback().expect(0)
            scene.require_state("new", done)
            require(len(asked) == 3, f"asked {len(asked)} times", done)
            require("s3cret" not in done.said + done.out.decode(), "the url's query is shown", done)
            counts["probes passed"] = len([one for one in done.summary["steps"] if one["name"].startswith("probe ")])
            counts["tries of the one that flaps"] = len(asked)

    bad = {
        "http": f'http = "http://127.0.0.1:{free_port()}/"',
        "tcp": f'tcp = "127.0.0.1:{free_port()}"',
        "command": 'command = "echo recall 0.31 >&2; exit 1"',
        "hanging command": 'command = "sleep 60"',
        "sql": 'source = "db"\nsql = "SELECT rows + 1 FROM total"\nvalue = 60',
        "writing sql": 'source = "db"\nsql = "DELETE FROM total RETURNING 60"\nvalue = 60',
    }
    with work_folder("probes-bad") as folder:
        scene = Scene(folder)
        with open(scene.stack.config, encoding="utf-8") as file:
            config = file.read()
        for name, lines in bad.items():
            with open(scene.stack.config, "w", encoding="utf-8") as file:
                file.write(f'{config}\n[[probes]]\nname = "it"\n{lines}\ntimeout = "300ms"\ninterval = "50ms"\n')
            scene.services.forget()
            done = scene.rollback().expect(21)
            scene.require_state("old", done)
            require("the probe it failed" in done.said, "the probe is not named", done)
            require(scene.services.calls().count("stop") == 2, f"{name}: not stopped before it was swapped back", done)
            require([one for one in done.lines if one["message_type"] == "step" and one["name"] == "probe it" and one["failed"]],
                    "the failed probe is not in the timeline", done)
            counts.add("failed probes rolled back")


def hooks_that_misbehave(counts):
    with work_folder("hooks-bad") as folder:
        scene = Scene(folder, timeout="1s")
        for name in ("drain", "stop", "before_swap"):
            scene.services.mark("fails." + name)
            done = scene.rollback().expect(21)
            scene.require_state("old", done)
            require(f"{name} does not work" in done.said, "its words are not quoted", done)
            counts.add("failing hooks rolled back")
            scene.back_to_old()

        scene.services.mark("slow.stop", "60")
        began = time.monotonic()
        done = scene.rollback().expect(21)
        require(time.monotonic() - began < 15, "a hanging hook was waited for", done)
        scene.require_state("old", done)
        require("ran longer than" in done.said, "the time limit is not named", done)
        counts["hanging hook ended after, s"] = round(time.monotonic() - began, 1)
        scene.back_to_old()

        # Neither the new state nor the old one starts: somebody has to come, and everything is ready for him.
        scene.services.mark("fails.start")
        done = scene.rollback().expect(22)
        require("run it by hand" in done.said and "/service start" in done.said, "the manual action is not named", done)
        require(scene.states.which(done, unfinished=True) == "old", "the old state is not live", done)
        listed = scene.stack.ingot("list").expect(0)
        require("unfinished" in listed.said, "the next command does not say so", listed)
        again = scene.stack.ingot("restore", "--undo").expect(22)
        scene.services.unmark("fails.start")
        scene.require_state("old", scene.stack.ingot("restore", "--undo").expect(0))
        counts["services that do not start: named, then started by --undo"] = 1
        scene.back_to_old()

        # after_swap starts what before_swap stopped: like start, it is owed.
        scene.services.mark("fails.after_swap")
        done = scene.rollback().expect(22)
        require("/service after_swap" in done.said, "the manual action is not named", done)
        scene.services.unmark("fails.after_swap")
        scene.require_state("old", scene.stack.ingot("restore", "--undo").expect(0))
        counts["after_swap that fails: named, then run by --undo"] = 1
        scene.back_to_old()

        # A service that a hook leaves in the background, which keeps the hook's output open and goes on writing to it.
        scene.services.mark("background", "")
        with open(scene.services.script, "a", encoding="utf-8") as script:
            script.write('if [ "$1" = start ]; then (sleep 0.5; echo one; sleep 0.2; echo two; touch survived; sleep 20) & echo $! > pid; fi\n')
        began = time.monotonic()
        done = scene.rollback().expect(0)
        scene.require_state("new", done)
        require(time.monotonic() - began < 10, "a service in the background was waited for", done)
        until = time.monotonic() + 10
        while not os.path.exists(scene.services.base + "/survived") and time.monotonic() < until:
            time.sleep(0.05)
        require(os.path.exists(scene.services.base + "/survived"), "the service died of its closed output")
        with open(scene.services.base + "/pid", encoding="utf-8") as file:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(file.read()), signal.SIGKILL)
        counts["services in the background that live on"] = 1


def wait_for_call(scene, name):
    until = time.monotonic() + 30
    while name not in scene.services.calls():
        require(time.monotonic() < until, f"{name} was never called")
        time.sleep(0.01)


def one_at_a_time(counts):
    with work_folder("rollback-twice") as folder:
        scene = Scene(folder)
        scene.services.mark("slow.stop", "1.5")
        words = scene.stack.words("rollback")
        first = start(words)
        wait_for_call(scene, "stop")
        second = scene.rollback().expect(11)
        require("another restore of this stack is running" in second.said, "it does not say why", second)
        require(scene.stack.ingot("snapshot").expect(11).status == 11, "a snapshot beside a restore")
        scene.require_state("new", finish(first, words).expect(0))
        counts["second rollbacks refused"] = 1


def killed_while_a_hook_runs(counts):
    """The stop command outlives the killed restore: start must not overtake it."""
    for way in ("--undo", "--resume"):
        with work_folder("hook-orphan") as folder:
            scene = Scene(folder)
            scene.services.mark("slow.stop", "1.5")
            words = scene.stack.words("rollback")
            process = start(words)
            wait_for_call(scene, "stop")
            process.send_signal(signal.SIGKILL)
            finish(process, words)
            done = scene.stack.ingot("restore", way).expect(0)
            scene.require_state("old", done)
            names = [line[0] for line in scene.services.lines()]
            require(names.index("end-of-stop") < names.index("start"), f"start overtook stop: {names}", done)
            counts.add("orphaned hooks waited for")


def without_services(counts):
    """A config that says nothing of services behaves as one always did."""
    with work_folder("no-services") as folder:
        states = TwoStates(folder)
        done = run(states.words(INGOT)).expect(0)
        require(states.which(done) == "new", "not restored", done)
        names = [step["name"] for step in done.summary["steps"]]
        require(names == ["check", "stage", "swap", "activate"], "the timeline", names)
        require(not os.path.exists(states.stack.state + "/rag.hooks"), "a lock file of hooks that are not")
        counts["steps without services"] = len(names)


def units(counts):
    """packaging/systemd, as systemd reads it."""
    folder = os.path.join(SOURCE, "packaging/systemd")
    names = sorted(name for name in os.listdir(folder) if name.startswith("ingot-recover"))
    require(len(names) == 2, f"the units of the recovery: {names}")
    with open(os.path.join(folder, "ingot-recover.service"), encoding="utf-8") as file:
        text = file.read()
    for wanted in ("ConditionPathExists=", "Before=", "--no-services"):
        require(wanted in text, f"ingot-recover.service has no {wanted}")
    analyze = "/usr/bin/systemd-analyze"
    if not os.path.exists(analyze):
        print("units: SKIPPED: systemd-analyze is not installed")
        return
    with work_folder("units") as copies:
        for name in names:
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                text = file.read().replace("/usr/local/bin/ingot", INGOT)  # which must be there to be verified
            with open(os.path.join(copies, name), "w", encoding="utf-8") as file:
                file.write(text)
        for name in names:
            done = run([analyze, "verify", "--man=no", os.path.join(copies, name)])
            complaints = [line for line in done.said.splitlines() if "ingot-recover" in line]
            require(done.status == 0 and not complaints, f"{name} is not as systemd wants it", done)
            counts.add("units verified")


main("services_test", order_and_record, probes, hooks_that_misbehave, one_at_a_time, killed_while_a_hook_runs, without_services, units)
