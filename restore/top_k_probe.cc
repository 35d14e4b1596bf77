#include "restore/top_k_probe.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "snapshot/top_k.h"

namespace ingot {

std::vector<std::string> expect_top_k(const Stack& stack, const Snapshot& snapshot, const std::vector<std::string>& restored,
                                      std::map<std::string, std::string>& expected) {
    std::vector<std::string> not_asked;
    for (const ProbeSpec& probe : stack.probes) {
        if (probe.kind != ProbeSpec::Kind::top_k || std::ranges::find(restored, probe.source) == restored.end()) continue;
        if (const TopKRecord* record = find_top_k(snapshot, probe)) {
            expected[probe.name] = encode_top_k(*record);
            continue;
        }
        not_asked.push_back(fmt::format(
            "the probe {} is not asked: snapshot {} holds no neighbours of its queries ({})", printable(probe.name),
            snapshot.short_id(), snapshot.golden() ? "the probe is newer; `ingot promote` records them" : "it is not golden"));
    }
    return not_asked;
}

void ask_top_k(const ProbeSpec& probe, Driver& driver, const std::string& expected) {
    const TopKRecord record = decode_top_k(expected);
    const std::string difference = top_k_difference(record.queries, driver.top_k_live(record.request()), probe.tolerance);
    if (difference.empty()) return;
    throw Error(
        Code::failed, fmt::format("{}: {}", probe.source, difference),
        "the index is not the one of the snapshot, or is searched otherwise: look at its files and at the application's log");
}

}  // namespace ingot
