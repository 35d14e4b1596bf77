#!/usr/bin/python3
"""Runbook 3 (docs/runbooks/3-qdrant-postgres.md): Qdrant and PostgreSQL, rolled back by an alert: traffic, smoke and evaluation, the version
that goes back with its data, an event row in SQL, metrics, Slack.

PostgreSQL is real, Qdrant a stand-in (tests/support/qdrant_stand_in.py), since no Debian package has it.
Called by ctest with the program's path, the build folder and the source folder.
"""

import json
import os
import sys

for place in ("..", "../../support"):
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), place))

from faulted_run import require
from faulted_stack import tree_state
from http_receiver import Receiver
from postgres_server import Postgres, programs
from qdrant_server import KEY, Qdrant
from runbook import COUNTS, PAGES, Host, RunbookTest, main

ROOT, METRICS = "/opt/rag", "/var/lib/node_exporter/ingot.prom"
SERVICES = ["rag-api.service", "rag-ingest.service"]
STOP, START = "systemctl stop rag-api.service rag-ingest.service", "systemctl start rag-ingest.service rag-api.service"
POINTS = 2000


class QdrantPostgres(RunbookTest):
    page = "3-qdrant-postgres"
    needs = {"PostgreSQL server": programs()}

    def setUp(self):
        super().setUp()
        self.postgres = Postgres(self.folder + "/pg/server")
        self.addCleanup(self.postgres.stop)
        self.qdrant = Qdrant(self.folder + "/qdrant", name="rag_main")
        self.addCleanup(self.qdrant.kill)
        self.api, self.slack = self.enterContext(Receiver()), self.enterContext(Receiver())
        self.api.answer = self.health
        port = self.postgres.port
        self.host = Host(self.folder, ["systemctl", "make"], {
            "127.0.0.1:6333": f"127.0.0.1:{self.qdrant.port}", "127.0.0.1:5432": f"127.0.0.1:{port}", "127.0.0.1:8001": f"127.0.0.1:{self.api.port}",
        }, {"QDRANT_API_KEY": KEY, "SLACK_WEBHOOK": f"http://127.0.0.1:{self.slack.port}/services/s3cret",
            "OPS_DATABASE": f"postgresql://postgres@127.0.0.1:{port}/ops"})
        self.fill()
        self.host.install(self.config)
        self.good = self.state()
        self.host.golden()
        self.host.commands.require_calls(["systemctl stop rag-ingest.service", "systemctl start rag-ingest.service"])

    def fill(self):
        for text in ("CREATE ROLE rag LOGIN CREATEDB", "GRANT pg_signal_backend TO rag", "CREATE DATABASE ragdb OWNER rag", "CREATE DATABASE ops"):
            self.postgres.sql(text)
        self.postgres.sql("SET ROLE rag; CREATE TABLE chunks (id int PRIMARY KEY, body text, deleted_at timestamptz)", "ragdb")
        self.postgres.sql(f"SET ROLE rag; INSERT INTO chunks SELECT n, 'chunk ' || n FROM generate_series(0, {POINTS - 1}) n", "ragdb")
        self.postgres.sql("SET ROLE rag; CREATE TABLE schema_migrations (version int); INSERT INTO schema_migrations VALUES (7)", "ragdb")
        self.postgres.sql(self.runbook.block("sql"), "ops")
        self.qdrant.fill()
        os.makedirs(self.host.path("/var/lib/node_exporter/x")[:-2], exist_ok=True)
        self.host.write(ROOT + "/VERSION", "v1.2.4\n")
        self.host.write(ROOT + "/ops/collection", "rag_main\n")
        with open(PAGES + "/runbooks/3-matrix.md", encoding="utf-8") as file:
            self.host.write(ROOT + "/ops/compat/matrix.md", file.read())
        self.host.write("/traffic", "100\n")
        self.host.commands.start(*SERVICES)

    def health(self):
        """The API answers where it runs and both stores have the same number of chunks."""
        if self.host.commands.running() != SERVICES:
            return 503, ""
        chunks = int(self.postgres.sql("SELECT count(*) FROM chunks", "ragdb"))
        return 200, json.dumps({"status": "ok" if chunks == len(self.qdrant.content()[2]) else "torn"})

    def state(self):
        rows = self.postgres.content("ragdb")
        return {"Qdrant": self.qdrant.content(), "ops": tree_state(self.host.path(ROOT + "/ops")), "version": self.host.read(ROOT + "/VERSION"),
                **{f"PostgreSQL {key}": value for key, value in rows.items()}}

    def go_wrong(self):
        """A release writes rubbish into both stores and leaves no matrix; its version is live."""
        self.postgres.sql("UPDATE chunks SET body = 'rubbish' WHERE id % 2 = 0; DELETE FROM chunks WHERE id >= 1500", "ragdb")
        self.qdrant.put(0, 500, seed=17)
        self.qdrant.ask("POST", self.qdrant.path() + "/points/delete?wait=true", {"points": list(range(1500, POINTS))})
        self.host.write(ROOT + "/VERSION", "v2.0.0\n")
        os.remove(self.host.path(ROOT + "/ops/compat/matrix.md"))
        self.host.commands.calls()
        return self.state()

    def events(self):
        return [json.loads(line) for line in self.postgres.sql("SELECT event FROM rag_events ORDER BY at", "ops").splitlines()]

    def require_metric(self, line):
        require(line in self.host.read(METRICS).splitlines(), f"no {line}", self.host.read(METRICS))
        COUNTS.add("metrics found")

    def test_three_commands(self):
        self.go_wrong()
        rollback, report, audit = self.three
        done = self.host.follow(rollback)
        self.require_state(self.good, self.state(), done)
        self.host.commands.require_calls(["make traffic.0", STOP, "make deploy VERSION=v1.2.4", START, "make eval.quick", "make traffic.100"], done)
        require(self.host.commands.running() == SERVICES and self.host.read("/traffic") == "100\n", "services", done)
        require(self.postgres.databases() == ["ops", "ragdb"], f"left in PostgreSQL: {self.postgres.databases()}", done)
        require(len(self.qdrant.collections()) == 1, f"left in Qdrant: {self.qdrant.collections()}", done)
        names, failed = self.host.steps()
        probes = [name for name in names if name.startswith("probe ")]
        require(probes == ["probe smoke", "probe chunks", "probe points", "probe eval"] and not failed, "the probes", names)

        self.host.follow(report)
        text = self.host.read("/incident.md")
        for wanted in ("error rate above 5 %", "| live before | v2.0.0 |", "| of the snapshot | v1.2.4 |", "| app | chunks | 1500 | live, ", "- eval: passed"):
            require(wanted in text, f"no {wanted!r} in the report", text)
        self.host.follow(audit)
        event = self.events()[-1]
        require(event["event"] == "restore" and event["exit"] == 0 and event["reason"] == "error rate above 5 %", "the row", event)
        query = self.runbook.line(r"`(SELECT event.*?)`")
        require(self.postgres.sql(query, "ops") == "restored|error rate above 5 %", "what the page's query gives", self.postgres.sql(query, "ops"))
        told = [json.loads(body)["text"] for _, path, body in self.slack.take() if path == "/services/s3cret"]
        require(len(told) == 1 and "rag" in told[0] and "error rate above 5 %" in told[0], "what Slack was told", told)
        self.require_metric('rag_rollback_total{stack="rag",reason="error rate above 5 %"} 1')
        self.require_metric('ingot_restores_total{stack="rag",outcome="restored"} 1')
        # The alert fires again: the version is the same now, and stays.
        done = self.host.sh(rollback[0]).expect(0)
        require("make deploy VERSION=v1.2.4" not in self.host.commands.calls(), "deployed again", done)
        self.require_state(self.good, self.state())

    def test_a_version_without_its_schema(self):
        """v2.0.0 was deployed and snapshotted, its migration never ran: the matrix refuses to bring that back."""
        self.host.write(ROOT + "/VERSION", "v2.0.0\n")
        self.host.golden()
        self.host.commands.calls()
        before = self.state()
        done = self.host.sh(self.three[0][0]).expect(23)
        require("INCOMPATIBLE" in done.out.decode() and "nothing was changed" in done.out.decode(), "the refusal", done)
        self.require_state(before, self.state(), done)
        require(not self.host.commands.calls() and self.host.commands.running() == SERVICES, "something was called", done)
        table = self.host.sh("ingot compat").expect(23).out.decode()
        require("v2.0.0" in table and "schema" in table, "what `ingot compat` shows", table)
        COUNTS.add("rollbacks refused")

    def test_an_evaluation_that_fails(self):
        wrong = self.go_wrong()
        self.host.commands.fail("make eval.quick")
        self.host.be_impatient('timeout = "3m"', 'timeout = "500ms"')
        done = self.host.follow(self.wrong[0], 21)
        self.require_state(wrong, self.state(), done)
        calls = self.host.commands.calls()
        tries = calls.count("make eval.quick")
        wanted = (["make traffic.0", STOP, "make deploy VERSION=v1.2.4", START] + tries * ["make eval.quick"]
                  + [STOP, "make deploy VERSION=v2.0.0", START, "make traffic.100"])
        require(tries and calls == wanted, "the calls", calls, done)
        require(self.host.commands.running() == SERVICES and self.host.read("/traffic") == "100\n", "services", done)
        event = self.events()[-1]
        require(event["event"] == "failure" and event["exit"] == 21 and "eval" in event["error"], "the row", event)
        told = [json.loads(body)["text"] for _, _, body in self.slack.take()]
        require(len(told) == 1 and "eval" in told[0], "what Slack was told", told)
        self.require_metric('ingot_restores_total{stack="rag",outcome="rolled_back"} 1')
        require(self.postgres.databases() == ["ops", "ragdb"] and len(self.qdrant.collections()) == 1, "left behind", self.qdrant.collections())


if __name__ == "__main__":
    main()
