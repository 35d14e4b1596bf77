#!/usr/bin/python3
"""Top-k probes with the built binary: known queries are recorded when a snapshot is made golden, and decide whether a restore stands.
Indexes of FAISS, and the stand-in of Qdrant.

Called by ctest with the program's path, the build folder and the source folder.
"""

import json
import os
import shutil
import struct
import sys

import faiss
import numpy

from faiss_indexes import DIMENSION, faiss_source, make_index, vectors
from qdrant_server import DIMENSIONS, KEY, POINTS, Qdrant
from stack import StackTest, main, quoted
from faulted_run import NIGHTLY, Counts, require

COUNTS = Counts()
KINDS = ["HNSW16", "IDMap,Flat", "binary:BFlat"] + (["Flat", "IVF16,Flat", "IVF16,PQ8x4", "PCA16,Flat"] if NIGHTLY else [])
INDEX = "data/index.faiss"


def probe(source, *lines, key="k = 5"):
    return f'\n[[probes]]\nname = "top-k"\nsource = "{source}"\n{key}\ntimeout = "1s"\ninterval = "100ms"\n' + "".join(line + "\n" for line in lines)


class TopKTest(StackTest):
    def index(self, stack, kind="Flat", count=400):
        os.makedirs(stack.root + "/data", exist_ok=True)
        make_index(kind, f"{stack.root}/{INDEX}", count)

    def vectors(self, kind="Flat", *lines, key="k = 5", more=""):
        """A stack of one index and files, with that probe."""
        stack = self.stack(taken=False, sources={"vectors": faiss_source(INDEX), "files": ("files", ["docs"])})
        self.index(stack, kind)
        with open(stack.config, "a", encoding="utf-8") as file:
            file.write(probe("vectors", *lines, key=key) + more)
        stack.init()
        return stack

    def golden(self, stack):
        done = stack.ingot("snapshot", "--golden").expect(0)
        require(done.summary["golden"], "not golden", done)
        return done.summary["snapshot_id"]

    def other_index(self, path, count=400):
        """One of the same size and kind, whose vectors are others: nothing but a search tells them apart."""
        index = faiss.IndexFlatL2(DIMENSION)
        index.add(vectors(count, seed=7))
        faiss.write_index(index, path)

    def test_every_kind_is_recorded_restored_and_drilled(self):
        for kind in KINDS:
            with self.subTest(kind):
                stack = self.vectors(kind)
                snapshot = self.golden(stack)
                with open(f"{stack.root}/{INDEX}", "rb") as file:
                    then = file.read()
                shown = stack.ingot("show", snapshot).expect(0).lines[0]["attestations"][-1]["evidence"]
                require("5 queries, 25 neighbours, " in shown["vectors"]["top-k top-k"], "nothing was recorded", json.dumps(shown))
                self.other_index(f"{stack.root}/{INDEX}")
                done = stack.ingot("restore", snapshot, "--yes").expect(0)
                require("probe top-k" in str(done), "it was not asked", done)
                with open(f"{stack.root}/{INDEX}", "rb") as file:
                    require(file.read() == then, "restored otherwise", done)
                done = stack.ingot("drill", snapshot).expect(0)
                require(done.summary["probes_passed"] == 1, "not asked in the drill", done)
                shutil.rmtree(stack.base)
                COUNTS.add("kinds")

    def test_an_index_that_answers_otherwise_takes_the_restore_back(self):
        spoil = f"cp {{folder}}/other {{root}}/{INDEX}"
        stack = self.vectors(more='\n[services]\nstop = "true"\nstart = "sh ../start.sh"\n')
        self.other_index(self.folder + "/other")
        self.other_index(self.folder + "/live", 300)
        with open(stack.base + "/start.sh", "w", encoding="utf-8") as file:
            file.write("true\n")
        snapshot = self.golden(stack)
        shutil.copy(self.folder + "/live", f"{stack.root}/{INDEX}")
        # The first start after the swap puts another index there, as a deployment that forgot its volume would; the second, after
        # the restore was taken back, does not.
        with open(stack.base + "/start.sh", "w", encoding="utf-8") as file:
            file.write(f"[ -e {self.folder}/started ] || {spoil.format(folder=self.folder, root=stack.root)}\necho > {self.folder}/started\n")
        done = stack.ingot("restore", snapshot, "--yes").expect(21)
        require("recorded neighbours are found again" in done.said and "the probe top-k failed" in done.said, "it does not say why", done)
        with open(f"{stack.root}/{INDEX}", "rb") as file, open(self.folder + "/live", "rb") as live:
            require(file.read() == live.read(), "the old index is not live again", done)
        COUNTS.add("restores taken back")

    def test_queries_of_a_file_are_recorded_and_later_not_needed(self):
        stack = self.vectors(key='queries = "probe.fvecs"\nk = 3')
        done = stack.ingot("snapshot", "--golden").expect(3)
        require("there is no such file" in done.said and "probe.fvecs" in done.said, "it does not say what is missing", done)
        with open(stack.root + "/probe.fvecs", "wb") as file:
            for vector in vectors(4, seed=3):
                file.write(struct.pack("<i", DIMENSION) + vector.tobytes())
        snapshot = self.golden(stack)
        os.remove(stack.root + "/probe.fvecs")
        self.other_index(f"{stack.root}/{INDEX}")
        stack.ingot("restore", snapshot, "--yes").expect(0)
        with open(stack.root + "/probe.fvecs", "wb") as file:
            file.write(struct.pack("<i2f", 2, 1, 2))
        done = stack.ingot("snapshot", "--golden").expect(3)
        require("8 bytes" in done.said and "32 dimensions" in done.said, "it does not say what is wrong with them", done)
        COUNTS.add("files of queries")

    def test_what_cannot_be_probed(self):
        stack = self.vectors()
        with open(stack.config, "a", encoding="utf-8") as file:
            file.write(probe("files").replace("top-k", "wrong"))
        done = stack.text("config", "validate").expect(2)
        require("which takes no `k` or `queries`: it has no vectors" in done.said + done.out.decode(), "it does not say why", done)
        shutil.rmtree(stack.base)
        stack = self.vectors()
        faiss.write_index(faiss.IndexFlatL2(DIMENSION), f"{stack.root}/{INDEX}")
        done = stack.ingot("snapshot", "--golden").expect(3)
        require("holds no vectors" in done.said, "it does not say why", done)
        COUNTS.add("not to be probed", 2)

    def test_a_snapshot_that_recorded_nothing_is_restored_and_says_so(self):
        stack = self.vectors()
        plain = stack.ingot("snapshot").expect(0).summary["snapshot_id"]
        self.other_index(f"{stack.root}/{INDEX}")
        done = stack.ingot("restore", plain, "--yes").expect(0)
        require("the probe top-k is not asked" in done.said, "it does not say so", done)
        stack.ingot("promote", plain).expect(0)
        self.other_index(f"{stack.root}/{INDEX}")
        done = stack.ingot("restore", plain, "--yes").expect(0)
        require("not asked" not in done.said, "promote recorded nothing", done)
        # What it replaced is a snapshot too, and no golden one.
        done = stack.ingot("undo", "--yes").expect(0)
        require("the probe top-k is not asked" in done.said, "it does not say so", done)
        COUNTS.add("without a record", 2)

    def test_qdrant_is_searched_exactly(self):
        os.environ["RAG_QDRANT_KEY"] = KEY
        self.addCleanup(os.environ.pop, "RAG_QDRANT_KEY", None)
        server = Qdrant(self.folder + "/qdrant")
        self.addCleanup(server.kill)
        stack = self.stack(taken=False, sources={"search": ("qdrant", [], f"url = {quoted(server.url)}", 'api_key_env = "RAG_QDRANT_KEY"')})
        with open(stack.config, "a", encoding="utf-8") as file:
            file.write(probe("search", 'collection = "rag"'))
        stack.init()
        server.fill()
        # Its 2,000 vectors are 101 different ones: with ties only their scores tell. These have no equals.
        alone = numpy.random.default_rng(4).standard_normal((POINTS, DIMENSIONS)).tolist()
        server.ask("PUT", server.path() + "/points?wait=true", {"points": [{"id": n, "vector": vector} for n, vector in enumerate(alone)]})
        wanted = server.content()
        snapshot = self.golden(stack)
        require(server.collections() == ["rag"], f"left by the recording: {server.collections()}")
        server.put(0, 500, seed=5)
        done = stack.ingot("restore", snapshot, "--yes").expect(0)
        require(server.content() == wanted, "restored otherwise", done)
        done = stack.ingot("drill", snapshot).expect(0)
        require(done.summary["probes_passed"] == 1, "not asked in the drill", done)
        # A server that finds other points: what it answers is not what the golden one did.
        answer = json.dumps({"points": [{"id": 10_000 + n, "version": 0, "score": 0.5} for n in range(5)]})
        server.ask("POST", "/stand-in/faults", [{"match": "POST .*/points/query", "do": "result:" + answer, "times": 99}])
        server.put(0, 500, seed=5)
        live = server.content()
        done = stack.ingot("restore", snapshot, "--yes").expect(21)
        require("0 of 25 recorded neighbours" in done.said, "it does not say why", done)
        server.ask("POST", "/stand-in/faults", [])
        require(server.content() == live, "the old collection is not live again", done)
        COUNTS.add("collections")


def tearDownModule():
    print(f"\ncounted: {COUNTS}", file=sys.stderr)


if __name__ == "__main__":
    main()
