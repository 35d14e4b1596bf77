#!/usr/bin/python3
"""What gets in the way of a restore from outside: hooks that leave children, start late or never, probes that flap, targets that change
between stage and swap, a clock that jumps. Five kinds of target where the servers are part of it.

Called by ctest with the program's path, the build folder and the source folder.
"""

import contextlib
import os
import signal
import sqlite3
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

from faulted_restore import TwoStates
from faulted_run import CI, FAULTED, INGOT, NIGHTLY, SANITIZED, main, require, run, shim_counts, shim_env, spread, work_folder, stopped_at
from postgres_server import programs
from recorded_services import Services
from redis_server import SERVER
from service_scene import KILLED, Scene, go_on

try:
    from five_stores import APP, FiveStates
except ImportError:
    FiveStates = None

FLAPPING = """
[[probes]]
name = "flaps"
command = "echo x >> {base}/asked; test $(wc -l < {base}/asked) -gt {passes_after}"
timeout = "20s"
interval = "20ms"
"""


@contextlib.contextmanager
def scene_in(name, more="", timeout="20s"):
    with work_folder(name, quick=True) as folder:
        services = Services(folder + "/services", timeout)
        scene = Scene(TwoStates(folder, more=services.config + more.replace("{base}", services.base)), services)
        scene.set_old()
        yield scene


def require_state(scene, wanted, done):
    require(scene.states.which(done) == wanted, f"the state is not {wanted}", done)
    scene.services.require_running(done)
    require(not scene.stack.leftovers(), f"left behind: {scene.stack.leftovers()}", done)


def a_stop_that_leaves_a_child(counts):
    """It lives on, and nobody waits for it; after a crash it is waited for as long as a hook may take, and then named."""
    with scene_in("stop-child", timeout="1s") as scene:
        with open(scene.services.script, "a", encoding="utf-8") as script:
            script.write('if [ "$1" = stop ]; then exec 3<&0; sleep 600 <&3 & echo $! >> children; fi\n')
        try:
            began = time.monotonic()
            done = run(scene.states.words(INGOT)).expect(0)
            require(time.monotonic() - began < 30, "the child was waited for", done)
            require_state(scene, "new", done)
            scene.set_old()
            run(scene.states.words(FAULTED), {"INGOT_TEST_KILL_AT": "restore.stopped"}).expect(KILLED)
            done = scene.stack.ingot("restore", "--resume").expect(0)
            require("left something running" in done.said, "it does not say that something runs on", done)
            require_state(scene, "old", done)
            with open(scene.services.base + "/children", encoding="utf-8") as file:
                children = [int(line) for line in file]
            for child in children:
                os.kill(child, 0)
            counts["children that live on"] = len(children)
        finally:
            with contextlib.suppress(FileNotFoundError), open(scene.services.base + "/children", encoding="utf-8") as file:
                for line in file:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(int(line), signal.SIGKILL)


def a_start_that_fails(counts):
    with scene_in("start-fails", timeout="1s") as scene:
        scene.services.mark("once.start")
        done = run(scene.states.words(INGOT)).expect(21)
        require("start does not work yet" in done.said, "its words are not quoted", done)
        require_state(scene, "old", done)
        counts["starts that fail with the new state only"] = 1
        scene.set_old()
        scene.services.mark("slow.start", "60")
        done = run(scene.states.words(INGOT)).expect(22)
        require("ran longer than" in done.said and "run it by hand" in done.said, "the time limit and the way on are not named", done)
        require(scene.states.which(done, unfinished=True) == "old", "the old state is not live", done)
        scene.services.unmark("slow.start")
        require_state(scene, "old", scene.stack.ingot("restore", "--undo").expect(0))
        counts["starts that hang: named, then run by --undo"] = 1


def a_probe_that_flaps(counts):
    with scene_in("probe-flaps", FLAPPING.replace("{passes_after}", "5")) as scene:
        done = run(scene.states.words(INGOT)).expect(0)
        require_state(scene, "new", done)
        counts["asked until it passed"] = 6
        scene.services.unmark("asked")
        scene.set_old()
        run(scene.states.words(FAULTED), {"INGOT_TEST_KILL_AT": "restore.swapped"}).expect(KILLED)
        done = scene.stack.ingot("restore", "--resume").expect(0)
        require_state(scene, "new", done)
        counts["asked by a recovery until it passed"] = 6


def changed_between_stage_and_swap(counts):
    """A tree that changed is not swapped: what somebody wrote is worth more. An engine sets aside what is live then, all of it."""
    with work_folder("changed", quick=True) as folder:
        services = Services(folder + "/services")
        with FiveStates(folder, services.config) as states:
            scene = Scene(states, services)
            stack, root = scene.stack, scene.stack.root
            words = states.words(FAULTED)
            for path in ("docs/empty", "vectors/index.faiss", ".env"):
                scene.set_old()
                process = stopped_at(words, "restore.staged:1")
                with open(f"{root}/{path}", "ab") as file:
                    file.write(b"written meanwhile")
                done = go_on(process, words).expect(21)
                require(path in done.said and "nothing was swapped" in done.said, f"{path} is not named", done)
                services.require_running(done)
                with open(f"{root}/{path}", "rb") as file:
                    require(file.read().endswith(b"written meanwhile"), f"{path}: what was written is lost", done)
                run(["cp", "-a", f"{states.saved}/{path}", f"{root}/{path}"]).expect(0)
                require_state(scene, "old", done)
                counts.add("changed files found, and left as they are")

            scene.set_old()
            process = stopped_at(words, "restore.stopped:1")
            with sqlite3.connect(root + "/app.db") as connection:
                connection.execute("CREATE TABLE meanwhile (n)")
            connection.close()
            states.postgres.sql("CREATE TABLE meanwhile (n int)", APP)
            states.redis.ask("SET", "meanwhile", "1", db=7)
            done = go_on(process, words).expect(0)
            require_state(scene, "new", done)
            stack.ingot("undo", "--yes").expect(0)
            with sqlite3.connect(root + "/app.db") as connection:
                require(connection.execute("SELECT count(*) FROM meanwhile").fetchone() == (0,), "SQLite: lost")
            connection.close()
            require(states.postgres.sql("SELECT count(*) FROM meanwhile", APP) == "0", "PostgreSQL: lost")
            require(states.redis.ask("GET", "meanwhile", db=7) == "1", "Redis: lost")
            counts["engines whose last writes came back with the undo"] = 3

            states.live = None
            scene.set_old()
            process = stopped_at(words, "restore.postgres.undo-saved:1")
            states.postgres.sql(f'DROP DATABASE "{APP}" WITH (FORCE)')
            states.postgres.sql(f'CREATE DATABASE "{APP}" TEMPLATE "saved"')
            done = go_on(process, words).expect(21)
            require("is another database than when this restore began" in done.said, "it does not say why", done)
            require_state(scene, "old", done)
            counts["databases that were replaced meanwhile, and left as they are"] = 1


def clock_jumps(counts):
    """Back a day, on a year, back to before the repository was made: durations and order do not hang on the wall clock."""
    with scene_in("clock") as scene:
        log = scene.stack.base + "/calls"
        run(scene.states.words(INGOT), shim_env("clock", [], count=log)).expect(0)
        calls = shim_counts(log)[0]
        require(calls > 5, f"the clock was asked {calls} times only")
        counts["questions to the clock"] = calls
        # How often it is asked hangs on how long things take: a jump that comes after the end says nothing.
        for number, at in enumerate(range(1, calls * 9 // 10) if NIGHTLY else spread(1, calls * 9 // 10, 6)):
            jump = (-86_400, 31_536_000, -20 * 31_536_000)[number % 3]
            env = {**shim_env("clock", [], at, "once", "EIO", log), "SHIM_JUMP": str(jump)}
            scene.set_old()
            done = run(scene.states.words(INGOT), env).expect(0)
            require_state(scene, "new", done)
            if not shim_counts(log)[1]:
                counts.add("ended before the jump")
                continue
            require(0 <= done.summary["outage_ms"] < 60_000 and 0 <= done.summary["duration_s"] < 60, "a time that is none", done)
            require(all(0 <= step["ms"] < 60_000 for step in done.summary["steps"]), "a step's time that is none", done)
            done = scene.stack.ingot("undo", "--yes").expect(0)
            require_state(scene, "old", done)
            scene.set_old()
            run(scene.states.words(FAULTED), {**env, "INGOT_TEST_KILL_AT": "restore.swapped"}).expect(KILLED)
            done = scene.stack.ingot("restore", "--undo").expect(0)
            require_state(scene, "old", done)
            counts.add("jumps of the clock")
        require(counts["jumps of the clock"] >= 3, "hardly any jump was met", counts)


parts = [a_stop_that_leaves_a_child, a_start_that_fails, a_probe_that_flaps]
if SANITIZED:
    print("restore_bad_input_test: no LD_PRELOAD: the clock does not jump")
else:
    parts.append(clock_jumps)
missing = [what for what, there in (("PostgreSQL server", programs()), ("redis-server", SERVER), ("python3-faiss", FiveStates)) if not there]
if missing and CI:
    print(f"restore_bad_input_test: FAILED: no {missing}; ./dev test installs them")
    sys.exit(1)
if missing:
    print(f"changed_between_stage_and_swap: SKIPPED: no {missing}; ./dev test installs them")
else:
    parts.append(changed_between_stage_and_swap)
main("restore_bad_input_test", *parts)
