// The structure of a FAISS index file: what it says of itself, and how its bytes may be cut.
//
// A FAISS file has no magic, no version and no checksum: it is nested structures, each begun by four letters, in the machine's
// byte order (little-endian here) and without alignment. What is known comes from impl/index_write.cpp and index_read.cpp of
// FAISS 1.5 to 1.13; docs/drivers/faiss.md lists the structures. Only headers and tables are read, never codes or vectors, and no
// length is believed before it was compared with what is left of the file.
//
// The parse is also the test of a half-written file: each table must agree with its count, and the last structure must end where
// the file ends. What this version does not know (a newer structure) is no error: its bytes up to the file's end are one `cdc`
// section.
//
// Pure: no I/O of its own, no global state. Thread safety: values; const calls from any thread. Lifetime: a layout, its sections
// and its list files hold what they need and outlive each other; the ReadAt is used during the call only. Errors: Error{source},
// naming the offset; callers add the file's name.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/stream.h"

namespace ingot {

// Fills `out` with the bytes from `offset` on and says how many those were: fewer than asked for only where the file ends.
// Throws Error{source}.
using ReadAt = std::function<size_t(uint64_t offset, std::span<uint8_t> out)>;

// What the file says of itself; the numbers that `index.ntotal`, `index.d` and `index.metric_type` are after read_index.
struct FaissFacts {
    std::string
        type;  // "Flat", "IVFFlat", "HNSWFlat", "IVFSQ8", "IDMap,Flat", "PCA,IVFPQ", "BinaryFlat"; "?Ixyz": unknown letters
    int64_t ntotal = -1;    // -1: not known, because the outermost structure is not
    int64_t dimension = 0;  // of vectors; bits, for a binary index; 0: not known
    std::string metric;     // "L2", "inner_product", "L1", "Linf", "Lp", ..., "hamming"; "" not known
};

// Where the parser stopped understanding.
struct FaissUnknown {
    std::string fourcc;  // as it stands there, made printable
    uint64_t offset = 0;
};

struct FaissPieces;  // drivers/faiss_pieces.h

// A cursor over sections, in the order of the file; they cover it exactly. Copy a fresh one to go over them again.
class FaissSections {
public:
    FaissSections() = default;
    explicit FaissSections(std::shared_ptr<const FaissPieces> pieces) : pieces_(std::move(pieces)) {}
    std::optional<Section> next();

private:
    std::shared_ptr<const FaissPieces> pieces_;
    size_t piece_ = 0;
    size_t part_ = 0;  // within the piece: which group of lists, and codes or ids
};

// A file that on-disk inverted lists ("ilod") live in. It belongs to the index: neither is worth anything without the other.
struct FaissListsFile {
    std::string name;         // as the index has it: often absolute, else relative to the folder FAISS ran in. Any bytes but NUL
    uint64_t size_bytes = 0;  // what the index expects; a shorter file is torn
    // The data file's own sections, which cover size_bytes exactly. A longer file ends with a section more, which the caller
    // adds.
    FaissSections sections;
};

class FaissLayout {
public:
    FaissLayout(FaissFacts facts, std::optional<FaissUnknown> unknown, std::vector<FaissListsFile> lists_files,
                std::shared_ptr<const FaissPieces> pieces);

    const FaissFacts& facts() const { return facts_; }
    // Everything was understood, up to the file's end.
    bool understood() const { return !unknown_; }
    const std::optional<FaissUnknown>& unknown() const { return unknown_; }
    // Usually empty; one where inverted lists are on disk.
    const std::vector<FaissListsFile>& lists_files() const { return lists_files_; }
    FaissSections sections() const { return FaissSections(pieces_); }

private:
    FaissFacts facts_;
    std::optional<FaissUnknown> unknown_;
    std::vector<FaissListsFile> lists_files_;
    std::shared_ptr<const FaissPieces> pieces_;
};

// Whether the neighbour ids of graphs (HNSW, NSG, NNDescent) are read and compared with the number of nodes. They are most of
// what a parse of a graph index reads: 1/7 of a HNSW32 file of 384 dimensions. FAISS loads a wrong id and crashes when it
// searches.
enum class FaissLinks : uint8_t { checked, trusted };

// Throws Error{source}: no FAISS index at all, truncated, longer than its structures, a count that the file has no room for, an
// ntotal that its tables contradict, links to nodes that are not there. Reads in pieces of at most 64 KiB, tables twice. Memory:
// 16 bytes for a group of inverted lists, of 1 to 2 KiB where lists are small; 24 bytes a list, for at most 4 million lists,
// where they are on disk.
FaissLayout parse_faiss(const ReadAt& read_at, uint64_t size_bytes, FaissLinks links = FaissLinks::checked);

}  // namespace ingot
