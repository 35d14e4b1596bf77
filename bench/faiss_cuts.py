#!/usr/bin/python3
"""What a day's changes of a FAISS index cost: 50,000 vectors of 384 dimensions, 1 % added, removed or replaced, per index type.

    bench/faiss_cuts.py build/faiss_cuts [--vectors 50000]

Prints the table of docs/drivers/faiss.md. Needs python3-faiss. The vectors are clustered, as embeddings are: 500 centres with noise.
"""

import argparse
import os
import subprocess
import tempfile

import faiss
import numpy

TYPES = {
    "Flat": ("Flat", True),
    "SQ8": ("SQ8", True),
    "IVF1024,Flat": ("IVF1024,Flat", True),
    "IVF1024,SQ8": ("IVF1024,SQ8", True),
    "IVF1024,PQ48": ("IVF1024,PQ48", True),
    "HNSW32": ("HNSW32", False),
}


def vectors(count, dimensions, seed):
    random = numpy.random.default_rng(seed)
    centres = numpy.random.default_rng(1).standard_normal((500, dimensions), dtype="float32")
    return centres[random.integers(0, len(centres), count)] + 0.5 * random.standard_normal((count, dimensions), dtype="float32")


def make(folder, spec, removable, base, fresh):
    """Writes the index before and after each change; returns the names of the changes and their paths."""
    index = faiss.index_factory(base.shape[1], spec)
    index.train(base[:20000])
    index.add(base)
    before = os.path.join(folder, "before")
    faiss.write_index(index, before)
    doomed = numpy.random.default_rng(3).choice(len(base), len(fresh), replace=False).astype("int64")

    def changed(name, removes, adds):
        copy = faiss.read_index(before)
        if removes:
            copy.remove_ids(doomed)
        if adds:
            if removes and hasattr(copy, "nprobe"):
                copy.add_with_ids(fresh, doomed)
            else:
                copy.add(fresh)
        path = os.path.join(folder, name)
        faiss.write_index(copy, path)
        return name, path

    changes = [changed("added", False, True)]
    if removable:
        changes += [changed("removed", True, False), changed("replaced", True, True)]
    return before, changes


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--vectors", type=int, default=50000)
    parser.add_argument("--keep", help="make the indexes in this folder, or use those that are there")
    arguments = parser.parse_args()
    base = vectors(arguments.vectors, 384, 1)
    fresh = vectors(arguments.vectors // 100, 384, 2)
    print("| type | MB | chunks | change | new chunks | new MB | of the file | cuts that know no FAISS, new MB |")
    print("|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as scratch:
        for name, (spec, removable) in TYPES.items():
            folder = os.path.join(arguments.keep or scratch, spec.replace(",", "-"))
            if os.path.isdir(folder):
                before, changes = os.path.join(folder, "before"), [
                    (change, os.path.join(folder, change)) for change in ("added", "removed", "replaced") if change == "added" or removable]
            else:
                os.makedirs(folder)
                before, changes = make(folder, spec, removable, base, fresh)
            out = subprocess.run([arguments.program, before] + [path for _, path in changes], check=True, capture_output=True, text=True)
            for (change, _), line in zip(changes, out.stdout.splitlines()[1:]):
                size, chunks, new_chunks, new_bytes, _, _, _, plain = (int(field) for field in line.split())
                print(f"| {name} | {size / 1e6:.1f} | {chunks} | {change} | {new_chunks} | {new_bytes / 1e6:.2f} |"
                      f" {100 * new_bytes / size:.1f} % | {plain / 1e6:.2f} |", flush=True)
            if not arguments.keep:
                for _, path in changes + [("", before)]:
                    os.unlink(path)


if __name__ == "__main__":
    main()
