// What to do about damage: which sources and streams it is in, and which other snapshot has them whole.
//
// Thread safety: one thread. Errors: Error{interrupted}; what goes wrong otherwise is told as no advice.
#pragma once

#include <string>
#include <vector>

#include "cli/invocation.h"
#include "snapshot/catalog.h"

namespace ingot {

struct DamageAdvice {
    std::string where;  // "db: app.db; docs: a.txt, b.txt and 7 more"; empty: every byte of the snapshot is there
    std::string hint;   // "db is whole in snapshot 3f2a91bc (golden, ...): ingot restore 3f2a91bc --only db"
};

DamageAdvice advise(Invocation& run, Repository& repository, const Snapshot& snapshot, const std::vector<std::string>& only);

}  // namespace ingot
