#!/usr/bin/python3
"""A PostgreSQL database as a source, with the built binary and the real server: golden snapshots, restores that come whole or not at
all, a server that is killed, hangs and refuses, and what changed and unchanged data adds.

Called by ctest with the program's path, the build folder and the source folder.
"""

import os
import signal
import sys
import time

from stack import StackTest, main, quoted
from postgres_server import Postgres, literal, name, programs
from faulted_run import CI, FAULTED, Counts, finish, require, run, start, stopped_at, work_folder

COUNTS = Counts()
SERVER = []  # one for all tests, with its folder; each test leaves it as empty as it was
PASSWORD = "s3cret-of-postgres"
UNCHANGED_BYTES = 64 << 10
APP = "rag"
STEPS = ("restore.postgres.created", "restore.postgres.loaded", "restore.postgres.undo-saved", "restore.postgres.closed",
         "restore.postgres.renamed", "restore.postgres.swapped")


class PostgresTest(StackTest):
    def setUp(self):
        if programs() is None:
            require(not CI, "no PostgreSQL server; ./dev test installs it")
            self.skipTest("no PostgreSQL server on this host; ./dev test installs it")
        super().setUp()
        if not SERVER:
            folder = work_folder("postgres", quick=True)
            SERVER.extend((folder, Postgres(folder.__enter__() + "/server")))

    def tearDown(self):
        server = SERVER[1]
        server.signal_all(signal.SIGCONT)
        if server.process.poll() is not None:
            server.start()
        for database in filter(None, server.databases()):
            server.sql(f"ALTER DATABASE {name(database)} ALLOW_CONNECTIONS false")
            server.sql(f"DROP DATABASE {name(database)} WITH (FORCE)")
        for role in filter(None, server.sql("SELECT rolname FROM pg_roles WHERE rolname !~ '^pg_' AND rolname <> 'postgres'").split("\n")):
            server.sql(f"DROP ROLE {name(role)}")
        super().tearDown()

    def server(self):
        return SERVER[1]

    def fill(self, server, database=APP, rows=2000):
        server.sql(f"CREATE DATABASE {name(database)}")
        for text in ("CREATE TABLE chunks (id serial PRIMARY KEY, document int, body text, deleted_at timestamptz)",
                     "CREATE TABLE documents (id int PRIMARY KEY, title text NOT NULL)", "CREATE INDEX ON chunks (document)",
                     "CREATE VIEW live AS SELECT id FROM chunks WHERE deleted_at IS NULL", "CREATE SCHEMA \"S c\"",
                     "CREATE TABLE \"S c\".\"T'\"\"x\" (v int)", "INSERT INTO \"S c\".\"T'\"\"x\" VALUES (1), (2)",
                     "INSERT INTO documents SELECT i, 'title ' || i FROM generate_series(1, 50) i",
                     f"INSERT INTO chunks (document, body) SELECT i % 50, repeat(md5(i::text), 10) FROM generate_series(1, {rows}) i"):
            server.sql(text, database)
        server.sql(f"ALTER DATABASE {name(database)} SET search_path TO public, \"S c\"")
        server.sql(f"COMMENT ON DATABASE {name(database)} IS 'the chunks'")
        server.sql(f"GRANT CREATE ON DATABASE {name(database)} TO PUBLIC")

    def application(self, *lines, database=APP, **arguments):
        """A server with a database, and a stack with it and files."""
        server = self.server()
        self.fill(server, database)
        self.lines = ['facts = { chunks = "SELECT count(*) FROM chunks WHERE deleted_at IS NULL" }', *lines]
        stack = self.stack(taken=False, sources=self.sources(server.url(database)), **arguments)
        stack.init()
        return server, stack

    def sources(self, url, *lines):
        return {"app": ("postgres", [], f"url = {quoted(url)}", *(lines or self.lines)), "files": ("files", ["docs"])}

    def golden(self, stack):
        done = stack.ingot("snapshot", "--golden").expect(0)
        require(done.summary["golden"], "not golden", done)
        return done.summary["snapshot_id"]

    def damage(self, server, database=APP):
        for text in ("DELETE FROM chunks WHERE id % 3 = 0", "UPDATE documents SET title = 'wrong'", "DROP VIEW live", "CREATE TABLE later (id int)"):
            server.sql(text, database)
        server.sql(f"ALTER DATABASE {name(database)} SET work_mem TO '3MB'")

    def require_content(self, server, wanted, *evidence, database=APP):
        got = server.content(database)
        for key in sorted(set(got) | set(wanted)):
            require(got.get(key) == wanted.get(key), f"{key} is {got.get(key)} and not {wanted.get(key)}", *evidence)
        require(server.databases() == [database], f"databases are left: {server.databases()}", *evidence)
        COUNTS.add("things of databases compared", len(wanted))

    def details(self, done):
        return next(detail for detail in done.summary["source_details"] if detail["name"] == "app")


class Restores(PostgresTest):
    def whole_way(self, *lines, database=APP):
        server, stack = self.application(*lines, database=database)
        before = server.content(database)
        snapshot = self.golden(stack)
        shown = stack.text("show", snapshot).expect(0).out.decode()
        require("app.chunks = 2000" in shown, "the facts are not shown", shown)
        self.damage(server, database)
        done = stack.ingot("restore", snapshot, "--yes").expect(0)
        server.restart()  # kill -9
        if "in_place" not in "".join(lines):
            self.require_content(server, before, done, database=database)
        COUNTS.add("servers killed right after a restore, with the restored data after it")
        return server, stack, snapshot, before

    def test_a_damaged_database_comes_back_whole(self):
        server, stack, snapshot, _ = self.whole_way()
        stack.ingot("restore", snapshot, "--to", self.folder + "/to").expect(0)
        done = run([server.bin + "/pg_restore", "--list", self.folder + "/to/app/app.dump"]).expect(0)
        require(b"TABLE DATA public chunks" in done.out, "pg_restore does not list what was stored", done)

    def test_one_whose_name_needs_quoting(self):
        self.whole_way(database='r a"g')

    def test_in_place(self):
        server, _, _, before = self.whole_way('restore_mode = "in_place"')
        after = server.content(APP)
        for key in ("public.chunks", "public.documents", "views", "sequences", "indexes"):
            require(after[key] == before[key], f"{key} is {after[key]} and not {before[key]}")

    def test_one_that_was_dropped(self):
        server, stack = self.application()
        before = server.content(APP)
        snapshot = self.golden(stack)
        server.sql(f"DROP DATABASE {APP}")
        stack.ingot("restore", snapshot, "--yes").expect(0)
        self.require_content(server, before)

    def test_a_client_that_holds_the_database_open_is_ended(self):
        server, stack = self.application()
        before = server.content(APP)
        snapshot = self.golden(stack)
        self.damage(server)
        words = [server.bin + "/psql", "-XAt", "-h", "127.0.0.1", "-p", str(server.port), "-U", "postgres", "-d", APP, "-c", "SELECT pg_sleep(60)"]
        client = start(words)
        time.sleep(0.3)
        done = stack.ingot("restore", snapshot, "--yes").expect(0)
        self.require_content(server, before, done)
        require(finish(client, words, 10).status != 0, "the client was not ended")

    def test_through_a_prefix_and_with_a_password(self):
        server, stack = self.application()
        server.sql(f"CREATE ROLE secret SUPERUSER LOGIN PASSWORD {literal(PASSWORD)}")
        through = self.folder + "/through"
        with open(through, "w", encoding="utf-8") as file:
            file.write(f"#!/bin/sh\ntr '\\0' ' ' < /proc/$$/cmdline >> {self.folder}/said\nPATH={server.bin}:$PATH exec \"$@\"\n")
        os.chmod(through, 0o755)
        os.environ["RAG_PG_PASSWORD"] = PASSWORD
        self.addCleanup(os.environ.pop, "RAG_PG_PASSWORD", None)
        stack.configure(self.sources(server.url(APP, "secret"), 'password_env = "RAG_PG_PASSWORD"', f"tools = {quoted(through)}",
                                     f"tools_url = {quoted(server.url(APP, 'secret'))}"))
        before = server.content(APP)
        snapshot = self.golden(stack)
        self.damage(server)
        done = stack.text("restore", snapshot, "--yes").expect(0)
        self.require_content(server, before, done)
        with open(self.folder + "/said", encoding="utf-8") as file:
            said = file.read()
        for tool in ("pg_dump", "pg_dumpall", "pg_restore"):
            require(f"{tool} --no-password" in said, f"{tool} was not run through the prefix", said)
        require(PASSWORD not in said + done.said + done.out.decode(), "the password is shown", said, done)
        for at, _, names in os.walk(stack.base):
            for path in (os.path.join(at, each) for each in names):
                if os.path.isfile(path):
                    with open(path, "rb") as file:
                        require(PASSWORD.encode() not in file.read(), f"{path} holds the password")


class Changes(PostgresTest):
    def test_what_changed_and_unchanged_data_adds(self):
        rows = int(os.environ.get("INGOT_PG_ROWS", "20000"))
        server, stack = self.application()
        server.sql(f"INSERT INTO chunks (document, body) SELECT i % 50, (SELECT string_agg(md5((i * 31 + j)::text), ' ') FROM generate_series(1, 30) j) "
                   f"FROM generate_series(1, {rows}) i", APP)
        first = stack.ingot("snapshot").expect(0)
        size = self.details(first)["bytes"]
        again = stack.ingot("snapshot").expect(0).summary["bytes_new"]
        server.sql("UPDATE chunks SET body = md5(body) || substr(body, 33) WHERE random() < 0.01", APP)
        changed = stack.ingot("snapshot").expect(0).summary["bytes_new"]
        server.sql(f"INSERT INTO chunks (document, body) SELECT document, reverse(body) FROM chunks ORDER BY id DESC LIMIT {rows // 100}", APP)
        appended = stack.ingot("snapshot").expect(0).summary["bytes_new"]
        print(f"\ndump of {size} bytes: unchanged adds {again}, 1 % of rows changed at random {changed} ({changed / size:.2%}), "
              f"1 % appended {appended} ({appended / size:.2%})", end=" ")
        require(again < UNCHANGED_BYTES, "unchanged data was stored again", again)
        require(changed <= 0.15 * size, "1 % of rows changed added more than 15 %", changed, size)
        require(appended <= 0.02 * size, "1 % of rows appended added more than 2 %", appended, size)


class Failures(PostgresTest):
    def partial(self, stack, *said, within_s=40):
        began = time.monotonic()
        done = stack.ingot("snapshot", timeout=60).expect(3)
        require(time.monotonic() - began < within_s, f"it took {time.monotonic() - began:.0f} s", done)
        for text in said:
            require(text in str(self.details(done)), f"it does not say {text}", done)
        require(PASSWORD not in done.said + str(done.summary), "the password is shown", done)
        files = next(detail for detail in done.summary["source_details"] if detail["name"] == "files")
        require(files["status"] == "stored", "the files beside it were not stored", done)
        COUNTS.add("bad servers said")

    def test_what_is_no_good_server_makes_a_snapshot_partial(self):
        server, stack = self.application()
        server.sql(f"CREATE ROLE secret LOGIN PASSWORD {literal(PASSWORD)}")
        stack.configure(self.sources(server.url("no-such-database")))
        self.partial(stack, "does not exist")
        stack.configure(self.sources(server.url(APP, f"secret:{PASSWORD}x")))
        self.partial(stack, "password authentication failed")
        stack.configure(self.sources(server.url(APP, f"secret:{PASSWORD}")))
        self.partial(stack, "permission denied")
        stack.configure(self.sources(server.url(APP), 'facts = { x = "SELECT 1 FROM nowhere" }'))
        self.partial(stack, "the fact x of app")
        stack.configure(self.sources(server.url(APP), 'tools = "/no/such/program"'))
        self.partial(stack, "/no/such/program")
        stack.configure(self.sources(server.url(APP)))
        server.kill()
        self.partial(stack, "connecting to rag on 127.0.0.1")

    def test_a_server_that_hangs_in_the_pin_is_not_waited_for_and_writers_are_resumed(self):
        paused = f"{self.folder}/paused"
        server, stack = self.application('idle_timeout = "2s"')
        stack.configure(barrier=f'pause = "touch {paused}; kill -STOP {server.process.pid}"\nresume = "rm {paused}"\nmax_pause = "20s"')
        self.partial_or_stored(stack)
        require(not os.path.exists(paused), "the writers were not resumed")
        server.signal_all(signal.SIGCONT)

    def partial_or_stored(self, stack):
        done = stack.ingot("snapshot", timeout=60)
        done.expect(3)
        COUNTS.add("bad servers said")
        return done

    def test_a_dump_that_dies_half_way_is_not_stored(self):
        server, stack = self.application()
        through = self.folder + "/through"
        for text, said in (('case "$*" in *--snapshot*) "$@" | head -c 40000; exit 0;; esac', "no whole dump"),
                           ('case "$*" in *--snapshot*) "$@" | head -c 40000; kill -9 $$;; esac', "status 137"),
                           ('case "$*" in *--snapshot*) "$@" | head -c 40000; sleep 60;; esac', "printed nothing")):
            with open(through, "w", encoding="utf-8") as file:
                file.write(f"#!/bin/sh\nPATH={server.bin}:$PATH\n{text}\nexec \"$@\"\n")
            os.chmod(through, 0o755)
            stack.configure(self.sources(server.url(APP), f"tools = {quoted(through)}", 'idle_timeout = "2s"'))
            self.partial(stack, said)

    def test_configs_that_cannot_work(self):
        _, stack = self.application()
        for lines, said in (([], "url"), (['url = "postgresql://u:hidden@[h/db"'], "no address"), (['url = "postgresql://u:hidden@h"'], "names no database"),
                            (['url = "postgresql://h/d"', 'restore_mode = "drop"'], "restore_mode"),
                            (['url = "postgresql://h/d"', 'tools = "docker \'x"'], "quote")):
            stack.configure({"app": ("postgres", [], *lines)})
            done = stack.text("config", "validate").expect(2)
            require(said in done.said + done.out.decode(), f"it does not say {said}", done)
            require("hidden" not in done.said + done.out.decode(), "the password is shown", done)
            COUNTS.add("bad configs refused")

    def refused_restore(self, server, stack, snapshot, status, *said, words=()):
        live = server.content(APP)
        done = stack.text("restore", snapshot, "--yes", *words, timeout=60).expect(status)
        for text in said:
            require(text in done.said, f"it does not say {text}", done)
        self.require_content(server, live, done)
        require(not stack.leftovers(), f"left behind: {stack.leftovers()}", done)
        COUNTS.add("restores refused or taken back with the live data untouched")

    def test_a_restore_that_cannot_be_leaves_the_live_database_alone(self):
        server, stack = self.application()
        server.sql("CREATE ROLE owner")
        server.sql("ALTER TABLE documents OWNER TO owner", APP)
        snapshot = self.golden(stack)
        server.sql("ALTER TABLE documents OWNER TO postgres", APP)
        self.damage(server)
        server.sql("DROP ROLE owner")
        self.refused_restore(server, stack, snapshot, 1, "the server lacks role owner", "app.globals.sql")
        server.sql("CREATE ROLE owner")
        # pg_restore fails half way.
        through = self.folder + "/through"
        with open(through, "w", encoding="utf-8") as file:
            file.write(f'#!/bin/sh\nPATH={server.bin}:$PATH\ncase "$*" in *--single-transaction*) head -c 40000 | "$@";; *) exec "$@";; esac\n')
        os.chmod(through, 0o755)
        stack.configure(self.sources(server.url(APP), f"tools = {quoted(through)}"))
        self.refused_restore(server, stack, snapshot, 1, "pg_restore of app ended with status")
        stack.configure(self.sources(server.url(APP)))
        server.sql("BEGIN; CREATE TABLE prepared (); PREPARE TRANSACTION 'p'", APP)
        done = stack.text("restore", snapshot, "--yes", timeout=60).expect(1)
        require("prepared transactions" in done.said, "it does not say why", done)
        server.sql("ROLLBACK PREPARED 'p'", APP)

    def test_a_restore_whose_other_source_fails_takes_the_database_back(self):
        server, stack = self.application()
        state = stack.root + "/state"
        stack.configure({**stack.sources, "z": ("command", [], 'snapshot = "cat state"', "restore = 'read -r word; [ \"$word\" = today ]'")})
        for text in ("snapshot\n", "today\n"):
            with open(state, "w", encoding="utf-8") as file:
                file.write(text)
            if text == "snapshot\n":
                snapshot = self.golden(stack)
        self.damage(server)
        self.refused_restore(server, stack, snapshot, 21, "the restore command of z", "the old state is live")

    def test_killed_at_every_step_it_is_old_or_new_and_recovers(self):
        server, stack = self.application()
        new = server.content(APP)
        snapshot = self.golden(stack)
        self.damage(server)
        old = server.content(APP)
        for number, step in enumerate(STEPS):
            done = run(stack.words("restore", snapshot, "--yes", program=FAULTED), {"INGOT_TEST_KILL_AT": step}, 60)
            require(done.status in (-9, 137), f"it was not killed at {step}", done)
            if number % 2:
                server.restart()
            undone = stack.ingot("restore", "--undo")
            require(undone.status in (0, 1, 21), f"--undo after a kill at {step} ended with {undone.status}", undone)
            self.require_content(server, old, step, undone)
            COUNTS.add("kills recovered to the old state")
        stack.ingot("restore", snapshot, "--yes").expect(0)
        self.require_content(server, new)

    def test_a_server_that_hangs_or_dies_in_a_restore(self):
        server, stack = self.application('idle_timeout = "2s"')
        new = server.content(APP)
        snapshot = self.golden(stack)
        self.damage(server)
        old = server.content(APP)
        for step in ("restore.postgres.created", "restore.postgres.undo-saved"):
            process = stopped_at(stack.faulted("restore", snapshot, "--yes"), step)
            if step.endswith("created"):
                server.signal_all(signal.SIGSTOP)
            else:
                server.kill()
            process.send_signal(signal.SIGCONT)
            done = finish(process, [step], 80)
            require(done.status in (1, 21, 22), f"exit {done.status} at {step}", done)
            if step.endswith("created"):
                server.signal_all(signal.SIGCONT)
            else:
                server.start()
            undone = stack.ingot("restore", "--undo")
            require(undone.status in (0, 1, 21), f"--undo ended with {undone.status}", done, undone)
            got = server.content(APP)
            require(got == old, f"the live data was touched at {step}", done, undone)
            COUNTS.add("servers that hung or died in a restore")
        stack.ingot("restore", snapshot, "--yes").expect(0)
        require(server.content(APP) == new, "not restored")


def tearDownModule():
    if SERVER:
        SERVER[1].stop()
        SERVER[0].__exit__(None, None, None)
    print(f"\ncounted: {COUNTS}", file=sys.stderr)


if __name__ == "__main__":
    main()
