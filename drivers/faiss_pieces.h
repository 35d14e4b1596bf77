// The sections of a FAISS file in compact form, and how each kind of array is cut.
//
// Inverted lists may number millions: they are kept as the lengths of groups, and their sections are made when asked for.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <variant>
#include <vector>

#include "base/stream.h"
#include "drivers/faiss_reader.h"

namespace ingot {

// How arrays are cut: the sizes at which new bytes and 100 bytes of meta data for every chunk are least together, after 1 % of
// 50,000 vectors of 384 dimensions were added, removed or replaced (docs/drivers/faiss.md, "How it is cut"; bench/faiss_cuts.py).
namespace faiss_cut {

// Vectors: on average 4 KiB, or one. Two thirds of it cost a third more in all when vectors are only added, twice of it 40 % more
// when they are removed.
Section vectors(uint64_t length_bytes, uint64_t dimension);
// Codes of quantizers: on average 2 KiB, because a change touches fewer bytes.
Section codes(uint64_t length_bytes, uint64_t code_bytes);
// Arrays of 64-bit ids, and pairs of them.
Section ids(uint64_t length_bytes, uint64_t element_bytes = 8);
// Tables that grow at their end, or change here and there: levels, offsets, sizes of lists.
Section table(uint64_t length_bytes);
// Centroids, codebooks, matrices: rewritten whole by training, else never.
Section trained(uint64_t length_bytes);
// HNSW links: slots of so many bytes, in groups of about 512. A new node writes into the slots of some thirty others all over the
// graph: 1 % of new nodes touch half of all nodes, and every single page of 4 KiB.
Section links(uint64_t length_bytes, uint64_t slot_bytes);
// Everything else: headers, and inverted lists too small to be apart.
Section whole(uint64_t length_bytes, Content content = Content::bytes);

}  // namespace faiss_cut

// Groups of inverted lists, one after the other.
struct FaissLists {
    // What stands between the sections of other lists: the first and the second array of one large list (codes, then ids; or the
    // other way round), or several small lists as one section.
    struct Group {
        uint64_t first_bytes = 0;
        uint64_t second_bytes = 0;  // kTogether: the whole group is one section of first_bytes
    };
    static constexpr uint64_t kTogether = UINT64_MAX;

    Section first;  // length_bytes is a group's
    Section second;
    Content together = Content::bytes;
    std::vector<Group> groups;
};

struct FaissPieces {
    std::vector<std::variant<Section, FaissLists>> pieces;
};

// Collects pieces while a file is parsed; what nobody claimed becomes sections of its own.
class FaissPiecesBuilder {
public:
    // Up to where the file is covered.
    uint64_t covered() const { return covered_; }
    // What lies before `table` is header; the table is cut as `section`, whose length is set. Small ones stay with the header.
    void add(const FaissReader::Table& table, Section section);
    void add(uint64_t offset, FaissLists lists, uint64_t length_bytes);
    // What is left up to `end`: header where it was understood, else cdc.
    void finish(uint64_t end, bool understood);
    std::shared_ptr<const FaissPieces> take();

private:
    void header_until(uint64_t offset);

    std::shared_ptr<FaissPieces> pieces_ = std::make_shared<FaissPieces>();
    uint64_t covered_ = 0;
};

}  // namespace ingot
