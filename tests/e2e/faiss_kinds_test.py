#!/usr/bin/python3
"""FAISS indexes of every kind, stored, golden, restored, and searched again: they answer as before.

Called by ctest with the program's path, the build folder and the source folder. INGOT_NIGHTLY=1 adds indexes of a newer FAISS, of
LangChain and of LlamaIndex, installed from PyPI into a virtual environment.
"""

import json
import os
import unittest

import faiss

from faiss_indexes import DIMENSION, KINDS, faiss_source, make_index, search, vectors
from stack import Stack, StackTest, main, require_said
from faulted_run import NIGHTLY, require, run


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


# Makes an index of each kind with the FAISS of another environment, or answers queries with it.
OTHER_FAISS = """
import json, sys
import faiss, numpy
what, folder, kinds = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
faiss.omp_set_num_threads(1)
random = numpy.random.default_rng
answers = {}
for number, kind in enumerate(kinds):
    path, binary = "%s/%d.faiss" % (folder, number), kind.startswith("binary:")
    data = random(1).integers(0, 256, (1200, 8), dtype="uint8") if binary else random(1).standard_normal((1200, 32), dtype="float32")
    if what == "make":
        index = faiss.index_binary_factory(64, kind[7:]) if binary else faiss.index_factory(32, kind)
        index.train(data)
        index.add_with_ids(data, numpy.arange(1200) + 7) if kind.startswith("IDMap") else index.add(data)
        (faiss.write_index_binary if binary else faiss.write_index)(index, path)
    index = (faiss.read_index_binary if binary else faiss.read_index)(path)
    distances, labels = index.search(data[:20], 5)
    answers[kind] = [distances.tolist(), labels.tolist()]
print(faiss.__version__, file=sys.stderr)
print(json.dumps(answers))
"""

# What the two frameworks write, and read again: a few documents, found by their vectors.
LANGCHAIN = """
import json, sys
from langchain_community.vectorstores import FAISS
from langchain_core.embeddings import DeterministicFakeEmbedding
what, folder = sys.argv[1:3]
embedding = DeterministicFakeEmbedding(size=32)
texts = ["document %d" % number for number in range(50)]
if what == "make":
    FAISS.from_texts(texts, embedding).save_local(folder)
store = FAISS.load_local(folder, embedding, allow_dangerous_deserialization=True)
print(json.dumps([document.page_content for text in texts for document in store.similarity_search(text, k=3)]))
"""
LLAMAINDEX = """
import json, sys
import faiss, numpy
from llama_index.core import StorageContext, VectorStoreIndex, load_index_from_storage
from llama_index.core.embeddings import MockEmbedding
from llama_index.core.schema import TextNode
from llama_index.vector_stores.faiss import FaissVectorStore
what, folder = sys.argv[1:3]
model = MockEmbedding(embed_dim=32)
if what == "make":
    vectors = numpy.random.default_rng(1).standard_normal((50, 32))
    nodes = [TextNode(id_="n%d" % number, text="document %d" % number, embedding=vector.tolist()) for number, vector in enumerate(vectors)]
    context = StorageContext.from_defaults(vector_store=FaissVectorStore(faiss_index=faiss.IndexFlatL2(32)))
    VectorStoreIndex(nodes, storage_context=context, embed_model=model).storage_context.persist(folder)
context = StorageContext.from_defaults(vector_store=FaissVectorStore.from_persist_dir(folder), persist_dir=folder)
index = load_index_from_storage(context, embed_model=model)
print(json.dumps([[found.node.text, found.score] for found in index.as_retriever(similarity_top_k=5).retrieve("anything")]))
"""


@unittest.skipUnless(NIGHTLY, "installs packages from PyPI: INGOT_NIGHTLY=1")
class OtherMakers(StackTest):
    def environment(self, *packages):
        """A Python with these packages."""
        run(["/usr/bin/python3", "-m", "venv", self.folder + "/venv"]).expect(0)
        run([self.folder + "/venv/bin/pip", "install", "-q", "--disable-pip-version-check", *packages], timeout=900).expect(0)
        return self.folder + "/venv/bin/python"

    def said(self, *words):
        return json.loads(run(list(words), timeout=300).expect(0).out)

    def test_indexes_of_a_newer_faiss_come_back_and_answer_as_before(self):
        python = self.environment("faiss-cpu", "numpy")
        kinds = ["Flat", "IVF16,Flat", "PQ8x4", "SQ8", "HNSW16", "IDMap,Flat", "IDMap2,HNSW16", "OPQ4,IVF16,PQ4x4", "IVF16,SQ4", "PCA16,Flat",
                 "IVF16,PQ4+2", "Flat,Refine(Flat)", "LSH", "NSG8,Flat", "IVF16,PQ8x4fs", "RQ4x4", "IVF16,RaBitQ", "binary:BFlat", "binary:BIVF8",
                 "binary:BHNSW8"]
        stack = Stack(self.folder + "/base", {f"k{number}": faiss_source(f"{number}.faiss") for number in range(len(kinds))})
        os.makedirs(stack.root, exist_ok=True)
        answers = self.said(python, "-c", OTHER_FAISS, "make", stack.root, json.dumps(kinds))
        stack.init()
        done = stack.ingot("snapshot", "--golden").expect(0)
        details = {detail["name"]: detail for detail in done.summary["source_details"]}
        for number, kind in enumerate(kinds):
            require(details[f"k{number}"]["facts"]["ntotal"] == 1200, kind, details[f"k{number}"])
        shown = stack.text("show", "latest").expect(0).out.decode()
        for number in range(len(kinds)):
            make_index("Flat", f"{stack.root}/{number}.faiss", 10)
        stack.ingot("restore", "latest", "--yes").expect(0)
        require(self.said(python, "-c", OTHER_FAISS, "search", stack.root, json.dumps(kinds)) == answers, "they answer otherwise")
        print(f"{len(kinds)} kinds of a newer FAISS: golden, restored, the same answers; {shown.count('structure only')} opened by their structure only")

    def framework(self, script, index, docstore, *packages):
        python = self.environment("faiss-cpu", "numpy", *packages)
        stack = Stack(self.folder + "/base", {"vectors": faiss_source("store/" + index, ["store/" + name for name in docstore])})
        os.makedirs(stack.root + "/store", exist_ok=True)
        answers = self.said(python, "-c", script, "make", stack.root + "/store")
        stack.init()
        summary = stack.ingot("snapshot", "--golden").expect(0).summary
        facts = summary["source_details"][0]["facts"]
        require(summary["golden"] and facts["ntotal"] == 50 and facts["files"] == 1 + len(docstore), "not all of it", summary)
        for name in [index, *docstore]:
            stack.write("store/" + name, b"lost")
        stack.ingot("restore", "latest", "--yes").expect(0)
        require(self.said(python, "-c", script, "search", stack.root + "/store") == answers, "it answers otherwise")
        return facts

    def test_what_langchain_saves_comes_back(self):
        print("LangChain:", self.framework(LANGCHAIN, "index.faiss", ["index.pkl"], "langchain-community"))

    def test_what_llamaindex_persists_comes_back(self):
        docstore = ["docstore.json", "index_store.json", "graph_store.json", "image__vector_store.json"]
        print("LlamaIndex:", self.framework(LLAMAINDEX, "default__vector_store.json", docstore, "llama-index-core", "llama-index-vector-stores-faiss"))


if __name__ == "__main__":
    main()
