#!/usr/bin/python3
"""`./dev bench faiss_pause`: what an application that saves its FAISS index feels while a snapshot is taken.

A barrier pauses bench/index_writer.py, which saves the whole index the moment it may go on. Prints Markdown for docs/benchmarks.md;
medians of --runs runs. Every snapshot is restored, and must be the index as it was when the writer was paused.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile

import numpy

import compare
import report
import tools

DIMENSION = 384


def make_index(path, size, seed):
    import faiss
    some = numpy.random.default_rng(seed)
    index = faiss.IndexFlatIP(DIMENSION)
    left = size // (DIMENSION * 4)
    while left > 0:
        vectors = some.standard_normal((min(left, 50_000), DIMENSION), dtype="float32")
        index.add(vectors / numpy.linalg.norm(vectors, axis=1, keepdims=True))
        left -= len(vectors)
    faiss.write_index(index, path)


class Writer:
    """bench/index_writer.py, running."""

    def __init__(self, mode, index, new, control):
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "index_writer.py")
        self.process = subprocess.Popen([sys.executable, script, mode, index, new, control], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.process.stdout.readline()

    def stop(self):
        out, _ = self.process.communicate()
        return json.loads(out)


def barrier(control):
    # `sleep` as often as a writer can be expected to look.
    pause = f"touch '{control}/pause'; while [ ! -e '{control}/stopped' ]; do sleep 0.001; done"
    return f"[barrier]\npause = {json.dumps(pause)}\nresume = {json.dumps(f'''rm '{control}/pause' ''')}\n"


def touch_memory(base, index):
    """Free memory of a virtual machine may have been given back to its host, and then costs several times as much to take. Whatever runs
    next would pay for that, so as much as `cp` or a snapshot takes is taken and let go beforehand."""
    copies = [f"{base}/touched-{i}" for i in range(3)]
    for copy in copies:
        shutil.copyfile(index, copy)
    for copy in copies:
        os.remove(copy)


def measure_mode(options, base, mode, cold):
    stack, control, index = base + "/stack", base + "/control", base + "/stack/index.faiss"
    pause, blocked, felt, copy = [], [], [], []
    for _ in range(options.runs):
        shutil.rmtree(stack, ignore_errors=True)
        os.makedirs(stack)
        os.makedirs(control, exist_ok=True)
        shutil.copyfile(base + "/one.faiss", index)
        touch_memory(base, index)
        copy.append(tools.measure(["cp", index, base + "/copy"], cold=cold).seconds * 1000)
        os.remove(base + "/copy")
        tool = tools.Ingot(options.ingot, base + "/ingot", stack, barrier(control) + tools.source("vectors", "faiss", path="index.faiss"))
        touch_memory(base, index)
        writer = Writer(mode, index, base + "/two.faiss", control)
        summary = tool.summary(tool.snapshot(cold=cold))
        wrote = writer.stop()
        if wrote["saves"] != 1 or summary["consistency"] != "barrier":
            raise RuntimeError(f"{wrote}, {summary['consistency']}: the writer was not paused once")
        compare.same_file(base + "/two.faiss", index)
        tool.restore(base + "/restored")
        compare.same_file(base + "/one.faiss", base + "/restored/vectors/index.faiss")
        pause.append(summary["pause_ms"])
        blocked.append(summary["source_details"][0]["pause_ms"])
        felt.append(wrote["felt_ms"])
        shutil.rmtree(base + "/restored")
        shutil.rmtree(tool.base)
        report.log(f"{mode}, {'cold' if cold else 'warm'}: pause {pause[-1]} ms, blocked {blocked[-1]} ms, felt {felt[-1]} ms, cp {copy[-1]:.0f} ms")
    return [report.median(values) for values in (pause, blocked, felt, copy)]


def main():
    parser = argparse.ArgumentParser(description="Measures what a writer of a FAISS index feels during a snapshot.")
    parser.add_argument("--ingot", required=True, help="the program; ./dev bench gives it")
    parser.add_argument("--size", default="1.2G", help="bytes of the index (K, M, G: powers of 1000)")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--dir", help="where to work; default: TMPDIR. It needs about seven times --size")
    options = parser.parse_args()
    options.size_text, options.size = options.size, report.parse_size(options.size)
    base = tempfile.mkdtemp(prefix="ingot-bench-", dir=options.dir)
    try:
        report.log(f"two indexes of {options.size / 1e6:.0f} MB")
        make_index(base + "/one.faiss", options.size, 1)
        make_index(base + "/two.faiss", options.size, 2)
        rows = []
        for mode in ("rename", "in-place"):
            for cold in (True, False):
                pause, blocked, felt, copy = measure_mode(options, base, mode, cold)
                rows.append([mode, "empty" if cold else "warm", *(f"{ms:.0f} ms" for ms in (pause, blocked, felt, copy)), f"{felt / copy:.2f}"])
        print(f"Measured on {report.machine()}; {tools.Ingot.version(options.ingot)}.\n")
        print("## FAISS: what an application that saves its index feels during a snapshot\n")
        print(f"`./dev bench faiss_pause --size {options.size_text} --runs {options.runs}`; a flat index, a barrier, and a save of the whole index "
              "the moment the application may go on; medians.\n")
        report.table(["saved", "page cache", "`pause_ms` of the barrier", "held by the source's lease", "felt by the application", "`cp` of the file",
                      "felt ÷ `cp`"], rows)
    finally:
        shutil.rmtree(base)


if __name__ == "__main__":
    main()
