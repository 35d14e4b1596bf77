"""What the whole-program tests of the built binary share: a stack with a config of its own, what may never change, and what is said.

Builds on tests/support: run() and its Done, the small stack that the crash tests fill, and tree_state().
"""

import contextlib
import hashlib
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import faulted_stack
from faulted_run import INGOT, Failed, require, run, work_folder
from faulted_stack import tree_state

SOURCES = {"db": ("sqlite", ["app.db"]), "env": ("env", [".env"]), "files": ("files", ["docs"])}


def quoted(text):
    """As a TOML string."""
    out = ""
    for character in text:
        out += {'"': '\\"', "\\": "\\\\", "\n": "\\n"}.get(character, character)
    return f'"{out}"'


def listed(texts):
    return "[" + ", ".join(quoted(text) for text in texts) + "]"


def first_difference(mine, others):
    """What is other there, or an empty text."""
    for key in sorted(set(mine) | set(others), key=repr):
        if mine.get(key) != others.get(key):
            return f"{key!r} is\n  {others.get(key)}\nand not\n  {mine.get(key)}"
    return ""


def database_content(path):
    """What a database answers, and its mode and owner; read from a copy, so that nothing appears beside it."""
    if not os.path.exists(path):
        return None
    with work_folder("look", quick=True) as folder:
        for end in ("", "-wal"):
            with contextlib.suppress(FileNotFoundError):
                shutil.copyfile(path + end, folder + "/copy" + end)
        connection = sqlite3.connect(folder + "/copy")
        try:
            dump = hashlib.sha256("\n".join(connection.iterdump()).encode()).hexdigest()
        except sqlite3.DatabaseError as error:
            dump = str(error)
        finally:
            connection.close()
    st = os.stat(path)
    return dump, stat.S_IMODE(st.st_mode), st.st_uid, st.st_gid


class Stack(faulted_stack.Stack):
    """With any sources in its config, and an account of what its snapshots hold."""

    def __init__(self, base, sources=None, barrier="", head="", key=True, **places):
        super().__init__(base, **places)
        self.key = base + "/key" if key else None
        self.taken = {}  # id -> content
        self.user = []   # words before each command
        self.program = INGOT
        self.configure(sources or SOURCES, barrier, head)

    def configure(self, sources=None, barrier="", head=""):
        """`sources`: name -> (driver, paths, further lines)."""
        self.sources = sources or self.sources
        key_file = f"key_file = {quoted(self.key)}\n" if self.key else ""
        text = (f"[repository]\npath = {quoted(self.repo)}\n{key_file}\n[stack]\nname = \"rag\"\n"
                f"root = {quoted(self.root)}\n{head}\n\n[state]\ndir = {quoted(self.state)}\n\n")
        if barrier:
            text += f"[barrier]\n{barrier}\n\n"
        for name, (driver, paths, *lines) in self.sources.items():
            text += f"[sources.{name}]\ndriver = {quoted(driver)}\n"
            if paths:
                text += f"path = {quoted(paths[0])}\n" if driver == "sqlite" else f"paths = {listed(paths)}\n"
            text += "".join(line + "\n" for line in lines) + "\n"
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(text)

    def words(self, *arguments, program=None):
        return [*self.user, *super().words(*arguments, program=program or self.program)]

    def text(self, *arguments, env=None, config=True, timeout=120):
        """As a person runs it: without --json."""
        return run([*self.user, self.program, *(["-c", self.config] if config else []), *arguments], env, timeout)

    def as_nobody(self):
        """From now on everything is another user's, and run by that user."""
        self.program = self.base + "/ingot"
        shutil.copy(INGOT, self.program)
        os.chmod(self.program, 0o755)
        run(["chown", "-hR", "65534:65534", self.base]).expect(0)
        os.chmod(os.path.dirname(self.base), 0o711)
        self.user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"]

    def remove(self, path):
        os.remove(os.path.join(self.root, path))

    # What there is

    def content_at(self, place):
        """(source, path) -> everything that a restore must bring back; `place(source, path)` is where it lies."""
        found = {}
        for name, (driver, paths, *_) in self.sources.items():
            for path in paths:
                at = place(name, path)
                found[name, path] = database_content(at) if driver == "sqlite" else tree_state(at)
        return found

    def content(self):
        return self.content_at(lambda _, path: os.path.join(self.root, path))

    def restored(self, to):
        return self.content_at(lambda name, path: f"{to}/{name}/{path.lstrip('/')}")

    def differs(self, content, other):
        for key in content:
            if isinstance(content[key], dict):
                if difference := first_difference(content[key], other[key]):
                    return f"{key}: {difference}"
            elif content[key] != other[key]:
                return f"{key} is {other[key]} and not {content[key]}"
        return ""

    def stored(self):
        """The repository's own files, with their sizes. The index and tmp/ are no part of what is stored."""
        found = {}
        for at, _, names in os.walk(self.repo):
            if os.path.relpath(at, self.repo).split("/")[0] not in ("index", "tmp"):
                found.update({os.path.join(at, name): os.lstat(os.path.join(at, name)).st_size for name in names})
        return found

    # What is done with it

    def take(self, *arguments):
        """A complete snapshot, remembered with what it holds."""
        content = self.content()
        done = self.ingot("snapshot", *arguments).expect(0)
        self.taken[done.summary["snapshot_id"]] = content
        return done

    def require_whole(self, *evidence):
        """The repository is undamaged, and every snapshot that was remembered restores as it was taken."""
        done = self.ingot("check")
        require(done.status == 0, "check found something", done, *evidence)
        for snapshot, content in self.taken.items():
            to = f"{self.base}/whole-{snapshot[:12]}"
            self.ingot("restore", snapshot, "--to", to).expect(0)
            difference = self.differs(content, self.restored(to))
            require(not difference, f"snapshot {snapshot[:8]} came back other than it was taken: {difference}", *evidence)
            shutil.rmtree(to)

    def require_live(self, content, *evidence):
        difference = self.differs(content, self.content())
        require(not difference, f"the live stack is other than expected: {difference}", *evidence)
        require(not self.leftovers(), f"left behind: {self.leftovers()}", *evidence)


def live_state(stack):
    """The live tree, but for what every reader of a database in WAL mode makes beside it, which has no content of its own."""
    tree = tree_state(stack.root)
    made = [path for path, state in tree.items() if path.endswith(b"-shm") or (path.endswith(b"-wal") and state[6] == 0)]
    return {path: state[:4] if path == b"" else state for path, state in tree.items() if path not in made}


def require_said(done, *said):
    """Everything of `said`, and what to do next."""
    everything = done.said + done.out.decode(errors="replace")
    for text in said:
        require(text in everything, f"it does not say \"{text}\"", done)
    require("  hint: " in done.said, "it does not say what to do next", done)


class StackTest(unittest.TestCase):
    """A folder of its own for each test, in memory where there is room."""

    failureException = Failed
    quick = True

    def setUp(self):
        self.folder = self.enterContext(work_folder(type(self).__name__.lower(), self.quick))

    def stack(self, name="", taken=True, fill=True, **arguments):
        """A small stack with a repository and a remembered snapshot."""
        stack = Stack(f"{self.folder}/{name}" if name else self.folder + "/base", **arguments)
        if fill:
            stack.fill(files=5, rows=4, kib=6)
        if taken:
            stack.init()
            stack.take()
        return stack

    @contextlib.contextmanager
    def unchanged(self, stack):
        """Neither the live stack nor what is stored is touched inside this block."""
        live, stored = live_state(stack), stack.stored()
        yield
        difference = first_difference(live, live_state(stack))
        require(not difference, f"the live stack was touched: {difference}")
        difference = first_difference(stored, stack.stored())
        require(not difference, f"the repository was touched: {difference}")

    def refused(self, stack, words, status, *said, env=None, config=True):
        """A command that fails with one clear error and changes nothing."""
        with self.unchanged(stack):
            done = stack.text(*words, env=env, config=config).expect(status)
        require_said(done, *said)
        require(done.out == b"", "a failed command gave a result", done)
        require(done.said.count("ingot: ") - done.said.count("ingot: warning: ") - done.said.count("'ingot: ") == 1, "not one error", done)
        return done


HOLDER = """
import fcntl, struct, sys, time
file = open(sys.argv[1], "r+b")
fcntl.fcntl(file, fcntl.F_OFD_SETLK, struct.pack("hhxxxxqqixxxx", fcntl.F_WRLCK, 0, int(sys.argv[2]), 1, 0))
print("held", flush=True)
time.sleep(600)
"""


@contextlib.contextmanager
def held_lock(stack, byte):
    """Another process holds the lock on that byte of the config (store/lock.h)."""
    holder = subprocess.Popen(["/usr/bin/python3", "-c", HOLDER, stack.repo + "/config", str(byte)], stdout=subprocess.PIPE)
    try:
        require(holder.stdout.readline() == b"held\n", "the lock could not be taken")
        yield holder
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()


def main():
    unittest.main(module="__main__", argv=sys.argv[:1], verbosity=2)
