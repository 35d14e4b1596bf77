// Index files for tests, written by FAISS itself.
#pragma once

#include <faiss/IndexBinaryFlat.h>
#include <faiss/IndexIVF.h>
#include <faiss/impl/FaissException.h>
#include <faiss/index_factory.h>
#include <faiss/index_io.h>
#include <faiss/invlists/OnDiskInvertedLists.h>

#include <memory>
#include <numeric>

#include "tests/drivers/test_folder.h"

extern "C" void omp_set_num_threads(int);

namespace ingot {

// `count` vectors of `dimension`, each of them different, all begun with `mark`.
inline std::vector<float> test_vectors(int64_t count, int dimension, float mark) {
    std::vector<float> out(static_cast<size_t>(count * dimension));
    uint32_t state = 12345;
    for (float& x : out) x = static_cast<float>((state = state * 1664525u + 1013904223u) >> 8) / static_cast<float>(1 << 24);
    for (int64_t i = 0; i < count; ++i) out[static_cast<size_t>(i * dimension)] = mark;
    return out;
}

inline std::unique_ptr<faiss::Index> test_index(const std::string& kind, int64_t count, int dimension = 8, float mark = 0,
                                                faiss::MetricType metric = faiss::METRIC_L2) {
    omp_set_num_threads(1);  // OpenMP's threads wait for each other by spinning: on a busy machine that takes seconds
    std::unique_ptr<faiss::Index> index(faiss::index_factory(dimension, kind.c_str(), metric));
    const std::vector<float> vectors = test_vectors(count, dimension, mark);
    if (!index->is_trained) index->train(count, vectors.data());
    if (kind.starts_with("IDMap")) {
        std::vector<faiss::Index::idx_t> ids(static_cast<size_t>(count));
        std::iota(ids.begin(), ids.end(), 1000);
        index->add_with_ids(count, vectors.data(), ids.data());
    } else {
        index->add(count, vectors.data());
    }
    return index;
}

// In place, as applications do: the file is truncated, then written.
inline void write_test_index(const std::string& path, const std::string& kind, int64_t count, int dimension = 8, float mark = 0) {
    make_dirs(real_filesystem(), parent_of(path), 0755);
    faiss::write_index(test_index(kind, count, dimension, mark).get(), path.c_str());
}

// An IVF index whose lists are in another file.
inline void write_test_lists(const std::string& path, const std::string& lists_path, int64_t count) {
    make_dirs(real_filesystem(), parent_of(path), 0755);
    make_dirs(real_filesystem(), parent_of(lists_path), 0755);
    const std::unique_ptr<faiss::Index> index = test_index("IVF4,Flat", count);
    auto* ivf = dynamic_cast<faiss::IndexIVF*>(index.get());
    auto* lists = new faiss::OnDiskInvertedLists(ivf->nlist, ivf->code_size, lists_path.c_str());
    for (size_t list = 0; list < ivf->nlist; ++list) {
        lists->add_entries(list, ivf->invlists->list_size(list), faiss::InvertedLists::ScopedIds(ivf->invlists, list).get(),
                           faiss::InvertedLists::ScopedCodes(ivf->invlists, list).get());
    }
    ivf->replace_invlists(lists, true);
    faiss::write_index(ivf, path.c_str());
}

// What an index holds, as far as tests ask: the number of vectors and the first number of the first one.
inline std::string index_content(const std::string& path) {
    const std::unique_ptr<faiss::Index> index(faiss::read_index(path.c_str()));
    std::vector<float> first(static_cast<size_t>(index->d));
    if (index->ntotal > 0) index->reconstruct(0, first.data());
    return std::to_string(index->ntotal) + " vectors of " + std::to_string(index->d) + ", " + std::to_string(first[0]);
}

// faiss::write_index, into a file beside it that then takes its name.
inline void replace_test_index(const std::string& path, const std::string& kind, int64_t count, int dimension = 8,
                               float mark = 0) {
    write_test_index(path + ".new", kind, count, dimension, mark);
    real_filesystem().rename(path + ".new", path, Rename::replace);
}

}  // namespace ingot
