#!/usr/bin/python3
"""The disk fills up in the middle of a restore: that of the targets and the journal at any step, and that of the repository while the old
state is stored. Then somebody makes room.

Called by ctest with the program's path, the build folder and the source folder.
"""

import contextlib
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

from faulted_mounts import Mount, need_mounts
from faulted_restore import TwoStates, comes_again
from faulted_run import FAULTED, Steps, main, require, rounds, spread, work_folder, stopped_at
from recorded_services import Services
from service_scene import Scene, go_on


def fill_up(folder):
    """To the last byte; returns the file that does it."""
    path = folder + "/filler"
    for size in (1 << 20, 4096, 1):
        with open(path, "ab", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(bytes(size)):
                pass
    return path


def full_at_every_step(counts):
    with work_folder("full-disk", quick=True) as folder, Mount.tmpfs(folder + "/disk", "48m") as disk:
        services = Services(folder + "/services")
        scene = Scene(TwoStates(folder, root=disk.path + "/stack", state=disk.path + "/state", more=services.config + services.probe), services)
        scene.set_old()
        words = scene.states.words(FAULTED)
        places = [place for place, name in Steps(words, folder).places() if comes_again(name)]
        for number, place in enumerate(places[i] for i in spread(0, len(places) - 1, rounds(14, 1000, 3))):
            scene.set_old()
            process = stopped_at(words, place)
            filler = fill_up(disk.path)
            if number % 2:
                services.unmark("good")  # the probes fail, and pass again when there is room
            done = go_on(process, words).expect(0, 1, 21, 22)
            services.mark("good")
            if done.status != 22:
                services.require_running(place, done)
            else:
                require('"hint":""' not in done.said.splitlines()[-1], f"{place}: exit 22 names no manual action", done)
            os.remove(filler)
            scene.stack.ingot("restore", "--resume").expect(0)
            state = scene.states.which(place, done)
            require(done.status == 22 or state == ("new" if done.status == 0 else "old"), f"{place}: exit {done.status}, and the {state} state", done)
            require(not scene.stack.leftovers(), f"{place}: left behind: {scene.stack.leftovers()}", done)
            services.require_running(place, done)
            counts.add("disks filled")
            counts.add(f"exit {done.status}")
        counts["targets in a third state"] = counts["services left stopped"] = 0


def full_while_the_old_state_is_stored(counts):
    with work_folder("full-repository", quick=True) as folder, Mount.tmpfs(folder + "/disk", "48m") as disk:
        services = Services(folder + "/services")
        scene = Scene(TwoStates(folder, repo=disk.path + "/repo", more=services.config), services)
        scene.set_old()
        words = scene.states.words(FAULTED)
        for place in ("restore.staged", "restore.proven"):
            scene.set_old()
            process = stopped_at(words, place)
            filler = fill_up(disk.path)
            done = go_on(process, words).expect(0)
            require("no safety snapshot of it could be taken" in done.said and "o space left" in done.said, "it does not say why", done)
            require(scene.states.which(done, unfinished=True) == "new", "not the new state", done)
            services.require_running(done)
            require(scene.stack.leftovers(), "the old state is gone", done)
            os.remove(filler)
            done = scene.stack.ingot("restore", "--resume").expect(0)
            require(done.summary["safety_snapshot_id"], "the resume did not store it", done)
            done = scene.stack.ingot("undo", "--yes").expect(0)
            require(scene.states.which(done) == "old", "the old state did not come back", done)
            scene.stack.ingot("check").expect(0)
            counts.add("old states stored once there was room")


need_mounts("restore_full_disk_test")
main("restore_full_disk_test", full_at_every_step, full_while_the_old_state_is_stored)
