#!/usr/bin/python3
"""An application that writes to a SQLite database all the time: one row a commit, until its standard input is closed.

    sqlite_writer.py DATABASE

Prints one line of JSON: {"commits":…, "longest_ms":…, "p99_ms":…}, the time of a commit from BEGIN IMMEDIATE to COMMIT's return.
Says "ready" first, once it has begun.
"""

import json
import select
import sqlite3
import sys
import time


def main():
    database = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=120)
    (last,) = database.execute("SELECT max(id) FROM chunks").fetchone()
    took, number = [], 0
    print("ready", flush=True)
    while not select.select([sys.stdin], [], [], 0.002)[0]:
        number += 1
        started = time.monotonic()
        database.execute("BEGIN IMMEDIATE")
        database.execute("UPDATE chunks SET text = ? WHERE id = ?", (f"written {number} " * 50, number * 7919 % last + 1))
        database.execute("COMMIT")
        took.append(time.monotonic() - started)
    database.close()
    took.sort()
    print(json.dumps({"commits": len(took), "longest_ms": round(took[-1] * 1000, 1) if took else None,
                      "p99_ms": round(took[len(took) * 99 // 100] * 1000, 1) if took else None}))


if __name__ == "__main__":
    main()
