#!/usr/bin/python3
"""kill -9 at random moments and at every named step of init, snapshot and restore.

The oracle of what was acknowledged (exit 0, and a summary with the id) is kept in this process, outside of the repository.
After each kill: the next snapshot succeeds and reuses what was stored, `check` finds nothing, and at the end every acknowledged
snapshot restores as the sources were. A restore ends wholly old or wholly new.
"""

import os
import re
import shutil
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

from faulted_restore import WAYS, TwoStates, comes_again
from faulted_run import (FAULTED, INGOT, RANDOM, SANITIZED, SOURCE, Steps, main, require, rounds, run, run_killed, shim_counts, shim_env, spread,
                         work_folder)
from faulted_stack import Oracle, Stack, Writer

KILLED = -signal.SIGKILL


def named_in(page):
    """The steps that a page of docs/ promises, written as [`name`]."""
    with open(os.path.join(SOURCE, page), encoding="utf-8") as file:
        return set(re.findall(r"\[`([a-z.-]+)`\]", file.read()))


def until_killed(wanted, counts):
    """Numbers from 0, until that many points were killed: some commands are done before."""
    number = 0
    while counts.get("points killed", 0) < wanted and number < 2 * wanted + 10:
        yield number
        number += 1


def random_moments(counts):
    """200 moments of a snapshot of files that stand still and a database that is written to."""
    with work_folder("kill") as folder, work_folder("kill-restored", quick=True) as restored:
        stack = Stack(folder).fill(files=8, rows=100, kib=16)
        stack.restored_below = restored
        stack.init()
        oracle = Oracle(stack)
        log = folder + "/calls"
        with Writer(stack.root + "/app.db", 1, stack.rows) as writer:

            def content_now():
                return stack.content_without_database().with_writer(1, writer.rows, 1 << 30)

            def snapshot(tag, runner, *before):
                content = content_now()
                done = oracle.take(tag, list(before) + stack.words("snapshot"), runner, content)
                content.high = writer.rows + 1  # committed while this was being asked
                return done

            first = snapshot("first", run).expect(0)
            require(first.summary["bytes_new"] > 0, "nothing was stored", first)
            stack.change()
            began = time.monotonic()
            env = {} if SANITIZED else shim_env("any", [stack.repo, stack.state], count=log)
            snapshot("second", lambda words: run(words, env)).expect(0)
            usual_s = time.monotonic() - began
            usual_calls = 0 if SANITIZED else shim_counts(log)[0]

            for number in until_killed(rounds(200, 10_000), counts):
                new = stack.change()
                rows_before = writer.rows
                # Half of the moments are picked from the clock, half from the system calls: no call is too quick to be hit.
                if SANITIZED or number % 2:
                    moment = RANDOM.uniform(0, usual_s)
                    killed = snapshot(f"k{number}", lambda words, at=moment: run_killed(words, at))
                else:
                    moment = RANDOM.randrange(1, usual_calls + 1)
                    env = shim_env("any", [stack.repo, stack.state], moment, "kill")
                    killed = snapshot(f"k{number}", lambda words, env=env: run(words, env))
                require(killed.status in (KILLED, 0), "neither killed nor done", moment, killed)
                counts.add("points killed", killed.status == KILLED)
                counts.add("done before the kill", killed.status == 0)
                again = snapshot(f"r{number}", run).expect(0)
                # Nothing is stored twice: no more than what changed, and the pages of the rows that came meanwhile.
                pages = 4096 * (8 + 2 * (writer.rows - rows_before))
                require(again.summary["bytes_new"] <= new + pages, f"{new} bytes changed, and {pages} of pages", again)
                if number % 8 == 7:
                    check = stack.ingot("check").expect(0)
                    require(check.summary["damage"] == 0, "damage after a kill", check)
                    counts.add("clean checks")
            require(writer.error is None, f"the application's own writes failed: {writer.error}")
        stack.ingot("check").expect(0)
        stack.ingot("verify", "--all").expect(0)
        oracle.check_all(counts)
        counts["longest wait of the writer, ms"] = round(writer.longest_s * 1000)


def named_steps_of_snapshot(counts):
    """Every named step of a golden snapshot within a pause of the writers."""
    with work_folder("kill-steps") as folder:
        stack = Stack(folder, barrier=True).fill(files=8, rows=100, kib=16)
        stack.init()
        oracle = Oracle(stack)
        oracle.take("first", stack.words("snapshot"), run, stack.content()).expect(0)
        stack.change()
        steps = Steps(stack.faulted("snapshot", "--golden", "--tag", "learned"), folder)
        oracle.by_tag["learned"] = stack.content()
        head = steps.index("commit.head-published")
        stored = steps.index("commit.index-flushed")
        for number, (place, name) in enumerate(steps.places()):
            stack.change()
            killed = oracle.take(f"k{number}", stack.faulted("snapshot", "--golden"),
                                 lambda words, at=place: run(words, {"INGOT_TEST_KILL_AT": at}), stack.content())
            require(killed.status == KILLED, f"not killed at {place}", killed)
            deadline = time.monotonic() + 10
            while os.path.exists(folder + "/paused") and time.monotonic() < deadline:
                time.sleep(0.02)
            require(not os.path.exists(folder + "/paused"), f"killed at {place}, and the writers stay paused (I9)")
            present = any(f"k{number}" in line["tags"] for line in stack.snapshots().values())
            require(present == (number >= head), f"killed at {place}: the snapshot is {'there' if present else 'not there'}")
            again = oracle.take(f"r{number}", stack.words("snapshot"), run, stack.content()).expect(0)
            if number >= stored:
                require(again.summary["bytes_new"] == 0, f"killed at {place}, all chunks were stored; the next run stored them again", again)
            check = stack.ingot("check").expect(0)
            require(check.summary["damage"] == 0, f"damage after a kill at {place}", check)
            require(not os.listdir(stack.repo + "/tmp"), f"killed at {place}: rubbish left in tmp after the next run")
            counts.add("points killed")
        counts["named steps"] = len(set(steps.names))
        promised = named_in("docs/format.md")
        require(promised and promised <= set(steps.names), f"named in docs/format.md, and never passed: {promised - set(steps.names)}")
        oracle.take("last", stack.words("snapshot"), run, stack.content()).expect(0)
        oracle.check_all(counts)


def reuse_of_packs(counts):
    """A snapshot of several packs that dies after the first is continued, not begun again."""
    with work_folder("kill-packs") as folder:
        stack = Stack(folder).fill(files=4)
        stack.init()
        size = 80 << 20
        stack.write("docs/large", RANDOM.randbytes(size))
        killed = run(stack.faulted("snapshot"), {"INGOT_TEST_KILL_AT": "pack.published:1"})
        require(killed.status == KILLED, "there was one pack only", killed)
        again = stack.ingot("snapshot").expect(0)
        require(again.summary["bytes_new"] < size - (24 << 20), "the first pack was not reused", again)
        stack.require_restores(again.summary["snapshot_id"], stack.content())
        counts["MiB of 80 that were not stored again"] = (size - again.summary["bytes_new"]) >> 20


def steps_of_init(counts):
    """init, killed at each step and at many calls: the next one works, or a complete repository is there."""
    with work_folder("kill-init", quick=True) as folder:
        number = 0

        def try_one(kind, killer):
            nonlocal number
            number += 1
            base = f"{folder}/{number}"
            stack = Stack(base).fill(files=4, rows=3, kib=4)
            if kind == "in an empty folder":
                os.mkdir(stack.repo)
            killed = killer(stack)
            require(killed.status in (KILLED, 0), "init was neither killed nor done", killed)
            counts.add("points killed", killed.status == KILLED)
            again = stack.ingot("init").expect(0, 1)
            if again.status == 1:
                require("is a repository" in again.said, "the next init failed, and no repository is there", killed, again)
                counts.add("complete then")
            taken = stack.ingot("snapshot").expect(0)
            stack.ingot("check").expect(0)
            stack.require_restores(taken.summary["snapshot_id"], stack.content())
            left = [name for name in os.listdir(base) if name.startswith("repo.")]
            require(again.status == 1 or not left, f"left beside the repository: {left}", killed, again)
            shutil.rmtree(base)

        for kind in ("beside and renamed", "in an empty folder"):
            learning = Stack(f"{folder}/learn-{kind[:2]}").fill(files=4, rows=3, kib=4)
            if kind == "in an empty folder":
                os.mkdir(learning.repo)
            steps = Steps(learning.faulted("init"), learning.base)
            for place, _ in steps.places():
                try_one(kind, lambda stack, at=place: run(stack.faulted("init"), {"INGOT_TEST_KILL_AT": at}))
            if SANITIZED:
                continue
            learning = Stack(f"{folder}/count-{kind[:2]}").fill(files=4, rows=3, kib=4)
            if kind == "in an empty folder":
                os.mkdir(learning.repo)
            run(learning.words("init"), shim_env("any", [learning.base], count=folder + "/calls")).expect(0)
            calls, _ = shim_counts(folder + "/calls")
            for at in spread(1, calls, rounds(8, 10_000)):
                try_one(kind, lambda stack, at=at: run(stack.words("init"), shim_env("any", [stack.base], at, "kill")))


def named_steps_of_restore(counts):
    """Every named step of a restore into live targets, and of the two ways to recover from it."""
    with work_folder("kill-restore") as folder:
        states = TwoStates(folder)
        steps = Steps(states.words(FAULTED), folder)
        require(states.which(steps.done) == "new", "an undisturbed restore did not restore", steps.done)
        counts["named steps"] = len(set(steps.names))
        swaps = steps.index("restore.swap-begun")
        proven = steps.index("restore.proven")
        number = RANDOM.randrange(3)
        for index, (place, name) in enumerate(steps.places()):
            if not comes_again(name):
                continue
            states.set_old()
            killed = run(states.words(FAULTED), {"INGOT_TEST_KILL_AT": place})
            require(killed.status == KILLED, f"not killed at {place}", killed)
            # Also what was not recovered yet: before the swap nothing is touched, from `proven` on everything is new.
            if index < swaps or index >= proven:
                require(states.which(killed, unfinished=True) == ("old" if index < swaps else "new"), f"killed at {place}", killed)
            number += 1
            state = states.recovered(WAYS[number % 3], f"killed at {place}", killed)
            require(state == "old" or index >= proven or WAYS[number % 3] == "again", f"killed at {place}: {state}")
            counts.add("points killed")
            counts.add("wholly " + state)
        recoveries(states, "restore.swapped", "undo", "old", counts)
        recoveries(states, "restore.proven", "resume", "new", counts)


def recoveries(states, place, way, outcome, counts):
    """The recovery is killed too, at each of its steps, and then once more run."""

    def hurt():
        states.set_old()
        return run(states.words(FAULTED), {"INGOT_TEST_KILL_AT": place}).expect(KILLED)

    hurt()
    steps = Steps(states.stack.faulted("restore", "--" + way), states.stack.base)
    require(states.which(steps.done) == outcome, f"--{way} after {place} did not give the {outcome} state", steps.done)
    for step, name in steps.places():
        if not comes_again(name):
            continue
        hurt()
        killed = run(states.stack.faulted("restore", "--" + way), {"INGOT_TEST_KILL_AT": step})
        require(killed.status == KILLED, f"--{way} after {place} was not killed at {step}", killed)
        state = states.recovered(RANDOM.choice(("resume", "undo")), f"--{way} after {place} was killed at {step}", killed)
        require(state == outcome, f"--{way} after {place} was killed at {step}: {state}")
        counts.add("recoveries killed")


def random_moments_of_restore(counts):
    with work_folder("kill-restore-random") as folder:
        states = TwoStates(folder)
        began = time.monotonic()
        env = {} if SANITIZED else shim_env("any", [states.stack.root, states.stack.state], count=folder + "/calls")
        run(states.words(INGOT), env).expect(0)
        usual_s = time.monotonic() - began
        usual_calls = 0 if SANITIZED else shim_counts(folder + "/calls")[0]
        for number in until_killed(rounds(60, 3_000), counts):
            states.set_old()
            if SANITIZED or number % 2:
                moment = RANDOM.uniform(0, usual_s)
                killed = run_killed(states.words(INGOT), moment)
            else:
                moment = RANDOM.randrange(1, usual_calls + 1)
                killed = run(states.words(INGOT), shim_env("any", [states.stack.root, states.stack.state], moment, "kill"))
            counts.add("points killed", killed.status == KILLED)
            require(killed.status in (KILLED, 0), "neither killed nor done", killed)
            state = states.recovered(WAYS[number // 2 % 3], moment, killed)
            require(killed.status != 0 or state == "new", "exit 0, and the old state is live", killed)
            counts.add("wholly " + state)


def restore_to_a_folder(counts):
    """Killed, the folder is not there, or complete."""
    with work_folder("kill-to") as folder:
        stack = Stack(folder).fill()
        stack.init()
        snapshot = stack.ingot("snapshot").expect(0).summary["snapshot_id"]
        content = stack.content()
        began = time.monotonic()
        stack.require_restores(snapshot, content)
        usual_s = time.monotonic() - began
        for number in range(rounds(10, 500)):
            to = f"{folder}/to/{number}"
            killed = run_killed(stack.words("restore", snapshot, "--to", to), RANDOM.uniform(0, 1.1 * usual_s))
            counts.add("points killed", killed.status == KILLED)
            if os.path.exists(to):
                difference = content.differs(content.of_restored(to))
                require(not difference, f"a half restored folder has its final name: {difference}", killed)
                counts.add("complete")
            else:
                counts.add("not there")


main("kill_test", random_moments, named_steps_of_snapshot, reuse_of_packs, steps_of_init, named_steps_of_restore, random_moments_of_restore,
     restore_to_a_folder)
