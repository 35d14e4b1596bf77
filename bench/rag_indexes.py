#!/usr/bin/python3
"""What is in the indexes of bench/rag_dataset.py, as FAISS itself reads them.

    rag_indexes.py answers '{"name": "path of an index", …}'     what searches of each answer: ids and scores, exactly
    rag_indexes.py changed DAYS                                  bytes of day 2 that day 1 does not hold, by file

Prints one line of JSON. A program of its own, because FAISS reads whole indexes into memory, and a measuring process stays small.
"""

import json
import os
import sys

import faiss
import numpy

import dataset
import rag_dataset


def answers(where, seed=5, queries=50, k=10):
    asked = numpy.random.default_rng(seed).standard_normal((queries, rag_dataset.DIMENSION), dtype="float32")
    found = {}
    for name, path in where.items():
        index = faiss.read_index(path)
        scores, ids = index.search(asked, k)
        found[name] = [int(index.ntotal), ids.tolist(), scores.tolist()]
    return found


def rows(array):
    """Each row as one comparable value."""
    return numpy.ascontiguousarray(array).view(f"V{array.shape[1] * array.itemsize}").ravel()


def new_rows(before, after):
    """How many rows of `after` are not in `before`, wherever they stand."""
    known = set(rows(before).tolist())
    return sum(row not in known for row in rows(after).tolist())


def vectors_of(index):
    """All vectors of a flat index, of one below an IDMap (which must outlive the call), or of an IVF's lists."""
    if isinstance(index, faiss.IndexIDMap):
        return vectors_of(faiss.downcast_index(index.index))
    if isinstance(index, faiss.IndexIVF):
        lists = index.invlists
        found = [faiss.rev_swig_ptr(lists.get_codes(n), lists.list_size(n) * lists.code_size) for n in range(lists.nlist) if lists.list_size(n)]
        return numpy.concatenate(found).reshape(-1, lists.code_size)
    return faiss.vector_to_array(index.codes).reshape(index.ntotal, -1)


def changed_index(before, after):
    """Vectors with their ids that are new, and links that are written where they were not."""
    old, new = faiss.read_index(before), faiss.read_index(after)
    if isinstance(new, faiss.IndexHNSW):
        were, are = faiss.vector_to_array(old.hnsw.neighbors), faiss.vector_to_array(new.hnsw.neighbors)
        links = int((were != are[:len(were)]).sum() + len(are) - len(were)) * 4
        count = new.ntotal - old.ntotal
        return count * (rag_dataset.DIMENSION * 4 + 12) + links  # 12: a level and an offset a node
    return new_rows(vectors_of(old), vectors_of(new)) * (rag_dataset.DIMENSION * 4 + 8)


def changed(days):
    found = {}
    for name in rag_dataset.FILES:
        before, after = os.path.join(days, "day1", name), os.path.join(days, "day2", name)
        if name in rag_dataset.INDEXES:
            found[name] = changed_index(before, after)
        elif name == "app.db":
            found[name] = dataset.changed_page_bytes(before, after)
        else:
            with open(before, "rb") as old, open(after, "rb") as new:
                lines = set(old)
                found[name] = sum(len(line) for line in new if line not in lines)
    return found


def main():
    if sys.argv[1] == "answers":
        print(json.dumps(answers(json.loads(sys.argv[2]))))
    else:
        print(json.dumps(changed(sys.argv[2])))


if __name__ == "__main__":
    main()
