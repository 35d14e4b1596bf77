"""A Redis server for tests: Debian's program, in a folder of its own, on a free loopback port."""

import contextlib
import os
import shutil
import socket
import subprocess
import time

from faulted_run import require, send_signal

SERVER = shutil.which("redis-server")


class Redis:
    """redis-server on a free port of the loopback. RESP is spoken by hand: `redis-cli` is another package."""

    def __init__(self, folder, *options, password=""):
        os.makedirs(folder)
        self.folder, self.options, self.password = folder, options, password
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.start()

    def start(self):
        words = [SERVER, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", self.folder, "--save", "",
                 "--logfile", self.folder + "/log", *self.options, *(["--requirepass", self.password] if self.password else [])]
        self.process = subprocess.Popen(words)
        until = time.monotonic() + 20
        while True:
            with contextlib.suppress(OSError, RuntimeError):
                if self.ask("PING") == "PONG":
                    return
            require(time.monotonic() < until and self.process.poll() is None, "redis-server did not start")
            time.sleep(0.01)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def restart(self):
        self.kill()
        self.start()

    def signal(self, number):
        if self.process.poll() is None:
            send_signal(self.process.pid, number)

    @staticmethod
    def _read(stream):
        line = stream.readline().decode(errors="replace").rstrip("\r\n")
        if not line:
            raise OSError("closed")
        if line[0] == "-":
            raise RuntimeError(line[1:])
        if line[0] in "+:":
            return line[1:] if line[0] == "+" else int(line[1:])
        size = int(line[1:])
        if size < 0:
            return None
        if line[0] == "*":
            return [Redis._read(stream) for _ in range(size)]
        return stream.read(size + 2)[:-2].decode("latin-1")

    def ask_all(self, commands, db=0):
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            commands = [("SELECT", str(db)), *commands]
            if self.password:
                commands = [("AUTH", self.password), *commands]
            out = b""
            for words in commands:
                words = [word if isinstance(word, bytes) else str(word).encode() for word in words]
                out += b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)
            connection.sendall(out)
            with connection.makefile("rb") as stream:
                return [self._read(stream) for _ in commands][2 if self.password else 1:]

    def ask(self, *words, db=0):
        return self.ask_all([words], db)[0]

    def used(self):
        info = self.ask("INFO", "keyspace").splitlines()
        return sorted(int(line[2:line.index(":")]) for line in info if line.startswith("db"))

    def content(self):
        """(database, key) -> its dump and when it expires; and the functions."""
        found = {"functions": self.ask("FUNCTION", "DUMP")}
        for db in self.used():
            keys = self.ask("KEYS", "*", db=db)
            raw = [key.encode("latin-1") for key in keys]
            types = self.ask_all([("TYPE", key) for key in raw], db)
            read = {"string": ("GET", ()), "list": ("LRANGE", (0, -1)), "set": ("SMEMBERS", ()), "hash": ("HGETALL", ()),
                    "zset": ("ZRANGE", (0, -1, "WITHSCORES")), "stream": ("XRANGE", ("-", "+"))}
            values = self.ask_all([(read[kind][0], key, *read[kind][1]) for key, kind in zip(raw, types)], db)
            expires = self.ask_all([("PEXPIRETIME", key) for key in raw], db)
            for key, kind, value, expire in zip(keys, types, values, expires):
                if kind == "set":
                    value = sorted(value)
                if kind == "hash":
                    value = sorted(zip(value[::2], value[1::2]))
                found[db, key] = (kind, value, expire)
        return found

    def fill(self):
        commands = [("SET", f"chunk:{n}", f"the text of chunk {n} " * (n % 9)) for n in range(2000)]
        commands += [("HSET", "hash", f"field {n}", f"value {n}") for n in range(700)]
        commands += [("SADD", "set", f"member {n}") for n in range(700)]
        commands += [("SADD", "ints", n) for n in range(100)]
        commands += [("ZADD", "zset", n / 7, f"member {n}") for n in range(300)]
        commands += [("RPUSH", "list", f"element {n}") for n in range(300)]
        commands += [("XADD", "stream", f"1-{n + 1}", "field", n) for n in range(300)]
        commands += [("SET", "expires", "later", "EX", 100000), ("SET", b"bytes\x00\xff", b"\x00\xff")]
        commands += [("FUNCTION", "LOAD", "#!lua name=rag\nredis.register_function('answer', function() return 42 end)")]
        self.ask_all(commands)
        self.ask_all([("SET", f"session:{n}", n) for n in range(300)], db=1)

    def damage(self):
        self.ask_all([("FLUSHDB",), ("SET", "chunk:1", "wrong"), ("FUNCTION", "FLUSH")])
        self.ask("SET", "another", "application", db=2)
