#!/usr/bin/python3
"""A restore with services: killed, or told to end, at every named step.

Whatever way it is recovered: the targets are wholly old or wholly new, and the services run (the recording script says that a
start ended after the last stop). Exit 0 means new, 21 and 130 mean old.
"""

import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

from faulted_restore import TwoStates, comes_again
from faulted_run import FAULTED, Steps, main, require, rounds, run, spread, work_folder
from recorded_services import Services
from service_scene import KILLED, WAYS, Scene


def scene_in(folder):
    services = Services(folder + "/services")
    return Scene(TwoStates(folder, more=services.config + services.probe), services)


def killed_at_every_step(counts):
    with work_folder("kill-services") as folder:
        scene = scene_in(folder)
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
        scene = scene_in(folder)
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
        scene = scene_in(folder)
        scene.set_old()
        places = [one for one in Steps(scene.states.words(FAULTED), folder).places() if comes_again(one[1])]
        for index, (place, _) in enumerate(places):
            scene.told_to_end(place, signal.SIGTERM if index % 2 else signal.SIGINT, counts)


def killed_while_it_is_taken_back(counts):
    """The probes fail, and pass again after the crash: a part is swapped back by then, and no probe may call that the new state."""
    with work_folder("kill-services-back") as folder:
        scene = scene_in(folder)
        scene.set_old()
        scene.services.unmark("good")
        steps = Steps(scene.states.words(FAULTED), folder)
        require(scene.states.which(steps.done) == "old", "not taken back", steps.done)
        first = steps.index("restore.going-back")
        places = [one[0] for one in list(steps.places())[first:] if comes_again(one[1])]
        for place in [places[i] for i in spread(0, len(places) - 1, rounds(14, 1000))]:
            scene.set_old()
            scene.services.unmark("good")
            killed = run(scene.states.words(FAULTED), {"INGOT_TEST_KILL_AT": place}).expect(KILLED)
            scene.services.mark("good")
            state = scene.settle("resume", f"killed at {place}, taking it back", killed)
            require(state == "old", f"killed at {place}, taking it back, and then the {state} state is live", killed)
            counts.add("points killed")
            counts.add("wholly " + state)


main("services_kill_test", killed_at_every_step, recovery_killed_at_every_step, killed_while_it_is_taken_back, told_to_end_at_every_step)
