#!/usr/bin/python3
"""System calls and program starts that fail under `undo`, `drill` and `guard`: the first, the second, the third, ...; once, and from then
on; EIO and ENOSPC. The outcome rule is that of a restore: wholly the one state or wholly the other, as the exit status says, and the
services run. A sample by default, every call with INGOT_NIGHTLY=1.
"""

import os
import sys
from itertools import chain

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

from fault_loop import Loop, errors_of
from faulted_restore import TwoStates
from faulted_run import INGOT, NIGHTLY, SANITIZED, main, require, run, shim_counts, shim_env, work_folder
from faulted_stack import tree_state
from recorded_services import Services

SPAWN = "spawn"


class Scene:
    def __init__(self, folder):
        self.services = Services(folder + "/services")
        self.states = TwoStates(folder, more=self.services.config + self.services.probe)
        self.stack = self.states.stack
        self.log = folder + "/calls"
        self.places = [self.stack.root, self.stack.state]

    def loop(self, words, prepare, counts, well=(0,)):
        return Loop(self.stack.base, words, self.places, prepare, counts, well)

    def starts(self, words, prepare, counts):
        """(what fails, environment) for every start of a program."""
        prepare()
        run(words, shim_env(SPAWN, [], count=self.log)).expect(0, 21)
        calls, _ = shim_counts(self.log)
        counts["program starts"] = calls
        for at in range(1, calls + 1):
            for mode in ("once", "forever") if NIGHTLY else (("once", "forever")[at % 2],):
                yield f"start {at} of {calls}, {mode}", shim_env(SPAWN, [], at, mode, "EAGAIN", self.log)

    def judge(self, what, done, new, old, counts):
        """`new`: the state that exit 0 means."""
        require(done.status in (0, 1, 21, 22), f"{what}: a wrong exit code", done)
        if done.status != 22:
            self.services.require_running(what, done)
        else:
            require('"hint":""' not in errors_of(done)[0], f"{what}: exit 22 names no manual action", done)
        self.stack.ingot("restore", "--resume").expect(0)
        state = self.states.which(what, done)
        require(done.status == 22 or state == (new if done.status == 0 else old), f"{what}: exit {done.status}, and the {state} state is live", done)
        require(not self.stack.leftovers(), f"{what}: left behind: {self.stack.leftovers()}", done)
        self.services.require_running(what, done)
        counts["targets in a third state"] = counts["services left stopped"] = 0


def faults_of_undo(counts):
    with work_folder("faults-undo", quick=True) as folder:
        scene = Scene(folder)

        def begin():
            """The new state is live, and its restore is the last one."""
            scene.states.set_old()
            run(scene.states.words(INGOT)).expect(0)
            scene.services.forget()

        words = scene.stack.words("undo", "--yes")
        loop = scene.loop(words, begin, counts)
        for what, env in chain(loop.cases(each=3), scene.starts(words, begin, counts)):
            scene.judge(what, loop.run(env), "old", "new", counts)


def faults_of_drill(counts):
    """It touches nothing live, whatever happens; exit 0 means drilled, and recorded now or by the next command that writes."""
    with work_folder("faults-drill", quick=True) as folder:
        scene = Scene(folder)
        stack = scene.stack
        before = tree_state(stack.root)
        words = stack.words("drill", "latest")
        loop = scene.loop(words, lambda: None, counts)
        for what, env in chain(loop.cases(each=3), scene.starts(words, lambda: None, counts)):
            done = loop.run(env)
            require(done.status in (0, 1, 3), f"{what}: a wrong exit code", done)
            require(tree_state(stack.root) == before, f"{what}: a drill touched what is live", done)
            require(done.status != 0 or done.summary["drilled"], f"{what}: exit 0, and not drilled", done)
            require(done.status == 0 or errors_of(done) or done.summary.get("problems"), f"{what}: no word of what failed", done)
        require(not scene.services.calls(), "a drill called the services")
        stack.ingot("drill", "latest").expect(0)
        left = [name for _, folders, _ in os.walk(stack.state) for name in folders if name.startswith("scratch-")]
        require(not left, f"scratch that no later command swept up: {left}")
        require(any(one.get("drilled") for one in stack.ingot("list").expect(0).lines), "no drill is recorded")


def faults_of_guard(counts):
    """The guarded command spoils the stack and fails: exit 21 is wholly the state before it, 22 names what to do, 1 ran nothing."""
    with work_folder("faults-guard", quick=True) as folder:
        scene = Scene(folder)
        stack, ran = scene.stack, folder + "/ran"

        def begin():
            scene.states.set_old()
            scene.services.forget()
            if os.path.exists(ran):
                os.remove(ran)

        # The new state's files: what it leaves behind when nothing is put back would be told apart by which().
        spoil = f"touch {ran}; echo spoiled > {stack.root}/docs/empty; exit 7"
        words = stack.words("guard", "--", "/bin/sh", "-c", spoil)
        loop = scene.loop(words, begin, counts, (21,))
        for what, env in chain(loop.cases(each=3), scene.starts(words, begin, counts)):
            done = loop.run(env)
            require(done.status in (1, 21, 22), f"{what}: a wrong exit code", done)
            if done.status != 22:
                scene.services.require_running(what, done)
            stack.ingot("restore", "--resume").expect(0)
            scene.services.require_running(what, done)
            if done.status == 22:
                require('"hint":""' not in errors_of(done)[0], f"{what}: exit 22 names no manual action", done)
                # As the command left it, or put back after all: nothing else was touched.
                run(["cp", "-a", scene.states.saved + "/docs/empty", stack.root + "/docs/empty"]).expect(0)
                require(scene.states.which(what, done) == "old", f"{what}: exit 22, and a third state", done)
                continue
            require(os.path.exists(ran) == (done.status == 21), f"{what}: exit {done.status}, and the command was {'' if os.path.exists(ran) else 'not '}run", done)
            require(scene.states.which(what, done) == "old", f"{what}: exit {done.status}, and not as before the command", done)
            require(not stack.leftovers(), f"{what}: left behind: {stack.leftovers()}", done)


if SANITIZED:
    print("undo_faults_test: SKIPPED: LD_PRELOAD is used with the plain build only")
    sys.exit(0)
main("undo_faults_test", faults_of_undo, faults_of_drill, faults_of_guard)
