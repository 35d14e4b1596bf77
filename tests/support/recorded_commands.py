"""External programs that are recording stand-ins: docker, pm2, systemctl, ssh, make. Each call is a line of a file, and what it starts and
stops is a folder of names. What a container or another machine would run is run here: `docker exec` and `ssh` hand their command on."""

import contextlib
import os

from faulted_run import require

# A call that begins as a line of the file `fails` does not work.
HEAD = """\
#!/bin/sh
host="{host}" name=${{0##*/}}
call="$name $*"
printf '%s\\n' "$call" >>"$host/calls"
refuse() {{ echo "$name: cannot do that now" >&2; exit 1; }}
if [ -e "$host/fails" ]; then
    while read -r begin; do case "$call" in "$begin"*) refuse ;; esac; done <"$host/fails"
fi
services() {{  # VERB [OPTION...] SERVICE...
    verb=$1; shift
    for each; do
        case "$verb/$each" in
            */-*) ;;
            stop/*) rm -f "$host/running/$each" ;;
            start/* | restart/* | up/*) : >"$host/running/$each" ;;
            *) echo "$name: $verb is not known here" >&2; exit 64 ;;
        esac
    done
}}
{environment}"""

BODIES = {
    # A container is this machine: the programs in it find its server by the environment above.
    "docker": """\
case "$1 $2" in
    "compose config") shift 2; [ "$1" = --no-interpolate ] && sed 's/^/# resolved: /' docker-compose.yml ;;
    compose\\ *) shift; services "$@" ;;
    exec\\ *)
        shift
        while :; do case "$1" in -e | -u | --user) shift 2 ;; -*) shift ;; *) break ;; esac; done
        shift
        exec "$@" ;;
    *) exit 64 ;;
esac
""",
    "ssh": 'shift\nexec /bin/sh -c "$*"\n',  # all words as one line, for the shell over there
    "pm2": 'services "$@"\n',
    "systemctl": 'services "$@"\n',
    # make deploy VERSION=v2; traffic.0; eval.quick passes while VERSION is not one that the test spoils.
    "make": """\
case "$1" in
    deploy) printf '%s\\n' "${2#VERSION=}" >VERSION ;;
    traffic.*) printf '%s\\n' "${1#traffic.}" >"$host/traffic" ;;
esac
""",
}


class Commands:
    def __init__(self, host, names, environment=None):
        """In `host`/bin; `environment` is what they hand on to the programs that they run."""
        self.host, self.bin = host, host + "/bin"
        for folder in (self.bin, host + "/running"):
            os.makedirs(folder, exist_ok=True)
        exports = "".join(f"export {key}='{value}'\n" for key, value in (environment or {}).items())
        for name in names:
            with open(f"{self.bin}/{name}", "w", encoding="utf-8") as file:
                file.write(HEAD.format(host=host, environment=exports) + BODIES[name])
            os.chmod(f"{self.bin}/{name}", 0o755)

    def calls(self):
        """What was called since the last time this was asked, in order."""
        with contextlib.suppress(FileNotFoundError):
            with open(self.host + "/calls", encoding="utf-8") as file:
                found = file.read().splitlines()
            os.remove(self.host + "/calls")
            return found
        return []

    def fail(self, *begins):
        """From now on calls that begin like this fail; without any, none."""
        with open(self.host + "/fails", "w", encoding="utf-8") as file:
            file.writelines(begin + "\n" for begin in begins)

    def start(self, *services):
        for service in services:
            with open(f"{self.host}/running/{service}", "w", encoding="utf-8"):
                pass

    def running(self):
        return sorted(os.listdir(self.host + "/running"))

    def require_calls(self, wanted, *evidence):
        found = self.calls()
        require(found == wanted, "called, in order:\n  " + "\n  ".join(found) + "\nand not:\n  " + "\n  ".join(wanted), *evidence)
        return len(found)
