// One parse of a FAISS file under way: what its parts (quantizers, inverted lists, graphs, indexes) share.
//
// Every parse_* reads one structure from where `in` stands. It returns false (or nothing) when it met letters it does not know:
// `unknown` then says which and where, and nothing after that can be told. Damage is Error{source}.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "drivers/faiss_layout.h"
#include "drivers/faiss_pieces.h"
#include "drivers/faiss_reader.h"

namespace ingot {

struct FaissParse {
    FaissParse(const ReadAt& read_at, uint64_t size_bytes, FaissLinks links_) : in(read_at, size_bytes), links(links_) {}

    FaissReader in;
    FaissPiecesBuilder out;
    FaissLinks links;
    std::vector<FaissListsFile> lists_files;
    std::optional<FaissUnknown> unknown;
    std::string type;  // grows while the outer structures are read
    int muted = 0;     // inside a part that the type does not name: the quantizer of an IVF, the storage of a graph
    int depth = 0;
    std::optional<FaissFacts> facts;  // of the outermost header, as soon as it is read

    void name(std::string_view text) {
        if (muted == 0) type += text;
    }
    // The four letters that were read last are not known here.
    bool stop(uint32_t letters);

    FaissReader::Table table(uint64_t element_bytes, std::string_view what, Section section) {
        const auto table = in.table(element_bytes, what);
        out.add(table, section);
        return table;
    }
};

// What an index says in its header, and what its owner compares with its own.
struct FaissIndexHeader {
    uint32_t letters = 0;
    int32_t dimension = 0;
    int64_t ntotal = 0;
    bool trained = false;
    int32_t metric = 0;
    uint64_t code_bytes = 0;  // binary indexes only

    uint64_t count() const { return static_cast<uint64_t>(ntotal); }  // never negative once it was read
    uint64_t vector_bytes() const { return static_cast<uint64_t>(dimension) * 4; }
};

// No FAISS nests deeper than five (IDMap, PreTransform, Refine, IVF, HNSW quantizer and its storage); a file that does is a bomb.
constexpr int kFaissDepth = 12;

std::optional<FaissIndexHeader> parse_faiss_index(FaissParse& parse);
std::optional<FaissIndexHeader> parse_faiss_binary_index(FaissParse& parse);

// The same, while the type is not to name what is read.
std::optional<FaissIndexHeader> parse_faiss_part(FaissParse& parse);
std::optional<FaissIndexHeader> parse_faiss_binary_part(FaissParse& parse);

// Reads the header of a float index, without its letters; of a binary one.
FaissIndexHeader parse_faiss_header(FaissParse& parse, uint32_t letters);
FaissIndexHeader parse_faiss_binary_header(FaissParse& parse, uint32_t letters);

}  // namespace ingot
