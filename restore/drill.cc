#include "restore/drill.h"

#include <fmt/format.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/interrupt.h"
#include "base/scratch_folder.h"
#include "base/step.h"
#include "restore/live_roots.h"
#include "restore/preflight.h"
#include "restore/probe.h"
#include "restore/target.h"
#include "restore/to_folder.h"
#include "snapshot/attest.h"
#include "snapshot/invariants.h"
#include "snapshot/materialise.h"

namespace ingot {
namespace {

std::string fact_as_text(const Fact& fact) {
    if (const auto* integer = std::get_if<int64_t>(&fact)) return std::to_string(*integer);
    if (const auto* number = std::get_if<double>(&fact)) return fmt::format("{}", *number);
    return printable(std::get<std::string>(fact));
}

class Drill {
public:
    Drill(const Snapshot& snapshot, const Stack& stack, std::string folder, DrillResult& result)
        : snapshot_(snapshot), stack_(stack), folder_(std::move(folder)), result_(result) {}

    void open(const ManifestSource& source, Progress& progress) {
        check_interrupted();
        progress.phase("opening " + source.name, source.bytes);
        Facts& facts = result_.attestation.evidence[source.name];
        facts = {{"entries", static_cast<int64_t>(source.entries)}, {"bytes", static_cast<int64_t>(source.bytes)}};
        Driver* driver = find_driver_of(stack_, source.name);
        if (driver == nullptr) {
            result_.problems.push_back(fmt::format("{} is no longer in the config, so nothing can open it", source.name));
            return;
        }
        try {
            for (auto& [name, fact] : driver->open_artifact(join(folder_, source.name))) facts[name] = std::move(fact);
        } catch (const Error& error) {
            if (error.code() == Code::interrupted) throw;
            auto& list = error.code() == Code::damaged ? result_.damaged : result_.problems;
            list.push_back(fmt::format("{} cannot be opened: {}", source.name, error.what()));
        }
        step("drill.opened");
    }

    void check_invariants() {
        for (std::string& broken : broken_in_artifacts(stack_.invariants, result_.attestation.evidence)) {
            result_.problems.push_back(std::move(broken));
        }
        if (stack_.invariants.empty()) return;
        result_.attestation.evidence["invariants that hold"] = invariants_as_evidence(stack_.invariants, snapshot_.manifest);
    }

    void probe() {
        std::vector<std::string> sources;
        for (const ManifestSource& source : snapshot_.manifest.sources) sources.push_back(source.name);
        const std::map<std::string, std::string> expected = expectations(stack_, snapshot_.manifest, sources);
        for (const ProbeSpec& probe : stack_.probes) {
            check_interrupted();
            const std::unique_ptr<Driver> restored = restored_driver(probe);
            if (restored == nullptr) {
                ++result_.probes_not_asked;
                continue;
            }
            const auto fact = expected.find(probe.name);
            ask(probe, *restored, fact == expected.end() ? probe.value : fact->second);
        }
        if (!stack_.probes.empty()) {
            Facts& facts = result_.attestation.evidence["probes"];
            facts["passed"] = static_cast<int64_t>(result_.probes_passed);
            facts["not asked"] = static_cast<int64_t>(result_.probes_not_asked);
        }
    }

private:
    // A driver of the restored file; null where the probe asks something else, or an engine that is no file.
    std::unique_ptr<Driver> restored_driver(const ProbeSpec& probe) const {
        if (probe.kind != ProbeSpec::Kind::sql || !stack_.make_driver) return nullptr;
        const Driver* live = find_driver_of(stack_, probe.source);
        if (live == nullptr || snapshot_.manifest.find(probe.source) == nullptr) return nullptr;
        const std::vector<SourceRoot> roots = live->roots();
        if (roots.size() != 1 || roots[0].live_path.empty()) return nullptr;
        SourceSpec spec = live->spec();
        spec.paths = {join(join(folder_, probe.source), path_below(roots[0].listing_path))};
        return stack_.make_driver(std::move(spec));
    }

    void ask(const ProbeSpec& probe, Driver& restored, const std::string& wanted) {
        try {
            const std::string found = fact_as_text(restored.ask_live(probe.target));
            if (value_matches(wanted, found, probe.tolerance)) {
                ++result_.probes_passed;
                return;
            }
            result_.problems.push_back(fmt::format("the probe {} found {} and not {} in the restored {}", printable(probe.name),
                                                   printable(found), printable(wanted), probe.source));
        } catch (const Error& error) {
            if (error.code() == Code::interrupted) throw;
            result_.problems.push_back(
                fmt::format("the probe {} of the restored {}: {}", printable(probe.name), probe.source, error.what()));
        }
    }

    const Snapshot& snapshot_;
    const Stack& stack_;
    const std::string folder_;
    DrillResult& result_;
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
    result.attestation.kind = AttestationKind::drilled;
    result.attestation.manifest = snapshot.id;
    result.attestation.host = host_name();
    RestoreOptions options;
    options.to = folder;
    const RestoreResult written = write_to_folder(repository, snapshot, fs, options, progress);
    result.entries = written.added;
    result.bytes = written.bytes_written;
    step("drill.restored");
    Drill steps(snapshot, stack, folder, result);
    for (const ManifestSource& source : snapshot.manifest.sources) {
        if (source.listing) steps.open(source, progress);
    }
    steps.check_invariants();
    steps.probe();
    result.duration_ms = (mono_now_ns() - started_ns) / 1'000'000;
    result.attestation.evidence["restored"] = {{"entries", static_cast<int64_t>(result.entries)},
                                               {"bytes", static_cast<int64_t>(result.bytes)},
                                               {"duration_ms", result.duration_ms}};
    result.attestation.time_ms = wall_now_ms();
    return result;
}

}  // namespace ingot
