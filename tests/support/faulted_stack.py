"""A small stack for the crash tests, and all that can be told apart of its content.

The content of the database follows from two numbers, its generation and how many rows it has, so that a torn one is seen by itself.
"""

import contextlib
import hashlib
import os
import shutil
import sqlite3
import stat
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from faulted_run import FAULTED, INGOT, RANDOM, Failed, require, run

CONFIG = """\
[repository]
path = "{repo}"
key_file = "{key}"

[stack]
name = "rag"
root = "{root}"
{barrier}
[sources.db]
driver = "sqlite"
path = "app.db"

[sources.env]
driver = "env"
paths = [".env"]

[sources.files]
driver = "files"
paths = ["docs"]

[state]
dir = "{state}"
"""

BARRIER = """
[barrier]
pause = "touch {base}/paused"
resume = "rm -f {base}/paused"
max_pause = "20s"
"""


def sha256_of(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def entry_state(path, inodes, name):
    """Everything about one entry that a restore must bring back."""
    st = os.lstat(path)
    state = [stat.S_IFMT(st.st_mode), stat.S_IMODE(st.st_mode), st.st_uid, st.st_gid, st.st_mtime_ns]
    if stat.S_ISLNK(st.st_mode):
        state.append(os.readlink(path))
    else:
        state.append(sorted((key, os.getxattr(path, key)) for key in os.listxattr(path) if key.startswith("user.")))
    if stat.S_ISREG(st.st_mode):
        state += [st.st_size, sha256_of(path)]
    if st.st_nlink > 1 and not stat.S_ISDIR(st.st_mode):
        state.append(inodes.setdefault((st.st_dev, st.st_ino), name))
    return tuple(state)


def tree_state(top):
    """Path -> state of every entry below, and of the top itself. Paths are bytes."""
    top = os.fsencode(top)
    inodes, found = {}, {}

    def walk(path, name):
        found[name] = entry_state(path, inodes, name)
        if stat.S_ISDIR(found[name][0]):
            for child in sorted(os.listdir(path)):
                walk(os.path.join(path, child), name + b"/" + child)

    if os.path.lexists(top):
        walk(top, b"")
    return found


def row_of(generation, number):
    return hashlib.sha256(f"{generation}/{number}".encode()).hexdigest() * 8


class Torn(Failed):
    pass


def database_state(path):
    """(generation, rows, mode) of a database, read from a copy; raises Torn when it is no state that its writer made."""
    if not os.path.exists(path):
        return None
    copy = path + ".looked-at"
    try:
        for end in ("", "-wal"):
            with contextlib.suppress(FileNotFoundError):
                shutil.copyfile(path + end, copy + end)
        connection = sqlite3.connect(copy)
        try:
            if (fine := connection.execute("PRAGMA integrity_check").fetchone()[0]) != "ok":
                raise Torn(f"{path}: integrity_check says {fine}")
            generation, rows = connection.execute("SELECT generation, rows FROM total").fetchone()
            for number, (n, body) in enumerate(connection.execute("SELECT n, body FROM t ORDER BY n"), 1):
                if n != number or body != row_of(generation, n):
                    raise Torn(f"{path}: row {n} of generation {generation} is not what its writer wrote")
            if connection.execute("SELECT count(*) FROM t").fetchone()[0] != rows:
                raise Torn(f"{path}: not {rows} rows, as its own count says")
        except sqlite3.DatabaseError as error:
            raise Torn(f"{path}: {error}") from None
        finally:
            connection.close()
    finally:
        for end in ("", "-wal", "-shm", "-journal"):
            with contextlib.suppress(FileNotFoundError):
                os.remove(copy + end)
    st = os.stat(path)
    return generation, rows, stat.S_IMODE(st.st_mode), st.st_uid


def make_database(path, generation, count, wal=True):
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute(f"PRAGMA journal_mode={'WAL' if wal else 'DELETE'}")
    connection.execute("CREATE TABLE t (n INTEGER PRIMARY KEY, body TEXT)")
    connection.execute("CREATE TABLE total (generation INTEGER, rows INTEGER)")
    connection.execute("INSERT INTO total VALUES (?, 0)", (generation,))
    connection.execute("BEGIN")
    add_rows(connection, generation, 0, count)
    connection.execute("COMMIT")
    return connection


def add_rows(connection, generation, first, count):
    connection.executemany("INSERT INTO t VALUES (?, ?)", ((n, row_of(generation, n)) for n in range(first + 1, first + count + 1)))
    connection.execute("UPDATE total SET rows = rows + ?", (count,))


class Writer:
    """An application that writes to the database all the while, one row in a transaction."""

    def __init__(self, path, generation, rows):
        self.path, self.generation, self.rows = path, generation, rows
        self.stopping = False
        self.longest_s = 0.0
        self.error = None
        self.thread = threading.Thread(target=self.work)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping = True
        self.thread.join()

    def work(self):
        connection = sqlite3.connect(self.path, isolation_level=None, timeout=30)
        connection.execute("PRAGMA synchronous=OFF")  # only pauses of the process are of interest
        try:
            while not self.stopping:
                began = time.monotonic()
                connection.execute("BEGIN IMMEDIATE")
                add_rows(connection, self.generation, self.rows, 1)
                connection.execute("COMMIT")
                self.rows += 1
                self.longest_s = max(self.longest_s, time.monotonic() - began)
                time.sleep(0.02)
        except sqlite3.Error as error:
            self.error = error
        finally:
            connection.close()


class Content:
    """What the sources of a stack hold. `low` and `high`: the database's rows before and after the snapshot."""

    def __init__(self, docs, env, database, low=None, high=None):
        self.docs, self.env, self.database, self.low, self.high = docs, env, database, low, high

    @staticmethod
    def of_live(root):
        return Content(tree_state(root + "/docs"), tree_state(root + "/.env"), database_state(root + "/app.db"))

    @staticmethod
    def of_restored(to):
        return Content(tree_state(to + "/files/docs"), tree_state(to + "/env/.env"), database_state(to + "/db/app.db"))

    def without_stages(self):
        """As it is while a restore is unfinished: its stage folders lie beside the entries, their folders' times are new, and what
        lies in them may be another name of an entry."""

        def kept(tree):
            return {path: state[:4] + state[5:] if stat.S_ISDIR(state[0]) else state[:8] for path, state in tree.items() if b".ingot-" not in path}

        return Content(kept(self.docs), kept(self.env), self.database, self.low, self.high)

    def with_writer(self, generation, low, high):
        self.database, self.low, self.high = (generation, low) + self.database[2:], low, high
        return self

    def differs(self, other):
        """What is other there, or an empty text."""
        for what, mine, others in (("files", self.docs, other.docs), ("env", self.env, other.env)):
            for path in sorted(set(mine) | set(others)):
                if mine.get(path) != others.get(path):
                    return f"{what}: {path!r} is\n  {others.get(path)}\nand not\n  {mine.get(path)}"
        if self.low is None or self.database is None or other.database is None:
            return "" if self.database == other.database else f"the database is {other.database} and not {self.database}"
        generation, count = other.database[:2]
        if generation != self.database[0] or not self.low <= count <= self.high or other.database[2:] != self.database[2:]:
            return f"the database is {other.database} and not one of {self.low} to {self.high} rows, {self.database}"
        return ""


class Stack:
    """Sources, config, repository and state directory in one folder; each can lie elsewhere."""

    def __init__(self, base, root=None, repo=None, state=None, barrier=False, more=""):
        self.base = base
        self.root = root or base + "/stack"
        self.repo = repo or base + "/repo"
        self.state = state or base + "/state"
        self.config = base + "/ingot.toml"
        self.restored_below = base
        self.generation = 1
        self.rows = 0
        os.makedirs(base, exist_ok=True)
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(CONFIG.format(repo=self.repo, key=base + "/key", root=self.root, state=self.state,
                                     barrier=BARRIER.format(base=base) if barrier else "") + more)

    def words(self, *arguments, program=INGOT):
        return [program, "-c", self.config, "--json", "--lock-wait", "30s", *arguments]

    def faulted(self, *arguments):
        return self.words(*arguments, program=FAULTED)

    def ingot(self, *arguments, env=None, timeout=120):
        return run(self.words(*arguments), env, timeout)

    def init(self):
        self.ingot("init").expect(0)

    def fill(self, files=10, rows=200, kib=24):
        os.makedirs(self.root + "/docs/deep/er")
        for number in range(files):
            folder = ("docs", "docs/deep", "docs/deep/er")[number % 3]
            self.write(f"{folder}/f{number}", RANDOM.randbytes(RANDOM.randrange(1, kib * 1024)))
        self.write("docs/empty", b"")
        self.write("docs/two\nlines and spaces", b"odd name")
        with open(os.fsencode(self.root) + b"/docs/not-utf8-\xff\xfe", "wb") as file:
            file.write(b"bytes")
        os.symlink("deep/er", self.root + "/docs/link")
        os.symlink("/nowhere/at all", self.root + "/docs/dangling")
        os.link(self.root + "/docs/f0", self.root + "/docs/deep/same-as-f0")
        os.chmod(self.root + "/docs/f3", 0o751)
        with contextlib.suppress(OSError):
            os.setxattr(self.root + "/docs/f0", "user.note", b"kept")
        self.write(".env", b"TOKEN=one\n")
        os.chmod(self.root + "/.env", 0o600)
        make_database(self.root + "/app.db", self.generation, rows).close()
        self.rows = rows
        return self

    def write(self, path, data):
        with open(os.path.join(self.root, path), "wb") as file:
            file.write(data)

    def change(self):
        """Contents, names, metadata and links change; returns how many bytes of content can be new at most."""
        names = sorted(name for name in os.listdir(self.root + "/docs") if name.startswith("f"))
        new = 0
        for name in RANDOM.sample(names, 2):
            data = RANDOM.randbytes(RANDOM.randrange(1, 40_000))
            self.write("docs/" + name, data)
            new += len(data)
        fresh = RANDOM.randbytes(5000)
        self.write(f"docs/f{RANDOM.randrange(100, 120)}", fresh)
        if len(names) > 14:
            os.remove(f"{self.root}/docs/{RANDOM.choice(names)}")
        os.chmod(f"{self.root}/docs/deep", RANDOM.choice([0o755, 0o750, 0o711]))
        os.remove(self.root + "/docs/link")
        os.symlink(f"deep/{RANDOM.randrange(9)}", self.root + "/docs/link")
        env = f"TOKEN={RANDOM.randrange(10**9)}\n".encode()
        self.write(".env", env)
        return new + len(fresh) + len(env)

    def content(self):
        return Content.of_live(self.root)

    def content_without_database(self):
        """For use beside a Writer: the database's mode and owner only."""
        st = os.stat(self.root + "/app.db")
        return Content(tree_state(self.root + "/docs"), tree_state(self.root + "/.env"), (None, None, stat.S_IMODE(st.st_mode), st.st_uid))

    def snapshots(self):
        """Id -> its line of `list --json`."""
        lines = self.ingot("list").expect(0).lines
        return {line["id"]: line for line in lines if line["message_type"] == "snapshot"}

    def require_restores(self, snapshot, content, to=None):
        """The snapshot, put into a folder of its own, is that content to the byte and the mode."""
        to = to or f"{self.restored_below}/restored-{snapshot[:12]}"
        done = self.ingot("restore", snapshot, "--to", to).expect(0)
        difference = content.differs(Content.of_restored(to))
        require(not difference, f"snapshot {snapshot[:8]} came back other than it was taken: {difference}", done)
        shutil.rmtree(to)

    def leftovers(self):
        """What a restore made beside the targets, and did not remove."""
        found = [os.path.join(at, name) for at, folders, names in os.walk(self.root) for name in folders + names if ".ingot-" in name]
        found += [os.path.join(self.state, name) for name in os.listdir(self.state) if name.startswith("restore-")]
        return found


class Oracle:
    """What was acknowledged, and what it holds: kept here, outside of the repository. Every snapshot is named by its tag."""

    def __init__(self, stack):
        self.stack = stack
        self.by_tag = {}
        self.acknowledged = {}

    def take(self, tag, words, runner, content):
        """Runs a snapshot; records it when it is acknowledged."""
        self.by_tag[tag] = content
        done = runner(words + ["--tag", tag])
        if done.status == 0:
            self.acknowledge(done, tag)
        return done

    def acknowledge(self, done, tag):
        require("snapshot_id" in done.summary, "exit 0 without a summary", done)
        self.acknowledged[done.summary["snapshot_id"]] = tag

    def lost(self, listed):
        return [f"{snapshot} ({tag})" for snapshot, tag in self.acknowledged.items() if snapshot not in listed]

    def check_all(self, counts):
        """Everything that is listed restores as it was taken; everything acknowledged is listed."""
        listed = self.stack.snapshots()
        lost = self.lost(listed)
        counts.add("acknowledged", len(self.acknowledged))
        counts.add("present, though cut short before it was said", sum(snapshot not in self.acknowledged for snapshot in listed))
        counts.add("lost", len(lost))
        require(not lost, f"acknowledged, and not there: {lost}")
        with ThreadPoolExecutor(2) as pool:  # readers beside each other
            for _ in pool.map(lambda one: self.stack.require_restores(one[0], self.by_tag[one[1]["tags"][0]]), listed.items()):
                counts.add("restored and compared")
