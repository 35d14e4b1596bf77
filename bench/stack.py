#!/usr/bin/python3
"""`./dev bench stack`: a RAG stack with three FAISS indexes on two days, Ingot beside restic and borg in one run.

Prints Markdown for docs/benchmarks.md. Times are medians of --runs runs, with the page cache emptied before each command where that
is allowed (as root); "durable" ends when what was written is on the medium. Data: bench/rag_dataset.py. Settings: bench/tools.py.
Every byte restored is compared with its source, and the restored indexes answer searches as their sources do.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile

import compare
import dataset
import outage
import rag_dataset
import report
import tools

NAMES = ["ingot", "restic", "borg"]
STEPS = ["first snapshot", "restore", "day 2"]
SOURCES = {"ivf": "vectors/ivf.faiss", "flat": "vectors/flat.faiss", "hnsw": "vectors/hnsw.faiss", "db": "app.db", "dump": "dump.sql", "env": ".env"}
KINDS = {"ivf": "FAISS, IVF 1,024 lists", "flat": "FAISS, flat", "hnsw": "FAISS, HNSW 32", "db": "SQLite", "dump": "SQL dump", "env": ".env"}


def config():
    return "".join([tools.source(name, "faiss", path=SOURCES[name]) for name in ("ivf", "flat", "hnsw")]) + \
        tools.source("db", "sqlite", path="app.db") + tools.source("dump", "files", paths=["dump.sql"]) + tools.source("env", "env", paths=[".env"])


def change_in_place(path, wanted):
    """Writes the pages that differ, as a database would; nothing else of the file is touched."""
    with open(wanted, "rb") as new, open(path, "r+b") as old:
        at = 0
        while now := new.read(1 << 20):
            was = old.read(1 << 20)
            for page in range(0, len(now), 4096):
                if now[page:page + 4096] != was[page:page + 4096]:
                    old.seek(at + page)
                    old.write(now[page:page + 4096])
            at += len(now)
            old.seek(at)
        old.truncate(at)


def put_day(day, stack):
    """The stack becomes that day's: files are replaced by a rename, the database changes in place."""
    os.makedirs(stack + "/vectors", exist_ok=True)
    for name in rag_dataset.FILES:
        path, wanted = os.path.join(stack, name), os.path.join(day, name)
        if name == "app.db" and os.path.exists(path):
            change_in_place(path, wanted)
        else:
            shutil.copyfile(wanted, path + ".new")
            os.replace(path + ".new", path)
    compare.same_tree(day, stack)


def indexes(what, argument):
    """What bench/rag_indexes.py says."""
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "rag_indexes.py")
    return json.loads(subprocess.run([sys.executable, script, what, argument], stdout=subprocess.PIPE, check=True).stdout)


def answers(places):
    return indexes("answers", json.dumps({name: places[name] for name in rag_dataset.INDEXES}))


def check_restored(tool, stack, to, wanted):
    if isinstance(tool, tools.Ingot):
        places = {name: f"{to}/{source}/{name}" for source, name in SOURCES.items()}
        for name, place in places.items():
            (compare.same_database if name == "app.db" else compare.same_file)(f"{stack}/{name}", place)
    else:
        places = {name: f"{to}/{name}" for name in SOURCES.values()}
        compare.same_tree(stack, to)
    if answers(places) != wanted:
        raise RuntimeError(f"{tool.name}: the restored indexes answer searches otherwise")


def side_by_side(options, base, days):
    stack = base + "/stack"
    put_day(days + "/day1", stack)
    size = dataset.size_of(stack)
    report.log("limits")
    limit = report.limits(stack, base, size, options.runs)
    wanted = answers({name: f"{stack}/{name}" for name in rag_dataset.INDEXES})
    times, durable, rss, stored = {}, {}, {}, {}

    def record(tool, step, measured):
        times.setdefault((tool.name, step), []).append(measured.seconds)
        durable.setdefault((tool.name, step), []).append(measured.durable)
        rss.setdefault((tool.name, step), []).append(measured.rss_mib)
        report.log(f"{tool.name}: {step}: {measured.seconds:.2f} s, {measured.rss_mib:.0f} MiB")

    for run in range(options.runs):
        put_day(days + "/day1", stack)
        made = tools.make_tools(options.ingot, base + "/tools", stack, config())
        made = made[run % 3:] + made[:run % 3]  # each goes first once
        for tool in made:
            record(tool, STEPS[0], tool.snapshot())
            stored.setdefault((tool.name, STEPS[0]), []).append(dataset.size_of(tool.repo))
        for tool in made:
            to = base + "/restored"
            record(tool, STEPS[1], tool.restore(to))
            check_restored(tool, stack, to, wanted)
            shutil.rmtree(to)
        put_day(days + "/day2", stack)
        for tool in made:
            before = dataset.size_of(tool.repo)
            record(tool, STEPS[2], tool.snapshot())
            stored.setdefault((tool.name, STEPS[2]), []).append(dataset.size_of(tool.repo) - before)
    shutil.rmtree(base + "/tools")

    print(f"## A stack of {size / 1e9:.2f} GB beside restic and borg\n")
    print(f"`./dev bench stack --only side-by-side --size {options.size_text} --runs {options.runs}`; encryption on, medians of {options.runs} "
          f"runs, page cache {'emptied' if tools.drop_caches() else 'as it was'} before each command.\n")
    rows = []
    for step in STEPS:
        ours = report.median(times["ingot", step])
        rows.append([step, *(f"{report.median(times[name, step]):.2f} s ({report.median(durable[name, step]):.2f})" for name in NAMES),
                     *(f"{report.median(times[name, step]) / ours:.2f}" for name in NAMES[1:])])
    report.table(["time (durable)", *NAMES, "restic ÷ ingot", "borg ÷ ingot"], rows)
    report.limits_table(limit, size)
    report.table(["peak RSS, MiB", *NAMES], [[step, *(f"{max(rss[name, step]):.0f}" for name in NAMES)] for step in STEPS])
    rows = []
    for what, step in (("after the first snapshot", STEPS[0]), ("added by day 2", STEPS[2])):
        grown = {name: report.median(stored[name, step]) for name in NAMES}
        rows.append([what, *(f"{grown[name] / 1e6:.1f}" for name in NAMES), *(f"{grown[name] / grown['ingot']:.2f}" for name in NAMES[1:])])
    report.table(["repository, MB", *NAMES, "restic ÷ ingot", "borg ÷ ingot"], rows)


def parts_of(repository):
    """Bytes below each folder of a repository, without the index: that is a cache, and can be made anew."""
    return {part: dataset.size_of(f"{repository}/{part}") for part in ("packs", "records", "heads")}


def day_two(options, base, days):
    """Exact sizes, which do not depend on what else the machine does: by source, and by part of the repository."""
    stack = base + "/day-two"
    put_day(days + "/day1", stack)
    ingot, restic, _ = tools.make_tools(options.ingot, base + "/tools", stack, config())
    first = ingot.summary(ingot.snapshot(cold=False))
    restic.snapshot(cold=False)
    before = parts_of(ingot.repo)
    put_day(days + "/day2", stack)
    second = ingot.summary(ingot.snapshot(cold=False))
    after = parts_of(ingot.repo)
    sizes = rag_dataset.sizes(stack)
    stored = {each["name"]: each["bytes"] for each in second["source_details"]}
    ours = {each["name"]: each["bytes_new"] for each in second["source_details"]}
    for name, path in SOURCES.items():
        if stored[name] != sizes[path]:
            raise RuntimeError(f"{name}: {stored[name]} of {sizes[path]} bytes stored")
    theirs = {name: restic.plain_bytes_added(path) for name, path in SOURCES.items()}
    changed = indexes("changed", days)
    print("## What day 2 adds, by source\n")
    print(f"`./dev bench stack --only day-two --size {options.size_text}`; 1 % of everything added, changed or deleted. MB before compression: "
          "what is really new (vectors, links and texts that day 1 does not hold, changed pages), new chunks of Ingot (`bytes_new`), new chunks of "
          "restic (cut by content, 1 MiB on average; its own `data_added`).\n")
    rows = [[KINDS[name], f"{sizes[path] / 1e6:.1f}", f"{changed[path] / 1e6:.2f}", f"{ours[name] / 1e6:.2f}", f"{theirs[name] / 1e6:.2f}",
             f"{theirs[name] / max(1, ours[name]):.1f}"] for name, path in SOURCES.items()]
    totals = [sum(sizes[path] for path in SOURCES.values()), sum(changed.values()), sum(ours.values()), sum(theirs.values())]
    rows.append(["all", f"{totals[0] / 1e6:.1f}", *(f"{total / 1e6:.2f}" for total in totals[1:]), f"{totals[3] / totals[2]:.1f}"])
    report.table(["source", "size", "really new", "ingot", "restic", "restic ÷ ingot"], rows)
    report.table(["Ingot's repository, MB", "after day 1", "added by day 2"],
                 [[part, f"{before[part] / 1e6:.2f}", f"{(after[part] - before[part]) / 1e6:.2f}"] for part in before] +
                 [["tree nodes and listings, plaintext (`bytes_meta`)", f"{first['bytes_meta'] / 1e6:.2f}", f"{second['bytes_meta'] / 1e6:.2f}"],
                  ["written (`bytes_stored`)", f"{first['bytes_stored'] / 1e6:.2f}", f"{second['bytes_stored'] / 1e6:.2f}"]])
    shutil.rmtree(base + "/tools")
    shutil.rmtree(stack)


def outage_of_a_restore(options, base, days):
    outage.measure(options, base, days, config(), put_day)


PARTS = {"day-two": day_two, "side-by-side": side_by_side, "outage": outage_of_a_restore}


def main():
    parser = argparse.ArgumentParser(description="Measures Ingot on a RAG stack, beside restic and borg.")
    parser.add_argument("--ingot", required=True, help="the program; ./dev bench gives it")
    parser.add_argument("--size", default="1.2G", help="bytes of one day (K, M, G: powers of 1000)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", action="append", choices=sorted(PARTS), help="a part of it (may be given again)")
    parser.add_argument("--keep", help="where made datasets are kept for the next run; default: nowhere")
    parser.add_argument("--dir", help="where to work; default: TMPDIR. It needs about eight times --size")
    options = parser.parse_args()
    options.size_text, options.size = options.size, report.parse_size(options.size)
    base = tempfile.mkdtemp(prefix="ingot-bench-", dir=options.dir)
    try:
        report.log(f"two days of {options.size / 1e6:.0f} MB")
        days = rag_dataset.make(options.keep or base + "/keep", options.size, options.seed)
        print(f"Measured on {report.machine()}; {tools.versions(options.ingot)}.\n")
        for name, part in PARTS.items():
            if not options.only or name in options.only:
                part(options, base, days)
    finally:
        shutil.rmtree(base)


if __name__ == "__main__":
    main()
