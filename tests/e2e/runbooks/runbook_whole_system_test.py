#!/usr/bin/python3
"""Runbook 5 (docs/runbooks/5-whole-system.md): a restore point of PostgreSQL, its roles, Redis, compose file, volumes and a model file, over
`ssh` and `docker exec`; forward, back, and forward again.

PostgreSQL and Redis are real; ssh and docker are stand-ins that run on this machine what they would run on another one.
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
from redis_test import SERVER as REDIS
from redis_test import Redis
from runbook import COUNTS, Host, RunbookTest, main

ROOT, VOLUMES, MODEL = "/opt/assistant", "/var/lib/docker/volumes", "/srv/models/reranker.onnx"
SERVICES = ["web", "worker"]
STOP, START = "docker compose stop web worker", "docker compose up -d worker web"
PAUSE, RESUME = "docker compose stop worker", "docker compose start worker"


class WholeSystem(RunbookTest):
    page = "5-whole-system"
    needs = {"PostgreSQL server": programs(), "redis-server": REDIS}

    def setUp(self):
        super().setUp()
        self.postgres = Postgres(self.folder + "/pg/server")
        self.addCleanup(self.postgres.stop)
        self.redis = Redis(self.folder + "/redis")
        self.addCleanup(self.redis.kill)
        self.web = self.enterContext(Receiver())
        self.web.answer = self.health
        port = self.postgres.port
        self.host = Host(self.folder, ["docker", "ssh"], {
            "db1:5432": f"127.0.0.1:{port}", "127.0.0.1:5432": f"127.0.0.1:{port}", "127.0.0.1:6379": f"127.0.0.1:{self.redis.port}",
            "127.0.0.1:8001": f"127.0.0.1:{self.web.port}",
        }, {"RAGDB_PASSWORD": "s3cret"}, {"PGHOST": "127.0.0.1", "PGPORT": port})
        self.fill()
        self.host.install(self.config)
        self.host.golden()
        self.host.commands.calls()

    def fill(self):
        for text in ("CREATE ROLE rag LOGIN CREATEDB PASSWORD 's3cret'", "GRANT pg_signal_backend TO rag", "CREATE DATABASE ragdb OWNER rag"):
            self.postgres.sql(text)
        self.postgres.sql("SET ROLE rag; CREATE TABLE chunks (id serial PRIMARY KEY, body text); CREATE INDEX ON chunks (body)", "ragdb")
        self.postgres.sql("SET ROLE rag; INSERT INTO chunks (body) SELECT 'chunk ' || n FROM generate_series(1, 1500) n", "ragdb")
        self.redis.ask_all([("SET", f"session:{n}", f"user {n}") for n in range(200)] + [("ZADD", "queue", 1, "job")])
        for name in ("docker-compose.yml", "docker-compose.override.yml"):
            self.host.write(f"{ROOT}/{name}", "services:\n  web:\n    image: assistant:1.4\n")
        self.host.write(ROOT + "/.env", "POSTGRES_PASSWORD=s3cret\n")
        for n in range(12):
            self.host.write(f"{VOLUMES}/assistant_uploads/_data/user{n % 3}/{n}.pdf", f"upload {n}" * 500)
        self.host.write(VOLUMES + "/assistant_prompts/_data/system.txt", "Answer from the documents.\n")
        with open(self.host.path(MODEL), "wb") as file:
            file.write(os.urandom(300_000))
        self.host.commands.start(*SERVICES)

    def health(self):
        running = self.host.commands.running() == SERVICES
        return (200 if running else 503), json.dumps({"status": "ok" if running else "down"})

    def state(self):
        volumes = {name: tree_state(self.host.path(f"{VOLUMES}/{name}/_data")) for name in ("assistant_uploads", "assistant_prompts")}
        files = {name: tree_state(self.host.path(f"{ROOT}/{name}")) for name in ("docker-compose.yml", "docker-compose.override.yml", ".env")}
        return {"Redis": self.redis.content(), "the model": tree_state(self.host.path(MODEL)), **volumes, **files,
                **{f"PostgreSQL {key}": value for key, value in self.postgres.content("ragdb").items()}}

    def upgrade(self):
        """A new version moves in everywhere."""
        self.postgres.sql("SET ROLE rag; ALTER TABLE chunks ADD COLUMN lang text; DELETE FROM chunks WHERE id > 400; CREATE TABLE later (id int)", "ragdb")
        self.redis.ask_all([("FLUSHDB",), ("SET", "session:new", "format 2")])
        self.host.write(ROOT + "/docker-compose.yml", "services:\n  web:\n    image: assistant:2.0\n")
        self.host.write(ROOT + "/.env", "POSTGRES_PASSWORD=s3cret\nNEW=1\n")
        self.host.write(VOLUMES + "/assistant_prompts/_data/system.txt", "Be creative.\n")
        self.host.write(VOLUMES + "/assistant_uploads/_data/user9/later.pdf", "later")
        os.remove(self.host.path(VOLUMES + "/assistant_uploads/_data/user1/1.pdf"))
        with open(self.host.path(MODEL), "r+b") as file:
            file.write(b"another model")
        self.host.commands.calls()
        return self.state()

    def require_clean(self, *evidence):
        require(not self.host.leftovers(), f"left behind: {self.host.leftovers()}", *evidence)
        require(self.postgres.databases() == ["ragdb"] and self.redis.used() == [0], "left in the servers", self.postgres.databases(), self.redis.used(), *evidence)

    def hooks(self):
        """The calls of [services]; those of the sources lie between them."""
        return [call for call in self.host.commands.calls() if call in (STOP, START)]

    def test_three_commands(self):
        point, restore, undo = self.three
        self.host.sh(self.runbook.line(r"`(ssh db1 .*? --version)`")).expect(0)
        self.host.commands.calls()
        before = self.state()
        inode = os.stat(self.host.path(VOLUMES + "/assistant_uploads/_data")).st_ino
        done = self.host.follow(point)
        self.require_state(before, self.state(), done)
        calls = self.host.commands.calls()
        dump = next(number for number, call in enumerate(calls) if call.startswith("docker exec -i postgres pg_dump --no-password "))
        require(calls.index(PAUSE) < dump and PAUSE in calls and RESUME in calls, "the pause", calls)
        for wanted in ("ssh db1 docker exec -i postgres pg_dump ", "docker exec postgres pg_dumpall -U postgres --globals-only",
                       "docker compose config --no-interpolate"):
            require([call for call in calls if call.startswith(wanted)], f"no call of {wanted!r}", calls)
            COUNTS.add("prefixed commands seen")
        require("s3cret" not in "\n".join(calls), "a password on a command line", calls)
        after = self.upgrade()

        done = self.host.follow(restore)
        self.require_state(before, self.state(), done)
        require(self.hooks() == [STOP, START], "the hooks", done)
        require(self.host.commands.running() == SERVICES, "services", done)
        require(os.stat(self.host.path(VOLUMES + "/assistant_uploads/_data")).st_ino == inode, "the volume is another folder: containers hold the old one")
        require("CREATE ROLE rag" in self.host.read(ROOT + "/roles.sql") and "image: assistant:1.4" in self.host.read(ROOT + "/compose.resolved.yml"), "the records")
        self.require_clean(done)

        done = self.host.follow(undo)
        self.require_state(after, self.state(), done)
        require(self.hooks() == [STOP, START], "the hooks", done)
        self.require_clean(done)

    def test_a_machine_that_cannot_be_reached(self):
        after = self.upgrade()
        self.host.commands.fail("ssh db1 ")
        done = self.host.follow(self.wrong[0], 1)
        self.require_state(after, self.state(), done)
        require(not self.hooks(), "services were stopped", done)
        self.require_clean(done)


if __name__ == "__main__":
    main()
