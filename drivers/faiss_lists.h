// Inverted lists of a FAISS file: in the index (`ilar`, `ilbl`, and the arrays of files before 1.4), in another file (`ilod`), or
// left out (`il00`).
//
// Each list's codes and ids are cut apart, so that a list that grows changes its own chunks only. Lists too small for that share
// a section: neighbours are joined between list numbers that a hash picks, so that where groups begin does not depend on what
// their neighbours hold.
#pragma once

#include <cstdint>

#include "drivers/faiss_parse.h"

namespace ingot {

struct FaissListsOf {
    uint64_t nlist = 0;
    uint64_t code_bytes = 0;  // 0: the owner does not say
    Content content = Content::bytes;
    uint64_t ntotal = 0;  // what the lists must hold together
};

// Reads inverted lists, letters first.
bool parse_faiss_lists(FaissParse& parse, const FaissListsOf& of);

// `nlist` times: u64 count, ids; u64 count, bytes of codes. Checks `ntotal` against the ids and each list's codes with `fits`.
void parse_faiss_list_pairs(FaissParse& parse, const FaissListsOf& of,
                            const std::function<bool(uint64_t n, uint64_t code_bytes)>& fits);

// `nlist` times: u64 count, elements. Returns how many elements there are together.
uint64_t parse_faiss_old_lists(FaissParse& parse, uint64_t nlist, uint64_t element_bytes, std::string_view what);

// Groups of lists, from their lengths. Pure; for this room and its test.
class FaissListGroups {
public:
    // For `nlist` lists that are `total_bytes` long together.
    FaissListGroups(uint64_t nlist, uint64_t total_bytes);
    void add(uint64_t list, uint64_t first_bytes, uint64_t second_bytes);
    std::vector<FaissLists::Group> take();

private:
    void close();

    uint64_t mask_;  // a group begins before lists whose hash has none of these bits
    uint64_t pending_bytes_ = 0;
    std::vector<FaissLists::Group> groups_;
};

}  // namespace ingot
