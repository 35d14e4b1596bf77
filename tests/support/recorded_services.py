"""Services that are a recording script: what was called, in which order, with which environment, and whether they run now."""

import contextlib
import os

from faulted_run import require

SCRIPT = """\
#!/bin/sh
# $1: which hook. A file fails.NAME makes it fail, once.NAME once; slow.NAME holds the seconds that it takes.
cd "{base}" || exit 9
echo "$1 ${{INGOT_VERSION:--}} ${{INGOT_SNAPSHOT:--}} ${{INGOT_RESTORE:--}}" >> calls
if [ -e "slow.$1" ]; then sleep "$(cat "slow.$1")"; fi
if [ -e "fails.$1" ]; then echo "$1 does not work"; exit 1; fi
if [ -e "once.$1" ]; then rm "once.$1"; echo "$1 does not work yet"; exit 1; fi
case "$1" in
    stop) touch down ;;
    start) rm -f down ;;
    drain) touch drained ;;
    undrain) rm -f drained ;;
esac
echo "end-of-$1" >> calls
"""

CONFIG = """
[services]
drain = "{script} drain"
stop = "{script} stop"
start = "{script} start"
undrain = "{script} undrain"
timeout = "{timeout}"

[sources.db.hooks]
before_swap = "{script} before_swap"
after_swap = "{script} after_swap"

"""

# Passes while the file `good` is there and the services run.
PROBE = """
[[probes]]
name = "good"
command = "test -e {base}/good && ! test -e {base}/down"
timeout = "300ms"
interval = "50ms"
"""


class Services:
    def __init__(self, base, timeout="20s"):
        os.makedirs(base, exist_ok=True)
        self.base = base
        self.script = base + "/service"
        with open(self.script, "w", encoding="utf-8") as file:
            file.write(SCRIPT.format(base=base))
        os.chmod(self.script, 0o755)
        self.config = CONFIG.format(script=self.script, timeout=timeout)
        self.probe = PROBE.format(base=base)
        self.mark("good")

    def mark(self, name, text=""):
        with open(f"{self.base}/{name}", "w", encoding="utf-8") as file:
            file.write(text)

    def unmark(self, *names):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                os.remove(f"{self.base}/{name}")

    def lines(self):
        with contextlib.suppress(FileNotFoundError):
            with open(self.base + "/calls", encoding="utf-8") as file:
                return [line.split() for line in file]
        return []

    def calls(self):
        """The names of the hooks that were called, in order."""
        return [line[0] for line in self.lines() if not line[0].startswith("end-of-")]

    def forget(self):
        self.unmark("calls", "down", "drained")

    def require_running(self, *evidence):
        """I8: a start ended after the last stop did, and an undrain after the last drain."""
        names = [line[0] for line in self.lines()]
        for first, then in (("stop", "start"), ("drain", "undrain")):
            begun = [number for number, name in enumerate(names) if name in (first, "end-of-" + first)]
            ended = [number for number, name in enumerate(names) if name == "end-of-" + then]
            require(not begun or (ended and ended[-1] > begun[-1]), f"no {then} after the last {first}: {names}", *evidence)
        for name in ("down", "drained"):
            require(not os.path.exists(f"{self.base}/{name}"), f"the services are {name}: {names}", *evidence)
