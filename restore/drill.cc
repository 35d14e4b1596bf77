#include "restore/drill.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>

#include "base/clock.h"
#include "base/error.h"
#include "base/interrupt.h"
#include "base/scratch_folder.h"
#include "base/step.h"
#include "restore/drill_source.h"
#include "restore/live_roots.h"
#include "restore/preflight.h"
#include "restore/probe.h"
#include "restore/target.h"
#include "restore/to_folder.h"
#include "snapshot/attest.h"
#include "snapshot/invariants.h"
#include "snapshot/top_k.h"

namespace ingot {
namespace {

class Drill {
public:
    Drill(const Snapshot& snapshot, const Stack& stack, std::string folder, std::string scratch, DrillResult& result)
        : snapshot_(snapshot), stack_(stack), folder_(std::move(folder)), scratch_(std::move(scratch)), result_(result) {}

    void open(const ManifestSource& source, Progress& progress) {
        check_interrupted();
        progress.phase("opening " + source.name, source.bytes);
        result_.attestation.evidence[source.name] = {{"entries", static_cast<int64_t>(source.entries)},
                                                     {"bytes", static_cast<int64_t>(source.bytes)}};
        Driver* driver = find_driver_of(stack_, source.name);
        if (driver == nullptr) {
            result_.problems.push_back(fmt::format("{} is no longer in the config, so nothing can open it", source.name));
            return;
        }
        sources_.emplace_back(stack_, source, *driver, join(folder_, source.name), scratch_, result_).open();
    }

    void check_invariants() {
        for (std::string& broken : broken_in_artifacts(stack_.invariants, result_.attestation.evidence)) {
            result_.problems.push_back(std::move(broken));
        }
        if (stack_.invariants.empty()) return;
        result_.attestation.evidence["invariants that hold"] = invariants_as_evidence(stack_.invariants, snapshot_.manifest);
    }

    void probe() {
        std::vector<std::string> names;
        for (const ManifestSource& source : snapshot_.manifest.sources) names.push_back(source.name);
        const std::map<std::string, std::string> expected = expectations(stack_, snapshot_.manifest, names);
        for (const ProbeSpec& probe : stack_.probes) {
            check_interrupted();
            const auto source = std::ranges::find(sources_, probe.source, &DrillSource::name);
            const auto fact = expected.find(probe.name);
            const bool asked = source != sources_.end() && source->ask(probe, fact == expected.end() ? probe.value : fact->second,
                                                                       find_top_k(snapshot_, probe));
            if (!asked) ++result_.probes_not_asked;
        }
        if (!stack_.probes.empty()) {
            Facts& facts = result_.attestation.evidence["probes"];
            facts["passed"] = static_cast<int64_t>(result_.probes_passed);
            facts["not asked"] = static_cast<int64_t>(result_.probes_not_asked);
        }
    }

    void remove() {
        for (DrillSource& source : sources_) source.remove();
    }

private:
    const Snapshot& snapshot_;
    const Stack& stack_;
    const std::string folder_, scratch_;
    DrillResult& result_;
    std::deque<DrillSource> sources_;
};

// require_apart's other half: nothing live may lie in the folder that is going to be removed.
void require_nothing_live_in(const std::string& folder, const Stack& stack) {
    for (const std::unique_ptr<Driver>& driver : stack.sources) {
        for (const SourceRoot& root : driver->roots()) {
            if (root.live_path.empty() || !is_below(root.live_path, folder)) continue;
            throw Error(
                Code::usage,
                fmt::format("the scratch folder {} holds {}, which is live", printable(folder), printable(root.live_path)),
                "name another folder with --to");
        }
    }
}

}  // namespace

DrillResult drill(Repository& repository, const Snapshot& snapshot, const Stack& stack, FileSystem& fs,
                  const std::string& scratch_parent, Progress& progress) {
    const int64_t started_ns = mono_now_ns();
    require_apart(scratch_parent, stack, "--to");
    const ScratchFolder scratch(fs, scratch_parent);
    require_nothing_live_in(scratch.path(), stack);
    const std::string folder = join(scratch.path(), "stack");
    DrillResult result;
    result.left = sweep_scratch_engines(stack);
    result.attestation.kind = AttestationKind::drilled;
    result.attestation.manifest = snapshot.id;
    result.attestation.host = host_name();
    RestoreOptions options;
    options.to = folder;
    const RestoreResult written = write_to_folder(repository, snapshot, fs, options, progress);
    result.entries = written.added;
    result.bytes = written.bytes_written;
    step("drill.restored");
    Drill steps(snapshot, stack, folder, scratch.path(), result);
    try {
        for (const ManifestSource& source : snapshot.manifest.sources) {
            if (source.listing) steps.open(source, progress);
        }
        steps.check_invariants();
        steps.probe();
    } catch (const Error& error) {
        steps.remove();
        std::string left;
        for (const std::string& line : result.left) left += "; " + line;
        throw Error(error.code(), error.what() + left, error.hint());
    }
    steps.remove();
    result.duration_ms = (mono_now_ns() - started_ns) / 1'000'000;
    result.attestation.evidence["restored"] = {{"entries", static_cast<int64_t>(result.entries)},
                                               {"bytes", static_cast<int64_t>(result.bytes)},
                                               {"duration_ms", result.duration_ms}};
    result.attestation.time_ms = wall_now_ms();
    return result;
}

}  // namespace ingot
