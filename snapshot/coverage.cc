#include "snapshot/coverage.h"

#include <fmt/format.h>

#include "base/clock.h"

namespace ingot {

std::string shrunk_since(const ManifestSource& now, const std::vector<Snapshot>& snapshots, double min_ratio) {
    const Snapshot* base = nullptr;
    for (const Snapshot& each : snapshots) {
        const ManifestSource* then = each.manifest.find(now.name);
        if (then == nullptr || !then->listing) continue;
        if (!each.golden() && !each.accepted(now.name)) continue;
        if (base == nullptr || each.manifest.moment_ms >= base->manifest.moment_ms) base = &each;
    }
    if (base == nullptr) return {};
    const uint64_t then = base->manifest.find(now.name)->bytes;
    if (static_cast<double>(now.bytes) >= min_ratio * static_cast<double>(then)) return {};
    return fmt::format("{} where snapshot {} of {} has {}: less than min_ratio ({:.0f} %)", human_bytes(now.bytes),
                       base->short_id(), local_time(base->manifest.moment_ms), human_bytes(then), min_ratio * 100);
}

void check_coverage(ManifestSource& source, bool only_roots, const std::vector<Snapshot>& snapshots, double min_ratio) {
    // A folder without a single file is empty however many folders it holds; a single file of no bytes is empty too; but a tree
    // may well hold nothing but empty files.
    if (source.bytes == 0 && (source.streams == 0 || only_roots)) {
        source.status = SourceStatus::empty;
        source.problem = source.streams == 0 ? "it holds no file" : "it holds no byte";
        return;
    }
    std::string problem = shrunk_since(source, snapshots, min_ratio);
    if (problem.empty()) return;
    source.status = SourceStatus::shrunk;
    source.problem = std::move(problem);
}

}  // namespace ingot
