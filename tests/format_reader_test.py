#!/usr/bin/python3
"""docs/format.md is enough to read a repository: tests/format_reader.py, written from that page, restores what the built ingot
stored, byte for byte, and refuses it when one bit is flipped.

Called by ctest with the program's path, the build folder and the source folder.
"""

import os
import random
import shutil
import sqlite3
import struct
import subprocess
import sys
import tempfile
import unittest

import zstandard

INGOT, SOURCE = sys.argv[1], sys.argv[3]
READER = os.path.join(SOURCE, "tests", "format_reader.py")
FLIPS = 1_000 if os.environ.get("INGOT_NIGHTLY") else 60

CONFIG = """
[repository]
path = "{base}/repo"
[stack]
name = "format"
root = "{base}/stack"
[sources.tree]
driver = "files"
paths = ["tree"]
[sources.env]
driver = "env"
paths = [".env"]
[sources.db]
driver = "sqlite"
path = "db.sqlite"
[state]
dir = "{base}/state"
"""


def write(path, data):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)


def make_stack(base):
    """A small stack with what is awkward about files."""
    some = random.Random(1)
    tree = os.fsencode(base) + b"/stack/tree/"
    write(tree + b"plain.txt", b"hello\n")
    write(tree + b"empty", b"")
    write(tree + b"with space/and\nnewline", b"odd\n")
    write(tree + b"not-utf8-\xff\xfe", b"bytes\n")
    write(tree + b"sub/a", b"before a-b\n")
    write(tree + b"sub-b", b"'-' sorts before '/' in plain byte order\n")
    write(tree + b"random.bin", some.randbytes(3_000_000))
    write(tree + b"words.txt", b" ".join(some.choice([b"index", b"chunk", b"vector", b"golden"]) for _ in range(700_000)))
    os.makedirs(tree + b"empty folder")
    os.symlink(b"plain.txt", tree + b"link")
    os.symlink(b"/nowhere/at all", tree + b"dangling")
    os.link(tree + b"plain.txt", tree + b"second name")
    os.mkfifo(tree + b"fifo")
    os.chmod(tree + b"plain.txt", 0o640)
    os.utime(tree + b"sub/a", ns=(1_600_000_000_123_456_789, 1_600_000_000_123_456_789))
    write(os.fsencode(base) + b"/stack/.env", b"KEY=value\n")
    os.chmod(base + "/stack/.env", 0o600)
    database = sqlite3.connect(base + "/stack/db.sqlite")
    database.execute("PRAGMA journal_mode=DELETE")
    database.execute("CREATE TABLE chunks (id INTEGER PRIMARY KEY, text TEXT)")
    database.executemany("INSERT INTO chunks (text) VALUES (?)", [(f"chunk {i} " + "lorem " * 40,) for i in range(5_000)])
    database.commit()
    database.close()


def described(folder):
    """Everything below a folder that a restore must bring back: path -> what it is."""
    found = {}
    folder = os.fsencode(folder)
    inodes = {}
    for at, folders, files in os.walk(folder):
        for name in folders + files:
            path = os.path.join(at, name)
            info = os.lstat(path)
            shown = [oct(info.st_mode), info.st_uid, info.st_gid]
            if os.path.islink(path):
                shown.append(os.readlink(path))
            else:
                shown.append(info.st_mtime_ns)
            if os.path.isfile(path) and not os.path.islink(path):
                with open(path, "rb") as file:
                    shown.append(file.read())
                inodes.setdefault(info.st_ino, []).append(os.path.relpath(path, folder))
            found[os.path.relpath(path, folder)] = shown
    found["hard links"] = sorted(sorted(names) for names in inodes.values() if len(names) > 1)
    return found


class FloatPlanes(unittest.TestCase):
    """The section of that name, by an encoder of its own; floats that ingot itself stored come with a driver that knows some."""

    @staticmethod
    def stored(plain, frames):
        words = struct.unpack(f"<{len(plain) // 4}I", plain[:len(plain) // 4 * 4])
        rotated = b"".join(struct.pack("<I", (word << 1 | word >> 31) & 0xffffffff) for word in words)
        planes = [zstandard.compress(rotated[p::4]) if p in frames else rotated[p::4] for p in range(4)]
        return struct.pack("<4I", *map(len, planes)) + b"".join(planes) + plain[len(plain) // 4 * 4:]

    def test_joins_planes_and_refuses_other_lengths(self):
        sys.path.insert(0, os.path.dirname(READER))
        import format_reader
        joined = refused = 0
        for tail in range(4):
            plain = struct.pack("<600f", *(i / 64 for i in range(-300, 300))) + bytes(range(tail))
            for frames in ((), (3,), (0, 1, 3)):
                stored = self.stored(plain, frames)
                self.assertEqual(format_reader.decompress(2, stored, len(plain), "here"), plain)
                joined += 1
                for other in (stored[:-1], stored + b"x", stored[:10], bytes(4) + stored[4:], b"\xff" * 16 + stored[16:]):
                    with self.assertRaises((format_reader.Damaged, zstandard.ZstdError)):
                        format_reader.decompress(2, other, len(plain), "here")
                    refused += 1
        print(f"float planes joined: {joined}, damaged ones refused: {refused}")


class FormatReader(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.base = tempfile.mkdtemp(prefix="ingot-format-")
        cls.addClassCleanup(shutil.rmtree, cls.base)
        make_stack(cls.base)
        write(cls.base + "/ingot.toml", CONFIG.format(base=cls.base).encode())
        cls.ingot("init", "--no-encryption")
        cls.ingot("snapshot")
        # A second head, with a tree that shares most of the first.
        with open(cls.base + "/stack/tree/words.txt", "r+b") as file:
            file.seek(1_000_000)
            file.write(b"changed")
        cls.ingot("snapshot", "--golden")

    @classmethod
    def ingot(cls, *arguments):
        done = subprocess.run([INGOT, "-c", cls.base + "/ingot.toml", *arguments], capture_output=True, text=True)
        if done.returncode:
            raise AssertionError(f"ingot {' '.join(arguments)}: exit {done.returncode}\n{done.stdout}{done.stderr}")

    def read(self, *arguments, repo=None):
        return subprocess.run(["/usr/bin/python3", READER, repo or self.base + "/repo", *arguments], capture_output=True, text=True)

    def test_restores_what_was_stored_byte_for_byte(self):
        to = self.base + "/out"
        done = self.read("--to", to)
        self.assertEqual(done.returncode, 0, done.stderr)
        for source, live in (("tree", "tree"), ("env", ".env"), ("db", "db.sqlite")):
            self.assertTrue(os.path.lexists(f"{to}/{source}/{live}"), done.stdout)
        self.assertEqual(described(to + "/tree/tree"), described(self.base + "/stack/tree"))
        for name in ("env/.env", "db/db.sqlite"):
            with open(f"{to}/{name}", "rb") as ours, open(f"{self.base}/stack/{os.path.basename(name)}", "rb") as live:
                self.assertEqual(ours.read(), live.read(), name)
        self.assertEqual(os.stat(to + "/env/.env").st_mode & 0o777, 0o600)

    def test_lists_both_snapshots_oldest_first(self):
        done = self.read("--list")
        self.assertEqual(done.returncode, 0, done.stderr)
        lines = done.stdout.splitlines()
        self.assertEqual(len(lines), 2, done.stdout)
        self.assertLess(lines[0].split()[1], lines[1].split()[1])

    def test_the_first_snapshot_still_holds_the_old_bytes(self):
        first = self.read("--list").stdout.split()[0]
        done = self.read("--snapshot", first, "--to", self.base + "/first")
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(self.base + "/first/tree/tree/words.txt", "rb") as old, open(self.base + "/stack/tree/words.txt", "rb") as new:
            old, new = old.read(), new.read()
        self.assertEqual(len(old), len(new))
        self.assertEqual([i for i in range(len(old)) if old[i] != new[i]][-1] // 10, 100_000)

    def test_goes_on_from_a_full_head(self):
        repo = self.base + "/accepted"
        shutil.copytree(self.base + "/repo", repo)
        (writer,) = os.listdir(repo + "/heads")
        os.remove(f"{repo}/heads/{writer}/0000000001")
        self.assertEqual(self.read("--list", repo=repo).returncode, 20)
        self.ingot("--repo", repo, "check", "--accept-head")
        done = self.read("--list", repo=repo)
        self.assertEqual(done.returncode, 0, done.stderr)
        # Records that only the lost head named are still there and authentic: they are taken up again.
        self.assertEqual(done.stdout, self.read("--list").stdout)

    def test_refuses_a_flipped_bit_wherever_it_is(self):
        some = random.Random(int(os.environ.get("INGOT_SEED", "7")))
        files = []
        for at, _, names in os.walk(self.base + "/repo"):
            relative = os.path.relpath(at, self.base + "/repo")
            if relative.split("/")[0] in ("packs", "heads"):
                files += [os.path.join(relative, name) for name in names]
            elif relative == "records/manifest":
                files += [os.path.join(relative, name) for name in names]
        self.assertGreaterEqual(len(files), 5, files)
        refused = 0
        for number in range(FLIPS):
            name = files[number % len(files)]
            path = os.path.join(self.base, "repo", name)
            with open(path, "r+b") as file:
                position = some.randrange(os.fstat(file.fileno()).st_size)
                mask = 1 << some.randrange(8)
                file.seek(position)
                byte = file.read(1)[0]
                file.seek(position)
                file.write(bytes([byte ^ mask]))
            try:
                done = []
                for snapshot in self.snapshots:
                    to = tempfile.mkdtemp(dir=self.base)
                    done.append(self.read("--snapshot", snapshot, "--to", to + "/x"))
                    shutil.rmtree(to)
                codes = [one.returncode for one in done]
                self.assertIn(20, codes, f"{name}, byte {position}, mask {mask}: {codes} {[one.stderr for one in done]}")
                self.assertNotIn("Traceback", "".join(one.stderr for one in done), f"{name}, byte {position}")
                refused += 1
            finally:
                with open(path, "r+b") as file:
                    file.seek(position)
                    file.write(bytes([byte]))
        print(f"bits flipped: {FLIPS}, in {len(files)} files; refused: {refused}")

    @property
    def snapshots(self):
        return [line.split()[0] for line in self.listed.splitlines()]

    def setUp(self):
        self.listed = self.read("--list").stdout


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
