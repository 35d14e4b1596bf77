#!/usr/bin/python3
"""FAISS indexes, whole: a store of documents and a vector index that an application changes together, and files that are not what they
should be.

Called by ctest with the program's path, the build folder and the source folder. INGOT_NIGHTLY=1 takes more snapshots.
"""

import contextlib
import json
import os
import pickle
import shutil
import sqlite3
import struct
import subprocess

import faiss

from faiss_indexes import faiss_source, make_index
from stack import Stack, StackTest, main, require_said
from faulted_run import require, rounds

# An application: each unit of work adds a document to the database, its vector to the index, and saves the index in place.
WRITER = """
import os, pickle, sqlite3, sys, time
import faiss, numpy
folder, control = sys.argv[1:]
faiss.omp_set_num_threads(1)
index = faiss.IndexFlatL2(32)
database = sqlite3.connect(folder + "/app.db", isolation_level=None)
database.execute("PRAGMA journal_mode=WAL")
database.execute("CREATE TABLE chunks (id INTEGER PRIMARY KEY, body TEXT)")
unit = 0
while not os.path.exists(control + "/stop"):
    if os.path.exists(control + "/pause"):
        open(control + "/paused", "w").close()
        while os.path.exists(control + "/pause"):
            time.sleep(0.001)
        os.remove(control + "/paused")
    unit += 1
    database.execute("INSERT INTO chunks VALUES (?, ?)", (unit, "document %d" % unit))
    index.add(numpy.full((1, 32), unit, dtype="float32"))
    faiss.write_index(index, folder + "/index.faiss")
    with open(folder + "/index.pkl", "wb") as file:
        pickle.dump({"documents": unit}, file)
    if unit == 20:
        print("writing", flush=True)
print(unit, flush=True)
"""


@contextlib.contextmanager
def writing(stack, control):
    """The application runs; yields nothing, and leaves how many units of work it did in the list."""
    units = []
    process = subprocess.Popen(["/usr/bin/python3", "-c", WRITER, stack.root, control], stdout=subprocess.PIPE, text=True)
    try:
        require(process.stdout.readline() == "writing\n", "the application did not start")
        yield units
        with open(control + "/stop", "w", encoding="utf-8"):
            pass
        units.append(int(process.communicate(timeout=30)[0]))
        require(process.returncode == 0, "the application failed")
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def pair_of(folder):
    """(documents, vectors, the last vector's number, the docstore's) of what was restored."""
    connection = sqlite3.connect(folder + "/db/app.db")
    documents = connection.execute("SELECT count(*) FROM chunks").fetchone()[0]
    connection.close()
    index = faiss.read_index(folder + "/vectors/index.faiss")
    last = int(index.reconstruct(index.ntotal - 1)[0])
    with open(folder + "/vectors/index.pkl", "rb") as file:
        docstore = file.read()
    return documents, index.ntotal, last, docstore


class OneMoment(StackTest):
    PAIR = {"db": ("sqlite", ["app.db"], 'facts = { chunks = "SELECT count(*) FROM chunks" }'),
            "vectors": faiss_source("index.faiss", ["index.pkl"])}

    def pair(self, head="", paused=True):
        control = self.folder + "/control"
        os.makedirs(control)
        pause = f"touch {control}/pause; until [ -e {control}/paused ]; do sleep 0.002; done"
        barrier = f"pause = {json.dumps(pause)}\nresume = {json.dumps(f'rm -f {control}/pause')}\nmax_pause = \"30s\""
        stack = Stack(self.folder + "/base", self.PAIR, barrier=barrier if paused else "", head=head)
        os.makedirs(stack.root, exist_ok=True)
        stack.init()
        return stack, control

    def test_with_a_pause_every_restored_index_has_as_many_vectors_as_there_are_documents(self):
        stack, control = self.pair()
        taken, pauses = {}, []
        count = rounds(50, 300, 5)
        with writing(stack, control) as units:
            for number in range(count):
                golden = ["--golden"] if number % 10 == 0 else []
                summary = stack.ingot("snapshot", *golden).expect(0).summary
                require(summary["consistency"] == "barrier" and summary["golden"] == bool(golden), "not one moment", summary)
                details = {detail["name"]: detail for detail in summary["source_details"]}
                chunks, ntotal = details["db"]["facts"]["chunks"], details["vectors"]["facts"]["ntotal"]
                require(chunks == ntotal, f"{chunks} documents and {ntotal} vectors at the pin", summary)
                taken[summary["snapshot_id"]] = ntotal
                pauses.append(summary["pause_ms"])
        for snapshot, ntotal in taken.items():
            stack.ingot("restore", snapshot, "--to", self.folder + "/to").expect(0)
            documents, vectors, last, docstore = pair_of(self.folder + "/to")
            require(documents == vectors == last == ntotal, f"{documents} documents, {vectors} vectors, the last is {last}, {ntotal} at the pin")
            require(docstore == pickle.dumps({"documents": documents}), "the docstore is of another state")
            shutil.rmtree(self.folder + "/to")
        require(len(set(taken.values())) > count // 2, "the application hardly ran", taken)
        print(f"{count} snapshots under a writer of {units[0]} documents, {len(set(taken.values()))} different states: documents == vectors in all; "
              f"pause median {sorted(pauses)[len(pauses) // 2]} ms, most {max(pauses)} ms")

    def test_without_a_pause_each_source_is_whole_and_golden_is_refused_where_one_moment_is_required(self):
        stack, control = self.pair(paused=False)
        classes, apart = {}, 0
        with writing(stack, control):
            for _ in range(rounds(10, 50, 2)):
                summary = stack.ingot("snapshot").expect(0, 3).summary
                key = "busy" if summary["partial"] else summary["consistency"]
                require(key in ("busy", "pinned", "fuzzy"), "not said to be less than one moment", summary)
                classes[key] = classes.get(key, 0) + 1
                if summary["partial"]:
                    continue
                stack.ingot("restore", summary["snapshot_id"], "--to", self.folder + "/to").expect(0)
                documents, vectors, last, _ = pair_of(self.folder + "/to")
                require(vectors == last, "the index is torn")
                apart += documents != vectors
                shutil.rmtree(self.folder + "/to")
        print(f"without a pause: {classes}, {apart} of them with another number of documents than of vectors")
        stack.ingot("snapshot").expect(0)
        stack.configure(self.PAIR, 'pause = "true"\nresume = "true"', 'golden_requires = "barrier"')
        refused = stack.text("promote", "latest").expect(3)
        require("its consistency is pinned, and golden requires barrier" in refused.said, "it does not say why it is not golden", refused)


class BadInput(StackTest):
    """What is declared and not as it should be: exit 3, a clear error, the other source stored, the writers resumed, nothing changed."""

    def setUp(self):
        super().setUp()
        control = self.folder + "/control"
        os.makedirs(control)
        self.control = control
        barrier = f'pause = "touch {control}/paused; echo p >> {control}/log"\nresume = "rm -f {control}/paused; echo r >> {control}/log"'
        self.stack_ = Stack(self.folder + "/base", {"vectors": faiss_source("data/index.faiss", ["data/index.pkl"]), "env": ("env", [".env"])}, barrier=barrier, head="tries = 1")
        os.makedirs(self.stack_.root + "/data")
        self.stack_.write(".env", b"A=1\n")
        make_index("HNSW16", self.index, 300)
        self.stack_.write("data/index.pkl", b"documents")
        self.stack_.init()
        self.stack_.take()

    @property
    def index(self):
        return self.stack_.root + "/data/index.faiss"

    def bytes(self):
        with open(self.index, "rb") as file:
            return file.read()

    def spoilt(self, content):
        with open(self.index, "wb") as file:
            file.write(content)

    def partial(self, *said):
        stack = self.stack_
        before = {name: open(os.path.join(stack.root, name), "rb").read() for name in ("data/index.faiss", "data/index.pkl", ".env") if os.path.exists(os.path.join(stack.root, name))}
        done = stack.text("snapshot", "--golden").expect(3)
        require_said(done, "vectors", *said)
        require(not os.path.exists(self.control + "/paused"), "the writers were not resumed", done)
        with open(self.control + "/log", encoding="utf-8") as file:
            log = file.read().split()
        require(log.count("p") == log.count("r"), "not every pause was resumed", log)
        summary = stack.ingot("snapshot").expect(3).summary
        states = {detail["name"]: detail["status"] for detail in summary["source_details"]}
        require(summary["partial"] and not summary["golden"] and states["env"] == "stored" and states["vectors"] != "stored", "the wrong states", summary)
        for name, content in before.items():
            with open(os.path.join(stack.root, name), "rb") as file:
                require(file.read() == content, f"{name} was changed")
        stack.require_whole(done)
        return done

    def test_truncated(self):
        whole = self.bytes()
        self.spoilt(whole[:len(whole) // 2])
        self.partial(self.index)
        self.spoilt(b"")
        self.partial(self.index)

    def test_a_count_of_a_million_millions(self):
        whole = self.bytes()
        # After the header of 4 + 33 bytes comes the length of a table.
        self.spoilt(whole[:37] + struct.pack("<Q", 1 << 40) + whole[45:])
        done = self.partial(self.index)
        self.spoilt(whole[:8] + struct.pack("<q", 1 << 40) + whole[16:])
        self.partial(self.index)
        print(done.said.strip().splitlines()[0][:200])

    def test_junk_at_the_end(self):
        self.spoilt(self.bytes() + b"junk")
        self.partial(self.index)

    def test_no_index_at_all(self):
        self.spoilt(b"{\"this\": \"is JSON\"}" * 100)
        self.partial(self.index)

    def test_links_out_of_range(self):
        whole = bytearray(self.bytes())
        links = whole.find(struct.pack("<i", -1) * 4)
        require(links > 0, "no links found")
        whole[links:links + 4] = struct.pack("<i", 12345678)
        self.spoilt(bytes(whole))
        self.partial("12345678")

    def test_a_docstore_of_another_day(self):
        then = os.stat(self.index).st_mtime_ns - 86400 * 10**9
        os.utime(self.stack_.root + "/data/index.pkl", ns=(then, then))
        self.partial("index.faiss", "index.pkl", "docstore_skew", "24 h")
        self.stack_.configure({"vectors": faiss_source("data/index.faiss", ["data/index.pkl"], 'docstore_skew = "2d"'), "env": ("env", [".env"])})
        self.stack_.ingot("snapshot").expect(0)

    def test_a_missing_docstore(self):
        self.stack_.remove("data/index.pkl")
        self.partial("data/index.pkl is not there")

    def test_an_unknown_kind_is_stored_as_it_is_and_noted(self):
        whole = self.bytes()
        self.spoilt(b"Izzz" + whole[4:])
        done = self.stack_.ingot("snapshot").expect(0)
        require("Izzz" in json.dumps(done.lines) + done.said, "it is not noted", done)
        self.stack_.ingot("restore", "latest", "--to", self.folder + "/to").expect(0)
        with open(self.folder + "/to/vectors/data/index.faiss", "rb") as file:
            require(file.read() == b"Izzz" + whole[4:], "it came back otherwise")

    def test_being_written_all_the_time(self):
        busy = subprocess.Popen(["/usr/bin/python3", "-c", "import sys, time\nfile = open(sys.argv[1], 'ab', buffering=0)\nprint('open', flush=True)\n"
                                 "while True:\n    file.write(b'x'); time.sleep(0.002)", self.index], stdout=subprocess.PIPE)
        try:
            busy.stdout.readline()
            done = self.stack_.text("snapshot").expect(3)
        finally:
            busy.kill()
            busy.wait()
            busy.stdout.close()
        require_said(done, "index.faiss is being written", "[barrier]")
        require(not os.path.exists(self.control + "/paused"), "the writers were not resumed", done)


if __name__ == "__main__":
    main()
