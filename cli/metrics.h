// Metrics for Prometheus, as a file that node_exporter's textfile collector reads
// (https://prometheus.io/docs/instrumenting/exposition_formats/, text format 0.0.4).
//
// Counters live in the state directory, in `metrics-STACK.json`, so that they go on from run to run; the textfile is made from
// them after each snapshot, promote, verify and restore, and replaced as a whole: a reader sees the old file or the new one. It
// has mode 0644, whatever the umask, and its temporary does not end in .prom, so that the collector never reads one. One file
// holds one stack: two stacks want two files.
//
// Thread safety: one thread; processes take turns by a lock. Errors: Error{failed}, Error{locked}.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/filesystem.h"
#include "cli/event.h"
#include "snapshot/catalog.h"

namespace ingot {

struct MetricsState {
    // Label values come from people (--reason); each distinct one is a time series for ever, so the rest is counted as "other".
    static constexpr size_t kMostReasons = 50;
    static constexpr size_t kReasonBytes = 64;

    int64_t last_snapshot_ms = 0;  // moments of snapshots; 0: there is none
    int64_t last_golden_ms = 0;
    int64_t last_verify_ms = 0;  // times of attestations
    int64_t last_drill_ms = 0;
    std::map<std::string, double> gauges;       // of the last snapshot and the last restore: "snapshot_bytes"
    std::map<std::string, uint64_t> rollbacks;  // by reason
    std::map<std::string, uint64_t> restores;   // by outcome
    std::map<std::string, int> last_exit;       // by command
    std::map<std::string, int64_t> last_run_ms;
};

// Takes up what the event says.
void count_event(MetricsState& state, const Event& event);
// Takes up what the repository holds of the stack: it knows what became golden, or suspect, elsewhere.
void count_snapshots(MetricsState& state, const std::vector<Snapshot>& snapshots, const std::string& stack);

// The textfile. `stack` becomes a label of every series.
std::string prometheus_text(const MetricsState& state, const std::string& stack);
// A label's value between its quotes: \ " and line ends escaped.
std::string label_text(std::string_view value);

std::string encode_metrics(const MetricsState& state);
// A file that is no such state is an empty one: counters start anew, which Prometheus takes for a restart.
MetricsState decode_metrics(std::string_view json);

// Brings the state up to date and writes the textfile. `snapshots`: null where the repository could not be read.
void update_metrics(FileSystem& fs, const std::string& state_dir, const std::string& textfile, const Event& event,
                    const std::vector<Snapshot>* snapshots);

}  // namespace ingot
