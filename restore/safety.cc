#include "restore/safety.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/clock.h"
#include "base/error.h"
#include "base/interrupt.h"
#include "base/scratch_folder.h"
#include "base/step.h"
#include "restore/old_pin.h"
#include "restore/target.h"
#include "restore/tree_target.h"
#include "snapshot/attest.h"
#include "snapshot/component_versions.h"
#include "snapshot/source_feed.h"
#include "store/reader.h"

namespace ingot {
namespace {

class Safety {
public:
    Safety(Repository& repository, const Stack& stack, FileSystem& fs, const Journal& journal, Progress& progress)
        : repository_(repository),
          stack_(stack),
          fs_(fs),
          journal_(journal),
          progress_(progress),
          restored_(decode_manifest(repository.read_record({RecordKind::manifest, journal.snapshot}))) {}

    SafetyResult take() {
        if ((result_.id = earlier())) return std::move(result_);
        describe();
        session_ = repository_.begin();
        for (const JournalTarget& target : journal_.targets) {
            check_interrupted();
            progress_.phase("storing the old state of " + target.source, 0);
            target.engine ? store_engine(target) : store_tree(target);
        }
        if (manifest_.sources.empty()) return std::move(result_);
        commit();
        return std::move(result_);
    }

private:
    // Of a run that was killed after its commit.
    std::optional<RecordId> earlier() {
        for (const Snapshot& each : load_snapshots(repository_, stack_.name, {})) {
            if (std::ranges::count(each.manifest.tags, safety_tag(journal_.restore_id)) != 0) return each.id;
        }
        return std::nullopt;
    }

    void describe() {
        manifest_.stack = stack_.name;
        manifest_.root = stack_.root;
        manifest_.host = host_name();
        manifest_.ingot_version = INGOT_VERSION;
        manifest_.application_version = journal_.services.version_before;
        manifest_.tags = {kSafetyTag, safety_tag(journal_.restore_id)};
        manifest_.started_ms = wall_now_ms();
        manifest_.consistency = Consistency::pinned;
        // Each source is as it was when its own swap began, somewhere within this step.
        manifest_.moment_ms = journal_.started_ms;
        for (const RestoreStep& each : journal_.steps) {
            if (each.name != "swap" || each.failed) continue;
            manifest_.moment_ms = each.at_ms + each.ms;
            manifest_.skew_ms = each.ms;
        }
    }

    void store_tree(const JournalTarget& target) {
        const ManifestSource* source = restored_.find(target.source);
        Driver* driver = find_driver_of(stack_, target.source);
        if (source == nullptr || !source->listing || driver == nullptr) {
            throw Error(Code::failed, fmt::format("source {} ({}) is no longer in the config", target.source, target.driver),
                        "put the source back into the config");
        }
        const auto tree = [&] {
            Reader reader(repository_);
            auto listing = std::make_shared<ListingReader>(open_listing(reader, *source->listing, repository_.spool_dir()));
            return OldTree(
                fs_, target, [listing] { return listing->next(); },
                LeftAlone([driver](const std::string& path) { return driver->excluded(path); },
                          belongs_to_others(stack_, *driver)));
        };
        // A first walk notes what is stored already; a second one stores the rest.
        const ScratchFolder scratch(fs_, repository_.spool_dir());
        const std::string cache_path = join(scratch.path(), "known");
        FilesCacheWriter known(fs_, cache_path, repository_.generation());
        OldTree first = tree();
        while (const std::optional<OldEntry> entry = first.next()) {
            if (entry->aside || entry->listed.entry.type != EntryType::file) continue;
            known.add({entry->listed.entry.path, known_fingerprint(), entry->listed.root, entry->listed.sha256, 0});
        }
        known.finish();
        known.publish();
        OldTree second = tree();
        OldTreePin pin(fs_, second);
        ManifestSource record = record_of(target);
        std::erase_if(record.roots, [&](const std::string& root) { return std::ranges::count(source->roots, root) == 0; });
        store(pin, cache_path, record);
    }

    void store_engine(const JournalTarget& target) {
        Driver* driver = find_driver_of(stack_, target.source);
        const std::unique_ptr<EngineTarget> engine =
            driver == nullptr ? nullptr : driver->engine_target(engine_spec(fs_, target));
        if (engine == nullptr) {
            throw Error(Code::failed, fmt::format("source {} ({}) is no longer in the config", target.source, target.driver),
                        "put the source back into the config");
        }
        if (const std::optional<SourceSpec> old = engine->old_state()) {
            try {
                return store_by_driver(target, *old);
            } catch (const Error& error) {
                const std::string place = engine->old_place();
                if (store_raw(target, *engine, error)) return;
                throw error.within(fmt::format("the old {}{}{}", target.source, place.empty() ? "" : ", which is ", place));
            }
        }
        const std::vector<ReplacedFile> files = engine->replaced();
        if (files.empty()) {
            result_.notes.push_back(fmt::format("{} had no old state that could be stored", target.source));
            return;
        }
        store_files(target, *driver, files, engine->old_place());
    }

    // As the engine keeps it, where that is why it could not be read. False: it is not, or its bytes cannot be had either.
    bool store_raw(const JournalTarget& target, EngineTarget& engine, const Error& unreadable) {
        if (unreadable.code() != Code::source && unreadable.code() != Code::damaged) return false;
        ManifestSource record = record_of(target);
        try {
            record.roots = {target.source + ".files"};
            const std::unique_ptr<Pin> raw = engine.raw_old_state(record.roots.front());
            if (!raw) return false;
            record.facts[kRawFact] = std::string(unreadable.what());
            store(*raw, "", record);
        } catch (const Error& error) {
            if (error.code() == Code::interrupted) throw;
            ignore_error(error, "why it could not be read is told, and it stays where it is");
            return false;
        }
        result_.notes.push_back(raw_note(target, unreadable));
        return true;
    }

    static std::string raw_note(const JournalTarget& target, const Error& why) {
        return fmt::format(
            "the old {0} does not open ({1}): it is stored as raw bytes, which `ingot restore ID --only {0} --to DIR` gives back",
            target.source, why.what());
    }

    // Through the engine where it opens the copied file as a source of its own, else as the bytes they are.
    // Files that an engine exported are what a snapshot of it holds; `own_files` names those that it kept for itself.
    void store_files(const JournalTarget& target, const Driver& driver, const std::vector<ReplacedFile>& files,
                     const std::string& own_files) {
        ManifestSource record = record_of(target);
        const bool is_a_file = target.roots.size() == 1 && !target.roots[0].live_path.empty() &&
                               files[0].listing_path == target.roots[0].listing_path;
        if (is_a_file && stack_.make_driver) {
            SourceSpec spec = driver.spec();
            spec.paths = {files[0].path};
            try {
                return store_by_driver(target, spec);
            } catch (const Error& error) {
                if (error.code() != Code::source && error.code() != Code::damaged) throw;
                result_.notes.push_back(raw_note(target, error));
                record.facts[kRawFact] = std::string(error.what());
            }
        }
        if (!own_files.empty() && !record.facts.contains(kRawFact)) {
            result_.notes.push_back(fmt::format(
                "the old {} is kept as the files that its engine had: `ingot restore ID --only {} --to DIR` gives them back",
                target.source, target.source));
            record.facts[kRawFact] = own_files;
        }
        RawFilesPin pin(fs_, files, own_files.empty() || record.roots.empty() ? std::string() : record.roots.front());
        store(pin, "", record);
    }

    void store_by_driver(const JournalTarget& target, const SourceSpec& spec) {
        if (!stack_.make_driver) throw Error(Code::failed, "no driver can be made for the old state of " + target.source);
        const std::unique_ptr<Driver> old = stack_.make_driver(spec);
        old->prepare();
        const std::vector<SourceRoot> from = old->roots();
        RenamedPin pin(old->pin(), from, target.roots);
        ManifestSource record = record_of(target);
        try {
            record.facts = pin.facts();
        } catch (const Error& error) {
            // A table that is gone may be why it was restored.
            record.notes.push_back(fmt::format("its facts could not be read: {}", error.what()));
        }
        store(pin, "", record);
    }

    ManifestSource record_of(const JournalTarget& target) const {
        ManifestSource record;
        record.name = target.source;
        record.driver = target.driver;
        for (const SourceRoot& root : target.roots) record.roots.push_back(root.listing_path);
        record.moment_first_ms = manifest_.moment_ms - manifest_.skew_ms;
        record.moment_last_ms = manifest_.moment_ms;
        return record;
    }

    void store(Pin& pin, const std::string& cache_path, ManifestSource record) {
        FilesCacheReader cache(fs_, cache_path, repository_.generation());
        SourceFeed feed(pin, cache, {stack_.tries, 0, repository_.spool_dir()}, progress_);
        session_->put(ChunkKind::data, feed, progress_);
        const Spool listing = feed.finish(nullptr, record.roots);
        if (const std::optional<Error> failure = feed.failure()) throw *failure;
        SpoolFeed listing_feed(listing);
        SilentProgress silent;
        session_->put(ChunkKind::meta, listing_feed, silent);
        record.listing = listing_feed.root();
        record.entries = feed.counts().entries;
        record.streams = feed.counts().streams;
        record.bytes = feed.counts().bytes;
        record.consistency = pin.consistency();
        for (const std::string& note : pin.notes()) record.notes.push_back(note);
        if (record.consistency == PinConsistency::fuzzy) manifest_.consistency = Consistency::fuzzy;
        for (const VersionSpec& spec : stack_.compatibility.versions) {
            if (spec.source != record.name) continue;
            if (const std::string version = pinned_version(spec, record.facts); !version.empty())
                manifest_.versions[spec.name] = version;
        }
        manifest_.sources.push_back(std::move(record));
    }

    void commit() {
        const SessionTotals& totals = session_->totals();
        manifest_.bytes_read = totals.bytes_read;
        manifest_.chunks = totals.chunks;
        manifest_.chunks_new = totals.chunks_new;
        manifest_.bytes_new = result_.bytes_new = totals.bytes_new;
        manifest_.finished_ms = wall_now_ms();
        const RecordId id = session_->add_record(RecordKind::manifest, encode_manifest(manifest_));
        session_->commit();  // I1, I6
        step("safety.committed");
        result_.id = id;
    }

    Repository& repository_;
    const Stack& stack_;
    FileSystem& fs_;
    const Journal& journal_;
    Progress& progress_;
    const Manifest restored_;
    std::unique_ptr<WriteSession> session_;
    Manifest manifest_;
    SafetyResult result_;
};

}  // namespace

std::string safety_tag(const std::string& restore_id) { return "restore-" + restore_id; }

SafetyResult take_safety_snapshot(Repository& repository, const Stack& stack, FileSystem& fs, const Journal& journal,
                                  Progress& progress) {
    return Safety(repository, stack, fs, journal, progress).take();
}

}  // namespace ingot
