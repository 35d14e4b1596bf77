#!/usr/bin/python3
"""Runbook 1 (docs/runbooks/1-compose.md): SQLite, FAISS, `.env` files, nginx and logs behind docker compose, all of it back to a date.

Called by ctest with the program's path, the build folder and the source folder.
"""

import contextlib
import json
import os
import pickle
import sqlite3
import subprocess
import sys
import urllib.request

for place in ("..", "../../support"):
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), place))

from faulted_run import require
from faulted_stack import tree_state
from http_receiver import Receiver
from nginx_test import CONF, NGINX, SITE, until
from runbook import Host, RunbookTest, main
from stack import database_content

try:
    import faiss
    import faiss_indexes
except ImportError:
    faiss = None

ROOT = "/opt/raggen"
PATHS = [".env", "web/.env", "embed/.env", "data/faiss/index.faiss", "data/faiss/index.pkl", "logs", "docker-compose.yml"]
SERVICES = ["embed", "ingest", "web"]
STOP, START = "docker compose stop web embed ingest", "docker compose up -d embed ingest web"


class Compose(RunbookTest):
    page = "1-compose"
    needs = {"nginx": NGINX, "python3-faiss": faiss}

    def setUp(self):
        super().setUp()
        self.health, self.site = self.enterContext(Receiver()), self.enterContext(Receiver())
        self.host = Host(self.folder, ["docker"], {"127.0.0.1:8001": f"127.0.0.1:{self.health.port}"})
        self.root = self.host.path(ROOT)
        self.health.answer = self.application
        self.wrong_answers = False
        self.host.commands.start(*SERVICES)
        for folder in ("web/prisma", "data/faiss", "embed", "logs"):
            os.makedirs(f"{self.root}/{folder}")
        with contextlib.closing(sqlite3.connect(self.root + "/web/prisma/prod.db")) as database:
            database.execute("PRAGMA journal_mode=WAL")
            database.execute('CREATE TABLE "Chunk" (id INTEGER PRIMARY KEY, "documentId" TEXT NOT NULL, text TEXT NOT NULL)')
        self.write_work(300, "of the date")
        self.host.write(ROOT + "/docker-compose.yml", "services: {web: {}, embed: {}, ingest: {}}\n")
        self.start_nginx()
        self.host.install(self.config)
        self.of_the_date = self.state()
        self.host.golden()
        self.host.commands.require_calls(["docker compose stop ingest", "docker compose start ingest"])
        self.host.a_date_from_now_on()

    def application(self):
        """The web application: it answers where its three services run, and a chunk has its vector."""
        if self.host.commands.running() != SERVICES or self.wrong_answers:
            return 503, json.dumps({"status": "down"})
        chunks, vectors = self.counts()
        return 200, json.dumps({"status": "ok" if chunks == vectors else "torn"})

    def counts(self):
        with contextlib.closing(sqlite3.connect(self.root + "/web/prisma/prod.db")) as database:
            return database.execute('SELECT count(*) FROM "Chunk"').fetchone()[0], faiss.read_index(self.root + "/data/faiss/index.faiss").ntotal

    def write_work(self, count, word):
        """What the application and its deploys leave: that many chunks, all files saying the word."""
        with contextlib.closing(sqlite3.connect(self.root + "/web/prisma/prod.db")) as database, database:
            database.execute('DELETE FROM "Chunk"')
            database.executemany('INSERT INTO "Chunk" VALUES (?, ?, ?)', ((n, f"d{n % 9}", f"chunk {n} {word}") for n in range(count)))
        faiss_indexes.make_index("Flat", self.root + "/data/faiss/index.faiss", count)
        with open(self.root + "/data/faiss/index.pkl", "wb") as file:
            pickle.dump({n: word for n in range(count)}, file)
        for path in (".env", "web/.env", "embed/.env"):
            self.host.write(f"{ROOT}/{path}", f'WORD="{word}"\nSECRET=s3cret-{word[:2]}\n')
            os.chmod(f"{self.root}/{path}", 0o600)
        with open(self.root + "/logs/web.log", "a", encoding="utf-8") as file:
            file.write(f"a request {word}\n")

    def start_nginx(self):
        var = self.host.path("/var/nginx/x")[:-2]
        self.web = self.host.path("/etc/nginx/sites-enabled/rag")
        self.host.write("/etc/nginx/nginx.conf", CONF.format(var=var, web=os.path.dirname(os.path.dirname(self.web)),
                                                           user="user root;\n" if os.geteuid() == 0 else ""))
        self.port = self.site.port
        self.site.__exit__()
        self.write_site("of the date")
        words = [NGINX, "-c", self.host.path("/etc/nginx/nginx.conf"), "-g", "daemon off;"]
        server = subprocess.Popen(words, stderr=subprocess.DEVNULL)
        self.addCleanup(server.wait)
        self.addCleanup(server.terminate)
        until(lambda: self.served() == "of the date", "nginx answers")

    def write_site(self, answer):
        with open(self.web, "w", encoding="utf-8") as file:
            file.write(SITE.format(port=self.port, root=self.root, answer=answer))

    def served(self):
        with contextlib.suppress(OSError):
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=5) as answer:
                return answer.read().decode()
        return None

    def state(self):
        found = {path: tree_state(f"{self.root}/{path}") for path in PATHS}
        return {**found, "the database": database_content(self.root + "/web/prisma/prod.db"), "nginx": tree_state(os.path.dirname(self.web)),
                "chunks and vectors": self.counts()}

    def go_wrong(self):
        """A migration and a deploy: fewer chunks, another index, other secrets, a site that leads astray."""
        self.write_work(120, "after the migration")
        self.write_site("after the migration")
        self.host.write("/etc/nginx/sites-enabled/later", "# appeared\n")
        os.remove(self.root + "/embed/.env")
        self.host.commands.calls()
        return self.state()

    def test_three_commands(self):
        wrong = self.go_wrong()
        planned, restore, report = self.three
        self.host.follow(planned)
        self.require_state(wrong, self.state())
        require(not self.host.commands.calls(), "a dry run stopped something")
        done = self.host.follow(restore)
        self.require_state(self.of_the_date, self.state(), done)
        self.host.commands.require_calls([STOP, START], done)
        require(self.host.commands.running() == SERVICES, "services", done)
        until(lambda: self.served() == "of the date", "nginx serves the site of the date")
        require(not self.host.leftovers(), f"left behind: {self.host.leftovers()}")
        self.host.follow(report)
        text = self.host.read("/incident.md")
        for wanted in ("| db | chunks | 120 | live, ", " | 300 | +180 |", "- health: passed", "- chunks: passed"):
            require(wanted in text, f"no {wanted!r} in the report", text)
        require("s3cret" not in text, "a secret in the report", text)
        # The lines that were logged after the date are not lost.
        safety = next(one for one in self.host.listed() if "safety" in one["tags"])
        log = self.host.sh(f"ingot cat {safety['id']} logs/logs/web.log").expect(0)
        require(b"after the migration" in log.out, "the later lines of the log", log)

    def test_an_application_that_does_not_answer(self):
        wrong = self.go_wrong()
        self.wrong_answers = True
        self.host.be_impatient('timeout = "30s"', 'timeout = "500ms"')
        done = self.host.follow(self.wrong[0], 21)
        self.require_state(wrong, self.state(), done)
        self.host.commands.require_calls([STOP, START, STOP, START], done)
        require(self.host.commands.running() == SERVICES, "services", done)
        names, failed = self.host.steps()
        require(failed == ["probe health"], "the steps", names, failed)
        require(self.served() == "after the migration", "nginx serves another site", done)


if __name__ == "__main__":
    main()
