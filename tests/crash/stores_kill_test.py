#!/usr/bin/python3
"""Five kinds of target in one restore (files, SQLite, FAISS, PostgreSQL, Redis; real servers, recorded services), killed at every durable
step and at random moments, in a third of the cases together with the database servers; and the machine started again at every state.

Whatever way it goes on: all five are wholly old or all five wholly new, the services run, nothing lies beside. A sample by default, every
step and 300 random moments with INGOT_NIGHTLY=1.
"""

import contextlib
import os
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

from faulted_restore import comes_again
from faulted_run import (CI, FAULTED, INGOT, RANDOM, SANITIZED, Steps, main, require, rounds, run, run_killed, shim_counts, shim_env, spread,
                         work_folder)
from postgres_server import programs
from recorded_services import Services
from redis_server import SERVER
from service_scene import KILLED, WAYS, Scene

try:
    from five_stores import NEW, FiveStates, probes_of
except ImportError:
    FiveStates = None

# Of the servers' own kinds of durability: what is set aside and put back is as safe with each.
REDIS = ((), ("--appendonly", "yes"))
WORDS = "all five wholly {}"
# A safety snapshot is added with each restore that went through: a long campaign begins anew, so that no time goes into reading them.
POINTS_OF_A_SCENE = 100


@contextlib.contextmanager
def five_stores(name, number=0):
    with work_folder(name, quick=True) as folder:
        services = Services(folder + "/services")
        with FiveStates(folder, services.config + services.probe + probes_of(NEW), REDIS[number % 2]) as states:
            scene = Scene(states, services)
            scene.set_old()
            scene.steps = Steps(states.words(FAULTED), folder)
            require(states.which(scene.steps.done) == "new", "an undisturbed restore did not restore", scene.steps.done)
            services.require_running(scene.steps.done)
            yield scene


def places_of(scene, count):
    """(index, place, name) of the steps that come in every restore, or an even sample of them."""
    every = [(index, place, name) for index, (place, name) in enumerate(scene.steps.places()) if comes_again(name)]
    return [every[i] for i in spread(0, len(every) - 1, count)]


def count_state(state, counts):
    counts.add(WORDS.format(state))
    counts["targets in a third state"] = counts["services left stopped"] = 0


def killed_at_steps(counts):
    with five_stores("kill-stores") as scene:
        places = places_of(scene, rounds(12, 1000, 4))
        counts["durable steps of a restore"] = sum(map(comes_again, scene.steps.names))
        counts["of them named otherwise"] = len(set(filter(comes_again, scene.steps.names)))
        proven = scene.steps.index("restore.proven")
        first = RANDOM.randrange(15)
        for number, (index, place, _) in enumerate(places, first):
            scene.set_old()
            killed = run(scene.states.words(FAULTED), {"INGOT_TEST_KILL_AT": place}).expect(KILLED)
            if number % 3 == 0:
                scene.states.restart_servers()
                counts.add("servers killed with it")
            if number % 4 == 3:
                scene.services.unmark("good")  # the probes fail from here on
            way = WAYS[number % len(WAYS)]
            state = scene.settle(way, f"killed at {place}", killed)
            require(state == "new" or index < proven or way == "rollback", f"killed at {place}, when it was proven, and then taken back", killed)
            counts.add("points killed")
            count_state(state, counts)


def killed_at_random_moments(counts):
    wanted, scenes = rounds(9, 300, 2), 0
    while counts.get("points killed", 0) < wanted and scenes < 2 + wanted // 10:
        with five_stores("kill-stores-random", scenes) as scene:
            scenes += 1
            folders = [scene.stack.root, scene.stack.state]
            scene.set_old()
            began = time.monotonic()
            log = scene.stack.base + "/calls"
            run(scene.states.words(INGOT), {} if SANITIZED else shim_env("any", folders, count=log)).expect(0)
            usual_s, usual_calls = time.monotonic() - began, 0 if SANITIZED else shim_counts(log)[0]
            require(scene.states.which() == "new", "an undisturbed restore did not restore")
            for number in range(min(wanted - counts.get("points killed", 0), POINTS_OF_A_SCENE)):
                scene.set_old()
                if SANITIZED or number % 2:
                    moment = f"after {(after := RANDOM.uniform(0, usual_s)):.3f} s"
                    killed = run_killed(scene.states.words(INGOT), after)
                else:
                    moment = f"before call {(at := RANDOM.randrange(1, usual_calls + 1))}"
                    killed = run(scene.states.words(INGOT), shim_env("any", folders, at, "kill"))
                require(killed.status in (KILLED, 0), f"neither killed nor done {moment}", killed)
                if number % 3 == 2:
                    scene.states.restart_servers()
                    counts.add("servers killed with it")
                state = scene.settle(WAYS[RANDOM.randrange(len(WAYS))], moment, killed)
                require(killed.status != 0 or state == "new", "exit 0, and the old state is live", killed)
                counts.add("points killed", killed.status == KILLED)
                counts.add("done before the kill", killed.status == 0)
                count_state(state, counts)


def reboots(counts):
    """The machine dies at a step of each state, and starts everything by itself: with the units of packaging/, and without them."""
    with five_stores("reboot-stores", 1) as scene:
        names = scene.steps.names
        swaps, proven = scene.steps.index("restore.swap-begun"), scene.steps.index("restore.proven")
        states = ["restore." + state for state in ("picked", "checked", "staged", "stop-begun", "stopped", "swap-begun", "redis.exchanged", "swapped",
                                                   "start-begun", "proven", "safety-saved", "stages-removed")]
        places = [(index, place) for index, place, name in places_of(scene, 1000) if rounds(False, True, False) or place in
                  [state + ":1" for state in states]]
        require({state for state in states if state in names} == set(states), f"steps that are not passed: {set(states) - set(names)}")
        if SANITIZED:
            places = places[::4]
        for number, (index, place) in enumerate(places):
            for units in (True, False):
                if not units and number % 2 and not rounds(False, True, False):
                    continue
                scene.set_old()
                killed = run(scene.states.words(FAULTED), {"INGOT_TEST_KILL_AT": place}).expect(KILLED)
                scene.states.restart_servers()
                if units:
                    state = scene.settle("boot", f"rebooted at {place}", killed)
                    require(state == ("new" if index >= proven else "old"), f"rebooted at {place}: {state}", killed)
                else:
                    scene.started_by_others()
                    before = len(scene.services.calls())
                    state = scene.settle("undo" if number % 4 else "resume", f"rebooted at {place}, services started by the machine", killed)
                    stopped = "stop" in scene.services.calls()[before:]
                    require(state == "new" or index < swaps or stopped, f"rebooted at {place}: taken back under services that ran", killed)
                    counts.add("services stopped before it was taken back", stopped)
                counts.add("reboots with the units of packaging/" if units else "reboots with services started by others")
                count_state(state, counts)


def recoveries_killed(counts):
    """The recovery dies too, servers with it, and is run again."""
    with five_stores("kill-stores-recovery") as scene:
        for way, outcome in (("undo", "old"), ("resume", "new")):

            def hurt():
                scene.set_old()
                run(scene.states.words(FAULTED), {"INGOT_TEST_KILL_AT": "restore.swapped"}).expect(KILLED)

            hurt()
            steps = Steps(scene.stack.faulted("restore", "--" + way), scene.stack.base)
            require(scene.states.which(steps.done) == outcome, f"--{way} did not give the {outcome} state", steps.done)
            places = [place for place, name in steps.places() if comes_again(name)]
            for number, at in enumerate(spread(0, len(places) - 1, rounds(3, 1000, 1))):
                hurt()
                killed = run(scene.stack.faulted("restore", "--" + way), {"INGOT_TEST_KILL_AT": places[at]}).expect(KILLED)
                if number % 3 == 0:
                    scene.states.restart_servers()
                    counts.add("servers killed with it")
                state = scene.settle(way, f"--{way} was killed at {places[at]}", killed)
                require(state == outcome, f"--{way} was killed at {places[at]}: {state}", killed)
                counts.add("recoveries killed")
                count_state(state, counts)


def told_to_end(counts):
    with five_stores("term-stores") as scene:
        for number, (_, place, _) in enumerate(places_of(scene, rounds(4, 1000, 1))):
            scene.told_to_end(place, signal.SIGTERM if number % 2 else signal.SIGINT, counts)


missing = [what for what, there in (("PostgreSQL server", programs()), ("redis-server", SERVER), ("python3-faiss", FiveStates)) if not there]
if missing:
    print(f"stores_kill_test: {'FAILED' if CI else 'SKIPPED'}: no {missing}; ./dev test installs them")
    sys.exit(1 if CI else 0)
main("stores_kill_test", killed_at_steps, killed_at_random_moments, reboots, recoveries_killed, told_to_end)
