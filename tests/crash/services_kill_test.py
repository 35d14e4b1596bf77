#!/usr/bin/python3
"""A restore with services: killed, or told to end, at every named step.

Whatever way it is recovered: the targets are wholly old or wholly new, and the services run (the recording script says that a
start ended after the last stop). Exit 0 means new, 21 and 130 mean old.
"""

import os
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

from faulted_restore import TwoStates, comes_again
from faulted_run import FAULTED, INGOT, Steps, finish, main, require, rounds, run, spread, start, work_folder
from recorded_services import Services

KILLED = -signal.SIGKILL
# How a person, a script or the boot goes on.
WAYS = ("resume", "undo", "again", "rollback", "boot")


class Scene:
    def __init__(self, folder):
        self.services = Services(folder + "/services")
        self.states = TwoStates(folder, more=self.services.config + self.services.probe)
        self.stack = self.states.stack
        self.stack.ingot("promote", self.states.snapshot).expect(0)  # for rollback

    def set_old(self):
        self.services.mark("good")
        self.states.set_old()
        self.services.forget()

    def settle(self, way, *evidence):
        """Goes on in that way, and says which state is live."""
        if way == "again":
            done = self.stack.ingot("restore", self.states.snapshot, "--yes").expect(0, 1)
            if done.status == 1:
                require("--resume" in done.said, "the refusal does not name the way on", *evidence, done)
                done = self.stack.ingot("restore", "--resume").expect(0)
        elif way == "rollback":
            done = self.stack.ingot("rollback", "--reason", "a test").expect(0, 21)
        else:
            if way == "boot":
                self.stack.ingot("restore", "--resume", "--no-services").expect(0)
            done = self.stack.ingot("restore", "--undo" if way == "undo" else "--resume").expect(0, 1)
            if done.status == 1:  # what was proven is not undone any more
                require(way == "undo" and "--resume" in done.said, "not recovered", *evidence, done)
                done = self.stack.ingot("restore", "--resume").expect(0)
        state = self.states.which(way, *evidence, done)
        require(way != "rollback" or done.status == (0 if state == "new" else 21), "a wrong exit status", *evidence, done)
        self.services.require_running(way, *evidence, done)
        require(not self.stack.leftovers(), f"left behind: {self.stack.leftovers()}", *evidence, done)
        again = self.stack.ingot("restore", "--resume").expect(0)
        require(again.summary["outcome"] == "nothing", "there was something left to recover", *evidence, again)
        return state


def killed_at_every_step(counts):
    with work_folder("kill-services") as folder:
        scene = Scene(folder)
        steps = Steps(scene.states.words(FAULTED), folder)
        require(scene.states.which(steps.done) == "new", "an undisturbed restore did not restore", steps.done)
        scene.services.require_running(steps.done)
        counts["named steps"] = len(set(steps.names))
        places = [one for one in steps.places() if comes_again(one[1])]
        for index, (place, _) in enumerate(places):
            way = WAYS[index % len(WAYS)]
            scene.set_old()
            killed = run(scene.states.words(FAULTED), {"INGOT_TEST_KILL_AT": place}).expect(KILLED)
            if index % 4 == 3:
                scene.services.unmark("good")  # the probes fail from here on
            state = scene.settle(way, f"killed at {place}", killed)
            counts.add("points killed")
            counts.add("wholly " + state)
        counts["targets in a third state"] = counts["services left stopped"] = 0


def recovery_killed_at_every_step(counts):
    """After a crash while everything was swapped: forward by probes, and back because they fail."""
    with work_folder("kill-services-recovery") as folder:
        scene = Scene(folder)
        for good in (True, False):

            def hurt():
                scene.set_old()
                run(scene.states.words(FAULTED), {"INGOT_TEST_KILL_AT": "restore.swapped"}).expect(KILLED)
                if not good:
                    scene.services.unmark("good")

            hurt()
            steps = Steps(scene.stack.faulted("restore", "--resume"), folder)
            outcome = "new" if good else "old"
            require(scene.states.which(steps.done) == outcome, "a wrong state after --resume", steps.done)
            scene.services.require_running(steps.done)
            places = [one for one in steps.places() if comes_again(one[1])]
            for place, _ in [places[i] for i in spread(0, len(places) - 1, rounds(14, 1000))]:
                hurt()
                killed = run(scene.stack.faulted("restore", "--resume"), {"INGOT_TEST_KILL_AT": place}).expect(KILLED)
                state = scene.settle("resume", f"--resume was killed at {place}", killed)
                require(state == outcome, f"--resume was killed at {place}, and then the {state} state is live", killed)
                counts.add("recoveries killed")
                counts.add("wholly " + state)


def told_to_end_at_every_step(counts):
    """SIGTERM and SIGINT: the restore itself goes back, or on; nothing is left to recover."""
    with work_folder("term-services") as folder:
        scene = Scene(folder)
        scene.set_old()
        places = [one for one in Steps(scene.states.words(FAULTED), folder).places() if comes_again(one[1])]
        for index, (place, _) in enumerate(places):
            scene.set_old()
            words = scene.states.words(FAULTED)
            process = start(words, {"INGOT_TEST_STOP_AT": place})
            until = time.monotonic() + 30
            while True:
                with open(f"/proc/{process.pid}/stat", encoding="utf-8") as file:
                    if file.read().rsplit(")", 1)[1].split()[0] == "T":
                        break
                require(time.monotonic() < until, f"it never stopped at {place}")
                time.sleep(0.005)
            process.send_signal(signal.SIGTERM if index % 2 else signal.SIGINT)
            process.send_signal(signal.SIGCONT)
            done = finish(process, words)
            require(done.status in (0, 21, 130), f"told to end at {place}: a wrong exit status", done)
            if done.status == 0 and done.summary["problems"]:  # told to end while the old state was stored: the restore stands
                require("no safety snapshot of it could be taken: interrupted" in done.said, "another problem", done)
                require(scene.stack.leftovers(), "the old state is gone", done)
                scene.stack.ingot("restore", "--resume").expect(0)
                counts.add("old states stored by a resume")
            state = scene.states.which(place, done)
            require(state == ("new" if done.status == 0 else "old"), f"told to end at {place}: exit {done.status}, {state} state", done)
            scene.services.require_running(place, done)
            require(not scene.stack.leftovers(), f"left behind: {scene.stack.leftovers()}", done)
            counts.add("points")
            counts.add(f"exit {done.status}")


main("services_kill_test", killed_at_every_step, recovery_killed_at_every_step, told_to_end_at_every_step)
