"""`./dev bench stack --only outage`: how long the services are out while the stack of day 2 is put back to that of day 1, every file of it
other. `stop` and `start` take no time here, so what is printed is what Ingot adds to them; and the bytes are compared afterwards."""

import contextlib
import os
import shutil
import sqlite3

import compare
import dataset
import report
import tools

HOOKS = '[services]\nstop = "true"\nstart = "true"\n'
PHASES = ("check", "stage", "swap")


def measure(options, base, days, config, put_day):
    stack, took = base + "/stack", {}
    for run in range(options.runs):
        put_day(days + "/day1", stack)
        ingot = tools.Ingot(options.ingot, f"{base}/ingot-{run}", stack, config + HOOKS)
        ingot.run("snapshot", "--golden")
        put_day(days + "/day2", stack)
        done = ingot.run("restore", "golden", "--yes")
        summary = ingot.summary(done)
        for name in os.listdir(days + "/day1/vectors"):
            compare.same_file(f"{days}/day1/vectors/{name}", f"{stack}/vectors/{name}")
        for name in ("dump.sql", ".env"):
            compare.same_file(f"{days}/day1/{name}", f"{stack}/{name}")
        with contextlib.closing(sqlite3.connect(stack + "/app.db")) as connection:  # of a database in WAL mode, what was put back waits there
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        compare.same_database(days + "/day1/app.db", stack + "/app.db")
        took.setdefault("outage", []).append(summary["outage_ms"] / 1000)
        took.setdefault("restore in all", []).append(done.seconds)
        for step in summary["steps"]:
            if step["name"] in PHASES:
                took.setdefault(step["name"], []).append(step["ms"] / 1000)
        report.log(f"run {run}: outage {took['outage'][-1]:.2f} s of {done.seconds:.2f} s")
        shutil.rmtree(f"{base}/ingot-{run}")
    print(f"## Outage of a live restore, {dataset.size_of(stack) / 1e9:.2f} GB\n")
    print(f"`./dev bench stack --only outage --size {options.size_text} --runs {options.runs}`; from the start of `stop` to the end of `start`, both "
          "of which do nothing; every source differs.\n")
    report.table(["", "median", "slowest"], [[name, f"{report.median(each):.2f} s", f"{max(each):.2f} s"] for name, each in took.items()])
