#include "snapshot/take.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/clock.h"
#include "base/error.h"
#include "base/interrupt.h"
#include "base/step.h"
#include "snapshot/application_version.h"
#include "snapshot/attest.h"
#include "snapshot/catalog.h"
#include "snapshot/component_versions.h"
#include "snapshot/invariants.h"
#include "snapshot/source_store.h"

namespace ingot {
namespace {

class Taking {
public:
    Taking(Repository& repository, Stack& stack, const TakeOptions& options, Progress& progress)
        : repository_(repository), stack_(stack), options_(options), progress_(progress) {
        manifest_.started_ms = wall_now_ms();
        runs_.reserve(stack.sources.size());
        for (const std::unique_ptr<Driver>& driver : stack.sources) runs_.emplace_back(*driver);
        earlier_ = load_snapshots(repository, stack.name, [this](const std::string& line) { warn(line); });
        session_ = repository.begin();
    }

    void prepare();
    void pin();
    void read_facts();
    void stream();
    void describe();
    void commit();
    void prove();
    TakeResult take_result();

private:
    std::string application_version();
    void warn(const std::string& line) { result_.warnings.push_back(line); }

    Repository& repository_;
    Stack& stack_;
    const TakeOptions& options_;
    Progress& progress_;
    const int64_t started_ns_ = mono_now_ns();
    std::vector<SourceRun> runs_;
    std::vector<Snapshot> earlier_;
    std::unique_ptr<WriteSession> session_;
    std::unique_ptr<SourceStore> store_;
    std::optional<PauseReport> pause_;
    Manifest manifest_;
    TakeResult result_;
};

void Taking::prepare() {
    progress_.phase("preparing", 0);
    for_each_source(runs_, [](SourceRun& run) {
        run.driver.prepare();
        for (const SourceRoot& root : run.driver.roots()) run.record.roots.push_back(root.listing_path);
    });
    manifest_.application_version = application_version();
    for (const VersionSpec& spec : stack_.compatibility.versions) {
        if (spec.command.empty()) continue;
        try {
            manifest_.versions[spec.name] = live_version(stack_, spec);
        } catch (const Error& error) {
            warn(error.what());
        }
    }
}

void Taking::pin() {
    progress_.phase("pinning", 0);
    pause_ = pin_all(stack_, runs_, options_.wait);
    if (!pause_) return;
    const std::string problem = resume_problem(*pause_, stack_.barrier);
    result_.writers_resumed = problem.empty();
    if (problem.empty()) return;
    warn(problem);
    progress_.note(problem);  // at once: streaming may take hours
}

// After the writers were resumed, so that queries cost them nothing.
void Taking::read_facts() {
    for_each_source(runs_, [this](SourceRun& run) {
        run.record.facts = run.pin->facts();
        run.record.secrets = fingerprints_of(repository_, run.record.name, run.driver.secrets());
    });
    for (const VersionSpec& spec : stack_.compatibility.versions) {
        for (const SourceRun& run : runs_) {
            if (run.record.name != spec.source || run.failed) continue;
            if (const std::string version = pinned_version(spec, run.record.facts); !version.empty())
                manifest_.versions[spec.name] = version;
        }
    }
}

void Taking::stream() {
    store_ = std::make_unique<SourceStore>(repository_, *session_, stack_, earlier_, progress_);
    store_->read_ahead(runs_);
    std::vector<SourceRun*> order;
    for (SourceRun& run : runs_) {
        if (!run.failed) order.push_back(&run);
    }
    std::stable_partition(order.begin(), order.end(), [](const SourceRun* run) { return run->pin->read_first(); });
    for (SourceRun* run : order) {
        check_interrupted();
        const uint64_t before = store_->bytes_new();
        store_->store(*run);
        result_.bytes_new[run->record.name] = store_->bytes_new() - before;
    }
    step("snapshot.streamed");
}

// The manifest, from what the runs found.
void Taking::describe() {
    manifest_.stack = stack_.name;
    manifest_.root = stack_.root;
    manifest_.host = host_name();
    manifest_.ingot_version = INGOT_VERSION;
    manifest_.tags = options_.tags;
    manifest_.consistency = consistency_of(runs_, pause_);  // I4
    manifest_.skew_ms = skew_ms_of(runs_);
    if (pause_) manifest_.pause_ms = pause_->pause_ms;
    manifest_.moment_ms = manifest_.started_ms;
    for (SourceRun& run : runs_) {
        if (!run.failed) manifest_.moment_ms = std::max(manifest_.moment_ms, run.moment.last.wall_ms);
        run.record.moment_first_ms = run.failed ? manifest_.started_ms : run.moment.first.wall_ms;
        run.record.moment_last_ms = run.failed ? manifest_.started_ms : run.moment.last.wall_ms;
        manifest_.chunks += run.chunks;
        manifest_.sources.push_back(run.record);
    }
    result_.broken_invariants = broken_invariants(stack_.invariants, manifest_);
    manifest_.bytes_read = store_->bytes_read();
    manifest_.chunks_new = store_->chunks_new();
    manifest_.bytes_new = store_->bytes_new();
    manifest_.finished_ms = wall_now_ms();
}

void Taking::commit() {
    progress_.phase("committing", 0);
    result_.id = session_->add_record(RecordKind::manifest, encode_manifest(manifest_));
    session_->commit();  // I1, I6
    step("snapshot.committed");
    store_->publish_caches();
    result_.totals = session_->totals();
    session_.reset();
}

// The snapshot is stored by now: what goes wrong here keeps it from being golden, and nothing else.
void Taking::prove() {
    const Snapshot snapshot{result_.id, manifest_, {}};
    try {
        GoldenVerdict verdict = prove_golden(repository_, snapshot, stack_, {}, progress_);
        result_.verified = std::move(verdict.verified);
        for (const std::string& reason : verdict.reasons)
            result_.why_not_golden += (result_.why_not_golden.empty() ? "" : "; ") + reason;
        if (!verdict.golden) return;
        file_attestation(repository_, verdict.attestation);
        step("snapshot.attested");
        result_.golden = true;
    } catch (const Error& error) {
        if (error.code() == Code::interrupted) {
            throw Error(Code::interrupted, fmt::format("interrupted; snapshot {} is stored, but not golden", snapshot.short_id()),
                        "make it golden: ingot promote " + snapshot.short_id());
        }
        result_.why_not_golden = error.what();
    }
}

TakeResult Taking::take_result() {
    result_.manifest = std::move(manifest_);
    result_.duration_ms = (mono_now_ns() - started_ns_) / 1'000'000;
    return std::move(result_);
}

std::string Taking::application_version() {
    try {
        return ingot::application_version(stack_);
    } catch (const Error& error) {
        warn(error.what());
        return {};
    }
}

}  // namespace

TakeResult take_snapshot(Repository& repository, Stack& stack, const TakeOptions& options, Progress& progress) {
    Taking taking(repository, stack, options, progress);
    taking.prepare();
    taking.pin();  // within a pause of the writers, where one is configured
    taking.read_facts();
    taking.stream();
    taking.describe();
    taking.commit();
    if (options.golden) taking.prove();
    return taking.take_result();
}

}  // namespace ingot
