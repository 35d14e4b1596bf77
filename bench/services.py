#!/usr/bin/python3
"""`./dev bench services`: a PostgreSQL database and a Redis server, Ingot beside their own tools in one run.

Prints Markdown for docs/benchmarks.md. Times are medians of --runs runs, with the page cache emptied before each command where that
is allowed (as root); "durable" ends when what was written is on the medium. Servers and their settings: bench/servers.py; text:
bench/dataset.py. Everything that was restored is compared with what was there: rows by a digest of each table, keys by Redis's own
digest. Ingot's snapshots are encrypted, and its restores go into the live server; the tools' files are plain.
"""

import argparse
import os
import shutil
import subprocess
import tempfile
import time

import dataset
import report
import servers
import tools

DATABASE = "rag"
# pg_dump's gzip, the best of one process; its plain form is what the server can deliver.
POSTGRES_STEPS = ["ingot snapshot, first", "ingot snapshot, unchanged", "pg_dump -Fc", "pg_dump -Fc -Z0", "ingot restore", "pg_restore", "pg_restore -j 2"]
REDIS_STEPS = ["ingot snapshot, first", "ingot snapshot, unchanged", "redis-cli --rdb", "ingot restore", "server start with that rdb"]


class Times:
    """Of each step: what was measured, in every run."""

    def __init__(self):
        self.found = {}

    def record(self, step, measured):
        self.found.setdefault(step, []).append(measured)
        report.log(f"{step}: {measured.seconds:.2f} s ({measured.durable:.2f} durable), {measured.rss_mib:.0f} MiB")
        return measured

    def rows(self, steps, size, peer_of):
        """A row each: time, rate, memory, and how often as long the same takes with the peer."""
        def median(step, what):
            return report.median([getattr(measured, what) for measured in self.found[step]])
        for step in steps:
            peer = peer_of.get(step)
            yield [f"`{step}`", f"{median(step, 'seconds'):.2f} s ({median(step, 'durable'):.2f})", f"{size / median(step, 'seconds') / 1e6:.0f}",
                   f"{max(measured.rss_mib for measured in self.found[step]):.0f}" if self.found[step][0].rss_mib else "",
                   f"{median(peer, 'seconds') / median(step, 'seconds'):.2f}" if peer else ""]


def fill_postgres(server, size):
    """Chunks of text as a RAG stack keeps them; returns what the database takes on disk."""
    server.sql(f"CREATE DATABASE {DATABASE}")
    server.sql("CREATE TABLE chunks (id int, document text, position int, text text); CREATE TABLE documents (name text PRIMARY KEY)", DATABASE)
    text, row, written = dataset.Text(1), 0, 0
    words = server.tool("psql", "-Xq", "-v", "ON_ERROR_STOP=1", "-d", DATABASE, "-c", "COPY chunks FROM STDIN")
    with subprocess.Popen(words, stdin=subprocess.PIPE) as client:
        while written < size * 0.87:  # the rest is the slack of pages and the indexes
            line = f"{row}\tdoc-{row // 40:07d}\t{row % 40}\t{text.chunk()}\n".encode()
            client.stdin.write(line)
            row, written = row + 1, written + len(line)
        client.stdin.close()
    if client.returncode != 0:
        raise RuntimeError("COPY failed")
    server.sql("INSERT INTO documents SELECT DISTINCT document FROM chunks; ALTER TABLE chunks ADD PRIMARY KEY (id); "
               "CREATE INDEX ON chunks (document, position)", DATABASE)
    server.sql("VACUUM ANALYZE", DATABASE)
    server.sql("CHECKPOINT")
    return row, int(server.sql(f"SELECT pg_database_size('{DATABASE}')"))


def rows_of(server, database=DATABASE):
    return [server.sql(f"SELECT count(*), sum(('x' || substr(md5(t::text), 1, 8))::bit(32)::bigint) FROM {table} t", database)
            for table in ("chunks", "documents")]


def outage_table(measured):
    """Where the time of Ingot's restores goes, by their own summaries; the live state is away for `outage_ms` only."""
    restores = [tools.Ingot.summary(one) for one in measured]

    def row(name, values):
        return [name, f"{report.median(list(values)):.0f}"]
    rows = [row(name, (sum(step["ms"] for step in restore["steps"] if step["name"] == name) for restore in restores))
            for name in dict.fromkeys(step["name"] for restore in restores for step in restore["steps"])]
    rest = (one.seconds * 1000 - sum(step["ms"] for step in restore["steps"]) for one, restore in zip(measured, restores))
    rows.append(row("the rest: what was live is removed, and stored first as a safety snapshot", rest))
    report.table(["`ingot restore`, step", "ms"], rows + [row("`outage_ms`", (restore["outage_ms"] for restore in restores))])


def require_same(now, wanted, what):
    if now != wanted:
        raise RuntimeError(f"{what}: {now} and not {wanted}")


def postgres(options, base):
    with servers.running(servers.Postgres(base + "/postgres")) as server:
        report.log(f"making a database of {options.size / 1e6:.0f} MB")
        rows, size = fill_postgres(server, options.size)
        wanted, times, sizes, restores = rows_of(server), Times(), {}, []
        source = tools.source("app", "postgres", url=server.url(DATABASE))
        for _ in range(options.runs):
            shutil.rmtree(base + "/ingot", ignore_errors=True)
            ingot = tools.Ingot(options.ingot, base + "/ingot", base, source)
            times.record(POSTGRES_STEPS[0], ingot.snapshot())
            sizes["Ingot's repository (packs)"] = dataset.size_of(ingot.repo + "/packs")
            again = ingot.summary(times.record(POSTGRES_STEPS[1], ingot.snapshot()))
            sizes["new bytes of the unchanged snapshot"] = again["bytes_new"]
            for step, more in ((POSTGRES_STEPS[2], []), (POSTGRES_STEPS[3], ["-Z0"])):
                dump = base + "/dump" + "".join(more)
                times.record(step, tools.measure(server.tool("pg_dump", "-Fc", *more, "-f", dump, DATABASE)))
                sizes[f"`{step}`"] = os.path.getsize(dump)
            server.sql("DELETE FROM chunks WHERE id % 2 = 0", DATABASE)
            restores.append(times.record(POSTGRES_STEPS[4], ingot.run("restore", "latest", "--yes")))
            require_same(rows_of(server), wanted, "restored by Ingot")
            for step, more in ((POSTGRES_STEPS[5], []), (POSTGRES_STEPS[6], ["-j", "2"])):
                server.sql("CREATE DATABASE beside")
                times.record(step, tools.measure(server.tool("pg_restore", *more, "-d", "beside", base + "/dump")))
                require_same(rows_of(server, "beside"), wanted, "restored by " + step)
                server.sql("DROP DATABASE beside")
        print(f"## PostgreSQL: a database of {size / 1e9:.2f} GB beside pg_dump and pg_restore\n")
        print(f"`./dev bench services --only postgres --size {options.size_text} --runs {options.runs}`; {server.version()}, {rows:,} rows of text and two "
              f"indexes; medians of {options.runs} runs, page cache {'emptied' if tools.drop_caches() else 'as it was'} before each command. MB/s: of "
              "what the database takes on disk. Memory: of the command's largest process, without the server.\n")
        peers = {POSTGRES_STEPS[0]: POSTGRES_STEPS[2], POSTGRES_STEPS[1]: POSTGRES_STEPS[2], POSTGRES_STEPS[4]: POSTGRES_STEPS[5]}
        report.table(["", "time (durable)", "MB/s", "MiB", "pg_dump -Fc, pg_restore ÷ ingot"], times.rows(POSTGRES_STEPS, size, peers))
        outage_table(restores)
        report.table(["stored", "MB"], [[what, f"{found / 1e6:.2f}"] for what, found in sizes.items()])
    shutil.rmtree(base + "/ingot")


def fill_redis(server, keys):
    """Texts of some hundred bytes, and one key in ten a hash."""
    text = dataset.Text(1)

    def commands():
        for number in range(keys):
            chunk = text.chunk()[:200].encode()
            if number % 10:
                yield [b"SET", b"chunk:%d" % number, chunk]
            else:
                yield [b"HSET", b"document:%d" % number, b"title", chunk[:40], b"text", chunk, b"position", b"%d" % number]
    server.pipe(commands())


def redis(options, base):
    with servers.running(servers.Redis(base + "/redis")) as server:
        report.log(f"making {options.keys} keys")
        fill_redis(server, options.keys)
        wanted, times, sizes, restores = server.digest(), Times(), {}, []
        require_same(wanted.split()[1], str(options.keys), "keys")
        source = tools.source("cache", "redis", url=f"redis://127.0.0.1:{server.port}")
        dump = base + "/loaded/dump.rdb"
        for _ in range(options.runs):
            shutil.rmtree(base + "/ingot", ignore_errors=True)
            shutil.rmtree(base + "/loaded", ignore_errors=True)
            os.makedirs(base + "/loaded")
            ingot = tools.Ingot(options.ingot, base + "/ingot", base, source)
            times.record(REDIS_STEPS[0], ingot.snapshot())
            sizes["Ingot's repository (packs)"] = dataset.size_of(ingot.repo + "/packs")
            again = ingot.summary(times.record(REDIS_STEPS[1], ingot.snapshot()))
            sizes["new bytes of the unchanged snapshot"] = again["bytes_new"]
            times.record(REDIS_STEPS[2], tools.measure(server.tool("--rdb", dump)))
            sizes["`redis-cli --rdb`"] = os.path.getsize(dump)
            server.cli("FLUSHALL")
            restores.append(times.record(REDIS_STEPS[3], ingot.run("restore", "latest", "--yes")))
            require_same(server.digest(), wanted, "restored by Ingot")
            tools.drop_caches()
            began = time.monotonic()
            loaded = servers.Redis(base + "/loaded")
            took = time.monotonic() - began
            with servers.running(loaded):
                times.record(REDIS_STEPS[4], tools.Measured(took, took, 0, ""))
                require_same(loaded.digest(), wanted, "loaded by a server")
        size = sizes["`redis-cli --rdb`"]
        print(f"## Redis: {options.keys:,} keys beside redis-cli --rdb\n")
        print(f"`./dev bench services --only redis --keys {options.keys} --runs {options.runs}`; {server.version()}; nine strings and a hash in ten keys, an "
              f"RDB file of {size / 1e6:.1f} MB, of which MB/s are; medians of {options.runs} runs. The server's own wait of 5 s before it sends an RDB file "
              "(repl-diskless-sync-delay) is set to 0 for both. Ingot's restore ends when the server has saved what it restored; it goes into a live server, "
              "where the other way is a stop, a copy of the file and a start, of which the start alone is measured.\n")
        peers = {REDIS_STEPS[0]: REDIS_STEPS[2], REDIS_STEPS[1]: REDIS_STEPS[2], REDIS_STEPS[3]: REDIS_STEPS[4]}
        report.table(["", "time (durable)", "MB/s", "MiB", "redis-cli --rdb, server start ÷ ingot"], times.rows(REDIS_STEPS, size, peers))
        outage_table(restores)
        report.table(["stored", "MB"], [[what, f"{found / 1e6:.2f}"] for what, found in sizes.items()])
    shutil.rmtree(base + "/ingot")


PARTS = {"postgres": postgres, "redis": redis}


def main():
    parser = argparse.ArgumentParser(description="Measures Ingot on a PostgreSQL database and a Redis server, beside their own tools.")
    parser.add_argument("--ingot", required=True, help="the program; ./dev bench gives it")
    parser.add_argument("--size", default="1G", help="bytes of the database, about (K, M, G: powers of 1000)")
    parser.add_argument("--keys", type=int, default=1_000_000, help="keys of the Redis server")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", action="append", choices=sorted(PARTS), help="a part of it (may be given again)")
    parser.add_argument("--dir", help="where to work; default: TMPDIR. It needs about eight times --size")
    options = parser.parse_args()
    options.size_text, options.size = options.size, report.parse_size(options.size)
    base = tempfile.mkdtemp(prefix="ingot-bench-", dir=options.dir)
    os.chmod(base, 0o711)  # PostgreSQL's folder is another user's
    try:
        print(f"Measured on {report.machine()}; {tools.Ingot.version(options.ingot)}.\n")
        for name, part in PARTS.items():
            if not options.only or name in options.only:
                part(options, base)
    finally:
        shutil.rmtree(base)


if __name__ == "__main__":
    main()
