#!/usr/bin/python3
"""The demonstration behind `./dev demo`: a real small stack is recorded, damaged, and put back as it was at a given time.

    demo.py PATH-OF-INGOT

Works in a temporary directory, without a terminal, and cleans up. Exit status 1 when anything is not as it was.
"""

import datetime
import glob
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
import zlib

import faiss
import numpy

PROJECT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
QUESTION = "golden snapshot"

CONFIG = """\
[repository]
path = "{base}/repo"
key_file = "{base}/key"

[stack]
name = "rag"
root = "{base}/stack"

[sources.db]
driver = "sqlite"
path = "chunks.db"
facts = {{ chunks = "SELECT count(*) FROM chunks" }}

[sources.vectors]
driver = "faiss"
path = "chunks.faiss"

[sources.env]
driver = "env"
paths = [".env"]

[sources.files]
driver = "files"
paths = ["documents", "nginx"]

[[invariants]]
name = "every chunk has its vector"
left = "vectors.ntotal"
right = "db.chunks"

[state]
dir = "{base}/state"
"""

ENV = "MODEL=all-MiniLM-L6-v2\nAPI_KEY=sk-not-a-real-key\nTOP_K=5\n"

NGINX = """\
server {
    listen 443 ssl;
    server_name rag.example.org;
    location /api/ { proxy_pass http://127.0.0.1:8001; }
    location /     { root /srv/rag-web; try_files $uri /index.html; }
}
"""


class Differs(Exception):
    pass


def say(text=""):
    print(text if len(text) <= 100 else text[:97] + "...", flush=True)


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def text_chunks(text, size=700):
    """Paragraphs put together until they are about `size` characters."""
    chunk = ""
    for paragraph in re.split(r"\n\s*\n", text):
        if chunk and len(chunk) + len(paragraph) > size:
            yield chunk
            chunk = ""
        chunk += paragraph.strip() + "\n"
    if chunk.strip():
        yield chunk


def vector(text, dimension=256):
    """A hashing vectoriser: each word adds to one place, chosen by its hash. No model is needed, and the same text gives the same."""
    found = numpy.zeros(dimension, dtype="float32")
    words = re.findall("[a-z]{3,}", text.lower())
    for word in set(words):
        place = zlib.crc32(word.encode())
        found[place % dimension] += (1 if place & 1 << 20 else -1) * (1 + numpy.log(words.count(word)))
    return found / (numpy.linalg.norm(found) or 1)


class Reader(threading.Thread):
    """A user who asks all the time, while something else happens."""

    def __init__(self, stack):
        super().__init__()
        self.stack, self.answers, self.longest_ms, self.stopped = stack, [], 0, threading.Event()

    def run(self):
        connection = sqlite3.connect(self.stack + "/chunks.db")
        while not self.stopped.is_set():
            started = time.monotonic()
            self.answers.append(search(self.stack, connection))
            self.longest_ms = max(self.longest_ms, (time.monotonic() - started) * 1000)
        connection.close()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stopped.set()
        self.join()


def search(stack, connection):
    """What the application answers to the known query, best first: vectors near it, and the rows they stand for."""
    _, ids = faiss.read_index(stack + "/chunks.faiss").search(vector(QUESTION)[None], 3)
    rows = [connection.execute("SELECT document, position FROM chunks WHERE id = ?", (int(each),)).fetchone() for each in ids[0]]
    return [row for row in rows if row]


class Demo:
    def __init__(self, ingot, base):
        self.ingot_path, self.base, self.stack = os.path.abspath(ingot), base, os.path.join(base, "stack")
        self.application = None  # the connection of the application, open all the while

    def make_stack(self):
        documents = sorted(glob.glob(PROJECT + "/*.md") + glob.glob(PROJECT + "/docs/**/*.md", recursive=True))
        os.makedirs(self.stack)
        self.application = sqlite3.connect(self.stack + "/chunks.db", isolation_level=None)
        self.application.execute("PRAGMA journal_mode=WAL")
        self.application.execute("CREATE TABLE chunks (id INTEGER PRIMARY KEY, document TEXT, position INTEGER, text TEXT)")
        vectors = []
        for document in documents:
            name = os.path.relpath(document, PROJECT)
            with open(document, encoding="utf-8") as file:
                text = file.read()
            write(f"{self.stack}/documents/{name}", text)
            for position, chunk in enumerate(text_chunks(text)):
                self.application.execute("INSERT INTO chunks (document, position, text) VALUES (?, ?, ?)", (name, position, chunk))
                vectors.append(vector(chunk))
        index = faiss.index_factory(len(vectors[0]), "IVF8,Flat", faiss.METRIC_INNER_PRODUCT)
        index.nprobe = index.nlist
        index.cp.min_points_per_centroid = 1  # a small stack, and no warning that it is one
        index.train(numpy.array(vectors))
        index.add_with_ids(numpy.array(vectors), numpy.arange(1, len(vectors) + 1))
        faiss.write_index(index, self.stack + "/chunks.faiss")
        write(self.stack + "/.env", ENV)
        os.chmod(self.stack + "/.env", 0o600)
        write(self.stack + "/nginx/rag.conf", NGINX)
        return len(documents), len(vectors)

    def answer(self):
        return search(self.stack, self.application)

    def say_answer(self, answer):
        found = ", ".join(f"{os.path.basename(document)[:-3]}#{position}" for document, position in answer)
        say(f'   The query "{QUESTION}" finds {found or "nothing"}')

    def sums(self):
        """sha256sum of every file, and of the database as `sqlite3 .dump` prints it."""
        files = sorted(os.path.relpath(os.path.join(at, name), self.stack) for at, _, names in os.walk(self.stack) for name in names
                       if not name.startswith("chunks.db"))
        out = subprocess.run(["sha256sum", "--", *files], cwd=self.stack, capture_output=True, text=True, check=True).stdout
        dump = subprocess.run(["sqlite3", "-readonly", "chunks.db", ".dump"], cwd=self.stack, capture_output=True, check=True).stdout
        database = subprocess.run(["sha256sum"], input=dump, capture_output=True, check=True).stdout.decode()
        found = dict(reversed(line.split(maxsplit=1)) for line in out.splitlines())
        found["chunks.db (.dump)"] = database.split()[0]
        return found

    def ingot(self, *arguments, lines=6, allowed=(0,)):
        """Runs a command as a person would, and shows what it said."""
        say("   $ ingot " + " ".join(f'"{a}"' if " " in a else a for a in arguments))
        done = subprocess.run([self.ingot_path, "-c", self.base + "/ingot.toml", *arguments], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
        shown = [line.replace(self.base + "/", "") for line in done.stdout.splitlines() if line.strip()]
        failed = done.returncode not in allowed
        # A warning says why, and in full.
        shown = [part for line in shown for part in (textwrap.wrap(line, 94) if "not golden" in line else [line])]
        for line in shown if failed else shown[:lines]:
            say("     " + line)
        if failed:
            raise Differs(f"ingot {arguments[0]}: exit {done.returncode}")
        return done.returncode

    def damage(self, document):
        self.application.execute("DELETE FROM chunks WHERE document = ? OR id % 7 = 0", (document,))
        with open(self.stack + "/chunks.faiss", "r+b") as file:
            file.seek(os.path.getsize(file.name) // 3)
            file.write(bytes(os.path.getsize(file.name) // 3))  # still loads: wrong answers, and no error
        write(self.stack + "/.env", ENV.replace("API_KEY=sk-not-a-real-key\n", ""))
        with open(self.stack + "/nginx/rag.conf", "r+", encoding="utf-8") as file:
            file.truncate(40)
        os.remove(f"{self.stack}/documents/{document}")

    def run(self):
        say("Ingot in one screen: a small RAG stack is recorded, damaged, and put back as it was at a given time")
        say()
        documents, chunks = self.make_stack()
        before, sums = self.answer(), self.sums()
        say(f"1. The stack: {documents} documents, {chunks} chunks in SQLite (in use), their vectors in FAISS, .env, nginx.")
        self.say_answer(before)
        if len(before) < 3:
            raise Differs("the known query finds too little to show anything")
        say()

        say("2. Record it. Golden: read back, re-hashed, opened by SQLite and FAISS, a vector for each chunk.")
        write(self.base + "/ingot.toml", CONFIG.format(base=self.base))
        self.ingot("init", lines=1)
        with Reader(self.stack) as reader:
            self.ingot("snapshot", "--golden", lines=8)
        say(f"   A user asked {len(reader.answers)} times meanwhile; the slowest answer took {reader.longest_ms:.0f} ms.")
        if not reader.answers or any(answer != before for answer in reader.answers):
            raise Differs("the snapshot changed an answer")
        when = datetime.datetime.now() + datetime.timedelta(seconds=1)
        time.sleep(1.1)  # --at counts in seconds, and the damage shall be later
        say()

        say("3. The accident: rows and a document gone, a third of the index zeroed, .env and nginx cut short.")
        self.damage(before[0][0])
        after = self.sums()
        differ = sum(after.get(name) != value for name, value in sums.items())
        self.say_answer(self.answer())
        say(f"   sha256sum: {differ} of {len(sums)} differ")
        if differ != 5 or self.answer() == before:
            raise Differs("the damage did no damage")
        self.ingot("snapshot", "--golden", "--tag", "bad", lines=2, allowed=(3,))  # 3: stored, and not golden
        self.ingot("diff", "latest~1", "latest", lines=6)
        say()

        say("4. Put the stack back as it was; the application stays connected to its database.")
        self.ingot("list", lines=3)
        self.ingot("restore", "--at", when.strftime("%Y-%m-%d %H:%M:%S"), "--yes", lines=6)
        say()

        now = self.sums()
        differ = [name for name in sorted(sums.keys() | now.keys()) if now.get(name) != sums.get(name)]
        say("5. Compare.")
        self.say_answer(self.answer())
        say(f"   sha256sum: {len(differ)} of {len(sums)} differ")
        if self.answer() != before:
            raise Differs("the known query answers otherwise than before")
        if differ:
            raise Differs(f"not as before: {', '.join(differ)}")
        if os.stat(self.stack + "/.env").st_mode & 0o777 != 0o600:
            raise Differs(".env is not private any more")
        if list(self.application.execute("PRAGMA integrity_check")) != [("ok",)]:
            raise Differs("the database is damaged")


def main():
    # kill, and a closed terminal, clean up too.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(130))
    started = time.monotonic()
    base = tempfile.mkdtemp(prefix="ingot-demo-")
    demo = Demo(sys.argv[1], base)
    try:
        demo.run()
        say(f"   All as it was. {time.monotonic() - started:.1f} s; nothing is left behind.")
        return 0
    except Differs as error:
        say(f"The demo FAILED: {error}")
        return 1
    finally:
        if demo.application:
            demo.application.close()
        shutil.rmtree(base)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main())
