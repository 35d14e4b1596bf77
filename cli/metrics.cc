#include "cli/metrics.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "base/error.h"
#include "store/lock.h"

namespace ingot {
namespace {

using Json = nlohmann::json;

// Counters of a few dozen words.
constexpr uint64_t kStateLimitBytes = 1 << 20;
// Another command writes a page of text.
constexpr int64_t kLockWaitMs = 2000;
constexpr mode_t kTextfileMode = 0644;
// Outcomes that a restore may have; each is there from the start, at 0, so that its first increase is seen as one.
constexpr std::array<const char*, 5> kOutcomes = {"restored", "rolled_back", "rollback_incomplete", "failed", "undone"};

struct Gauge {
    const char* key;
    const char* name;
    const char* help;
};
constexpr std::array<Gauge, 8> kGauges = {{
    {"snapshot_bytes", "ingot_snapshot_bytes", "Size of the sources in the last stored snapshot."},
    {"snapshot_bytes_new", "ingot_snapshot_new_bytes", "Content of the last stored snapshot that the repository did not hold."},
    {"snapshot_bytes_stored", "ingot_snapshot_stored_bytes", "What the repository grew by with the last stored snapshot."},
    {"snapshot_duration", "ingot_snapshot_duration_seconds", "How long the last stored snapshot took."},
    {"snapshot_pause", "ingot_snapshot_pause_seconds", "How long writers were paused for the last stored snapshot."},
    {"restore_duration", "ingot_restore_duration_seconds", "How long the last restore took."},
    {"restore_outage", "ingot_restore_outage_seconds", "How long services were out in the last restore."},
    {"rollback_duration", "rag_rollback_duration_seconds", "How long the last rollback took."},
}};

class Text {
public:
    void family(const char* name, const char* type, const char* help) {
        out_ += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
    }
    void sample(const char* name, const std::string& labels, double value) {
        out_ += fmt::format("{}{{{}}} {}\n", name, labels, number(value));
    }
    std::string take() { return std::move(out_); }

private:
    // Times are written out, and counts without an exponent.
    static std::string number(double value) {
        return value == static_cast<double>(static_cast<int64_t>(value)) ? fmt::format("{}", static_cast<int64_t>(value))
                                                                         : fmt::format("{:.3f}", value);
    }
    std::string out_;
};

std::string label(const char* name, std::string_view value) { return fmt::format("{}=\"{}\"", name, label_text(value)); }

template <class T>
void read_map(const Json& json, const char* name, std::map<std::string, T>& out) {
    const auto found = json.find(name);
    if (found == json.end() || !found->is_object()) return;
    for (const auto& [key, value] : found->items()) {
        if (value.is_number()) out[key] = value.template get<T>();
    }
}

int64_t read_time(const Json& json, const char* name) {
    const auto found = json.find(name);
    return found != json.end() && found->is_number_integer() ? found->get<int64_t>() : 0;
}

std::string reason_label(const MetricsState& state, const std::string& reason) {
    std::string text = reason.empty() ? "none given" : printable(reason.substr(0, MetricsState::kReasonBytes));
    return state.rollbacks.contains(text) || state.rollbacks.size() < MetricsState::kMostReasons ? text : "other";
}

// replace_file() is not for this: its temporary ends as the file does, in .prom, and the collector would read it.
void write_textfile(FileSystem& fs, const std::string& path, const std::string& text) {
    const std::string temporary = fmt::format("{}.{}.tmp", path, ::getpid());
    try {
        if (fs.exists(temporary)) fs.remove(temporary);  // of a process of this number, long gone
        {
            const auto file = fs.create(temporary, kTextfileMode);
            file->append(view_of(text));
            if (file->fd() >= 0) ::fchmod(file->fd(), kTextfileMode);
            file->sync();
        }
        fs.rename(temporary, path, Rename::replace);
    } catch (const Error& error) {
        try {
            if (fs.exists(temporary)) fs.remove(temporary);
        } catch (const Error& second) {
            ignore_error(second, "the first error is the one to tell; the collector does not read this name");
        }
        throw error.within("writing the metrics");
    }
}

}  // namespace

std::string label_text(std::string_view value) {
    std::string out;
    for (const char c : printable(value)) {
        if (c == '\\' || c == '"') out += '\\';
        out += c;
    }
    return out;
}

void count_event(MetricsState& state, const Event& event) {
    state.last_exit[event.command] = event.exit;
    state.last_run_ms[event.command] = event.began_ms + event.duration_ms;
    const auto seconds = [](int64_t ms) { return static_cast<double>(ms) / 1000; };
    if (event.figures) {
        state.gauges["snapshot_bytes"] = static_cast<double>(event.figures->bytes);
        state.gauges["snapshot_bytes_new"] = static_cast<double>(event.figures->bytes_new);
        state.gauges["snapshot_bytes_stored"] = static_cast<double>(event.figures->bytes_stored);
        state.gauges["snapshot_duration"] = seconds(event.duration_ms);
        if (event.figures->pause_ms) state.gauges["snapshot_pause"] = seconds(*event.figures->pause_ms);
    }
    if (event.read_back) state.last_verify_ms = std::max(state.last_verify_ms, event.began_ms + event.duration_ms);
    if (!event.changes_live) return;
    ++state.restores[std::ranges::find(kOutcomes, event.outcome) == kOutcomes.end() ? "failed" : event.outcome];
    if (event.outcome == "restored" || event.outcome == "rolled_back") {
        state.gauges["restore_duration"] = seconds(event.duration_ms);
        state.gauges["restore_outage"] = seconds(event.outage_ms);
    }
    // What a guard rolls back by itself is one, too.
    if ((event.command != "rollback" && event.command != "guard") || event.outcome != "restored") return;
    ++state.rollbacks[reason_label(state, event.reason)];
    state.gauges["rollback_duration"] = seconds(event.duration_ms);
}

void count_snapshots(MetricsState& state, const std::vector<Snapshot>& snapshots, const std::string& stack) {
    state.last_snapshot_ms = state.last_golden_ms = 0;
    for (const Snapshot& snapshot : snapshots) {
        if (snapshot.manifest.stack != stack) continue;
        const int64_t moment_ms = snapshot.manifest.moment_ms;
        const std::vector<std::string>& tags = snapshot.manifest.tags;
        // What a restore replaced is no snapshot that anybody's schedule took.
        if (std::ranges::find(tags, "safety") == tags.end()) state.last_snapshot_ms = std::max(state.last_snapshot_ms, moment_ms);
        if (snapshot.golden()) state.last_golden_ms = std::max(state.last_golden_ms, moment_ms);
        for (const AttestationKind kind : {AttestationKind::verified, AttestationKind::golden}) {
            state.last_verify_ms = std::max(state.last_verify_ms, snapshot.last(kind).value_or(0));
        }
        state.last_drill_ms = std::max(state.last_drill_ms, snapshot.last(AttestationKind::drilled).value_or(0));
    }
}

std::string prometheus_text(const MetricsState& state, const std::string& stack) {
    Text text;
    const std::string of_stack = label("stack", stack);
    const auto time = [&](const char* name, int64_t ms, const char* help) {
        if (ms == 0) return;  // there is none: no time is better than 1970
        text.family(name, "gauge", help);
        text.sample(name, of_stack, static_cast<double>(ms) / 1000);
    };
    time("ingot_last_snapshot_timestamp_seconds", state.last_snapshot_ms, "Moment of the newest snapshot.");
    time("ingot_last_golden_timestamp_seconds", state.last_golden_ms, "Moment of the newest golden snapshot.");
    time("ingot_last_verify_timestamp_seconds", state.last_verify_ms, "When a snapshot was last read back whole.");
    time("ingot_last_drill_timestamp_seconds", state.last_drill_ms, "When a snapshot was last drilled.");
    for (const Gauge& gauge : kGauges) {
        const auto found = state.gauges.find(gauge.key);
        if (found == state.gauges.end()) continue;
        text.family(gauge.name, "gauge", gauge.help);
        text.sample(gauge.name, of_stack, found->second);
    }
    text.family("ingot_restores_total", "counter", "Restores of the live stack, by how they ended.");
    for (const char* outcome : kOutcomes) {
        const auto found = state.restores.find(outcome);
        text.sample("ingot_restores_total", of_stack + "," + label("outcome", outcome),
                    found == state.restores.end() ? 0 : static_cast<double>(found->second));
    }
    if (!state.rollbacks.empty()) {
        text.family("rag_rollback_total", "counter", "Finished rollbacks to a golden snapshot, by reason.");
        for (const auto& [reason, count] : state.rollbacks) {
            text.sample("rag_rollback_total", of_stack + "," + label("reason", reason), static_cast<double>(count));
        }
    }
    if (!state.last_exit.empty()) {
        text.family("ingot_last_exit_status", "gauge", "Exit status of the last run, by command.");
        for (const auto& [command, exit] : state.last_exit) {
            text.sample("ingot_last_exit_status", of_stack + "," + label("command", command), exit);
        }
        text.family("ingot_last_run_timestamp_seconds", "gauge", "When a command last ended, by command.");
        for (const auto& [command, ms] : state.last_run_ms) {
            text.sample("ingot_last_run_timestamp_seconds", of_stack + "," + label("command", command),
                        static_cast<double>(ms) / 1000);
        }
    }
    return text.take();
}

std::string encode_metrics(const MetricsState& state) {
    const Json json = {{"version", 1},
                       {"last_snapshot_ms", state.last_snapshot_ms},
                       {"last_golden_ms", state.last_golden_ms},
                       {"last_verify_ms", state.last_verify_ms},
                       {"last_drill_ms", state.last_drill_ms},
                       {"gauges", state.gauges},
                       {"rollbacks", state.rollbacks},
                       {"restores", state.restores},
                       {"last_exit", state.last_exit},
                       {"last_run_ms", state.last_run_ms}};
    return json.dump() + "\n";
}

MetricsState decode_metrics(std::string_view bytes) {
    MetricsState state;
    const Json json = Json::parse(bytes, nullptr, /*allow_exceptions=*/false);
    if (!json.is_object()) return state;
    state.last_snapshot_ms = read_time(json, "last_snapshot_ms");
    state.last_golden_ms = read_time(json, "last_golden_ms");
    state.last_verify_ms = read_time(json, "last_verify_ms");
    state.last_drill_ms = read_time(json, "last_drill_ms");
    read_map(json, "gauges", state.gauges);
    read_map(json, "rollbacks", state.rollbacks);
    read_map(json, "restores", state.restores);
    read_map(json, "last_exit", state.last_exit);
    read_map(json, "last_run_ms", state.last_run_ms);
    return state;
}

void update_metrics(FileSystem& fs, const std::string& state_dir, const std::string& textfile, const Event& event,
                    const std::vector<Snapshot>* snapshots) {
    const std::string path = join(state_dir, "metrics-" + event.stack + ".json");
    const std::string lock_path = join(state_dir, "metrics-" + event.stack + ".lock");
    (void)write_new_file(fs, lock_path, {});
    const Lock lock(lock_path, LockMode::exclusive, kLockWaitMs);
    MetricsState state;
    if (fs.exists(path)) state = decode_metrics(text_of(read_file(fs, path, kStateLimitBytes)));
    if (snapshots != nullptr) count_snapshots(state, *snapshots, event.stack);
    count_event(state, event);
    replace_file(fs, path, view_of(encode_metrics(state)));
    write_textfile(fs, textfile, prometheus_text(state, event.stack));
}

}  // namespace ingot
