#!/usr/bin/python3
"""Flipped bits, and files cut, emptied, deleted, swapped, through the built binary.

Each damage is done to a fresh copy of a small repository with several snapshots. It is harmless and named by `check`, or reported
with exit 20 or 25; a restore never returns other bytes with exit 0. The index is a cache: whatever is done to it is noticed and
mended, and the next snapshot is complete. (tests/damaged/bits_test.cc flips every bit, in process.)
"""

import os
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

from faulted_run import NIGHTLY, RANDOM, SANITIZED, main, require, rounds, run, work_folder
from faulted_stack import Stack

DAMAGED, TAMPERED = 20, 25


class Museum:
    """A repository with snapshots of known content, of which every case gets a copy."""

    def __init__(self, folder, env=None):
        self.env = env or {}
        self.stack = Stack(folder).fill(files=5, rows=20, kib=10)
        self.ingot("init").expect(0)
        self.contents = {}
        for _ in range(3):
            taken = self.ingot("snapshot").expect(0)
            self.contents[taken.summary["snapshot_id"]] = self.stack.content()
            self.stack.change()
        self.ingot("verify", "--all").expect(0)
        self.places = (self.stack.repo, self.stack.state)
        for place in self.places:
            os.rename(place, place + ".whole")
        self.fresh()

    def ingot(self, *words):
        return self.stack.ingot(*words, env=self.env)

    def fresh(self):
        for place in self.places:
            shutil.rmtree(place, ignore_errors=True)
            run(["cp", "-a", place + ".whole", place]).expect(0)

    def files(self, *folders):
        """Relative to the repository, sorted; those of a folder are neighbours."""
        found = []
        for at, names, here in os.walk(self.stack.repo + ".whole"):
            names.sort()
            found += [os.path.relpath(os.path.join(at, name), self.stack.repo + ".whole") for name in sorted(here)]
        return [name for name in found if name.startswith(folders)]

    def path(self, name):
        return os.path.join(self.stack.repo, name)

    def size(self, name):
        return os.path.getsize(self.path(name))

    def judge(self, what, name, counts, harmless_needs_no_word=False):
        """After a damage to that file."""
        check = self.ingot("check")
        require(check.status in (0, DAMAGED, TAMPERED), f"{what}: check has a wrong exit code", check)
        reported = check.status
        for snapshot in RANDOM.sample(sorted(self.contents), 1):
            to = self.stack.base + "/to"
            done = self.ingot("restore", snapshot, "--to", to)
            require(done.status in (0, DAMAGED, TAMPERED), f"{what}: restore has a wrong exit code", check, done)
            if done.status == 0:
                difference = self.contents[snapshot].differs(self.contents[snapshot].of_restored(to))
                require(not difference, f"{what}: other bytes were returned with exit 0: {difference}", check, done)
            reported = reported or done.status
            shutil.rmtree(to, ignore_errors=True)
        if reported:
            counts.add(f"reported with exit {reported}")
            return
        named = os.path.basename(name).split(".")[0] in check.out.decode() + check.said
        if named or not harmless_needs_no_word:
            require(named, f"{what}: nothing was said", check)
            counts.add("harmless, and named")
        else:
            counts.add("harmless")


def flip(path, bit):
    with open(path, "r+b") as file:
        file.seek(bit // 8)
        byte = file.read(1)[0]
        file.seek(bit // 8)
        file.write(bytes([byte ^ 1 << bit % 8]))


def flip_some(museum, names, number, counts, **judged):
    """That many random bits, evenly over the files."""
    for index in range(number):
        name = names[index % len(names)]
        museum.fresh()
        bit = RANDOM.randrange(museum.size(name) * 8)
        flip(museum.path(name), bit)
        museum.judge(f"bit {bit} of {name}", name, counts, **judged)
        counts.add("bits flipped")


def bits(counts):
    with work_folder("flip", quick=True) as folder:
        museum = Museum(folder)
        for names, number in ((["config"], 24), (["config.copy"], 8), (museum.files("keys/"), 24), (museum.files("heads/"), 24),
                              (museum.files("records/"), 24)):
            flip_some(museum, names, rounds(number, 100 * number), counts)
        # A flipped bit in a pack's contents is found when it is read; `check` reads directories.
        packs = museum.files("packs/")
        for index in range(rounds(24, 20_000)):
            name = packs[index % len(packs)]
            museum.fresh()
            flip(museum.path(name), RANDOM.randrange(museum.size(name) * 8))
            verify = museum.ingot("verify", "--all").expect(DAMAGED)
            require(os.path.basename(name)[:8] in verify.out.decode() + verify.said, "verify does not name the pack", verify)
            museum.judge(f"a bit of {name}", name, counts, harmless_needs_no_word=True)
            counts.add("bits flipped")


def bits_of_a_passphrase_slot(counts):
    with work_folder("flip-passphrase", quick=True) as folder:
        with open(folder + "/passphrase", "w", encoding="ascii") as file:
            file.write("correct horse battery staple\n")
        os.chmod(folder + "/passphrase", 0o600)
        museum = Museum(folder, {"INGOT_PASSWORD_FILE": folder + "/passphrase"})
        slots = museum.files("keys/")
        require(not os.path.exists(folder + "/key"), "a key file was used")
        flip_some(museum, slots, rounds(10, 200), counts)


def whole_files(counts):
    """Every file cut to nothing, to half, by one byte; deleted; swapped with its neighbour."""
    with work_folder("flip-files", quick=True) as folder:
        museum = Museum(folder)
        names = museum.files("config", "keys/", "heads/", "records/", "packs/")
        for number, name in enumerate(names):
            ways = ("emptied", "half", "one byte less", "deleted", "swapped")
            for how in RANDOM.sample(ways, 2) if SANITIZED else ways:
                museum.fresh()
                path, size = museum.path(name), museum.size(name)
                if how == "deleted":
                    os.remove(path)
                elif how == "swapped":
                    other = museum.path(names[(number + 1) % len(names)])
                    os.rename(path, path + "x")
                    os.rename(other, path)
                    os.rename(path + "x", other)
                else:
                    os.truncate(path, {"emptied": 0, "half": size // 2, "one byte less": size - 1}[how])
                # The two copies of the config, and of a slot, are the same bytes: swapping them changes nothing.
                same = how == "swapped" and name.startswith(("config", "keys/"))
                museum.judge(f"{name} {how}", name, counts, harmless_needs_no_word=same)
                counts.add("files " + how)


def next_snapshot(museum, what, counts, new_bytes_at_most=None):
    """The stack is stored completely, and what is there is found."""
    museum.stack.change()
    first = museum.ingot("snapshot").expect(0)
    again = museum.ingot("snapshot").expect(0)
    require(again.summary["bytes_new"] == 0, f"{what}: an unchanged stack was stored again", first, again)
    if new_bytes_at_most is not None:
        require(first.summary["bytes_new"] <= new_bytes_at_most, f"{what}: what was stored was not found", first)
    museum.stack.require_restores(first.summary["snapshot_id"], museum.stack.content())
    counts.add("snapshots complete")
    return first


def damaged_index(counts):
    """Each file of the index hurt; a bit here and there; and all of it deleted."""
    with work_folder("flip-index", quick=True) as folder:
        museum = Museum(folder)
        cases = [("deleted", None)]
        names = museum.files("index/")
        tables = [name for name in names if name.endswith(".sst")]
        for name in [name for name in names if name not in tables] + (tables if NIGHTLY else RANDOM.sample(tables, min(4, len(tables)))):
            cases += [(how, name) for how in (("deleted",) if SANITIZED else ("emptied", "half", "deleted"))] + [("flipped", name)] * rounds(3, 500)
        for how, name in cases:
            museum.fresh()
            if name is None:
                shutil.rmtree(museum.path("index"))
            elif how == "deleted":
                os.remove(museum.path(name))
            elif how == "flipped":
                size = museum.size(name)
                flip(museum.path(name), RANDOM.randrange(size * 8)) if size else None
            else:
                os.truncate(museum.path(name), 0 if how == "emptied" else museum.size(name) // 2)
            what = f"index {name or ''} {how}"
            if how != "flipped":
                museum.judge(what, name or "index", counts, harmless_needs_no_word=True)
            next_snapshot(museum, what, counts)
            check = museum.ingot("check")
            require(check.status == 0, f"{what}: not mended by the next snapshot", check)
            counts.add("index " + how)


def rolled_back_index(counts):
    with work_folder("flip-back", quick=True) as folder:
        museum = Museum(folder)
        stack = museum.stack
        index = museum.path("index")

        # From before a snapshot: its packs are unknown to the index, and read in again.
        run(["cp", "-a", index, folder + "/earlier"]).expect(0)
        stack.change()
        museum.ingot("snapshot").expect(0)
        shutil.rmtree(index)
        os.rename(folder + "/earlier", index)
        after = museum.ingot("snapshot").expect(0)
        require(after.summary["bytes_new"] == 0, "what the rolled back index did not know was stored again", after)
        stack.require_restores(after.summary["snapshot_id"], stack.content())
        museum.ingot("check").expect(0)
        museum.ingot("verify", "--all").expect(0)
        counts.add("index from before a snapshot")

        # From before packs were removed: what they held must not be taken as stored.
        before = set(museum_packs(stack))
        stack.write("docs/f0", RANDOM.randbytes(30_000))
        stack.write(".env", b"KEY=of-a-pack-that-goes\n")
        gone = museum.ingot("snapshot").expect(0).summary["snapshot_id"]
        run(["cp", "-a", index, folder + "/earlier"]).expect(0)
        for pack in set(museum_packs(stack)) - before:
            os.remove(pack)
        museum.ingot("check", "--rebuild-index")
        shutil.rmtree(index)
        os.rename(folder + "/earlier", index)
        after = museum.ingot("snapshot").expect(0)
        require(after.summary["bytes_new"] >= 30_000, "what the removed packs held was taken as stored", after)
        stack.require_restores(after.summary["snapshot_id"], stack.content())
        again = museum.ingot("snapshot").expect(0)
        require(again.summary["bytes_new"] == 0, "stored twice", again)
        counts.add("index from before a removal of packs")
        # The same bytes are there again, so that the snapshot whose packs went is whole once more, or named as damaged.
        verify = museum.ingot("verify", gone).expect(0, DAMAGED)
        counts.add(f"the snapshot whose packs went: verify says exit {verify.status}")


def museum_packs(stack):
    return [os.path.join(at, name) for at, _, names in os.walk(stack.repo + "/packs") for name in names]


main("flip_test", bits, bits_of_a_passphrase_slot, whole_files, damaged_index, rolled_back_index)
