"""PostgreSQL and Redis to measure with: Debian's programs, on a free port of the loopback, in a folder of their own, ended by their own
pid. With their defaults, durability included, but for what is said here:
    PostgreSQL   shared_buffers=256MB, max_wal_size=4GB (a server of this size has them); any local client may connect
    Redis        repl-diskless-sync-delay 0: its default makes every replica, and so `redis-cli --rdb`, wait for 5 s
                 save "" while it is measured: a save of its own beside the measured one would be chance
"""

import contextlib
import glob
import os
import signal
import socket
import subprocess
import time

NOBODY = 65534


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def ended(process, number):
    if process.poll() is None:
        process.send_signal(number)
    process.wait()


class Postgres:
    def __init__(self, folder):
        found = glob.glob("/usr/lib/postgresql/*/bin/initdb")
        if not found:
            raise RuntimeError("no PostgreSQL server: apt-get install postgresql")
        self.bin = os.path.dirname(max(found, key=lambda path: int(path.split("/")[4])))
        self.folder, self.port = folder, free_port()
        os.makedirs(folder)
        if os.geteuid() == 0:  # the server refuses root
            os.chown(folder, NOBODY, NOBODY)
        subprocess.run(self.as_user([self.bin + "/initdb", "-D", folder + "/data", "-U", "postgres", "--auth=trust", "-E", "UTF8", "--locale=C.UTF-8"]),
                       cwd="/", check=True, stdout=subprocess.DEVNULL)
        words = [self.bin + "/postgres", "-D", folder + "/data", "-k", "", "-p", str(self.port), "-c", "listen_addresses=127.0.0.1",
                 "-c", "shared_buffers=256MB", "-c", "max_wal_size=4GB"]
        with open(folder + ".log", "wb") as log:
            self.process = subprocess.Popen(self.as_user(words), cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        until = time.monotonic() + 30
        while subprocess.run([self.bin + "/pg_isready", "-q", *self.where()], check=False).returncode != 0:
            if time.monotonic() > until or self.process.poll() is not None:
                raise RuntimeError(f"PostgreSQL does not start: {folder}.log")
            time.sleep(0.05)

    @staticmethod
    def as_user(words):
        return ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--pdeathsig=QUIT", "--", *words] if os.geteuid() == 0 else words

    def where(self):
        return ["-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres"]

    def tool(self, name, *arguments):
        return [self.bin + "/" + name, *self.where(), *arguments]

    def sql(self, text, database="postgres"):
        words = self.tool("psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", database, "-c", text)
        return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()

    def url(self, database):
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def version(self):
        return "PostgreSQL " + self.sql("SHOW server_version").split()[0]

    def stop(self):
        ended(self.process, signal.SIGINT)


class Redis:
    def __init__(self, folder, *options, dump="dump.rdb"):
        self.folder, self.port = folder, free_port()
        os.makedirs(folder, exist_ok=True)
        self.words = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--dir", folder, "--dbfilename", dump, "--save", "",
                      "--repl-diskless-sync-delay", "0", "--enable-debug-command", "local", "--logfile", folder + "/log", *options]
        self.start()

    def start(self):
        """Returns when it answers, with all of its file loaded."""
        self.process = subprocess.Popen(self.words)
        while self.cli("PING", check=False) != "PONG":
            if self.process.poll() is not None:
                raise RuntimeError(f"redis-server does not start: {self.folder}/log")
            time.sleep(0.005)

    def tool(self, *arguments):
        return ["redis-cli", "-h", "127.0.0.1", "-p", str(self.port), *arguments]

    def cli(self, *arguments, check=True):
        return subprocess.run(self.tool(*arguments), check=check, capture_output=True, text=True).stdout.strip()

    def digest(self):
        return self.cli("DEBUG", "DIGEST") + " " + self.cli("DBSIZE")

    def pipe(self, commands):
        """Commands, each a list of bytes, as fast as the server takes them."""
        with subprocess.Popen(self.tool("--pipe"), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as client:
            for words in commands:
                client.stdin.write(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words))
            client.stdin.close()
        if client.returncode != 0:
            raise RuntimeError("redis-cli --pipe failed")

    def version(self):
        return "Redis " + self.cli("INFO", "server").split("redis_version:")[1].split()[0]

    def stop(self):
        ended(self.process, signal.SIGKILL)


@contextlib.contextmanager
def running(server):
    try:
        yield server
    finally:
        server.stop()
