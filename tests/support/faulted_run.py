"""Running the built binary from tests: its programs, one run, a run that is killed, and what was counted.

The scripts of tests/crash, tests/damaged and tests/e2e are called with the program's path, the build folder and the source folder.
"""

import contextlib
import json
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import traceback

INGOT, BUILD, SOURCE = (os.path.abspath(argument) for argument in sys.argv[1:4])
FAULTED = os.path.join(BUILD, "tests", "ingot-faulted")  # tests/crash/faulted_main.cc
SHIM = os.path.join(BUILD, "tests", "libfault_shim.so")  # tests/crash/fault_shim.cc

NIGHTLY = os.environ.get("INGOT_NIGHTLY") == "1"
CI = os.environ.get("CI") == "true"


def built_with_sanitizers():
    if os.environ.get("INGOT_SANITIZED") == "1":
        return True
    with contextlib.suppress(OSError):
        with open(os.path.join(BUILD, "CMakeCache.txt"), encoding="utf-8") as cache:
            return "INGOT_SANITIZE:BOOL=ON" in cache.read()
    return False


SANITIZED = built_with_sanitizers()
SEED = int(os.environ.get("INGOT_SEED", "0")) or int.from_bytes(os.urandom(4), "little")
RANDOM = random.Random(SEED)


def rounds(default, nightly, sanitized=None):
    """How often: sanitized programs are some ten times slower."""
    if SANITIZED:
        return max(1, default // 10) if sanitized is None else sanitized
    return nightly if NIGHTLY else default


class Failed(Exception):
    pass


def require(holds, what, *evidence):
    if not holds:
        raise Failed("\n".join([what] + [str(one) for one in evidence]))


class Done:
    """A run that ended."""

    def __init__(self, words, status, out, err):
        self.words, self.status, self.out, self.err = words, status, out, err

    @property
    def lines(self):
        """The JSON lines of standard output; what a killed process left half written is none."""
        found = []
        for line in self.out.decode(errors="surrogateescape").splitlines():
            with contextlib.suppress(ValueError):
                found.append(json.loads(line))
        return found

    @property
    def summary(self):
        found = [line for line in self.lines if line.get("message_type") == "summary"]
        return found[-1] if found else {}

    @property
    def said(self):
        return self.err.decode(errors="replace")

    def expect(self, *statuses):
        require(self.status in statuses, f"exit {self.status} where {' or '.join(map(str, statuses))} was expected", self)
        return self

    def __str__(self):
        return f"$ {' '.join(map(str, self.words))}\nexit {self.status}\n{self.out.decode(errors='replace')}{self.said}"


def clean_environment(extra=None):
    """Nothing of the caller's settings reaches the program."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("INGOT_", "SHIM_", "AWS_"))}
    env["NO_COLOR"] = "1"
    env.update(extra or {})
    return env


def start(words, env=None, **popen):
    return subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=clean_environment(env), **popen)


def finish(process, words, timeout=120):
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        raise Failed(str(Done(words, f"none within {timeout} s: killed", out, err))) from None
    done = Done(words, process.returncode, out, err)
    require(b"AddressSanitizer" not in err and b"runtime error:" not in err, "a sanitizer found something", done)
    return done


def run(words, env=None, timeout=120, **popen):
    return finish(start(words, env, **popen), words, timeout)


def send_signal(pid, number):
    """A stop is waited for: on a busy machine the threads of a process run on for a while after it was sent."""
    os.kill(pid, number)
    until = time.monotonic() + 20
    while number == signal.SIGSTOP and not stands(pid):
        require(time.monotonic() < until, f"process {pid} does not stop")
        time.sleep(0.002)


def stands(pid):
    """Do all of its threads stand, or is it gone?"""
    states = set()
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/stat", encoding="utf-8") as file:
                states.add(file.read().rsplit(")", 1)[1].split()[0])
    return states <= {"T", "Z", "X"}


def stopped_at(words, place):
    """The process, which stands (SIGSTOP) at that step."""
    process = start(words, {"INGOT_TEST_STOP_AT": place})
    until = time.monotonic() + 60
    while True:
        with open(f"/proc/{process.pid}/stat", encoding="utf-8") as file:
            if file.read().rsplit(")", 1)[1].split()[0] == "T":
                return process
        if process.poll() is not None or time.monotonic() > until:
            process.kill()
            require(False, f"it never stopped at {place}", finish(process, words))
        time.sleep(0.005)


def run_killed(words, after_s, env=None):
    """kill -9 after that time, if it still runs then. The status is -9 when it did."""
    process = start(words, env)
    time.sleep(after_s)
    process.send_signal(signal.SIGKILL)
    return finish(process, words)


def shim_env(kind, paths, at=0, mode="once", error="EIO", count=None):
    """The environment in which the calls of that kind fail (tests/crash/fault_shim.cc)."""
    require(os.path.exists(SHIM), f"{SHIM} is not built: no call would fail, and the test would show nothing")
    env = {"LD_PRELOAD": SHIM, "SHIM_KIND": kind, "SHIM_PATH": ":".join(paths), "SHIM_AT": str(at), "SHIM_MODE": mode, "SHIM_ERRNO": error}
    if count:
        with open(count, "wb") as file:
            file.write(bytes(16))
        env["SHIM_COUNT"] = count
    return env


def shim_counts(count):
    """(calls, failures)"""
    with open(count, "rb") as file:
        return struct.unpack("<QQ", file.read(16))


def spread(first, last, count):
    """At most `count` whole numbers, evenly from first to last, both among them where there are two."""
    if last - first + 1 <= count:
        return list(range(first, last + 1))
    return sorted({first + round(i * (last - first) / max(count - 1, 1)) for i in range(count)})


class Steps:
    """The named steps that a command passes, in order (base/step.h)."""

    def __init__(self, words, folder):
        file = os.path.join(folder, "steps")
        with contextlib.suppress(FileNotFoundError):
            os.remove(file)
        self.done = run(words, {"INGOT_TEST_STEPS": file})
        with open(file, encoding="utf-8") as steps:
            self.names = steps.read().split()
        require(self.names, "no step was passed", self.done)

    def places(self):
        """("name:count", name), in order."""
        seen = {}
        for name in self.names:
            seen[name] = seen.get(name, 0) + 1
            yield f"{name}:{seen[name]}", name

    def index(self, name):
        return self.names.index(name)


class Counts(dict):
    def add(self, what, number=1):
        self[what] = self.get(what, 0) + number

    def __str__(self):
        return ", ".join(f"{what}: {number}" for what, number in self.items())


def in_memory():
    """A folder of a file system in memory, where there is a large one: tests that do not ask for durability are quicker there."""
    with contextlib.suppress(OSError):
        space = os.statvfs("/dev/shm")
        if space.f_bavail * space.f_frsize > 1 << 30 and os.access("/dev/shm", os.W_OK):
            return "/dev/shm"
    return None


@contextlib.contextmanager
def work_folder(name, quick=False):
    """A temporary folder, in memory when `quick`; kept where INGOT_KEEP is set."""
    folder = os.path.realpath(tempfile.mkdtemp(prefix=f"ingot-{name}-", dir=in_memory() if quick else None))
    try:
        yield folder
    finally:
        if os.environ.get("INGOT_KEEP"):
            print("kept:", folder)
        else:
            run(["chattr", "-R", "-i", folder])
            shutil.rmtree(folder, ignore_errors=True)


def main(name, *parts):
    """Runs the parts, prints what each counted; exit status 1 after the first that failed."""
    began = time.monotonic()
    print(f"{name}: seed {SEED} (INGOT_SEED repeats it)" + (", sanitized: fewer rounds, no LD_PRELOAD, no power cuts" if SANITIZED else "") +
          (", nightly" if NIGHTLY else ""), flush=True)
    status = 0
    only = os.environ.get("INGOT_PART")
    for part in parts:
        if only and only not in part.__name__:
            continue
        part_began = time.monotonic()
        counts = Counts()
        try:
            part(counts)
        except Failed as failure:
            print(f"FAILED in {part.__name__} after {counts}\n{failure}", flush=True)
            status = 1
        except Exception:  # a mistake of the test itself: the other parts are still worth running
            traceback.print_exc()
            status = 1
        print(f"{part.__name__}: {counts} ({time.monotonic() - part_began:.1f} s)", flush=True)
    print(f"{name}: {'FAILED' if status else 'passed'} in {time.monotonic() - began:.1f} s")
    sys.exit(status)
