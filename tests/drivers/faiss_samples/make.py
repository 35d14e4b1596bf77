#!/usr/bin/python3
"""Makes the samples in this folder: small indexes of every kind that the installed FAISS can write, and what it says of them.

    make.py FOLDER

Each file is VERSION.NAME.faiss; VERSION.facts has a line for each: name, ntotal, dimension. The samples are frozen: a newer FAISS adds
files of its own version and never replaces one.
"""

import os
import sys

import faiss
import numpy

KINDS = """Flat SQ8 SQ4 SQfp16 PQ4x4 PQ4x4fs LSH LSHrt RQ2x4 RQ2x4_Nqint8 RQ2x4_Ncqint8 RQ2x4fs_Nrq2x4 LSQ2x4 PRQ2x1x4 RaBitQ
    HNSW4 HNSW4,PQ4x4 HNSW4_SQ8 NSG4 IVF4,Flat IVF4,FlatDedup IVF4,SQ8 IVF4,SQfp16 IVF4,PQ4x4 IVF4,PQ4x4+4 IVF4,PQ4x4fs IVF4,RQ2x4
    IVF4,PQ4x4,RFlat IVF20,Flat IMI2x1,Flat IVF4_HNSW4,Flat IVF4(RCQ1x2),Flat IVF4,RaBitQ Residual4,PQ4x4 OPQ4,PQ4x4 OPQ4,IVF4,PQ4x4
    PCA4,Flat PCAR4,IVF4,SQ8 PCAW4,Flat L2norm,Flat RR4,Flat ITQ4,LSH ITQ,Flat Pad16,Flat IDMap,Flat IDMap2,Flat IDMap,HNSW4
    IDMap2,PCA4,IVF4,SQ8 SQ8,RFlat PQ4x4,Refine(SQ8) MinMax,SQ8 MinMaxFP16,SQ8 ZnLattice2x8_4 PCA4,IVF4,SH4""".split()
BINARY = "BFlat BIVF4 BHNSW4 BIDMap,BFlat BIDMap2,BFlat BHash4 BHash2x4".split()


def in_child(work):
    """Some kinds crash some versions of FAISS."""
    child = os.fork()
    if child == 0:
        try:
            work()
        except Exception as error:
            print(str(error).splitlines()[-1][-120:], file=sys.stderr)
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0


def main():
    folder, version = sys.argv[1], faiss.__version__
    faiss.omp_set_num_threads(1)
    random = numpy.random.default_rng(1)
    d, n = 8, 40
    floats = random.standard_normal((n, d)).astype("float32")
    bits = random.integers(0, 256, (n, 4), dtype="uint8")
    ids = numpy.arange(n) * 7 + 3
    facts = open(os.path.join(folder, version + ".facts"), "w")

    def save(name, index):
        write = faiss.write_index_binary if isinstance(index, faiss.IndexBinary) else faiss.write_index
        write(index, os.path.join(folder, f"{version}.{name}.faiss"))
        facts.write(f"{name} {index.ntotal} {index.d}\n")
        facts.flush()

    def made(name, factory, data, spec):
        index = factory(data.shape[1] * (8 if data is bits else 1), spec)
        index.train(data)
        index.add_with_ids(data, ids) if "IDMap" in spec else index.add(data)
        save(name, index)

    for spec in KINDS:
        in_child(lambda: made(spec.replace(",", "-"), faiss.index_factory, floats, spec))
    for spec in BINARY:
        in_child(lambda: made(spec.replace(",", "-"), faiss.index_binary_factory, bits, spec))
    in_child(lambda: save("empty-IVF", faiss.index_factory(d, "IVF4,Flat")))
    in_child(lambda: save("empty-HNSW", faiss.index_factory(d, "HNSW4,Flat")))

    def special(name, change, spec="IVF4,Flat", metric=faiss.METRIC_L2):
        def work():
            index = faiss.index_factory(d, spec, metric)
            index.train(floats)
            change(index)
            save(name, index)
        in_child(work)

    special("inner-product", lambda index: index.add(floats), "Flat", faiss.METRIC_INNER_PRODUCT)
    special("l1", lambda index: index.add(floats), "Flat", faiss.METRIC_L1)
    special("removed", lambda index: (index.add(floats), index.remove_ids(numpy.arange(10))))
    special("direct-map", lambda index: (index.set_direct_map_type(1), index.add(floats)))
    special("hash-map", lambda index: (index.set_direct_map_type(2), index.add(floats)))
    special("equal", lambda index: index.add(numpy.vstack([floats, floats[:9]])), "IVF4,FlatDedup")
    special("sparse", lambda index: index.add(floats[:1]))

    def on_disk(index):
        lists = faiss.OnDiskInvertedLists(4, index.code_size, "lists.data")
        index.replace_invlists(lists)
        index.own_invlists = False
        for i in range(0, n, 5):
            index.add(floats[i:i + 5])
        special.lists = lists

    special("on-disk", on_disk)
    if os.path.exists("lists.data"):
        os.replace("lists.data", os.path.join(folder, f"{version}.on-disk.lists"))


if __name__ == "__main__":
    main()
