// Does a snapshot go with what is there? Asked before a restore of the live stack touches anything, and by `ingot compat`.
//
//   versions   the application's, and those of what is stored (schema, collection): as they were, as they are, and as they will
//   be
//              once the restore is done
//   engines    of every source that is restored: Driver::match_engine
//   secrets    of .env files that are not restored with the data, or are restored without it: by their fingerprints
//   matrix     the versions as they will be, in the config's Markdown matrix (restore/compat_matrix.h)
//
// Thread safety: one thread. Errors: Error{interrupted}; what cannot be asked or read is a warning in the report, because that is
// no reason against a restore at night.
#pragma once

#include <string>
#include <vector>

#include "base/filesystem.h"
#include "drivers/driver.h"
#include "snapshot/catalog.h"
#include "snapshot/stack.h"
#include "store/repository.h"

namespace ingot {

struct CompatLine {
    std::string what;  // "application", "schema", "db (postgres)", "secrets of env", "matrix"
    std::string then;  // empty: not recorded
    std::string now;   // empty: not known
    Verdict verdict = Verdict::fine;
    std::string why;
    std::string hint;
};

struct CompatReport {
    std::vector<CompatLine> lines;
    std::vector<std::string> notes;  // what of the matrix was left out, for who wrote it

    Verdict worst() const;
};

struct CompatQuestion {
    std::vector<std::string> only;  // sources that are restored; empty: all
    // False: versions are asked for only where a matrix judges them, so that a restore waits for no command that it does not
    // need.
    bool all_versions = false;
};

CompatReport judge_compatibility(const Repository& repository, const Snapshot& snapshot, const Stack& stack, FileSystem& fs,
                                 const CompatQuestion& question);

// Throws Error{incompatible} for the first line that is refused. With `allowed`, what the matrix refuses is let through; what an
// engine refuses never is, for it would refuse it later.
void require_compatible(const CompatReport& report, const Snapshot& snapshot, bool allowed);

// The name of the line that tells the matrix's verdict.
inline constexpr const char* kMatrixLine = "matrix";

}  // namespace ingot
