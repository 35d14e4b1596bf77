"""Following a runbook: its commands are read out of the page, its config is the file beside the page, and what the page says that the
screen shows is looked for on the screen.

Nothing of either is rewritten but places: what lies in /etc, /opt, /srv and /var lies below a folder of the test, an address is the one
of the test's server, the page's date is the one of the test; and a probe that is to fail is asked for less long. External programs are
stand-ins on PATH (recorded_commands.py).
"""

import os
import re
import time
import unittest

from faulted_run import CI, INGOT, SOURCE, Counts, Failed, require, run, work_folder
from recorded_commands import Commands

PAGES = os.path.join(SOURCE, "docs")
DATE = "2026-11-19 08:00"  # in every page
PLACE = re.compile(r"(?<![\w.~}-])(?<!:/)/(?=(?:etc|opt|srv|var)/)")
COUNTS = Counts()


class Page:
    """docs/NAME.md. A block marked `console` holds commands, each behind "$ ", and below it what the screen says; "…" is any text."""

    def __init__(self, name):
        with open(f"{PAGES}/{name}.md", encoding="utf-8") as file:
            self.text = file.read()

    def commands(self, title):
        """[(command, screen)] of the section with that title."""
        sections = re.split(r"^## (.*)$", self.text, flags=re.M)
        require(title in sections[1::2], f"the page has no section \"{title}\"", sections[1::2])
        found = []
        for block in re.findall(r"^```console\n(.*?)^```$", sections[sections.index(title) + 1], re.M | re.S):
            for line in block.splitlines():
                if line.startswith("$ "):
                    found.append((line[2:], []))
                else:
                    found[-1][1].append(line)
        return found

    def block(self, kind):
        """The one block of that kind that the page shows."""
        found = re.findall(rf"^```{kind}\n(.*?)^```$", self.text, re.M | re.S)
        require(len(found) == 1, f"{len(found)} blocks of {kind} in the page")
        return found[0]

    def line(self, pattern):
        """What the page says in a line that is no block: the one group of the pattern."""
        found = re.findall(pattern, self.text)
        require(len(found) == 1, f"{pattern} is {len(found)} times in the page")
        return found[0]


def shell_environment(programs, config, more=None):
    """`programs` is a folder that comes first; `ingot` is put into it."""
    os.symlink(INGOT, programs + "/ingot")
    return {"PATH": programs + ":/usr/sbin:/usr/bin:/sbin:/bin", "INGOT_CONFIG": config, "TZ": "UTC", "HOME": programs, **(more or {})}


class Terminal:
    """Where the commands of a page are typed."""

    def __init__(self, folder, environment):
        self.folder, self.environment = folder, environment

    def here(self, text):
        """The page's text as it is on this machine."""
        return text

    def sh(self, line, timeout=120):
        """As a person types it; both outputs as he sees them."""
        done = run(["/bin/bash", "-c", f"exec 2>&1; cd '{self.folder}'; {self.here(line)}"], self.environment, timeout)
        require("AddressSanitizer" not in (said := done.out.decode(errors="replace")) and "runtime error:" not in said, "a sanitizer found something", done)
        return done

    def follow(self, command, status=0):
        line, screen = command
        done = self.sh(line)
        if os.environ.get("INGOT_SHOW"):  # for who writes a page
            print(done)
        done.expect(status)
        rest = done.out.decode(errors="replace").splitlines()
        for wanted in screen:
            pattern = re.compile(".*".join(re.escape(part) for part in self.here(wanted).split("…")))
            while rest and not pattern.fullmatch(rest[0]):
                rest.pop(0)
            require(rest, f"the page says that `{line}` shows (in this order)\n  {wanted}", done)
            rest.pop(0)
            COUNTS.add("lines of the screen found")
        COUNTS.add("commands followed")
        return done


class Host(Terminal):
    """A machine for a runbook: folders, stand-ins and servers of its own."""

    def __init__(self, folder, commands=(), replaced=None, environment=None, handed_on=None):
        self.replaced, self.date = replaced or {}, None
        self.commands = Commands(folder + "/host", commands, handed_on)
        super().__init__(folder + "/host", shell_environment(self.commands.bin, folder + "/host/etc/ingot/ingot.toml", environment))

    def path(self, path):
        """Where that place is here; its folder is made."""
        here = self.folder + path
        os.makedirs(os.path.dirname(here), exist_ok=True)
        return here

    def here(self, text):
        text = PLACE.sub(lambda found: self.folder + found[0], text)
        for theirs, mine in self.replaced.items():
            text = text.replace(theirs, mine)
        if DATE in text:
            require(self.date, "the page says a date, and the test none", text)
            text = text.replace(DATE, self.date)
        return text

    def install(self, config):
        for theirs in self.replaced:
            require(theirs in config, f"{theirs} is not in the config: the test is of another day")
        self.write("/etc/ingot/ingot.toml", self.here(config))
        self.ingot("config", "validate").expect(0)
        self.ingot("init").expect(0)

    def be_impatient(self, theirs, mine):
        """For what is to fail: asked for less long than the config says."""
        config = self.read("/etc/ingot/ingot.toml")
        require(theirs in config, f"{theirs} is not in the config")
        self.write("/etc/ingot/ingot.toml", config.replace(theirs, mine))

    def write(self, path, text):
        with open(self.path(path), "w", encoding="utf-8") as file:
            file.write(text)

    def read(self, path):
        with open(self.folder + path, encoding="utf-8") as file:
            return file.read()

    def ingot(self, *words, timeout=120):
        return run([INGOT, "--json", "--no-progress", *words], self.environment, timeout)

    def golden(self):
        """A golden snapshot of all that the writers had ended, with a pause that ended before its deadline."""
        done = self.ingot("snapshot", "--golden")
        require(done.status == 0 and not done.summary["warnings"], "not golden", done, self.sh("ingot show latest"))
        if done.summary["pause_ms"] is not None:
            require(done.summary["consistency"] == "barrier" and done.summary["pause_ms"] < 10_000, "no short pause", done)
            COUNTS["longest pause, ms"] = max(COUNTS.get("longest pause, ms", 0), done.summary["pause_ms"])
        return done

    def a_date_from_now_on(self):
        """The page's date is the next full second: what was taken is before it, what comes is after it. Moments are of the real clock,
        and people write dates in seconds, so this is the one thing that is waited for."""
        then = int(time.time()) + 1
        self.date = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(then))
        while time.time() <= then + 0.002:
            time.sleep(0.01)

    def listed(self):
        return [line for line in self.ingot("list").expect(0).lines if line["message_type"] == "snapshot"]

    def last_audit(self):
        return [line["record"] for line in self.ingot("audit").expect(0).lines][-1]

    def steps(self):
        """The names of what the last restore did that was run for the operator, and which of them failed."""
        steps = self.last_audit()["steps"]
        return [step["name"] for step in steps], [step["name"] for step in steps if step["failed"]]

    def leftovers(self):
        found = [os.path.join(at, name) for at, folders, names in os.walk(self.folder) for name in folders + names if ".ingot-" in name]
        return [path for path in found if "/repo/" not in path]


class RunbookTest(unittest.TestCase):
    """`page` is docs/runbooks/PAGE.md, with PAGE.toml beside it."""

    failureException = Failed
    page = ""
    needs = {}  # what -> is it there?

    def setUp(self):
        missing = [what for what, there in self.needs.items() if not there]
        if missing:
            require(not CI, f"no {missing}; ./dev test installs them")
            self.skipTest(f"no {missing} on this host; ./dev test installs them")
        self.folder = self.enterContext(work_folder("runbook", quick=True))
        self.runbook = Page("runbooks/" + self.page)
        with open(f"{PAGES}/runbooks/{self.page}.toml", encoding="utf-8") as file:
            self.config = file.read()
        require(self.runbook.block("toml") == self.config, "the page shows another config than the file beside it")
        self.three = self.runbook.commands("Three commands")
        require(len(self.three) == 3, f"{len(self.three)} commands", self.three)
        self.wrong = self.runbook.commands("When it goes wrong")

    def require_state(self, wanted, found, *evidence):
        for what in wanted:
            require(found.get(what) == wanted[what], f"{what} is\n  {str(found.get(what))[:600]}\nand not\n  {str(wanted[what])[:600]}", *evidence)
            COUNTS.add("things compared")


def main():
    try:
        unittest.main(module="__main__", argv=["runbook"], verbosity=2)
    finally:
        print("counted:", COUNTS)
