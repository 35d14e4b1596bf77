"""Ingot, restic and borg behind the same five verbs, each with a repository and caches of its own; and how a command is measured.

Nothing is taken off any of them: encryption is on, every tool hashes, compresses as it does by default, and verifies by reading
all data back.
    restic  its defaults (repository version 2, compression auto); verify is `check --read-data`
    borg    repokey-blake2, its default compression (lz4); verify is `check --verify-data`
    ingot   its defaults, with a key file; verify is `verify --all`
"""

import json
import os
import shutil
import subprocess
import tempfile
import time


class Measured:
    def __init__(self, seconds, durable, rss_kib, out):
        self.seconds = seconds  # until the command returned
        self.durable = durable  # until what it wrote was on the medium
        self.rss_mib = rss_kib / 1024
        self.out = out


def drop_caches():
    """Forgets cached pages, so that reads come from the medium. False where that is not allowed."""
    os.sync()
    try:
        with open("/proc/sys/vm/drop_caches", "w", encoding="ascii") as file:
            file.write("3")
        return True
    except OSError:
        return False


def measure(argv, cwd=None, env=None, allowed=(0,), cold=True):
    """Runs a command after dropping caches: its time, and the peak RSS of its largest process."""
    if cold:
        drop_caches()
    else:
        os.sync()
    # GNU time, because a process inherits the peak of the one it was forked from, and this one holds the data's word model.
    with tempfile.NamedTemporaryFile("r", prefix="ingot-bench-rss-") as peak:
        started = time.monotonic()
        done = subprocess.run(["/usr/bin/time", "--quiet", "-f", "%M", "-o", peak.name, *argv], cwd=cwd, env={**os.environ, **(env or {})},
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        seconds = time.monotonic() - started
        os.sync()
        durable = time.monotonic() - started
        rss_kib = int(peak.read().split()[-1])
    out = done.stdout.decode(errors="replace")
    if done.returncode not in allowed:
        raise RuntimeError(f"{' '.join(argv)}: exit {done.returncode}\n{out[-2000:]}")
    return Measured(seconds, durable, rss_kib, out)


def source(name, driver, **keys):
    """The lines of the config for one source; all values are texts or lists of texts."""
    return f'[sources.{name}]\ndriver = "{driver}"\n' + "".join(f"{key} = {json.dumps(value)}\n" for key, value in keys.items())


class Ingot:
    name = "ingot"

    def __init__(self, program, base, source, sources):
        self.program, self.base, self.source = os.path.abspath(program), base, source
        self.repo = base + "/repo"
        os.makedirs(base)
        config = [f'[repository]\npath = "{self.repo}"\nkey_file = "{base}/key"', f'[stack]\nname = "bench"\nroot = "{source}"',
                  f'[state]\ndir = "{base}/state"', sources]
        with open(base + "/ingot.toml", "w", encoding="utf-8") as file:
            file.write("\n".join(config) + "\n")
        self.run("init")

    def run(self, *arguments, **how):
        return measure([self.program, "-c", self.base + "/ingot.toml", "--json", *arguments], **how)

    def snapshot(self, **how):
        return self.run("snapshot", **how)

    def verify(self):
        return self.run("verify", "--all")

    def restore(self, to):
        return self.run("restore", "latest", "--to", to)

    @staticmethod
    def summary(measured):
        """The last line of --json."""
        lines = [json.loads(line) for line in measured.out.splitlines() if line.startswith("{")]
        return [line for line in lines if line["message_type"] == "summary"][-1]

    @staticmethod
    def version(program):
        return subprocess.run([program, "version"], capture_output=True, text=True).stdout.split("\n")[0]


class Restic:
    name = "restic"

    def __init__(self, base, source):
        self.base, self.source, self.repo = base, source, base + "/repo"
        os.makedirs(base)
        self.env = {"RESTIC_REPOSITORY": self.repo, "RESTIC_PASSWORD": "bench", "RESTIC_CACHE_DIR": base + "/cache"}
        self.run("init")

    def run(self, *arguments, **how):
        return measure(["restic", "--quiet", *arguments], cwd=self.source, env=self.env, **how)

    def plain_bytes_added(self, path):
        """Takes a snapshot of this path alone: the bytes of its chunks that the repository did not hold, before compression."""
        out = measure(["restic", "--json", "backup", path], cwd=self.source, env=self.env, cold=False).out
        return [json.loads(line) for line in out.splitlines() if '"summary"' in line][-1]["data_added"]

    def snapshot(self, **how):
        return self.run("backup", ".", **how)

    def verify(self):
        return self.run("check", "--read-data")

    def restore(self, to):
        return self.run("restore", "latest", "--target", to)


class Borg:
    name = "borg"

    def __init__(self, base, source):
        self.base, self.source, self.repo, self.count = base, source, base + "/repo", 0
        os.makedirs(base)
        self.env = {"BORG_REPO": self.repo, "BORG_PASSPHRASE": "bench", "BORG_BASE_DIR": base}
        self.run("init", "--encryption", "repokey-blake2")

    def run(self, *arguments, cwd=None, **how):
        return measure(["borg", *arguments], cwd=cwd or self.source, env=self.env, **how)

    def snapshot(self, **how):
        self.count += 1
        return self.run("create", f"::{self.count}", ".", **how)

    def verify(self):
        return self.run("check", "--verify-data")

    def restore(self, to):
        os.makedirs(to)
        return self.run("extract", f"::{self.count}", cwd=to)


def make_tools(program, base, source, sources):
    """All three, each in a new folder of its own below `base`. `sources`: what Ingot's config says of them."""
    shutil.rmtree(base, ignore_errors=True)
    os.makedirs(base)
    return [Ingot(program, base + "/ingot", source, sources), Restic(base + "/restic", source), Borg(base + "/borg", source)]


def versions(program):
    found = [Ingot.version(program)]
    for argv in (["restic", "version"], ["borg", "--version"]):
        found.append(subprocess.run(argv, capture_output=True, text=True).stdout.split(" compiled")[0].strip())
    return ", ".join(found)
