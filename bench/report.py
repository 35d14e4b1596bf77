"""What every measurement prints: sizes, medians, Markdown tables, the machine and its limits."""

import os
import platform
import shutil
import statistics
import sys
import time

import tools


def parse_size(text):
    units = {"K": 10**3, "M": 10**6, "G": 10**9}
    return int(float(text[:-1]) * units[text[-1].upper()]) if text[-1:].upper() in units else int(text)


def table(headings, rows):
    print("| " + " | ".join(headings) + " |")
    print("|" + "|".join("---" if i == 0 else "--:" for i in range(len(headings))) + "|")
    for row in rows:
        print("| " + " | ".join(str(cell) for cell in row) + " |")
    print(flush=True)


def median(values):
    return statistics.median(values)


def log(text):
    print(f"[{time.strftime('%H:%M:%S')}] {text}", file=sys.stderr, flush=True)


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        models = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    # Of the kernel's name only the version: what follows is one machine's business.
    kernel = platform.release().split("-")[0]
    return f"{len(os.sched_getaffinity(0))} cores ({models[0] if models else platform.machine()}), {memory:.0f} GiB of memory, Linux {kernel}"


def limits(stack, base, size, runs):
    """What the machine can do at most: read everything once, write as much once."""
    files = [os.path.join(at, name) for at, _, names in os.walk(stack) for name in names]
    reads, writes, copies = [], [], []
    for _ in range(runs):
        reads.append(tools.measure(["cat", *files]).seconds)
        database = os.path.join(stack, "app.db")
        count = size // os.path.getsize(database) + 1
        with open(database, "rb") as file:  # warm, so that only the writing is timed
            while file.read(1 << 20):
                pass
        script = f"for i in $(seq {count}); do cat '{database}'; done | head -c {size} | dd of='{base}/dd' bs=1M iflag=fullblock conv=fsync"
        writes.append(tools.measure(["sh", "-c", script], cold=False).seconds)
        copies.append(tools.measure(["cp", "-a", stack, base + "/copy"]).durable)
        os.remove(base + "/dd")
        shutil.rmtree(base + "/copy")
    return {"read once (`cat`)": median(reads), "write once (`dd conv=fsync`)": median(writes), "copy (`cp -a`, synced)": median(copies)}


def limits_table(limit, size):
    table(["limit of this machine", "time", "MB/s"], [[name, f"{took:.2f} s", f"{size / took / 1e6:.0f}"] for name, took in limit.items()])
