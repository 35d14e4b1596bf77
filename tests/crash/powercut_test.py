#!/usr/bin/python3
"""The power is cut while a snapshot is taken, and while a restore swaps: ext4 on a loop device, shut down by ioctl.

What was not synced is gone then, as on a real machine. No acknowledged snapshot is ever lost or unreadable, the repository opens,
the next snapshot works; a restore ends wholly old or wholly new. Acknowledgements are read before the power goes: one that comes
while it goes proves nothing either way.
"""

import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

from faulted_mounts import LOG_FLUSH, NO_LOG_FLUSH, Disk, loop_devices_work, need_mounts
from faulted_restore import WAYS, TwoStates, comes_again
from faulted_run import CI, FAULTED, NIGHTLY, RANDOM, SANITIZED, Done, Steps, main, require, rounds, run, start, work_folder
from faulted_stack import Oracle, Stack


class Running:
    """A command under way, whose output is read as it comes."""

    def __init__(self, words, stop_at=None):
        self.words = words
        self.process = start(words, {"INGOT_TEST_STOP_AT": stop_at} if stop_at else None)
        self.out = b""
        os.set_blocking(self.process.stdout.fileno(), False)

    def drain(self):
        while block := self.process.stdout.read():
            self.out += block

    def stopped(self):
        """Waits until it stopped itself, or ended."""
        _, status = os.waitpid(self.process.pid, os.WUNTRACED)
        if os.WIFSTOPPED(status):
            return True
        self.process.returncode = os.waitstatus_to_exitcode(status)
        return False

    def cut(self, disk, flag):
        self.drain()
        disk.cut(flag, self.process)
        return self.done()

    def wait_until(self, moment):
        """False when it is over before."""
        while time.monotonic() < moment:
            if self.process.poll() is not None:
                return False
            time.sleep(0.001)
        return True

    def done(self):
        if self.process.returncode is None:
            self.process.wait()
        status = self.process.returncode
        if status >= 0:
            self.drain()
        os.set_blocking(self.process.stderr.fileno(), False)
        err = self.process.stderr.read() or b""
        self.process.stdout.close()
        self.process.stderr.close()
        return Done(self.words, status, self.out, err)


def flag_of(number):
    return NO_LOG_FLUSH if number % 2 == 0 else LOG_FLUSH


def cuts_of_snapshots(counts):
    with work_folder("powercut") as folder, Disk(folder + "/disk", 512 if NIGHTLY else 256) as disk:
        stack = Stack(folder, repo=disk.path + "/repo", state=disk.path + "/state").fill(files=6, rows=80, kib=16)
        stack.init()
        oracle = Oracle(stack)

        def begin(tag, stop_at=None):
            stack.change()
            oracle.by_tag[tag] = stack.content()
            return Running(stack.faulted("snapshot", "--tag", tag), stop_at)

        def acknowledge(done, tag):
            if done.summary.get("exit") == 0:
                oracle.acknowledge(done, tag)

        oracle.take("first", stack.words("snapshot"), run, stack.content()).expect(0)
        stack.change()
        began = time.monotonic()
        steps = Steps(stack.faulted("snapshot", "--tag", "learned"), folder)
        usual_s = time.monotonic() - began
        oracle.by_tag["learned"] = stack.content()
        acknowledge(steps.done.expect(0), "learned")
        places = [place for place, _ in steps.places()]
        RANDOM.shuffle(places)

        for number in range(rounds(20, 1_000)):
            if number % 4 < 2:  # each way to cut with each flag
                moment = time.monotonic() + RANDOM.uniform(0, 2.5 * usual_s)
                for turn in range(1_000):
                    tag = f"c{number}-{turn}"
                    running = begin(tag)
                    if running.wait_until(moment):
                        break
                    acknowledge(running.done().expect(0), tag)
                cut_at = "a random moment"
            else:
                tag, cut_at = f"c{number}", places[number // 4 % len(places)]
                running = begin(tag, cut_at)
                require(running.stopped(), f"did not stop at {cut_at}")
            acknowledge(running.cut(disk, flag_of(number)), tag)
            counts.add("power cuts")
            lost = oracle.lost(stack.snapshots())
            require(not lost, f"power cut at {cut_at}, flag {flag_of(number)}: acknowledged, and not there: {lost}")
            oracle.take(f"a{number}", stack.words("snapshot"), run, stack.content()).expect(0)
            if number % 4 == 3:
                check = stack.ingot("check").expect(0)
                require(check.summary["damage"] == 0, "damage after a power cut", check)
            if number % 50 == 49:
                # A long campaign would fill the disk: what is there is judged, and a new repository is begun.
                oracle.check_all(counts)
                run(["rm", "-rf", stack.repo, stack.state]).expect(0)
                stack.init()
                oracle = Oracle(stack)
        stack.ingot("verify", "--all").expect(0)
        oracle.check_all(counts)


def cuts_of_restores(counts):
    with work_folder("powercut-restore") as folder, Disk(folder + "/disk") as disk:
        for where in ("on the same file system", "elsewhere"):
            state = disk.path + "/state" if where == "on the same file system" else None
            states = TwoStates(f"{folder}/{where[:2]}", root=disk.path + "/stack", state=state)
            began = time.monotonic()
            steps = Steps(states.words(FAULTED), folder)
            usual_s = time.monotonic() - began
            first = steps.index("restore.staged")
            places = [place for place, name in list(steps.places())[first:] if comes_again(name)]
            for number in range(rounds(6, 250)):
                states.set_old()
                disk.sync()
                if number % 3 == 0:
                    cut_at = RANDOM.uniform(0.2, 1) * usual_s
                    running = Running(states.words(FAULTED))
                    running.wait_until(time.monotonic() + cut_at)
                else:
                    cut_at = places[RANDOM.randrange(len(places))]
                    running = Running(states.words(FAULTED), cut_at)
                    require(running.stopped(), f"did not stop at {cut_at}")
                hurt = running.cut(disk, flag_of(number))
                counts.add("power cuts")
                counts.add("wholly " + states.recovered(WAYS[number % 3], f"journal {where}, power cut at {cut_at}", hurt))
            cuts_of_recoveries(states, disk, counts)
            run(["rm", "-rf", states.stack.root])


def cuts_of_recoveries(states, disk, counts):
    """A restore that died in its swap is taken back, and the power goes while that is done."""

    def hurt():
        states.set_old()
        disk.sync()
        run(states.words(FAULTED), {"INGOT_TEST_KILL_AT": "restore.swapped"}).expect(-9)

    hurt()
    steps = Steps(states.stack.faulted("restore", "--undo"), states.stack.base)
    places = [place for place, name in steps.places() if comes_again(name)]
    for number, place in enumerate(RANDOM.sample(places, min(len(places), rounds(2, 200)))):
        hurt()
        running = Running(states.stack.faulted("restore", "--undo"), place)
        require(running.stopped(), f"did not stop at {place}")
        running.cut(disk, flag_of(number))
        counts.add("power cuts of recoveries")
        counts.add("wholly " + states.recovered("undo", f"power cut of --undo at {place}"))


if SANITIZED:
    print("powercut_test: SKIPPED: power cuts are made with the plain build only")
    sys.exit(0)
need_mounts("powercut_test")
with work_folder("powercut-probe") as probe:
    if not loop_devices_work(probe):
        print(f"powercut_test: {'FAILED' if CI else 'SKIPPED'}: the power can only be cut on a loop device")
        sys.exit(1 if CI else 0)
main("powercut_test", cuts_of_snapshots, cuts_of_restores)
