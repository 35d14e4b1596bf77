"""What the whole-program tests of the driver `command` share: sources for a config, a stack with one, and what was counted."""

import contextlib
import os
import sys
import time

from stack import StackTest, quoted
from stack import main as run_tests
from faulted_run import Counts, require

COUNTS = Counts()
FILES = {"files": ("files", ["docs"])}


def command(snapshot, *lines, **options):
    """A source of a config; options are texts."""
    return ("command", [], f"snapshot = {quoted(snapshot)}", *(f"{key} = {quoted(value)}" for key, value in options.items()), *lines)


def gone(pid):
    with contextlib.suppress(OSError):
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rsplit(")", 1)[1].split()[0] == "Z"
    return True


def wait_until(holds, what, limit_s=30):
    until = time.monotonic() + limit_s
    while not holds():
        require(time.monotonic() < until, f"not within {limit_s} s: {what}")
        time.sleep(0.01)


class CommandTest(StackTest):
    def with_command(self, source, name="", others=None, **arguments):
        """A stack with a source `app`, beside files."""
        stack = self.stack(name, taken=False, sources={"app": source, **(others or FILES)}, **arguments)
        stack.init()
        return stack

    def write(self, stack, name, text):
        with open(os.path.join(stack.root, name), "w", encoding="utf-8") as file:
            file.write(text)

    def read(self, stack, name):
        with open(os.path.join(stack.root, name), encoding="utf-8") as file:
            return file.read()

    def details(self, done, name="app"):
        return next(detail for detail in done.summary["source_details"] if detail["name"] == name)


def main():
    try:
        run_tests()
    finally:
        print("counted:", COUNTS, file=sys.stderr)
