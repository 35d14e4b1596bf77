"""FAISS indexes for the whole-program tests: of every kind, and as sources of a config."""

import json

import faiss
import numpy

DIMENSION = 32
faiss.omp_set_num_threads(1)  # its threads wait by spinning, which takes the processor away from the program under test


def faiss_source(path, docstore=(), *lines):
    text = [f"path = {json.dumps(path)}"]
    if docstore:
        text.append(f"docstore = {json.dumps(list(docstore))}")
    return ("faiss", [], *text, *lines)


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
