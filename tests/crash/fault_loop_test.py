#!/usr/bin/python3
"""System calls that fail: the first, the second, the third, ... until the command passes; once, and from then on; EIO and ENOSPC.

They fail below everything (LD_PRELOAD), so also for RocksDB and SQLite. Never exit 0 with anything missing, never a repository that
does not open, never a source that is blamed for the repository's disk; a restore is wholly old or wholly new, and its exit code is
the right one. A sample by default, every call with INGOT_NIGHTLY=1.
"""

import os
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

from fault_loop import Loop, errors_of
from faulted_restore import TwoStates
from faulted_run import INGOT, SANITIZED, main, require, run, shim_counts, shim_env, work_folder
from faulted_stack import Stack
from recorded_services import Services

def copy_back(saved, folders):
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
        run(["cp", "-a", os.path.join(saved, os.path.basename(folder)), folder]).expect(0)


def faults_of_snapshot(counts):
    """Under the repository and the state directory."""
    with work_folder("faults", quick=True) as folder:
        stack = Stack(folder).fill(files=6, rows=40, kib=8)
        stack.init()
        before = stack.ingot("snapshot").expect(0).summary["snapshot_id"]
        before_content = stack.content()
        stack.change()
        content = stack.content()
        saved = folder + "/saved"
        os.mkdir(saved)
        for place in (stack.repo, stack.state):
            run(["cp", "-a", place, saved]).expect(0)
        loop = Loop(folder, stack.words("snapshot"), [stack.repo, stack.state], lambda: copy_back(saved, (stack.repo, stack.state)), counts)
        for number, (what, env) in enumerate(loop.cases(each=11)):
            done = loop.run(env)
            require(done.status in (0, 1), f"{what}: a wrong exit code", done)
            if done.status == 1:
                require(errors_of(done), f"{what}: no error was said", done)
            if done.status == 0:
                stack.require_restores(done.summary["snapshot_id"], content)
                counts.add("done nevertheless, and complete")
            after = stack.ingot("snapshot")
            require(after.status == 0, f"{what}: the next snapshot fails", done, after)
            check = stack.ingot("check")
            require(check.status == 0, f"{what}: damage", done, check)
            if number % 5 == 0:
                stack.require_restores(before, before_content)
                stack.require_restores(after.summary["snapshot_id"], content)


def faults_of_restore(counts):
    """Under the live targets and the state directory."""
    with work_folder("faults-restore", quick=True) as folder:
        states = TwoStates(folder)
        stack = states.stack
        loop = Loop(folder, states.words(INGOT), [stack.root, stack.state], states.set_old, counts)
        for what, env in loop.cases(each=7):
            done = loop.run(env)
            require(done.status in (0, 1, 21, 22), f"{what}: a wrong exit code", done)
            said_left = "left behind" in done.said or any("left behind" in line for line in done.summary.get("problems", []))
            if done.status in (0, 1, 21):
                state = states.which(what, done, unfinished=said_left)
                require(state == ("new" if done.status == 0 else "old"), f"{what}: exit {done.status}, and the {state} state is live", done)
                require(said_left or not stack.leftovers(), f"{what}: left behind, unsaid: {stack.leftovers()}", done)
                counts.add("left behind, and said", said_left)
            elif done.status == 22:
                require('"hint":""' not in errors_of(done)[0], f"{what}: exit 22 names no manual action", done)
            # The disk is well again.
            state = states.recovered("resume", what, done)
            require(done.status == 22 or state == ("new" if done.status == 0 else "old"), f"{what}: recovery changed the state", done)


def faults_of_restore_with_services(counts):
    """The services run on every exit but 22, which names what to do; after a recovery always.  (I8)"""
    with work_folder("faults-services", quick=True) as folder:
        services = Services(folder + "/services")
        states = TwoStates(folder, more=services.config + services.probe)
        stack = states.stack

        def begin():
            states.set_old()
            services.forget()

        loop = Loop(folder, states.words(INGOT), [stack.root, stack.state], begin, counts)
        for what, env in loop.cases(each=6):
            done = loop.run(env)
            require(done.status in (0, 1, 21, 22), f"{what}: a wrong exit code", done)
            if done.status != 22:
                services.require_running(what, done)
                counts.add("services run")
            state = states.recovered("resume", what, done)
            require(done.status == 22 or state == ("new" if done.status == 0 else "old"), f"{what}: recovery changed the state", done)
            services.require_running(what, done)


def faults_of_restore_to(counts):
    """Into a folder: it is there and complete, or not there."""
    with work_folder("faults-to", quick=True) as folder:
        stack = Stack(folder).fill(files=4, rows=10, kib=4)
        stack.init()
        snapshot = stack.ingot("snapshot").expect(0).summary["snapshot_id"]
        content = stack.content()
        to = folder + "/to"
        loop = Loop(folder, stack.words("restore", snapshot, "--to", to), [folder],
                    lambda: shutil.rmtree(to, ignore_errors=True), counts)
        for what, env in loop.cases(each=3):
            done = loop.run(env)
            require(done.status in (0, 1), f"{what}: a wrong exit code", done)
            if done.status == 0 or os.path.exists(to):
                difference = content.differs(content.of_restored(to))
                require(not difference, f"{what}: a half restored folder has its final name: {difference}", done)
            for name in os.listdir(folder):
                if name.startswith(".ingot-"):
                    counts.add("stages left by faults of removing")
                    shutil.rmtree(os.path.join(folder, name))
        stack.ingot("check").expect(0)


def faults_of_init(counts):
    with work_folder("faults-init", quick=True) as folder:
        stack = Stack(folder).fill(files=4, rows=3, kib=4)

        def nothing_there():
            shutil.rmtree(stack.repo, ignore_errors=True)

        loop = Loop(folder, stack.words("init"), [folder], nothing_there, counts)
        for what, env in loop.cases(each=3):
            done = loop.run(env)
            require(done.status in (0, 1), f"{what}: a wrong exit code", done)
            again = stack.ingot("init").expect(0, 1)
            require(again.status == 0 or "is a repository" in again.said, f"{what}: the next init fails", done, again)
            require(done.status == 1 or again.status == 1, f"{what}: exit 0, and there was no repository", done)
            stack.ingot("snapshot").expect(0)


def short_writes(counts):
    """A write that takes half of what it was given is no error, and loses nothing."""
    with work_folder("faults-short", quick=True) as folder:
        states = TwoStates(folder)
        stack = states.stack
        env = shim_env("write", [stack.repo, stack.state, stack.root], 1, "short", count=folder + "/calls")
        content = stack.content()
        taken = run(stack.words("snapshot"), env).expect(0)
        stack.require_restores(taken.summary["snapshot_id"], content)
        done = run(states.words(INGOT), env).expect(0)
        require(states.which(done) == "new", "short writes lost something", done)
        stack.ingot("verify", "--all").expect(0)
        counts["calls"] = shim_counts(folder + "/calls")[0]


if SANITIZED:
    print("fault_loop_test: SKIPPED: LD_PRELOAD is used with the plain build only")
    sys.exit(0)
main("fault_loop_test", faults_of_snapshot, faults_of_restore, faults_of_restore_with_services,
     faults_of_restore_to, faults_of_init, short_writes)
