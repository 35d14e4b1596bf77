// Invariants across sources: a fact of one compared with a fact of another ("vectors.ntotal" == "db.chunks").
//
// Checked with the facts read from inside the pins, and again with those of the artifacts once their engines opened them. Numbers
// are compared as numbers, text as text; a number never equals text.
//
// Thread safety: pure functions. Errors: throws none: a fact that is not there is a broken invariant that says so.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "snapshot/manifest.h"
#include "snapshot/stack.h"

namespace ingot {

// "source.fact" at its first dot; both empty where it is no such thing. Names of sources have no dots.
struct FactName {
    std::string source;
    std::string fact;
};
FactName fact_name(const std::string& text);

// One sentence for each invariant that does not hold or cannot be checked; none: all hold.
std::vector<std::string> broken_invariants(const std::vector<InvariantSpec>& invariants, const Manifest& manifest);

// The same of artifacts, by source. An engine that opens an artifact need not find all facts of a pin: an invariant whose facts
// are not both there was checked at the pin, and is passed over.
std::vector<std::string> broken_in_artifacts(const std::vector<InvariantSpec>& invariants,
                                             const std::map<std::string, Facts>& facts_of_source);

// For evidence: "db.chunks = vectors.ntotal = 4312", by the invariants' names.
Facts invariants_as_evidence(const std::vector<InvariantSpec>& invariants, const Manifest& manifest);

}  // namespace ingot
