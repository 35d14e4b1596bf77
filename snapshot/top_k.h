// Known queries of a snapshot: recorded when it is made golden, compared with what the index answers after a restore.
//
// The queries are stored vectors, evenly spread over what was pinned, or those of a file that the config names; they are recorded
// with their answers, so that later neither the file nor the index is needed to ask the same.
//
// Compared are neighbours and scores. One neighbour more than k is asked for: those that tie with it are not certain, because
// which of equals comes last depends on the processor and on how an index was built. Of all certain neighbours at most
// `tolerance` may be missing where the same query is asked again, and the mean of all scores may be off by `tolerance` of their
// mean size.
//
// Thread safety: pure functions, but for record_top_k (one thread). Errors: see each.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/progress.h"
#include "drivers/driver.h"
#include "snapshot/stack.h"

namespace ingot {

struct Attestation;
struct Snapshot;

// An answer as it is recorded.
struct RecordedQuery {
    Bytes vector;
    std::vector<Neighbour> neighbours;  // at most k, nearest first
    uint32_t certain = 0;               // so many of the first are nearer than any that is not listed
    friend bool operator==(const RecordedQuery&, const RecordedQuery&) = default;
};

// Of one probe.
struct TopKRecord {
    std::string source;
    std::string collection, vector_name;
    uint32_t k = 0;
    std::vector<RecordedQuery> queries;

    // Asks the same again, with one neighbour more than `k`: a graph is searched otherwise for another number.
    TopKRequest request() const;
    friend bool operator==(const TopKRecord&, const TopKRecord&) = default;
};

// As JSON (docs/format.md, "Attestation"): {source, collection, vector, k, queries: [{vector, neighbours, certain}]}.
std::string encode_top_k(const TopKRecord& record);
// Throws Error{damaged}.
TopKRecord decode_top_k(std::string_view json);

// An answer of k + 1 neighbours as it is recorded: k of them, and how many are certain.
RecordedQuery settle_top_k(const TopKQuery& answer, uint32_t k);
// Empty where it passes; else what differs, in words. `found`: an answer to TopKRecord::request().
std::string top_k_difference(const std::vector<RecordedQuery>& recorded, const std::vector<TopKQuery>& found, double tolerance);
// "5 queries, 50 neighbours, 48 of them certain, mean score 0.125": for evidence.
std::string top_k_words(const std::vector<RecordedQuery>& queries);

// What the snapshot's golden attestations recorded for a probe, the newest; null: nothing, of that source.
const TopKRecord* find_top_k(const Snapshot& snapshot, const ProbeSpec& probe);

// The vectors of a .fvecs or .bvecs file (INRIA's texmex: i32 number of components, then so many f32 or bytes, little-endian).
// Throws Error{usage}: the file is not there, is not whole, or holds more than TopKRequest allows.
std::vector<Bytes> read_vectors(const std::string& path);

// Asks what every top-k probe of this source asks, of the artifact below `dir`, in a scratch engine where a file cannot be
// searched, and puts it into the attestation. What cannot be recorded is a reason against golden. Throws Error{interrupted}.
void record_top_k(const Stack& stack, Driver& driver, const std::string& dir, const std::string& work_dir,
                  Attestation& attestation, std::vector<std::string>& reasons, Progress& progress);

}  // namespace ingot
