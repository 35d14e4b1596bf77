"""One command whose system calls fail (tests/crash/fault_shim.cc): the first, the second, the third, ...; once, and from then on."""

from faulted_run import NIGHTLY, run, shim_counts, shim_env, spread

KINDS = ("write", "fsync", "rename", "unlink", "mkdir", "truncate", "create")


class Loop:
    """One command under every fault, or an even sample of them. `well`: how it ends without a fault."""

    def __init__(self, folder, words, paths, prepare, counts, well=(0,)):
        self.words, self.paths, self.prepare, self.counts, self.well = words, paths, prepare, counts, well
        self.log = folder + "/calls"

    def cases(self, each):
        """(what fails, environment); `each`: how many of one kind."""
        for kind in KINDS:
            self.prepare()
            run(self.words, shim_env(kind, self.paths, count=self.log)).expect(*self.well)
            calls, _ = shim_counts(self.log)
            self.counts[f"{kind} calls"] = calls
            picked = range(1, calls + 1) if NIGHTLY else spread(1, calls, each)
            for index, at in enumerate(picked if calls else []):
                for mode in ("once", "forever"):
                    for error in ("EIO", "ENOSPC") if NIGHTLY else (("EIO", "ENOSPC")[(index + (mode == "once")) % 2],):
                        yield f"{kind} {at} of {calls}, {mode}, {error}", shim_env(kind, self.paths, at, mode, error, self.log)

    def run(self, env):
        self.prepare()
        done = run(self.words, env)
        self.counts.add("runs")
        self.counts.add("faults that struck", shim_counts(self.log)[1] > 0)
        self.counts.add(f"exit {done.status}")
        return done


def errors_of(done):
    return [line for line in done.said.splitlines() if '"message_type":"error"' in line]
