#!/usr/bin/python3
"""What follows a command, with the built binary: audit records, metrics, notifications, the incident report.

Receivers that hang, refuse and are gone change no exit status; no secret is in anything that is written.

Called by ctest with the program's path, the build folder and the source folder.
"""

import contextlib
import json
import os
import re
import socket
import sqlite3
import stat
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

from faulted_run import FAULTED, INGOT, main, require, run, work_folder
from http_receiver import Receiver

SECRETS = ["hook-s3cret", "ping-s3cret", "env-s3cret", "url-s3cret"]
LIMIT_S = 5  # of a notification

CONFIG = """\
[repository]
path = "repo"
key_file = "key"

[stack]
name = "rag"
root = "{base}/stack"
version = "cat VERSION"

[sources.db]
driver = "sqlite"
path = "app.db"
facts = {{ chunks = "SELECT count(*) FROM chunks" }}

[sources.env]
driver = "env"
paths = [".env"]

[sources.docs]
driver = "files"
path = "docs"

[services]
stop = "echo connecting to postgres://rag:url-s3cret@db/rag; echo '| ``` # not markdown'"
start = "echo started"

[[probes]]
name = "health"
command = "test ! -e bad"
timeout = "200ms"
interval = "50ms"

[state]
dir = "state"
"""

AFTER = '''
[notify]
webhook_env = "RAG_WEBHOOK"
webhook_template = '{{"text": "{{{{text}}}}", "stack": "{{{{stack}}}}", "exit": {{{{exit}}}}}}'
healthchecks_env = "RAG_PING"
command = """f=$(mktemp) && tee -a {base}/events.jsonl > $f && sqlite3 {base}/events.db "INSERT INTO event(json) VALUES (CAST(readfile('$f') AS TEXT))"; rm -f $f"""
on = ["failure", "restore", "snapshot"]

[metrics]
textfile = "{base}/metrics/ingot.prom"
'''


class Scene:
    def __init__(self, folder, port, after=AFTER):
        self.base = folder
        self.port = port
        os.makedirs(folder + "/stack/docs")
        os.makedirs(folder + "/metrics")
        self.write("stack/.env", "TOKEN=env-s3cret\n")
        self.write("stack/docs/a.txt", "alpha\n")
        self.write("stack/VERSION", "v1\n")
        self.write("ingot.toml", (CONFIG + after).format(base=folder))
        self.add_chunks(70)
        with contextlib.closing(sqlite3.connect(folder + "/events.db")) as database:
            database.execute("CREATE TABLE event(json TEXT)")
        self.said = b""
        self.ingot("init").expect(0)

    def write(self, name, text):
        with open(f"{self.base}/{name}", "w", encoding="utf-8") as file:
            file.write(text)

    def read(self, name):
        with open(f"{self.base}/{name}", encoding="utf-8") as file:
            return file.read()

    def add_chunks(self, count):
        with contextlib.closing(sqlite3.connect(self.base + "/stack/app.db")) as database:
            database.execute("CREATE TABLE IF NOT EXISTS chunks(text)")
            database.executemany("INSERT INTO chunks VALUES (?)", [("x" * 100,)] * count)
            database.commit()

    def ingot(self, *words, program=INGOT, env=None):
        url = f"http://127.0.0.1:{self.port}"
        env = {"RAG_WEBHOOK": url + "/hook-s3cret", "RAG_PING": url + "/ping-s3cret", **(env or {})}
        done = run([program, "-c", self.base + "/ingot.toml", "--json", "--no-progress", *words], env)
        self.said += done.err
        return done

    def text(self, *words):
        done = run([INGOT, "-c", self.base + "/ingot.toml", *words]).expect(0)
        return done.out.decode()

    def audits(self):
        return [line["record"] for line in self.ingot("audit").expect(0).lines if line["message_type"] == "audit"]

    def events(self):
        return [json.loads(line) for line in self.read("events.jsonl").splitlines()]

    def metrics(self):
        """Parsed line by line as the exposition format says; (name, labels) -> value."""
        path = self.base + "/metrics/ingot.prom"
        require(stat.S_IMODE(os.stat(path).st_mode) == 0o644, "the textfile's mode", oct(os.stat(path).st_mode))
        require(os.listdir(self.base + "/metrics") == ["ingot.prom"], "left beside the textfile", os.listdir(self.base + "/metrics"))
        text = self.read("metrics/ingot.prom")
        require(text.endswith("\n"), "the last line has no end")
        found, types = {}, {}
        for line in text.splitlines():
            if line.startswith("# HELP "):
                continue
            if line.startswith("# TYPE "):
                _, _, name, kind = line.split(" ")
                require(name not in types and kind in ("gauge", "counter"), "a family twice, or of no type", line)
                types[name] = kind
                continue
            sample = re.fullmatch(r'([a-z_]+)\{((?:[a-z]+="(?:[^"\\\n]|\\["\\n])*",?)+)\} (-?[0-9]+(?:\.[0-9]+)?)', line)
            require(sample and sample[1] in types, "not a sample of a family", line)
            require(not sample[1].endswith("_total") or types[sample[1]] == "counter", "a total that is no counter", line)
            labels = tuple(re.findall(r'([a-z]+)="((?:[^"\\]|\\.)*)"', sample[2]))
            require((sample[1], labels) not in found, "a sample twice", line)
            found[sample[1], labels] = float(sample[3])
        return found

    def require_no_secrets(self, *texts):
        written = [self.said.decode(errors="replace"), *texts]
        for folder in (self.base + "/state", self.base + "/metrics"):
            for path, _, names in os.walk(folder):
                for name in names:
                    with open(os.path.join(path, name), "rb") as file:
                        written.append(file.read().decode(errors="replace"))
        with contextlib.suppress(FileNotFoundError):
            written.append(self.read("events.jsonl"))
        for text in written:
            for secret in SECRETS:
                require(secret not in text, f"{secret} was written", text[:2000])
        return len(written)


def event_of(scene, done):
    return next(one for one in scene.events() if one["restore_id"] == done.summary["restore_id"])


def rollback_is_told_and_recorded(counts):
    with Receiver() as receiver, work_folder("after") as folder:
        scene = Scene(folder, receiver.port)
        golden = scene.ingot("snapshot", "--golden").expect(0).summary["snapshot_id"]
        seen = receiver.take()
        pings = [(one[0], one[1]) for one in seen if "ping" in one[1]]
        require(pings == [("GET", "/ping-s3cret/start"), ("POST", "/ping-s3cret")], "the pings of a snapshot", seen)
        hooks = [json.loads(one[2]) for one in seen if "hook" in one[1]]
        require(len(hooks) == 1 and hooks[0]["stack"] == "rag" and hooks[0]["exit"] == 0 and golden[:8] in hooks[0]["text"], "the webhook", seen)
        before = scene.metrics()
        stack = ("stack", "rag")
        require(abs(before["ingot_last_golden_timestamp_seconds", (stack,)] - time.time()) < 60, "the golden timestamp", before)
        require(before["ingot_snapshot_bytes", (stack,)] > 7000, "the snapshot's bytes", before)

        scene.add_chunks(20)
        scene.write("stack/VERSION", "v2\n")
        reason = 'error rate | above "5 %"'
        done = scene.ingot("rollback", "--reason", reason).expect(0)
        seen = receiver.take()
        require(len(seen) == 1 and seen[0][1] == "/hook-s3cret", "a restore is told to the webhook alone", seen)
        event = scene.events()[-1]
        require(event["event"] == "restore" and event["reason"] == reason and event["restore_id"] == done.summary["restore_id"], "the event", event)
        after = scene.metrics()
        require(after["rag_rollback_total", (stack, ("reason", reason.replace('"', '\\"')))] == 1, "the counter", after)
        require(after["rag_rollback_duration_seconds", (stack,)] > 0, "the duration", after)
        require(after["ingot_restores_total", (stack, ("outcome", "restored"))] == 1, "the outcomes", after)

        scene.write("stack/bad", "")
        scene.write("stack/docs/a.txt", "changed\n")
        back = scene.ingot("rollback", "--reason", "again").expect(21)
        seen = receiver.take()
        require(len(seen) == 1 and json.loads(seen[0][2])["exit"] == 21, "the failure is told", seen)
        event = scene.events()[-1]
        require(event["event"] == "failure" and event["outcome"] == "rolled_back" and "health" in event["error"], "the event", event)
        later = scene.metrics()
        require(later["ingot_restores_total", (stack, ("outcome", "rolled_back"))] == 1, "the outcomes", later)
        require(later["ingot_last_exit_status", (stack, ("command", "rollback"))] == 21, "the exit status", later)
        os.remove(folder + "/stack/docs/a.txt")
        os.rmdir(folder + "/stack/docs")
        scene.ingot("snapshot").expect(3)
        pings = [one[1] for one in receiver.take() if "ping" in one[1]]
        require(pings == ["/ping-s3cret/start", "/ping-s3cret/fail"], "the pings of a partial snapshot", pings)

        records = scene.audits()
        require([one["outcome"] for one in records] == ["restored", "rolled_back"], "the records", records)
        require(records[0]["reason"] == reason and records[0]["manifest"] == golden and records[0]["user"], "the record", records[0])
        require([one for one in records[1]["steps"] if one["failed"]][0]["name"] == "probe health", "the failed step", records[1])
        report = scene.text("report", done.summary["restore_id"])
        headings = [line for line in report.splitlines() if line.startswith("#")]
        require(headings == ["# Incident report: rollback of rag", "## Timeline", "## Versions", "## What was restored",
                             "## What was lost", "## Probes", "## Next actions"], "the headings", report)
        for wanted in ("| db | chunks | 90 | live, ", " | 70 | -20 |", "| live before | v2 |", "| of the snapshot | v1 |",
                       "- health: passed", "\n````text\n", "rag:***@db"):
            require(wanted in report, f"no {wanted!r} in the report", report)
        for line in report.splitlines():
            if line.startswith("| 20"):
                require(len(re.findall(r"(?<!\\)\|", line)) == 6, "a row of the timeline has five cells", line)
        last = scene.text("report")
        require("the state of before is live again" in last and "health: **failed**" in last, "the last report", last)
        # The outage is measured, printed and reported.
        require(done.summary["outage_ms"] == records[0]["outage_ms"] == event_of(scene, done)["outage_ms"] > 0, "the outage", done, records[0])
        require(re.search(r"\| services out for \| [0-9.]+ m?s \|", report), "the outage is not in the report", report)
        os.remove(folder + "/stack/bad")
        require(re.search(r"written, out for [0-9.]+ m?s, ", scene.text("restore", golden, "--yes")), "the outage is not printed")
        shown = scene.text("config", "show")
        written = scene.require_no_secrets(report, last, json.dumps(records), shown, str(back.summary))
        with contextlib.closing(sqlite3.connect(folder + "/events.db")) as database:
            rows = [json.loads(row[0]) for row in database.execute("SELECT json FROM event")]
        require(rows == scene.events(), "the events in SQL", rows)
        counts["metrics parsed"] = len(later)
        counts["events told"] = len(scene.events())
        counts["texts without secrets"] = written


def receivers_that_misbehave(counts):
    with Receiver() as receiver, work_folder("after-bad") as folder:
        scene = Scene(folder, receiver.port)
        scene.ingot("snapshot", "--golden").expect(0)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            closed = f"http://127.0.0.1:{free.getsockname()[1]}"
        slowest = 0
        for kind, status, hang_s, env in (("500", 500, 0, {}), ("hanging", 200, 60, {}), ("not there", 200, 0, {"RAG_PING": "", "RAG_WEBHOOK": ""}),
                                          ("closed", 200, 0, {"RAG_PING": closed + "/ping-s3cret", "RAG_WEBHOOK": closed + "/hook-s3cret"})):
            receiver.status, receiver.hang_s = status, hang_s
            scene.add_chunks(1)
            for words in (("snapshot",), ("rollback",)):
                began = time.monotonic()
                done = scene.ingot(*words, env=env).expect(0)
                took = time.monotonic() - began
                require("the webhook was not told" in done.said, f"{kind}: no warning", done)
                require(("healthchecks url was not told" in done.said) == (words[0] == "snapshot"), f"{kind}: the pings' warning", done)
                require(took < LIMIT_S + 3, f"{kind}: held up for {took:.1f} s", done)
                slowest = max(slowest, took)
                counts["misbehaving receivers"] = counts.get("misbehaving receivers", 0) + 1
        receiver.hang_s = 0
        scene.write("ingot.toml", scene.read("ingot.toml").replace("f=$(mktemp)", "exit 7; f=$(mktemp)").replace("metrics/ingot.prom", "gone/ingot.prom"))
        done = scene.ingot("rollback").expect(0)
        require("ended with status 7" in done.said and "writing the metrics" in done.said, "the warnings", done)
        require(len(scene.audits()) == 5, "every rollback is recorded", scene.audits())
        scene.require_no_secrets()
        counts["longest run with a receiver that hangs, s"] = round(slowest, 1)


def a_restore_that_died_is_recorded_by_its_recovery(counts):
    with Receiver() as receiver, work_folder("after-killed") as folder:
        scene = Scene(folder, receiver.port)
        scene.ingot("snapshot", "--golden").expect(0)
        scene.add_chunks(20)
        died = scene.ingot("rollback", "--reason", "killed", program=FAULTED, env={"INGOT_TEST_KILL_AT": "restore.swapped"})
        require(died.status == -9, "it was not killed", died)
        require(not scene.audits(), "a record of what is not over")
        receiver.take()
        done = scene.ingot("restore", "--resume").expect(0)
        record = scene.audits()[-1]
        require(record["action"] == "resume" and record["reason"] == "killed" and record["outcome"] == "restored", "the record", record)
        names = [step["name"] for step in record["steps"]]
        require("stage" in names and "probe health" in names, "the steps before the kill and after it", names)
        require(len(receiver.take()) == 1, "the recovery is told", done)
        report = scene.text("report")
        require("known from" not in report and "| of the snapshot | v1 |" in report, "the report", report)
        counts["steps in the record of a resumed restore"] = len(names)


def no_crash_leaves_a_restore_without_a_record(counts):
    """Killed right after the journal is gone, and at the steps before it: of a restore, of one that is taken back, of a recovery."""
    with Receiver() as receiver, work_folder("after-forgotten") as folder:
        scene = Scene(folder, receiver.port)
        scene.ingot("snapshot", "--golden").expect(0)
        for outcome, bad in (("restored", False), ("rolled_back", True)):
            for number, step in enumerate(("restore.stages-removed", "restore.cleaned")):
                scene.add_chunks(3)
                known = {one["restore_id"] for one in scene.audits()}
                if bad:
                    scene.write("stack/bad", "")
                reason = f"killed at {step}"
                died = scene.ingot("rollback", "--reason", reason, program=FAULTED, env={"INGOT_TEST_KILL_AT": step})
                require(died.status == -9, "it was not killed", died)
                if bad:
                    os.remove(folder + "/stack/bad")
                if number == 0:
                    scene.ingot("restore", "--resume").expect(0)
                new = [one for one in scene.audits() if one["restore_id"] not in known]
                require(new and all(one["reason"] == reason for one in new), f"no record of a restore killed at {step}", scene.audits())
                if number == 1:
                    require([one["outcome"] for one in new] == [outcome] and new[0]["steps"], "the record", new)
                    require(new[0]["action"] == "rollback" and (outcome == "restored" or "health" in new[0]["error"]), "the record", new)
                counts.add("restores killed while they were forgotten, and recorded")
        before = len(scene.audits())
        scene.ingot("snapshot").expect(0)
        require(len(scene.audits()) == before, "records were filed twice, or lost, when they were filed", scene.audits())
        counts["records"] = before


main("after_restore_test", rollback_is_told_and_recorded, receivers_that_misbehave, a_restore_that_died_is_recorded_by_its_recovery,
     no_crash_leaves_a_restore_without_a_record)
