// Searching a FAISS index for known queries: what the child (drivers/faiss_child.h) does, and what is said between it and its
// parent.
//
//   request := "top_k " k " " spread "\n" (hex "\n")*                               vectors; none: `spread` stored ones
//   answer  := ("query " hex "\n" (id " " score "\n")*)* "end\n"                    ids and scores as FAISS gives them
//
// Queries are searched one by one, with the parameters in the file (nprobe, efSearch): the same file gives the same answer.
// Thread safety: pure functions. Errors: see each.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "drivers/top_k.h"

namespace faiss {
struct Index;
struct IndexBinary;
}  // namespace faiss

namespace ingot {

std::string encode_faiss_search(const TopKRequest& request);
// Nothing where it is not a whole answer.
std::optional<std::vector<TopKQuery>> decode_faiss_answer(std::string_view text);

// In the child. Throw Error{failed} for a request that this index cannot answer, and what FAISS throws.
std::string search_faiss(const faiss::Index& index, std::string_view request);
std::string search_faiss(const faiss::IndexBinary& index, std::string_view request);

}  // namespace ingot
