"""A MariaDB server for tests: Debian's programs, in a folder of its own, on a socket in it, run by another user than root.

The system's own instance, where there is one, is neither used nor looked at: no default files are read, and there is no port.
"""

import os
import shutil
import subprocess
import time

from stack import Failed, require, run

NOBODY = 65534
PROGRAMS = ("mariadbd", "mariadb-install-db", "mariadb", "mariadb-dump", "mysql", "mysqldump")


def missing_programs():
    path = os.environ.get("PATH", "") + ":/usr/sbin:/usr/bin"
    return [program for program in PROGRAMS if shutil.which(program, path=path) is None]


class MariaDB:
    """`with MariaDB(folder) as server:`; commands reach it with server.env, which names the socket."""

    def __init__(self, folder):
        self.folder = folder
        self.data, self.socket, self.log = folder + "/data", folder + "/socket", folder + "/log"
        # HOME: no ~/.my.cnf of the caller's. The client programs read the socket's name from the environment.
        self.env = {"MYSQL_UNIX_PORT": self.socket, "HOME": folder, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
        self.process = None

    def __enter__(self):
        os.makedirs(self.folder)
        if os.geteuid() == 0:
            os.chown(self.folder, NOBODY, NOBODY)
            parent = os.path.dirname(self.folder)
            os.chmod(parent, os.stat(parent).st_mode | 0o011)
        self.expect(["mariadb-install-db", "--no-defaults", f"--datadir={self.data}", "--auth-root-authentication-method=normal",
                     "--skip-test-db", "--innodb-log-file-size=8M"])
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def as_user(self, words):
        return ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--", *words] if os.geteuid() == 0 else words

    def expect(self, words):
        return run(self.as_user(words), self.env, cwd="/").expect(0)

    def start(self):
        words = ["mariadbd", "--no-defaults", f"--datadir={self.data}", f"--socket={self.socket}", f"--pid-file={self.folder}/pid",
                 "--skip-networking", "--innodb-buffer-pool-size=16M", "--innodb-log-file-size=8M",
                 "--innodb-flush-log-at-trx-commit=0", "--event-scheduler=OFF"]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.as_user(words), env={**os.environ, **self.env}, cwd="/", stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log)
        until = time.monotonic() + 60
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > until:
                with open(self.log, encoding="utf-8", errors="replace") as log:
                    raise Failed("MariaDB does not start:\n" + log.read()[-2000:])
            time.sleep(0.05)

    def answers(self):
        return os.path.exists(self.socket) and run(["mariadb", "--no-defaults", "-uroot", "-e", "SELECT 1"], self.env).status == 0

    def stop(self):
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def sql(self, text, database=""):
        done = subprocess.run(["mariadb", "--no-defaults", "-uroot", "--batch", "--skip-column-names", *([database] if database else [])],
                              input=text.encode(), env={**os.environ, **self.env}, capture_output=True, timeout=120, check=False)
        require(done.returncode == 0, f"{text[:200]}: {done.stderr.decode()}")
        return done.stdout.decode()
