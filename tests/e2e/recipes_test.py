#!/usr/bin/python3
"""The recipes of docs/drivers/command.md, with the built binary: a real MariaDB, a stand-in for docker, and Chroma's folder.

Called by ctest with the program's path, the build folder and the source folder.
"""

import os
import sqlite3
import subprocess
import threading
import time
import unittest
import unittest.mock

from command_stack import COUNTS, CommandTest, command, main
from mariadb import MariaDB, missing_programs
from stack import first_difference, require_said
from faulted_run import CI, NIGHTLY, require, run, work_folder

MYSQL = "--no-defaults -uroot"
DUMP = (f"mysqldump {MYSQL} --single-transaction --quick --routines --events --triggers --skip-dump-date "
        "--add-drop-database --databases raggen")
CHECK = "tail -n 5 | grep -q '^-- Dump completed'"


SCHEMA = """
DROP DATABASE IF EXISTS raggen;
CREATE DATABASE raggen CHARACTER SET utf8mb4;
USE raggen;
CREATE TABLE documents (id INT PRIMARY KEY, title VARCHAR(200)) ENGINE=InnoDB;
CREATE TABLE chunks (id INT PRIMARY KEY, document INT, body TEXT, vector BLOB,
    FOREIGN KEY (document) REFERENCES documents(id)) ENGINE=InnoDB;
CREATE TABLE totals (documents INT, chunks INT) ENGINE=InnoDB;
CREATE VIEW titled AS SELECT c.id, d.title FROM chunks c JOIN documents d ON d.id = c.document;
CREATE FUNCTION chunk_count() RETURNS INT READS SQL DATA RETURN (SELECT count(*) FROM chunks);
CREATE TRIGGER counted AFTER DELETE ON chunks FOR EACH ROW UPDATE totals SET chunks = chunks - 1;
CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY STARTS '2030-01-01' DO DELETE FROM chunks WHERE body = '';
INSERT INTO documents SELECT seq, CONCAT('Document \\'', seq, '\\' \\\\ ü') FROM seq_1_to_400;
INSERT INTO chunks SELECT seq, 1 + seq % 400, REPEAT(MD5(seq), 8), UNHEX(SHA2(seq, 256)) FROM seq_1_to_8000;
INSERT INTO totals VALUES (400, 8000);
"""
DAMAGE = """
DELETE FROM chunks WHERE id % 3 = 0;
UPDATE documents SET title = 'spoiled' WHERE id < 50;
DROP VIEW titled; DROP FUNCTION chunk_count; DROP EVENT nightly; DROP TRIGGER counted;
CREATE TABLE appeared (id INT) ENGINE=InnoDB;
"""


@unittest.skipUnless(CI or not missing_programs(), f"not installed: {missing_programs()}")
class RealDatabase(CommandTest):
    @classmethod
    def setUpClass(cls):
        cls.server_folder = cls.enterClassContext(work_folder("mariadb", quick=True))
        cls.server = cls.enterClassContext(MariaDB(cls.server_folder + "/server"))

    def setUp(self):
        super().setUp()
        self.server.sql(SCHEMA)
        self.enterContext(unittest.mock.patch.dict(os.environ, self.server.env))

    def database(self, restore=f"mysql {MYSQL}", barrier="", dump=DUMP, **options):
        source = command(dump, "facts = { tables = \"grep -c '^CREATE TABLE' || true\" }", check=CHECK, restore=restore, moment="start",
                         name="raggen.sql", **options)
        return self.with_command(source, barrier=barrier)

    def dump(self):
        return run(["sh", "-c", DUMP], self.server.env).expect(0).out

    def test_a_database_comes_back_as_it_was(self):
        stack = self.database()
        before = self.dump()
        taken = stack.ingot("snapshot", "--golden").expect(0)
        require(self.details(taken)["facts"]["tables"] == 3, "other tables", taken)
        again = stack.ingot("snapshot").expect(0)
        require(again.summary["chunks_new"] == 0, "two dumps of one state differ", again)
        self.server.sql(DAMAGE, "raggen")
        stack.ingot("restore", taken.summary["snapshot_id"], "--yes").expect(0)
        require(self.dump() == before, "the database is not as it was")
        require(self.server.sql("SELECT chunk_count()", "raggen").strip() == "8000", "the function is not back")
        COUNTS.add("databases restored")
        COUNTS.add("rows restored", 8400)

    def test_a_restore_that_fails_half_way_gives_the_database_of_before_back(self):
        stack = self.database(f"if [ -e once ]; then rm once; head -c 200000 | mysql {MYSQL}; exit 1; fi; mysql {MYSQL}")
        taken = stack.ingot("snapshot").expect(0).summary["snapshot_id"]
        self.server.sql(DAMAGE, "raggen")
        today = self.dump()
        self.write(stack, "once", "")
        done = stack.text("restore", taken, "--yes").expect(21)
        require_said(done, "the restore command of app", "the old state is live")
        require(self.dump() == today, "the database is not as it was before the restore")
        COUNTS.add("databases restored")
        COUNTS.add("restores taken back")

    def test_a_dead_server_is_named_at_snapshot_and_at_restore(self):
        stack = self.database()
        taken = stack.ingot("snapshot").expect(0).summary["snapshot_id"]
        self.server.stop()
        try:
            done = stack.text("snapshot").expect(3)
            require_said(done, "Can't connect to local")
            self.refused(stack, ["restore", taken, "--yes"], 1, "keeping the old state of app", "Can't connect to local")
        finally:
            self.server.start()
        COUNTS.add("bad commands refused")

    def test_a_transaction_shows_the_moment_of_the_pause_while_writers_go_on(self):
        base = self.folder + "/base"
        # Most of the dump is read long after the writer went on: the pipe holds 64 KiB of some MB.
        slowly = DUMP + " | (head -c 4096; sleep 0.3; cat)"
        stack = self.database(dump=slowly, barrier=f'pause = "touch {base}/pause; until [ -e {base}/paused ]; do sleep 0.005; done"\n'
                                      f'resume = "rm -f {base}/pause"')
        writer = Writer(self.server, base)
        with writer:
            for _ in range(5):
                done = stack.ingot("snapshot").expect(0)
                require(done.summary["consistency"] == "barrier", "not of one moment", done)
                at_pause = writer.at_pause
                require(writer.rows >= at_pause + 10, "the writer did not go on while the dump was read")
                text = stack.text("cat", done.summary["snapshot_id"], "app/raggen.sql").expect(0).out.decode(errors="replace")
                rows = text.count("'added while others read'")
                require(rows == at_pause, f"{rows} rows where there were {at_pause} in the pause")
                require(f"INSERT INTO `totals` VALUES\n(400,{8000 + at_pause})" in text, "the total is of another moment")
                COUNTS.add("dumps of one moment under a writer")
                COUNTS.add("pause in ms, in all", done.summary["pause_ms"])
        require(writer.rows > 0, "the writer wrote nothing")


class Writer:
    """Adds a row and counts it in one transaction, all the while; stands still where `pause` is there, and says so by `paused`."""

    def __init__(self, server, base):
        self.server, self.base, self.rows, self.at_pause, self.stopping = server, base, 0, 0, False
        self.thread = threading.Thread(target=self.work)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping = True
        self.thread.join()

    def work(self):
        words = ["mariadb", "--no-defaults", "-uroot", "--batch", "--skip-column-names", "--unbuffered", "raggen"]
        client = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, **self.server.env})
        while not self.stopping:
            if os.path.exists(self.base + "/pause"):
                self.at_pause = self.rows
                open(self.base + "/paused", "w", encoding="utf-8").close()
                while os.path.exists(self.base + "/pause") and not self.stopping:
                    time.sleep(0.002)
                os.remove(self.base + "/paused")
            number = 100_000 + self.rows
            client.stdin.write((f"START TRANSACTION; INSERT INTO chunks VALUES ({number}, 1, 'added while others read', NULL); "
                                f"UPDATE totals SET chunks = chunks + 1; COMMIT; SELECT {number};\n").encode())
            client.stdin.flush()
            require(client.stdout.readline() == f"{number}\n".encode(), "the writer failed")
            self.rows += 1
        client.stdin.close()
        client.wait()
        client.stdout.close()


class Recipes(CommandTest):
    def test_the_compose_file_as_docker_reads_it_without_its_secrets(self):
        bin_folder = self.folder + "/bin"
        os.makedirs(bin_folder)
        with open(bin_folder + "/docker", "w", encoding="utf-8") as file:
            file.write(f"#!/bin/sh\nprintf '%s\\n' \"$*\" >> {self.folder}/calls\n[ \"$1 $2\" = 'compose config' ] || exit 64\n"
                       "[ \"$3\" = --no-interpolate ] || POSTGRES_PASSWORD=hunter2\n"
                       "printf 'services:\\n  db:\\n    environment:\\n      POSTGRES_PASSWORD: %s\\n' \"${POSTGRES_PASSWORD:-\\${POSTGRES_PASSWORD}}\"\n")
        os.chmod(bin_folder + "/docker", 0o755)
        stack = self.with_command(command("docker compose config --no-interpolate", name="compose.resolved.yml"))
        env = {"PATH": bin_folder + ":/usr/bin:/bin"}
        taken = stack.ingot("snapshot", "--golden", env=env).expect(0)
        with open(self.folder + "/calls", encoding="utf-8") as file:
            require(file.read() == "compose config --no-interpolate\n", "docker was called otherwise")
        text = stack.text("cat", "latest", "app/compose.resolved.yml").expect(0).out.decode()
        require("${POSTGRES_PASSWORD}" in text and "hunter2" not in text, "a secret was stored", text)
        stack.ingot("restore", taken.summary["snapshot_id"], "--yes", env=env).expect(0)
        require(self.read(stack, "compose.resolved.yml") == text, "not restored")
        COUNTS.add("recipes")

    def chroma(self, stack):
        """A folder of the shape that Chroma's persistent client makes: a database, and a folder of HNSW files for each segment."""
        folder = stack.root + "/chroma"
        segment = folder + "/7f7d6c1e-2f0b-4d57-9c0e-7d1d6d1c9a11"
        os.makedirs(segment, exist_ok=True)
        connection = sqlite3.connect(folder + "/chroma.sqlite3")
        connection.executescript("""
            CREATE TABLE collections (id TEXT PRIMARY KEY, name TEXT NOT NULL, dimension INTEGER);
            CREATE TABLE segments (id TEXT PRIMARY KEY, type TEXT, scope TEXT, collection TEXT REFERENCES collections(id));
            CREATE TABLE embeddings (id INTEGER PRIMARY KEY, segment_id TEXT, embedding_id TEXT, seq_id BLOB, created_at TIMESTAMP);
            CREATE VIRTUAL TABLE embedding_fulltext_search USING fts5(string_value, tokenize='trigram');
            INSERT INTO collections VALUES ('c', 'docs', 384);
            INSERT INTO segments VALUES ('7f7d6c1e-2f0b-4d57-9c0e-7d1d6d1c9a11', 'urn:chroma:segment/vector/hnsw-local-persisted',
                                         'VECTOR', 'c');
        """)
        for number in range(300):
            connection.execute("INSERT INTO embeddings VALUES (?, ?, ?, ?, datetime())", (number, "s", f"id-{number}", b"\0" * 8))
            connection.execute("INSERT INTO embedding_fulltext_search VALUES (?)", (f"the text of chunk {number}",))
        connection.commit()
        connection.close()
        for name, size in {"header.bin": 100, "data_level0.bin": 300 * 1676, "length.bin": 1200, "link_lists.bin": 0,
                           "index_metadata.pickle": 9000}.items():
            with open(f"{segment}/{name}", "wb") as file:
                file.write(os.urandom(size))
        return segment

    CHROMA = {"chroma-db": ("sqlite", ["chroma/chroma.sqlite3"], 'facts = { embeddings = "SELECT count(*) FROM embeddings" }'),
              "chroma-segments": ("files", ["chroma"], 'exclude = ["chroma.sqlite3*"]')}

    def test_chroma_is_a_database_and_files(self):
        stack = self.stack(taken=False, sources=self.CHROMA)
        segment = self.chroma(stack)
        stack.init()
        before = stack.content()
        taken = stack.ingot("snapshot", "--golden").expect(0)
        require(self.details(taken, "chroma-db")["facts"]["embeddings"] == 300, "other embeddings", taken)
        with sqlite3.connect(stack.root + "/chroma/chroma.sqlite3") as connection:
            connection.execute("DELETE FROM embeddings WHERE id > 10")
        connection.close()
        with open(segment + "/data_level0.bin", "r+b") as file:
            file.write(b"spoiled")
        os.remove(segment + "/length.bin")
        stack.ingot("restore", taken.summary["snapshot_id"], "--yes").expect(0)
        after = stack.content()
        database, segments = ("chroma-db", "chroma/chroma.sqlite3"), ("chroma-segments", "chroma")
        require(before[database] == after[database], "the database is not as it was")
        mine, now = ({path: state for path, state in content[segments].items() if path and b"sqlite3" not in path} for content in (before, after))
        difference = first_difference(mine, now)
        require(not difference, f"the segments are not as they were: {difference}")
        COUNTS.add("recipes")

    @unittest.skipUnless(NIGHTLY, "installs chromadb from the package index: nightly only")
    def test_a_real_chroma_answers_as_before(self):
        venv = self.folder + "/venv"
        run(["/usr/bin/python3", "-m", "venv", venv]).expect(0)
        installed = run([venv + "/bin/pip", "install", "-q", "chromadb"], timeout=600)
        if installed.status != 0:
            self.skipTest("chromadb cannot be installed here: " + installed.said[-300:])
        stack = self.stack(taken=False, sources=self.CHROMA)
        script = self.folder + "/chroma.py"
        with open(script, "w", encoding="utf-8") as file:
            file.write(CHROMA_SCRIPT)

        def chroma(what):
            done = run([venv + "/bin/python", script, stack.root + "/chroma", what], {"HOME": self.folder, "ANONYMIZED_TELEMETRY": "False"})
            return done.expect(0).out

        chroma("make")
        before = chroma("query")
        stack.init()
        taken = stack.ingot("snapshot", "--golden").expect(0).summary["snapshot_id"]
        chroma("spoil")
        require(chroma("query") != before, "nothing was spoiled")
        stack.ingot("restore", taken, "--yes").expect(0)
        require(chroma("query") == before, "the answers are others")
        COUNTS.add("recipes")


CHROMA_SCRIPT = """
import random, sys
import chromadb
client = chromadb.PersistentClient(sys.argv[1])
collection = client.get_or_create_collection("docs")
random.seed(7)
vectors = [[random.gauss(0, 1) for _ in range(64)] for _ in range(2500)]
ids = [str(n) for n in range(len(vectors))]
if sys.argv[2] == "make":
    collection.add(ids=ids, embeddings=vectors, documents=["chunk " + n for n in ids])
elif sys.argv[2] == "spoil":
    collection.delete(ids=ids[:2000])
else:
    print(collection.count(), collection.query(query_embeddings=vectors[:5], n_results=10, include=["documents", "distances"]))
"""


if __name__ == "__main__":
    main()
