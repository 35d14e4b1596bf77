"""Two states and recorded services, and the ways in which somebody goes on after a restore was cut short."""

import os
import shlex
import signal

from faulted_run import FAULTED, INGOT, SOURCE, finish, require, run, start, stopped_at

KILLED = -signal.SIGKILL
# How a person, a script or the boot goes on.
WAYS = ("resume", "undo", "again", "rollback", "boot")
UNITS = ("ingot-recover.service", "ingot-recover-services.service")


def unit_words(name, config):
    """What that unit of packaging/systemd runs, with this test's program and config."""
    with open(os.path.join(SOURCE, "packaging/systemd", name), encoding="utf-8") as file:
        line = next(line for line in file if line.startswith("ExecStart="))
    words = shlex.split(line.removeprefix("ExecStart="))
    require(words[0].endswith("/ingot") and "--config" in words, f"{name} runs {words}")
    words[0] = INGOT
    words[words.index("--config") + 1] = config
    return words


def go_on(process, words):
    process.send_signal(signal.SIGCONT)
    return finish(process, words)


class Scene:
    def __init__(self, states, services):
        self.states, self.services, self.stack = states, services, states.stack
        self.stack.ingot("promote", states.snapshot).expect(0)  # for rollback

    def set_old(self):
        self.services.mark("good")
        self.states.set_old()
        self.services.forget()

    def started_by_others(self):
        """The machine starts the services by itself, knowing nothing of a restore."""
        run([self.services.script, "start"]).expect(0)

    def boot(self):
        """The units of packaging/systemd, and the stack's own between them."""
        if os.path.exists(self.stack.state + "/rag.journal"):  # ConditionPathExists
            run(unit_words(UNITS[0], self.stack.config)).expect(0)
        self.started_by_others()
        return run(unit_words(UNITS[1], self.stack.config)).expect(0)

    def settle(self, way, *evidence):
        """Goes on in that way, and says which state is live."""
        status = 0
        if way == "again":
            done = self.stack.ingot("restore", self.states.snapshot, "--yes").expect(0, 1)
            if done.status == 1:
                require("--resume" in done.said, "the refusal does not name the way on", *evidence, done)
                done = self.stack.ingot("restore", "--resume").expect(0)
        elif way == "rollback":
            done = self.stack.ingot("rollback", "--reason", "a test").expect(0, 21)
            status = done.status
        elif way == "boot":
            done = self.boot()
        else:
            done = self.stack.ingot("restore", "--" + way).expect(0, 1)
            if done.status == 1:  # what was proven is not undone any more
                require(way == "undo" and "--resume" in done.said, "not recovered", *evidence, done)
                done = self.stack.ingot("restore", "--resume").expect(0)
        state = self.states.which(way, *evidence, done)
        # What was proven is finished by a rollback first: where its own probes then fail, it is taken back to that.
        kept = "goes forward" in done.said
        require(way != "rollback" or status in ((0, 21) if kept else (0,) if state == "new" else (21,)), "a wrong exit status", *evidence, done)
        require(way != "rollback" or state == "new" or not kept, "what was proven was taken back", *evidence, done)
        self.services.require_running(way, *evidence, done)
        require(not self.stack.leftovers(), f"left behind: {self.stack.leftovers()}", *evidence, done)
        again = self.stack.ingot("restore", "--resume").expect(0)
        require(again.summary["outcome"] == "nothing", "there was something left to recover", *evidence, again)
        return state

    def told_to_end(self, place, number, counts):
        """A signal while the restore stands at that step: it goes back by itself, or on; nothing is left to recover."""
        self.set_old()
        words = self.states.words(FAULTED)
        process = stopped_at(words, place)
        process.send_signal(number)
        done = go_on(process, words)
        require(done.status in (0, 21, 130), f"told to end at {place}: a wrong exit status", done)
        if done.status == 0 and done.summary["problems"]:  # told to end while the old state was stored: the restore stands
            require("no safety snapshot of it could be taken: interrupted" in done.said, "another problem", done)
            require(self.stack.leftovers(), "the old state is gone", done)
            self.stack.ingot("restore", "--resume").expect(0)
            counts.add("old states stored by a resume")
        state = self.states.which(place, done)
        require(state == ("new" if done.status == 0 else "old"), f"told to end at {place}: exit {done.status}, {state} state", done)
        self.services.require_running(place, done)
        require(not self.stack.leftovers(), f"left behind: {self.stack.leftovers()}", done)
        counts.add("points")
        counts.add(f"exit {done.status}")
