#!/usr/bin/python3
"""The section "At night" of docs/restore.md, followed line by line: choose, look, restore, cut short, undone, written down; and each row of
its table, met.

Called by ctest with the program's path, the build folder and the source folder.
"""

import contextlib
import os
import re
import signal
import sys
import time

for place in ("..", "../../support"):
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), place))

from faulted_restore import TwoStates
from faulted_run import FAULTED, finish, main, require, run, start, work_folder
from recorded_services import Services
from runbook import COUNTS, Page, Terminal, shell_environment

PAGE = Page("restore")
COMMANDS = dict(PAGE.commands("At night"))
LIST, LOOK, RESTORE, BACK, UNDO = "ingot list", "ingot restore golden --dry-run", "ingot restore golden", "ingot restore --undo", "ingot undo"


class Night(Terminal):
    """A golden snapshot, a live state that differs from it everywhere, and services with probes; recorded."""

    def __init__(self, folder):
        self.services = Services(folder + "/services")
        self.states = TwoStates(folder, more=self.services.config + self.services.probe)
        self.stack = self.states.stack
        os.makedirs(folder + "/bin")
        super().__init__(folder, shell_environment(folder + "/bin", self.stack.config))
        self.stack.ingot("promote", self.states.snapshot).expect(0)
        self.services.forget()

    def require_live(self, wanted, *evidence):
        require(self.states.which(*evidence) == wanted, f"the {wanted} state is not live", *evidence)
        self.services.require_running(*evidence)
        require(not self.stack.leftovers(), f"left behind: {self.stack.leftovers()}", *evidence)

    def kill_at(self, step):
        done = run([FAULTED, "restore", "golden"], {**self.environment, "INGOT_TEST_KILL_AT": step})
        require(done.status == -signal.SIGKILL, "it was not killed", done)


@contextlib.contextmanager
def night():
    with work_folder("night", quick=True) as folder:
        yield Night(folder)


def command(line):
    require(line in COMMANDS, f"`{line}` is not in the page", list(COMMANDS))
    return line, COMMANDS[line]


def the_page_from_its_first_line_to_its_last(counts):
    commands = PAGE.commands("At night")
    require([line for line, _ in commands] == [LIST, LOOK, RESTORE, LIST, BACK, UNDO, "ingot report > incident.md", "ingot audit"], "the commands", commands)
    choose, look, restore, say, back, undo, report, audit = commands
    with night() as host:
        host.follow(choose)
        host.follow(look)
        host.require_live("old")
        require(not host.services.calls(), "a look stopped something")
        host.follow(restore)
        host.require_live("new")
        host.follow(undo)
        host.require_live("old")
        host.kill_at("restore.swapped")
        host.follow(say)
        done = host.sh(restore[0]).expect(1)
        require("nothing else is done before" in done.out.decode(), "a restore over an unfinished one", done)
        host.follow(back)
        host.require_live("old")
        host.follow(report)
        with open(host.folder + "/incident.md", encoding="utf-8") as file:
            require("# Incident report" in file.read(), "no report")
        host.follow(audit)
        counts["commands followed"] = COUNTS["commands followed"]
        counts["lines of the screen found"] = COUNTS["lines of the screen found"]


def what_the_page_says_of_resume(counts):
    """Swapped and good: forward. Swapped and not good: back. Proven: --undo is refused."""
    for step, good, wanted in (("restore.swapped", True, "new"), ("restore.swapped", False, "old"), ("restore.staged", True, "old")):
        with night() as host:
            host.kill_at(step)
            if not good:
                host.services.unmark("good")
            host.sh("ingot restore --resume").expect(0)
            host.require_live(wanted)
            host.sh("ingot restore --resume").expect(0)
            counts.add("resumed, and again")
    with night() as host:
        host.kill_at("restore.proven")
        done = host.sh(BACK).expect(1)
        require("--resume" in done.out.decode(), "it does not say how to go on", done)
        host.sh("ingot restore --resume").expect(0)
        host.require_live("new")
        counts.add("undo refused after proven")


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


class Table:
    """The rows of the page's table: (exit, words)."""

    def __init__(self):
        self.rows = {(int(status), words) for statuses, words in re.findall(r"^\| ([0-9, ]+) \| (?:`([^`]+)`)? ?\|", PAGE.text, re.M)
                     for status in statuses.split(", ")}
        self.met = set()

    def require_row(self, done):
        said = done.out.decode(errors="replace")
        found = [row for row in self.rows if row[0] == done.status and row[1] in said]
        require(found, "the table has no row for this", done, sorted(self.rows))
        self.met.add(max(found, key=lambda row: len(row[1])))
        return done


def each_row_of_the_table(counts):
    table = Table()
    with night() as host:
        services, config, docs = host.services, host.stack.config, host.stack.root + "/docs"

        services.unmark("good")
        table.require_row(host.sh(RESTORE))
        host.require_live("old")
        services.mark("good")

        services.mark("fails.start")
        done = table.require_row(host.sh(RESTORE))
        require(f"{services.script} start" in done.out.decode(), "the command is not named", done)
        services.unmark("fails.start")
        host.sh(BACK).expect(0)
        host.require_live("old")

        services.mark("fails.stop")
        table.require_row(host.sh(RESTORE))
        services.unmark("fails.stop")
        host.require_live("old")

        table.require_row(host.sh("ingot restore golden --only nothing"))
        table.require_row(host.sh(f"ingot -r {host.folder}/nowhere list"))
        table.require_row(host.sh(f"ingot --key-file {config} list"))
        table.require_row(host.sh(f"{RESTORE} --keep-replaced /proc/nowhere"))

        with slow_restore(host) as process:
            table.require_row(host.sh(RESTORE))
            process.send_signal(signal.SIGTERM)
            table.require_row(finish(process, [RESTORE]))
        host.require_live("old")

        host.kill_at("restore.swapped")
        stage = next(path for path in host.stack.leftovers() if path.startswith(docs))
        os.rename(stage, host.folder + "/somebody-tidied-up")
        table.require_row(host.sh(BACK))
        os.rename(host.folder + "/somebody-tidied-up", stage)
        host.sh(BACK).expect(0)
        host.require_live("old")

        services.mark("fails.undrain")
        done = table.require_row(host.sh(RESTORE))
        require(f"{services.script} undrain" in done.out.decode(), "the command is not named", done)
        services.unmark("fails.undrain")
        host.sh("ingot restore --resume").expect(0)
        host.require_live("new")
        table.require_row(host.sh(RESTORE))
        host.require_live("new")
    with night() as host:
        for at, _, names in os.walk(host.stack.repo + "/packs"):
            for name in names:
                path = os.path.join(at, name)
                os.chmod(path, 0o600)
                with open(path, "r+b") as file:
                    file.seek(os.path.getsize(path) // 2)
                    file.write(b"rotten")
        table.require_row(host.sh(RESTORE))
        host.require_live("old")
    with night() as host:
        heads = [os.path.join(at, name) for at, _, names in os.walk(host.stack.repo + "/heads") for name in names]
        os.remove(max(heads, key=os.path.getmtime))
        table.require_row(host.sh(RESTORE))
        host.require_live("old")
    with night() as host:
        root = host.stack.root
        with open(host.stack.config, encoding="utf-8") as file:
            config = file.read()
        write(host.stack.config, config.replace("[stack]\n", '[stack]\nversion = "cat VERSION"\n') + '\n[compatibility]\nmatrix = "MATRIX.md"\nschema = { command = "cat SCHEMA" }\n')
        write(root + "/MATRIX.md", "| Binary | Schema | Status |\n|---|---|---|\n| 2.x | < 41 | no |\n| 1.x | * | yes |\n")
        write(root + "/SCHEMA", "40\n")
        write(root + "/VERSION", "v1.4.0\n")
        host.sh("ingot snapshot --golden").expect(0)
        write(root + "/VERSION", "v2.0.0\n")
        table.require_row(host.sh(RESTORE))
        host.require_live("old")
        require("stop" not in host.services.calls(), "a refusal stopped something", host.services.calls())
    counts["rows met"] = len(table.met)
    require(table.met == table.rows, f"rows of the page that nothing showed: {sorted(table.rows - table.met)}")


@contextlib.contextmanager
def slow_restore(host):
    """A restore that is in its `stop`."""
    host.services.forget()
    host.services.mark("slow.stop", "15")
    process = start(["/bin/bash", "-c", f"exec 2>&1; exec {RESTORE}"], host.environment)
    try:
        while "stop" not in host.services.calls():
            require(process.poll() is None, "it ended before it stopped the services")
            time.sleep(0.01)
        yield process
    finally:
        host.services.unmark("slow.stop")
        process.kill()
        process.wait()


if __name__ == "__main__":
    main("runbook_night_test", the_page_from_its_first_line_to_its_last, what_the_page_says_of_resume, each_row_of_the_table)
