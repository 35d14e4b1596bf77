#!/usr/bin/python3
"""A RAG stack to measure with, as it is on one day and on the next: the same bytes for the same size and seed.

    rag_dataset.py --keep FOLDER [--size 1.2G] [--seed 1]

makes FOLDER/rag-…/day1 and day2, or finds them made by this very program. Both days hold:
    vectors/ivf.faiss   26 %  IndexIVFFlat, 1,024 lists, ids given: the vectors of all chunks in app.db, by chunk id
    vectors/flat.faiss  21 %  IndexIDMap2 over IndexFlatIP: another collection, 0.8 times as many
    vectors/hnsw.faiss  15 %  IndexHNSWFlat, 32 neighbours: a third collection, half as many, because building takes longest
    app.db              20 %  SQLite in WAL mode: tables documents and chunks, an index on (document, position)
    dump.sql            18 %  what `sqlite3 app.db .dump` prints
    .env
No vector is in two files, so that nothing deduplicates between them by arrangement; the dump holds the text of app.db, as dumps do.

Vectors have 384 dimensions and are normalised float32, drawn around topics: documents of 20 to 40 chunks, where two chunks of a
document have a cosine of about 0.63, two documents of a topic 0.37. Text: the word model of dataset.py, 600 to 1,400 characters a chunk.

Day 2: 1 % of the chunks of each collection, a third of them new documents, a third single chunks at random edited (a new text and
a new vector), a third whole documents deleted. So every file sees its kind of change:
    IVF     remove_ids, which fills holes from each list's end; then add_with_ids
    flat    remove_ids, which moves everything behind; then add_with_ids
    HNSW    cannot delete: new documents and edits are added as new nodes; new links are written into old nodes
    SQLite  by SQL, then a checkpoint; dump.sql is made anew; .env has another key
"""

import argparse
import hashlib
import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import time

import numpy

import dataset

DIMENSION = 384
LISTS = 1024
BYTES_PER_CHUNK = 5_900  # of all files together, for one chunk of the main collection; measured
TOPIC, DOCUMENT, CHUNK = 0.6, 0.5, 0.6  # how far chunks lie around documents, and documents around topics
FILES = ["vectors/ivf.faiss", "vectors/flat.faiss", "vectors/hnsw.faiss", "app.db", "dump.sql", ".env"]
INDEXES = FILES[:3]


class Collection:
    """Documents of chunks with a vector each. Chunk ids count from 1, in the order of the documents."""

    def __init__(self, count, seed):
        self.random = numpy.random.default_rng(seed)
        self.topics = self.random.standard_normal((max(8, count // 750), DIMENSION), dtype="float32") * TOPIC
        self.centres = numpy.empty((0, DIMENSION), dtype="float32")
        self.documents = []  # (first chunk id, chunks)
        self.centre_of = numpy.empty(0, dtype="int32")  # of chunk id - 1
        self.first = self.add(count)

    def add(self, count):
        """New documents of so many chunks in all. Returns their (ids, vectors)."""
        lengths = []
        while sum(lengths) < count:
            lengths.append(min(int(self.random.integers(20, 41)), count - sum(lengths)))
        centres = self.topics[self.random.integers(0, len(self.topics), len(lengths))]
        centres = centres + self.random.standard_normal(centres.shape, dtype="float32") * DOCUMENT
        owners = numpy.repeat(numpy.arange(len(lengths), dtype="int32"), lengths) + len(self.centres)
        first = len(self.centre_of) + 1
        ids = numpy.arange(first, first + count, dtype="int64")
        for length in lengths:
            self.documents.append((first, length))
            first += length
        self.centres = numpy.concatenate([self.centres, centres])
        self.centre_of = numpy.concatenate([self.centre_of, owners])
        return ids, self.vectors(ids)

    def vectors(self, ids):
        """New vectors for these chunks, each around its document."""
        found = self.centres[self.centre_of[ids - 1]]
        found = found + self.random.standard_normal(found.shape, dtype="float32") * CHUNK
        return found / numpy.linalg.norm(found, axis=1, keepdims=True)

    def day_two(self):
        """What the day brings: (numbers of deleted documents, ids of edited chunks, their vectors, new ids, new vectors)."""
        share = max(1, len(self.centre_of) // 300)
        deleted, gone = [], set()
        for number in self.random.permutation(len(self.documents)):
            if len(gone) >= share:
                break
            first, length = self.documents[number]
            deleted.append(int(number))
            gone.update(range(first, first + length))
        left = [chunk for chunk in self.random.permutation(len(self.centre_of))[:share * 4] + 1 if int(chunk) not in gone]
        edited = numpy.sort(numpy.array(left[:share], dtype="int64"))
        changed = self.vectors(edited)
        new_ids, new_vectors = self.add(share)
        return deleted, edited, changed, new_ids, new_vectors

    def ids_of(self, numbers):
        return numpy.concatenate([numpy.arange(first, first + length, dtype="int64") for first, length in (self.documents[n] for n in numbers)])


def collections(size, seed):
    """(main, second, third): those of ivf, flat and hnsw."""
    count = size // BYTES_PER_CHUNK
    return [lambda: Collection(count, seed), lambda: Collection(count * 8 // 10, seed + 1), lambda: Collection(count // 2, seed + 2)]


def remove(index, ids):
    import faiss
    removed = index.remove_ids(faiss.IDSelectorBatch(len(ids), faiss.swig_ptr(ids)))
    if removed != len(ids):
        raise RuntimeError(f"{removed} of {len(ids)} vectors removed")


def make_ivf(collection, write):
    import faiss
    quantizer = faiss.IndexFlatIP(DIMENSION)
    index = faiss.IndexIVFFlat(quantizer, DIMENSION, LISTS, faiss.METRIC_INNER_PRODUCT)
    index.cp.niter = 8
    ids, vectors = collection.first
    # A few lists stay nearly empty where there are fewer chunks than this; that is allowed, and only warned about.
    index.train(vectors[collection.random.permutation(len(vectors))[:LISTS * 40]])
    index.add_with_ids(vectors, ids)
    write(index, "day1")
    deleted, edited, changed, new_ids, new_vectors = collection.day_two()
    remove(index, numpy.concatenate([collection.ids_of(deleted), edited]))
    index.add_with_ids(changed, edited)
    index.add_with_ids(new_vectors, new_ids)
    write(index, "day2")
    return deleted, edited


def make_flat(collection, write):
    import faiss
    index = faiss.IndexIDMap2(faiss.IndexFlatIP(DIMENSION))
    ids, vectors = collection.first
    index.add_with_ids(vectors, ids)
    write(index, "day1")
    deleted, edited, changed, new_ids, new_vectors = collection.day_two()
    remove(index, numpy.concatenate([collection.ids_of(deleted), edited]))
    index.add_with_ids(changed, edited)
    index.add_with_ids(new_vectors, new_ids)
    write(index, "day2")


def make_hnsw(collection, write):
    import faiss
    index = faiss.IndexHNSWFlat(DIMENSION, 32, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = 40
    index.add(collection.first[1])
    write(index, "day1")
    _, _, changed, _, new_vectors = collection.day_two()
    index.add(numpy.concatenate([changed, new_vectors]))
    write(index, "day2")


def add_documents(database, text, collection, numbers, day):
    database.execute("BEGIN")
    for number in numbers:
        first, length = collection.documents[number]
        database.execute("INSERT INTO documents VALUES (?, ?, ?, ?)", (number + 1, f"doc-{number + 1:06d}.md", text.bytes(60).decode(), day))
        database.executemany("INSERT INTO chunks VALUES (?, ?, ?, ?)",
                             ((first + at, number + 1, at, text.chunk()) for at in range(length)))
    database.execute("COMMIT")


def dump(folder):
    with open(folder + "/dump.sql", "wb") as out:
        subprocess.run(["sqlite3", "-readonly", folder + "/app.db", ".dump"], stdout=out, check=True)


def make_database(collection, plan, base, seed):
    """app.db, dump.sql and .env of both days. `plan`: what make_ivf returned, for the same collection."""
    deleted, edited = plan
    text = dataset.Text(seed)
    database = sqlite3.connect(base + "/day1/app.db", isolation_level=None)
    database.execute("PRAGMA journal_mode=wal")
    database.execute("PRAGMA synchronous=OFF")
    database.execute("CREATE TABLE documents (id INTEGER PRIMARY KEY, path TEXT, title TEXT, changed TEXT)")
    database.execute("CREATE TABLE chunks (id INTEGER PRIMARY KEY, document INTEGER, position INTEGER, text TEXT)")
    database.execute("CREATE INDEX by_document ON chunks (document, position)")
    old = [n for n, (first, _) in enumerate(collection.documents) if first <= len(collection.first[0])]
    add_documents(database, text, collection, old, "2026-11-20")
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    dump(base + "/day1")

    shutil.copyfile(base + "/day1/app.db", base + "/day2/app.db")
    database = sqlite3.connect(base + "/day2/app.db", isolation_level=None)
    database.execute("PRAGMA synchronous=OFF")
    database.execute("BEGIN")
    database.executemany("DELETE FROM chunks WHERE document = ?", ((number + 1,) for number in deleted))
    database.executemany("DELETE FROM documents WHERE id = ?", ((number + 1,) for number in deleted))
    database.executemany("UPDATE chunks SET text = ? WHERE id = ?", ((text.chunk(), int(chunk)) for chunk in edited))
    database.execute("UPDATE documents SET changed = '2026-11-21' WHERE id IN (SELECT document FROM chunks WHERE id IN "
                     f"({','.join(str(int(chunk)) for chunk in edited)}))")
    database.execute("COMMIT")
    add_documents(database, text, collection, range(len(old), len(collection.documents)), "2026-11-21")
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    dump(base + "/day2")
    for day, model in (("day1", "all-MiniLM-L6-v2"), ("day2", "all-MiniLM-L12-v2")):
        with open(f"{base}/{day}/.env", "w", encoding="utf-8") as file:
            file.write(f"MODEL={model}\nAPI_KEY=sk-not-a-real-key\nTOP_K=5\n")


def make_part(part, base, size, seed):
    """In a process of its own, on one thread: two threads would add to the same lists in an order of chance."""
    import faiss
    faiss.omp_set_num_threads(1)
    main, second, third = collections(size, seed)

    def write_as(name):
        return lambda index, day: faiss.write_index(index, f"{base}/{day}/vectors/{name}")

    if part == "hnsw":
        make_hnsw(third(), write_as("hnsw.faiss"))
        return
    make_flat(second(), write_as("flat.faiss"))
    collection = main()
    make_database(collection, make_ivf(collection, write_as("ivf.faiss")), base, seed)


def make(keep, size, seed):
    """The folder that holds day1 and day2, made where it is not there yet."""
    digest = hashlib.sha256()
    here = os.path.dirname(os.path.abspath(__file__))
    for name in ("rag_dataset.py", "dataset.py"):
        with open(os.path.join(here, name), "rb") as file:
            digest.update(file.read())
    base = os.path.join(keep, f"rag-{size}-{seed}-{digest.hexdigest()[:8]}")
    if os.path.isdir(base):
        return base
    making = f"{base}.{os.getpid()}"
    for day in ("day1", "day2"):
        os.makedirs(f"{making}/{day}/vectors")
    try:
        one_thread = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        parts = [subprocess.Popen([sys.executable, __file__, "--part", part, "--base", making, "--size", str(size), "--seed", str(seed)],
                                  env=one_thread, stdin=subprocess.DEVNULL) for part in ("hnsw", "others")]
        if any([part.wait() for part in parts]):
            raise RuntimeError("making the data failed")
        os.rename(making, base)
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return base


def sizes(folder):
    return {name: os.path.getsize(os.path.join(folder, name)) for name in FILES}


def main():
    parser = argparse.ArgumentParser(description="Makes a RAG stack of two days.")
    parser.add_argument("--keep", help="where made datasets are kept")
    parser.add_argument("--size", default="1.2G", help="bytes of one day (K, M, G: powers of 1000)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--part", choices=["hnsw", "others"], help=argparse.SUPPRESS)
    parser.add_argument("--base", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        make_part(options.part, options.base, int(options.size), options.seed)
        return
    import report
    started = time.monotonic()
    base = make(options.keep or ".", report.parse_size(options.size), options.seed)
    print(json.dumps({"folder": base, "seconds": round(time.monotonic() - started, 1), "day1": sizes(base + "/day1"), "day2": sizes(base + "/day2")}))


if __name__ == "__main__":
    main()
