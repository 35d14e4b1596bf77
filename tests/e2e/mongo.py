"""Servers that speak MongoDB's protocol, each on a free port of the loopback: the stand-in (tests/support/mongo_server.py), FerretDB,
which is built once with Go, and a client of them.

FerretDB: $INGOT_FERRETDB names the program; else it lies in the cache folder, where a nightly run builds it.
"""

import contextlib
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

import bson
from bson.codec_options import CodecOptions
from bson.son import SON

from faulted_run import NIGHTLY, SOURCE, require, send_signal

FERRETDB = "v1.24.0"
CACHE = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "ingot-tests")
ORDERED = CodecOptions(document_class=SON, tz_aware=True)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Mongo:
    """A client: one connection for each command."""

    def __init__(self, port, database="app"):
        self.port, self.database = port, database

    def uri(self, login=""):
        return f"mongodb://{login}127.0.0.1:{self.port}/{self.database}" + ("?authSource=admin" if login else "")

    def ask(self, database=None, **command):
        command["$db"] = database or self.database
        raw = bson.BSON.encode(SON(command))
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            connection.sendall(struct.pack("<iiiiIB", 21 + len(raw), 1, 0, 2013, 0, 0) + raw)
            with connection.makefile("rb") as stream:
                head = stream.read(21)
                if len(head) < 21:
                    raise OSError("closed")
                reply = bson.BSON(stream.read(struct.unpack_from("<i", head)[0] - 21)).decode(ORDERED)
        if reply.get("ok") != 1.0:
            raise RuntimeError(reply.get("errmsg"))
        return reply

    def insert(self, collection, documents, batch=5000):
        for at in range(0, len(documents), batch):
            self.ask(insert=collection, documents=documents[at:at + batch])

    def all(self, collection, capped=False):
        found = self.ask(find=collection, batchSize=1_000_000, **({} if capped else {"sort": SON(_id=1)}))["cursor"]
        out, number = found["firstBatch"], found["id"]
        while number:
            more = self.ask(getMore=bson.Int64(number), collection=collection)["cursor"]
            out, number = out + more["nextBatch"], more["id"]
        return out

    def names(self):
        return {one["name"]: one for one in self.ask(listCollections=1)["cursor"]["firstBatch"] if not one["name"].startswith("system.")}

    def content(self):
        """name -> what it is and holds, but for what a restore made beside it."""
        found = {}
        for name, one in sorted(self.names().items()):
            if "__ingot_" in name:
                continue
            options = {key: value for key, value in one["options"].items() if key != "uuid"}
            found[name] = [one["type"], options]
            if one["type"] == "collection":
                indexes = self.ask(listIndexes=name)["cursor"]["firstBatch"]
                found[name] += [sorted((index["name"], list(index["key"].items())) for index in indexes), self.all(name, "capped" in options)]
        return found

    def beside(self):
        return sorted(name for name in self.names() if "__ingot_" in name)


class Process(Mongo):
    """With a server of its own."""

    def __init__(self, folder, words, log):
        super().__init__(free_port())
        os.makedirs(folder, exist_ok=True)
        self.folder, self.words, self.log = folder, [word.replace("PORT", str(self.port)) for word in words], log
        self.start()

    def start(self):
        with open(os.path.join(self.folder, "log"), "ab") as log:
            self.process = subprocess.Popen(self.words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder)
        until = time.monotonic() + 30
        while True:
            with contextlib.suppress(OSError, RuntimeError):
                self.ask("admin", hello=1)
                return
            require(time.monotonic() < until and self.process.poll() is None, f"the server did not start: {self.words}")
            time.sleep(0.02)

    def signal(self, number):
        if self.process.poll() is None:
            send_signal(self.process.pid, number)

    def kill(self):
        self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait()

    def restart(self):
        self.kill()
        self.start()


class StandIn(Process):
    def __init__(self, folder, *options):
        script = os.path.join(SOURCE, "tests", "support", "mongo_server.py")
        super().__init__(folder, ["/usr/bin/python3", script, "--port", "PORT", "--dir", folder, *options], "log")

    def fail(self, command=None, after=0, times=-1, code=8000):
        self.ask("admin", standInFaults=[SON(command=command, after=after, times=times, code=code)] if command else [])


class FerretDB(Process):
    def __init__(self, folder, program):
        super().__init__(folder, [program, "--handler=sqlite", f"--sqlite-url=file:{folder}/", "--listen-addr=127.0.0.1:PORT", "--debug-addr=-",
                                  "--telemetry=disable", f"--state-dir={folder}", "--log-level=error"], "log")


def ferretdb():
    """The program, or nothing and why."""
    named = os.environ.get("INGOT_FERRETDB")
    if named:
        return named, ""
    program = os.path.join(CACHE, f"ferretdb-{FERRETDB}")
    if os.path.exists(program):
        return program, ""
    go = shutil.which("go") or shutil.which("/usr/local/go/bin/go")
    if not go or not NIGHTLY:
        return None, "no FerretDB: a nightly run builds it with Go (one to three minutes), or $INGOT_FERRETDB names it"
    os.makedirs(CACHE, exist_ok=True)
    env = {**os.environ, "GOFLAGS": "-mod=mod -buildvcs=false", "GOTOOLCHAIN": "local"}
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run([go, "mod", "download", "-json", f"github.com/FerretDB/FerretDB@{FERRETDB}"], cwd=folder, env=env,
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=600)
        if done.returncode == 0:
            # The program wants a file with its version, which is not part of the module.
            shutil.copytree(json.loads(done.stdout)["Dir"], folder + "/module", copy_function=shutil.copyfile)
            subprocess.run(["chmod", "-R", "u+w", folder], check=True)
            with open(folder + "/module/build/version/version.txt", "w", encoding="utf-8") as file:
                file.write(FERRETDB + "\n")
            done = subprocess.run([go, "build", "-o", program + ".new", "./cmd/ferretdb"], cwd=folder + "/module", env=env,
                                  stdin=subprocess.DEVNULL, capture_output=True, timeout=1200)
    if done.returncode != 0:
        print(done.stderr.decode(errors="replace")[-2000:], file=sys.stderr)
        return None, "FerretDB could not be built"
    os.replace(program + ".new", program)
    return program, ""
