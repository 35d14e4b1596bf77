#include "cli/damage_advice.h"

#include <fmt/format.h>

#include "base/error.h"
#include "cli/pick.h"
#include "snapshot/damaged_streams.h"

namespace ingot {
namespace {

// Of a source; the rest is counted.
constexpr size_t kPathsTold = 5;

std::string told(const DamagedSource& damaged) {
    if (damaged.listing) return fmt::format("{}: its listing, so all of it", damaged.source);
    std::string out = damaged.source + ": ";
    for (size_t i = 0; i < damaged.paths.size() && i < kPathsTold; ++i) out += (i == 0 ? "" : ", ") + printable(damaged.paths[i]);
    if (damaged.paths.size() > kPathsTold) out += fmt::format(" and {} more", damaged.paths.size() - kPathsTold);
    return out;
}

}  // namespace

DamageAdvice advise(Invocation& run, Repository& repository, const Snapshot& snapshot, const std::vector<std::string>& only) {
    DamageAdvice out;
    try {
        const std::vector<DamagedSource> found = find_damaged(repository, snapshot, only, run.progress);
        if (found.empty()) return out;
        const std::vector<Snapshot> others = all_snapshots(run, repository);
        for (const DamagedSource& damaged : found) {
            out.where += (out.where.empty() ? "" : "; ") + told(damaged);
            const std::optional<Snapshot> whole = whole_elsewhere(repository, snapshot, damaged, others, run.progress);
            out.hint += out.hint.empty() ? "" : "; ";
            if (!whole) {
                out.hint += fmt::format("{} is whole in no other snapshot: `ingot check` looks at the repository's structure",
                                        damaged.source);
                continue;
            }
            out.hint += fmt::format("{} is whole in snapshot {} ({}{}): ingot restore {} --only {}", damaged.source,
                                    whole->short_id(), whole->golden() ? "golden, " : "", local_time(whole->manifest.moment_ms),
                                    whole->short_id(), damaged.source);
        }
    } catch (const Error& error) {
        if (error.code() == Code::interrupted) throw;
        ignore_error(error, "the damage itself is told; where else the data is cannot be said");
    }
    run.progress.clear();
    return out;
}

}  // namespace ingot
