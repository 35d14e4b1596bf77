#!/usr/bin/python3
"""A snapshot that is damaged in one stream: `restore` and `verify` name it, and the snapshot that has its source whole.

Called by ctest with the program's path, the build folder and the source folder.
"""

import os
import random
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from stack import StackTest, main
from faulted_run import Counts, require

COUNTS = Counts()
# Large beside everything else that a snapshot adds, so that the pack that holds it is the largest new one.
BYTES = 2 << 20


class DamagedStreams(StackTest):
    def packs(self, stack):
        found = {}
        for at, _, names in os.walk(stack.repo + "/packs"):
            found.update({os.path.join(at, name): os.path.getsize(os.path.join(at, name)) for name in names})
        return found

    def write_large(self, stack, seed):
        with open(stack.root + "/docs/large", "wb") as file:
            file.write(random.Random(seed).randbytes(BYTES))

    def damage_largest(self, stack, before):
        new = {path: size for path, size in self.packs(stack).items() if path not in before}
        path = max(new, key=new.get)
        require(new[path] > BYTES, f"the largest new pack has {new[path]} bytes only")
        with open(path, "r+b") as file:
            for at in range(BYTES // 4, BYTES, BYTES // 8):
                file.seek(at)
                byte = file.read(1)[0]
                file.seek(at)
                file.write(bytes([byte ^ 0xFF]))
                COUNTS.add("bytes damaged")

    def test_the_stream_is_named_and_the_snapshot_that_has_it_whole(self):
        stack = self.stack(taken=False)
        stack.init()
        self.write_large(stack, 1)
        golden = stack.ingot("snapshot", "--golden").expect(0).summary["snapshot_id"]
        before = self.packs(stack)
        self.write_large(stack, 2)
        damaged = stack.ingot("snapshot").expect(0).summary["snapshot_id"]
        self.damage_largest(stack, before)
        self.write_large(stack, 3)  # else nothing of it needs to be read
        words = f"files is whole in snapshot {golden[:8]} (golden, "
        command = f"ingot restore {golden[:8]} --only files"
        for done in (self.refused(stack, ["restore", damaged, "--yes"], 20, "nothing was changed", "damaged are files: docs/large", words, command),
                     stack.text("restore", damaged, "--to", self.folder + "/beside").expect(20)):
            require("damaged are files: docs/large" in done.said and command in done.said, "it does not say what to do", done)
            COUNTS.add("damages named with a way out")
        done = stack.text("verify", damaged).expect(20)
        require("damaged are files: docs/large" in done.said and command in done.said, "verify does not say what to do", done)
        stack.text("restore", damaged, "--only", "db,env", "--yes").expect(0)
        stack.text("restore", golden[:8], "--only", "files", "--yes").expect(0)
        with open(stack.root + "/docs/large", "rb") as file:
            require(file.read() == random.Random(1).randbytes(BYTES), "the way out did not lead to the golden content")

    def test_content_that_every_snapshot_shares_is_whole_nowhere(self):
        stack = self.stack(taken=False)
        stack.init()
        stack.ingot("snapshot").expect(0)  # of before the file was there
        before = self.packs(stack)
        self.write_large(stack, 1)
        stack.ingot("snapshot").expect(0)
        self.damage_largest(stack, before)
        with open(stack.root + "/docs/more", "w", encoding="utf-8") as file:
            file.write("more")
        damaged = stack.ingot("snapshot").expect(0).summary["snapshot_id"]
        self.write_large(stack, 3)
        self.refused(stack, ["restore", damaged, "--yes"], 20, "damaged are files: docs/large", "files is whole in no other snapshot")
        COUNTS.add("damages without a way out named")


def tearDownModule():
    print(f"\ncounted: {COUNTS}", file=sys.stderr)


if __name__ == "__main__":
    main()
