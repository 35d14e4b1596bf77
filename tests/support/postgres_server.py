"""A PostgreSQL server for tests: Debian's programs, in a folder of its own, on a free loopback port, run by another user than root.

The system's own instance, where there is one, is neither used nor looked at.
"""

import contextlib
import glob
import os
import signal
import socket
import subprocess
import time

from faulted_run import Failed, require, run, send_signal

NOBODY = 65534


def programs():
    """The folder of the newest server that is installed, or nothing."""
    found = [path for path in glob.glob("/usr/lib/postgresql/*/bin") if os.path.exists(path + "/initdb")]
    return max(found, key=lambda path: int(path.split("/")[4])) if found else None


def literal(text):
    return "'" + text.replace("'", "''") + "'"


def name(text):
    return '"' + text.replace('"', '""') + '"'


class Postgres:
    def __init__(self, folder):
        self.bin, self.folder = programs(), folder
        os.makedirs(folder)
        if os.geteuid() == 0:
            os.chown(folder, NOBODY, NOBODY)
            for parent in (os.path.dirname(folder), os.path.dirname(os.path.dirname(folder))):
                os.chmod(parent, os.stat(parent).st_mode | 0o011)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        run(self.as_user([self.bin + "/initdb", "-D", folder + "/data", "-U", "postgres", "--auth=trust", "-N", "-E", "UTF8", "--locale=C.UTF-8"]),
            cwd="/").expect(0)
        with open(folder + "/data/pg_hba.conf", "w", encoding="utf-8") as file:  # the role `secret` must give its password
            file.write("host all secret 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n")
        self.process = None
        self.start()

    def as_user(self, words):
        return ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--pdeathsig=QUIT", "--", *words] if os.geteuid() == 0 else words

    def start(self):
        words = [self.bin + "/postgres", "-D", self.folder + "/data", "-k", "", "-p", str(self.port), "-c", "listen_addresses=127.0.0.1",
                 "-c", "shared_buffers=32MB", "-c", "max_prepared_transactions=4", "-c", "autovacuum=off", "-c", "fsync=off"]
        until = time.monotonic() + 30
        while True:
            if self.process is None or self.process.poll() is not None:  # after a kill -9 old sessions may hold the shared memory for a moment
                with open(self.folder + "/log", "ab") as log:
                    self.process = subprocess.Popen(self.as_user(words), cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            if self.psql("SELECT 1", check=False).status == 0:
                return
            if time.monotonic() > until:
                with open(self.folder + "/log", encoding="utf-8", errors="replace") as log:
                    raise Failed("PostgreSQL does not start:\n" + log.read()[-2000:])
            time.sleep(0.05)

    def kill(self, number=signal.SIGKILL):
        self.process.send_signal(number)
        self.process.wait()

    def stop(self):
        if self.process.poll() is None:
            self.signal_all(signal.SIGCONT)
            self.kill(signal.SIGQUIT)

    def signal_all(self, number):
        """The server's process and its sessions."""
        if self.process.poll() is not None:
            return
        children = run(["ps", "-o", "pid=", "--ppid", str(self.process.pid)]).out.split()
        for pid in [self.process.pid, *map(int, children)]:
            with contextlib.suppress(ProcessLookupError):  # a session may end meanwhile
                send_signal(pid, number)

    def restart(self):
        self.kill()
        self.start()

    def url(self, database, user="postgres"):
        if " " in database:  # as keywords, which take any name
            return f"host=127.0.0.1 port={self.port} user={user} dbname='{database}'"
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    def psql(self, text, database="postgres", check=True):
        done = run([self.bin + "/psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres", "-d", database,
                    "-c", text], {"PGCONNECT_TIMEOUT": "30"}, 60)
        require(not check or done.status == 0, f"{text[:200]}: {done.said}")
        return done

    def sql(self, text, database="postgres"):
        return self.psql(text, database).out.decode().rstrip("\n")

    def databases(self):
        return sorted(self.sql("SELECT datname FROM pg_database WHERE NOT datistemplate AND datname <> 'postgres'").split("\n"))

    def content(self, database):
        """Everything an application would ask for: each table's rows by a digest, sequences, views, settings, grants."""
        tables = self.sql("SELECT quote_ident(schemaname) || '.' || quote_ident(tablename) FROM pg_tables WHERE schemaname !~ '^pg_' AND schemaname <> "
                          "'information_schema' ORDER BY 1", database).split("\n")
        found = {table: self.sql(f"SELECT count(*), md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {table} t", database) for table in tables if table}
        found["sequences"] = self.sql("SELECT sequencename, last_value FROM pg_sequences ORDER BY 1", database)
        found["views"] = self.sql("SELECT viewname, definition FROM pg_views WHERE schemaname = 'public' ORDER BY 1", database)
        found["indexes"] = self.sql("SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1", database)
        found["settings"] = self.sql("SELECT coalesce(rolname, ''), c FROM pg_db_role_setting JOIN pg_database d ON d.oid = setdatabase LEFT JOIN pg_roles r ON "
                                     f"r.oid = setrole, unnest(setconfig) c WHERE datname = {literal(database)} ORDER BY 1, 2")
        found["grants"] = self.sql(f"SELECT a::text FROM pg_database, unnest(datacl) a WHERE datname = {literal(database)} ORDER BY 1")
        found["comment"] = self.sql(f"SELECT shobj_description(oid, 'pg_database'), datallowconn FROM pg_database WHERE datname = {literal(database)}")
        return found
