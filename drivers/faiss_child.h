// FAISS itself, in a process of its own: this program again, with a hidden first argument.
//
// read_index throws, aborts, runs out of memory or crashes on bytes that it does not like, and leaks what it had read. So it runs
// in a child under a limit of memory and time, and says what it found; the parent only reads what the child says.
//
// Thread safety: open_with_faiss from any thread. Errors: Error{damaged} with words for a crash, an exception, a limit;
// Error{failed} for a search that this index cannot answer.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "drivers/top_k.h"

namespace ingot {

struct FaissOpen {
    std::string index;               // the file
    std::vector<std::string> lists;  // data files of its on-disk inverted lists, wherever they lie now
    std::string scratch_dir;         // an existing folder for links to those
    uint64_t bytes = 0;              // of all these files
    uint64_t vectors = 0;            // an upper bound
    // What is started, before the arguments: a test's program, or this one.
    std::vector<std::string> program = {"/proc/self/exe"};
    int64_t limit_ms = 0;               // 0: by size
    std::optional<TopKRequest> search;  // known queries, answered once it is open
};

struct FaissOpened {
    int64_t ntotal = 0;
    int64_t dimension = 0;  // bits, of a binary index
    int64_t metric = 0;     // faiss::MetricType
    std::vector<TopKQuery> answers;
};

// Nothing where this FAISS does not know the kind of the index, which is no damage.
std::optional<FaissOpened> open_with_faiss(const FaissOpen& what);

// The version of FAISS in this program: "1.7.3".
std::string faiss_version();

// May this FAISS know an index of that kind, as the fact `type` names it? False for kinds that came later.
bool faiss_knows(const std::string& type);

// The exit status where the arguments ask for the child; else nothing.
std::optional<int> run_faiss_child(int argc, char** argv);

}  // namespace ingot
