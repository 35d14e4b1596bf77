#!/usr/bin/python3
"""FAISS indexes, whole: a store of documents and a vector index that an application changes together, indexes of every kind, and files
that are not what they should be.

Called by ctest with the program's path, the build folder and the source folder. INGOT_NIGHTLY=1 takes more snapshots, and adds
indexes of another FAISS, of LangChain and of LlamaIndex, installed from PyPI into a virtual environment.
"""

import contextlib
import json
import os
import pickle
import shutil
import sqlite3
import struct
import subprocess
import sys

import faiss
import numpy

from stack import Stack, StackTest, main, require_said
from faulted_run import NIGHTLY, require, rounds, run

DIMENSION = 32
faiss.omp_set_num_threads(1)  # its threads wait by spinning, which takes the processor away from the program under test

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


def faiss_source(path, docstore=(), *lines):
    text = [f"path = {json.dumps(path)}"]
    if docstore:
        text.append(f"docstore = {json.dumps(list(docstore))}")
    return ("faiss", [], *text, *lines)


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


def vectors(count, seed=1):
    return numpy.random.default_rng(seed).standard_normal((count, DIMENSION), dtype="float32")


# Every kind that Debian's FAISS can make and write, by its factory's name; "binary:" ones are of 64 bits.
KINDS = ["Flat", "IVF16,Flat", "PQ8x4", "SQ8", "SQfp16", "HNSW16", "HNSW16,SQ8", "IDMap,Flat", "IDMap2,Flat", "IVF16,PQ8x4", "IVF16,SQ4",
         "OPQ4,IVF16,PQ4x4", "PCA16,Flat", "IVF16,PQ4+2", "Flat,RFlat", "IVF16,PQ8x4,RFlat", "LSH", "NSG8,Flat", "IVF16_HNSW8,Flat",
         "PQ8x4fs", "IVF16,PQ8x4fs", "RQ4x4", "binary:BFlat", "binary:BIVF8", "binary:BHNSW8", "binary:BHash8"]


def make_index(kind, path, count=800):
    if kind.startswith("binary:"):
        index, data = faiss.index_binary_factory(64, kind[7:]), numpy.random.default_rng(1).integers(0, 256, (count, 8), dtype="uint8")
        index.train(data)
        index.add(data)
        return faiss.write_index_binary(index, path)
    index = faiss.index_factory(DIMENSION, kind.replace("Flat,RFlat", "Flat,Refine(Flat)"))
    quantized = faiss.downcast_index(index)
    if isinstance(quantized, faiss.IndexPreTransform):
        transform = faiss.downcast_VectorTransform(quantized.chain.at(0))
        if isinstance(transform, faiss.OPQMatrix):
            transform.niter = 2
        quantized = faiss.downcast_index(quantized.index)
    if isinstance(quantized, faiss.IndexRefine):
        quantized = faiss.downcast_index(quantized.base_index)
    for part in (getattr(quantized, name, None) for name in ("pq", "refine_pq")):
        if part is not None:
            part.cp.min_points_per_centroid = 1  # a warning for each
    if hasattr(quantized, "do_polysemous_training"):
        quantized.do_polysemous_training = False  # ten seconds, and the same structure
    index.train(vectors(count))
    if kind.startswith("IDMap"):
        index.add_with_ids(vectors(count), numpy.arange(count, dtype="int64") * 3 + 1000)
    else:
        index.add(vectors(count))
    return faiss.write_index(index, path)


def search(path, kind):
    if kind.startswith("binary:"):
        index, queries = faiss.read_index_binary(path), numpy.random.default_rng(2).integers(0, 256, (20, 8), dtype="uint8")
    else:
        index, queries = faiss.read_index(path), vectors(20, seed=2)
    distances, labels = index.search(queries, 5)
    return distances.tobytes(), labels.tobytes()


class Kinds(StackTest):
    def test_every_kind_comes_back_and_answers_as_before(self):
        sources = {f"k{number}": faiss_source(f"{number}.faiss") for number in range(len(KINDS))}
        stack = Stack(self.folder + "/base", sources)
        os.makedirs(stack.root, exist_ok=True)
        for number, kind in enumerate(KINDS):
            make_index(kind, f"{stack.root}/{number}.faiss")
        answers = [search(f"{stack.root}/{number}.faiss", kind) for number, kind in enumerate(KINDS)]
        stack.init()
        summary = stack.ingot("snapshot", "--golden").expect(0).summary
        require(summary["golden"], "not golden", summary)
        details = {detail["name"]: detail for detail in summary["source_details"]}
        types = {}
        for number, kind in enumerate(KINDS):
            facts = details[f"k{number}"]["facts"]
            require(facts["ntotal"] == 800 and facts["dimension"] == (64 if kind.startswith("binary:") else DIMENSION), kind, facts)
            require(not details[f"k{number}"].get("notes"), f"{kind} is not understood", details[f"k{number}"])
            types[kind] = facts["type"]
        stack.ingot("restore", "latest", "--to", self.folder + "/to").expect(0)
        for number, kind in enumerate(KINDS):
            require(search(f"{self.folder}/to/k{number}/{number}.faiss", kind) == answers[number], f"{kind} answers otherwise")
        # In place too, over indexes that another save replaced, with mode and owner.
        before = {number: open(f"{stack.root}/{number}.faiss", "rb").read() for number in range(len(KINDS))}
        for number in range(len(KINDS)):
            make_index("Flat", f"{stack.root}/{number}.faiss", 10)
        os.chmod(stack.root + "/0.faiss", 0o600)
        stack.ingot("restore", "latest", "--yes").expect(0)
        for number, content in before.items():
            with open(f"{stack.root}/{number}.faiss", "rb") as file:
                require(file.read() == content, f"{KINDS[number]} came back otherwise")
        require(os.stat(stack.root + "/0.faiss").st_mode & 0o777 != 0o600, "the mode did not come back")
        print(f"{len(KINDS)} kinds: stored, golden, restored beside and in place, the same 5 neighbours of 20 queries each")

    def test_inverted_lists_in_a_file_elsewhere_come_along(self):
        elsewhere = self.folder + "/elsewhere"
        os.makedirs(elsewhere)
        stack = Stack(self.folder + "/base", {"vectors": faiss_source("index.faiss")})
        os.makedirs(stack.root, exist_ok=True)
        index = faiss.index_factory(DIMENSION, "IVF16,Flat")
        index.train(vectors(800))
        empty = stack.root + "/empty.faiss"
        faiss.write_index(index, empty)
        index.add(vectors(800))
        ivf = faiss.extract_index_ivf(index)
        lists = faiss.OnDiskInvertedLists(ivf.nlist, ivf.code_size, elsewhere + "/on.disk")
        merged = faiss.read_index(empty)
        merged_ivf = faiss.extract_index_ivf(merged)
        parts = faiss.InvertedListsPtrVector()
        parts.push_back(ivf.invlists)
        total = lists.merge_from(parts.data(), parts.size())
        merged.ntotal = merged_ivf.ntotal = total
        merged_ivf.replace_invlists(lists)
        lists.this.disown()
        faiss.write_index(merged, stack.root + "/index.faiss")
        os.remove(empty)
        del merged
        answer = search(stack.root + "/index.faiss", "")
        stack.init()
        done = stack.ingot("snapshot", "--golden").expect(0)
        require(done.summary["golden"] and done.summary["source_details"][0]["facts"]["files"] == 2, "the data file did not come along", done)
        with open(elsewhere + "/on.disk", "r+b") as file:
            file.write(b"\x7f" * os.path.getsize(elsewhere + "/on.disk"))
        require(search(stack.root + "/index.faiss", "") != answer, "the damage does not show")
        stack.ingot("restore", "latest", "--yes").expect(0)
        require(search(stack.root + "/index.faiss", "") == answer, "the lists did not come back")
        # Once the live index is lost, nothing but the config can say that this file belongs to the source.
        os.remove(stack.root + "/index.faiss")
        os.remove(elsewhere + "/on.disk")
        require_said(stack.text("restore", "latest", "--yes").expect(1), elsewhere + "/on.disk", "mend the source's paths")
        stack.configure({"vectors": faiss_source("index.faiss", [], f"lists = [{json.dumps(elsewhere + '/on.disk')}]")})
        stack.ingot("restore", "latest", "--yes").expect(0)
        require(search(stack.root + "/index.faiss", "") == answer, "the index did not come back with its lists")


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
