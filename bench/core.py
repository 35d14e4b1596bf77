#!/usr/bin/python3
"""`./dev bench core`: Ingot beside restic and borg in one run, beside the limits of the machine; and what SQLite's writers feel.

Prints Markdown tables, each with the command that makes it, for docs/benchmarks.md. Times are medians of --runs runs; before
each timed command the page cache is emptied where that is allowed (as root). "Durable" ends when what was written is on the
medium (`sync`). Data: bench/dataset.py. The tools and their settings: bench/tools.py.
"""

import argparse
import json
import os
import shutil
import subprocess
import tempfile
import time

import compare
import dataset
import report
import tools

STEPS = ["first snapshot", "unchanged", "1 % of rows changed", "verify, all read back", "restore"]


DATABASE = tools.source("db", "sqlite", path="app.db")


def check_restored(tool, stack, to):
    """Every restored byte is compared; a fast wrong restore is worth nothing."""
    if isinstance(tool, tools.Ingot):
        compare.same_tree(stack + "/docs", to + "/files/docs")
        compare.same_tree(stack + "/models", to + "/files/models")
        compare.same_database(stack + "/app.db", to + "/db/app.db")
    else:
        compare.same_tree(stack, to)


def side_by_side(options, base):
    stack = base + "/stack"
    report.log(f"making {options.size / 1e6:.0f} MB")
    dataset.make_stack(stack, options.size)
    size = dataset.size_of(stack)
    report.log("limits")
    limit = report.limits(stack, base, size, options.runs)
    times, durable, rss, stored = {}, {}, {}, {}

    def record(tool, step, measured):
        times.setdefault((tool.name, step), []).append(measured.seconds)
        durable.setdefault((tool.name, step), []).append(measured.durable)
        rss.setdefault((tool.name, step), []).append(measured.rss_mib)
        report.log(f"{tool.name}: {step}: {measured.seconds:.2f} s, {measured.rss_mib:.0f} MiB")

    for run in range(options.runs):
        made = tools.make_tools(options.ingot, base + "/tools", stack, DATABASE + tools.source("files", "files", paths=["docs", "models"]))
        made = made[run % 3:] + made[:run % 3]  # each goes first once
        for step in STEPS[:2]:
            for tool in made:
                record(tool, step, tool.snapshot())
                stored.setdefault((tool.name, step), []).append(dataset.size_of(tool.repo))
        dataset.change_rows(stack + "/app.db", 0.01, seed=100 + run)
        for tool in made:
            before = dataset.size_of(tool.repo)
            record(tool, STEPS[2], tool.snapshot())
            stored.setdefault((tool.name, STEPS[2]), []).append(dataset.size_of(tool.repo) - before)
        for tool in made:
            record(tool, STEPS[3], tool.verify())
        for tool in made:
            to = base + "/restored"
            record(tool, STEPS[4], tool.restore(to))
            check_restored(tool, stack, to)
            shutil.rmtree(to)
    shutil.rmtree(base + "/tools")

    names = ["ingot", "restic", "borg"]
    print(f"## {size / 1e9:.2f} GB beside restic and borg\n")
    print(f"`./dev bench core --only side-by-side --size {options.size_text} --runs {options.runs}`; encryption on, "
          f"medians of {options.runs} runs, page cache {'emptied' if tools.drop_caches() else 'as it was'} before each command.\n")
    rows = []
    for step in STEPS:
        row = [step]
        for name in names:
            row.append(f"{report.median(times[name, step]):.2f} s ({report.median(durable[name, step]):.2f})")
        row.append(f"{min(report.median(times[name, step]) for name in names[1:]) / report.median(times['ingot', step]):.2f}")
        rows.append(row)
    report.table(["time (durable)", *names, "faster peer ÷ ingot"], rows)
    report.limits_table(limit, size)
    report.table(["peak RSS, MiB", *names], [[step, *(f"{max(rss[name, step]):.0f}" for name in names)] for step in STEPS])
    report.table(["repository, MB", *names],
                 [["after the first snapshot", *(f"{report.median(stored[name, STEPS[0]]) / 1e6:.1f}" for name in names)],
                  ["added by 1 % of rows changed", *(f"{report.median(stored[name, STEPS[2]]) / 1e6:.1f}" for name in names)]])
    shutil.rmtree(stack)


def small_files(options, base):
    stack = base + "/many"
    report.log(f"making {options.files} files")
    dataset.make_small_files(stack, options.files)
    first, second = {}, {}
    for run in range(options.runs):
        made = tools.make_tools(options.ingot, base + "/tools", stack, tools.source("files", "files", paths=["small"]))
        for tool in made[run % 3:] + made[:run % 3]:
            first.setdefault(tool.name, []).append(tool.snapshot())
            # Warm: the second snapshot of the same tree is the everyday one, and what is measured is the tool, not the disk.
            second.setdefault(tool.name, []).append(tool.snapshot(cold=False))
            report.log(f"{tool.name}: {first[tool.name][-1].seconds:.2f} s, then {second[tool.name][-1].seconds:.2f} s")
    names = ["ingot", "restic", "borg"]
    print(f"## {options.files:,} small files, unchanged\n")
    print(f"`./dev bench core --only small-files --files {options.files} --runs {options.runs}`; 200 to 2,000 bytes each.\n")
    report.table(["", *names], [
        ["first snapshot, page cache empty", *(f"{report.median([m.seconds for m in first[name]]):.2f} s" for name in names)],
        ["second snapshot, nothing changed", *(f"{report.median([m.seconds for m in second[name]]):.2f} s" for name in names)],
        ["peak RSS of the second, MiB", *(f"{max(m.rss_mib for m in second[name]):.0f}" for name in names)]])
    shutil.rmtree(base + "/tools")
    shutil.rmtree(stack)


def sqlite_day_two(options, base):
    stack = base + "/day"
    os.makedirs(stack)
    database = stack + "/app.db"
    report.log("making a database")
    rows = dataset.make_database(database, options.size)
    tool = tools.Ingot(options.ingot, base + "/ingot", stack, DATABASE)
    tool.snapshot()
    shutil.copyfile(database, base + "/before.db")
    changed_rows = dataset.change_rows(database, 0.01, seed=77)
    changed = dataset.changed_page_bytes(base + "/before.db", database)
    repo = dataset.size_of(tool.repo + "/packs")
    summary = tool.summary(tool.snapshot())
    packs = dataset.size_of(tool.repo + "/packs") - repo
    print("## SQLite: what a day with 1 % of the rows changed adds\n")
    print(f"`./dev bench core --only sqlite-day-two --size {options.size_text}`; {changed_rows:,} of {rows:,} rows, at random.\n")
    report.table(["", "MB", "of changed pages"], [
        ["database", f"{os.path.getsize(database) / 1e6:.1f}", ""],
        ["changed pages (the two files compared page by page)", f"{changed / 1e6:.2f}", "1.00"],
        ["new chunks, plaintext (`bytes_new`)", f"{summary['bytes_new'] / 1e6:.2f}", f"{summary['bytes_new'] / changed:.2f}"],
        ["tree nodes and listings (`bytes_meta`)", f"{summary['bytes_meta'] / 1e6:.2f}", f"{summary['bytes_meta'] / changed:.2f}"],
        ["written to the repository (`bytes_stored`)", f"{summary['bytes_stored'] / 1e6:.2f}", f"{summary['bytes_stored'] / changed:.2f}"],
        ["packs on disk, compressed", f"{packs / 1e6:.2f}", f"{packs / changed:.2f}"]])
    shutil.rmtree(stack)
    shutil.rmtree(base + "/ingot")
    os.remove(base + "/before.db")


class Writer:
    """bench/sqlite_writer.py, running."""

    def __init__(self, database):
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "sqlite_writer.py")
        self.process = subprocess.Popen(["/usr/bin/python3", script, database], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.process.stdout.readline()

    def stop(self):
        out, _ = self.process.communicate()
        return json.loads(out)


def sqlite_writer(options, base):
    rows = []
    for journal in ("wal", "delete"):
        stack = f"{base}/writer-{journal}"
        os.makedirs(stack)
        database = stack + "/app.db"
        report.log(f"making a database, journal mode {journal}")
        dataset.make_database(database, options.size, journal=journal)
        tool = tools.Ingot(options.ingot, f"{base}/ingot-{journal}", stack, DATABASE)
        for cold in (True, False):
            alone, during, pause, copy = [], [], [], []
            for _ in range(options.runs):
                copy.append(tools.measure(["cp", database, base + "/copy.db"], cold=cold).seconds)
                os.remove(base + "/copy.db")
                writer = Writer(database)
                time.sleep(min(10, options.size / 1e8))
                alone.append(writer.stop()["longest_ms"])
                writer = Writer(database)
                time.sleep(0.5)
                summary = tool.summary(tool.snapshot(cold=cold))
                during.append(writer.stop()["longest_ms"])
                pause.append([source["pause_ms"] for source in summary["source_details"] if source["name"] == "db"][0])
                # The next run begins with nothing stored, so that the snapshot has all the work to do.
                shutil.rmtree(tool.base)
                tool = tools.Ingot(options.ingot, tool.base, stack, DATABASE)
            copy_ms = report.median(copy) * 1000
            medians = [*(report.median(values) for values in (alone, during, pause)), copy_ms]
            rows.append([journal, "empty" if cold else "warm", *(f"{ms:.0f} ms" for ms in medians), f"{medians[2] / copy_ms:.2f}"])
            report.log(f"{journal}: {rows[-1]}")
        shutil.rmtree(stack)
        shutil.rmtree(tool.base)
    print("## SQLite: what a writer feels during a snapshot\n")
    print(f"`./dev bench core --only sqlite-writer --size {options.size_text} --runs {options.runs}`; one row a commit, "
          "`synchronous=FULL`, from BEGIN IMMEDIATE to the end of COMMIT; medians over the runs of the longest commit of each.\n")
    report.table(["journal mode", "page cache", "longest commit, alone", "longest, during a snapshot", "`pause_ms`", "`cp` of the file",
                  "pause ÷ `cp`"], rows)


PARTS = {"side-by-side": side_by_side, "small-files": small_files, "sqlite-day-two": sqlite_day_two, "sqlite-writer": sqlite_writer}


def main():
    parser = argparse.ArgumentParser(description="Measures Ingot beside restic and borg.")
    parser.add_argument("--ingot", required=True, help="the program; ./dev bench gives it")
    parser.add_argument("--size", default="1G", help="bytes of the mixed data and of the databases (K, M, G: powers of 1000)")
    parser.add_argument("--files", type=int, default=100_000, help="number of small files")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", action="append", choices=sorted(PARTS), help="a part of it (may be given again)")
    parser.add_argument("--dir", help="where to work; default: TMPDIR. It needs about eight times --size")
    options = parser.parse_args()
    options.size_text, options.size = options.size, report.parse_size(options.size)
    base = tempfile.mkdtemp(prefix="ingot-bench-", dir=options.dir)
    try:
        print(f"Measured on {report.machine()}; {tools.versions(options.ingot)}.\n")
        for name, part in PARTS.items():
            if not options.only or name in options.only:
                part(options, base)
    finally:
        shutil.rmtree(base)


if __name__ == "__main__":
    main()
