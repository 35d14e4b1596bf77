// `ingot check`: the structure of a whole repository, without reading the contents of packs.
#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/interrupt.h"
#include "store/index_mend.h"
#include "store/pack_reader.h"
#include "store/record.h"
#include "store/repository.h"

namespace ingot {
namespace {

using Weight = Finding::Weight;

class Checker {
public:
    Checker(RepositoryCore& core, bool read_directories, bool repair, Progress& progress)
        : core_(core), read_directories_(read_directories), repair_(repair), progress_(progress) {}

    std::vector<Finding> run() {
        check_copies("config", "config.copy");
        check_keys();
        check_heads();
        check_records();
        check_packs();
        check_index();
        check_strangers();
        return std::move(findings_);
    }

private:
    void found(Weight weight, std::string where, std::string what) {
        findings_.push_back({weight, std::move(where), std::move(what)});
    }

    std::optional<Bytes> read(const std::string& name) {
        try {
            return core_.blobs->get(name, kRecordLimitBytes);
        } catch (const Error& error) {
            if (error.code() != Code::not_found && error.code() != Code::damaged) throw;
            return std::nullopt;
        }
    }

    // Two copies of the same bytes: a bad one is harmless while the other is good, and is mended from it.
    void check_copies(const std::string& first, const std::string& second) {
        const auto good = [&](const std::string& name) {
            const auto file = read(name);
            if (!file) return false;
            try {
                decode_config(*file);
                return true;
            } catch (const Error& error) {
                ignore_error(error, "named below");
                return false;
            }
        };
        for (const auto& [name, other] : {std::pair(first, second), std::pair(second, first)}) {
            if (!good(name)) mend_copy(name, other);
        }
    }

    void mend_copy(const std::string& bad, const std::string& good) {
        found(Weight::note, bad,
              "damaged or missing; " + good + " is used in its place" + (repair_ ? "; mended" : " (mend it with --repair)"));
        if (!repair_) return;
        const Bytes bytes = core_.blobs->get(good, kRecordLimitBytes);
        if (core_.blobs->size_of(bad)) core_.blobs->remove(bad);
        core_.blobs->put_new(bad, bytes);
        // Our lock lies on the config that is gone now; nobody else's may lie on the new one.
        if (bad == "config") core_.mended_lock = std::make_unique<Lock>(join(core_.path, bad), core_.lock->mode(), 0);
    }

    void check_keys() {
        size_t usable = 0;
        for (const KeySlot& slot : list_slots(*core_.blobs)) {
            if (slot.kind.empty()) {
                found(Weight::damage, "keys/" + slot.name, "no copy can be read: " + slot.problem);
                continue;
            }
            ++usable;
            if (slot.problem.empty()) continue;
            const std::string a = "keys/" + slot.name + ".a", b = "keys/" + slot.name + ".b";
            const bool a_is_bad = slot.problem.find(a) != std::string::npos;
            mend_copy(a_is_bad ? a : b, a_is_bad ? b : a);
        }
        if (core_.config.sealed && usable == 0) found(Weight::damage, "keys", "no key slot can be read");
    }

    void check_heads() {
        for (const std::string& problem : core_.heads.problems) found(Weight::damage, "heads", problem);
    }

    void check_records() {
        progress_.phase("checking records", 0);
        std::set<RecordName> there;
        core_.blobs->list("records", [&](const std::string& path, uint64_t) {
            if (const auto name = record_from_path(path)) there.insert(*name);
        });
        for (const RecordName& name : there) {
            check_interrupted();
            const std::string path = record_path(name);
            const bool live = core_.live.contains(name);
            try {
                decode_record(name, core_.blobs->get(path, kRecordLimitBytes), core_.keys, core_.config.id);
                if (!live) found(Weight::note, path, "no head names it: a command was interrupted before it was acknowledged");
            } catch (const Error& error) {
                if (error.code() != Code::damaged) throw;
                if (live)
                    mend_record(name, error.what());
                else
                    found(Weight::note, path, "damaged, but no head names it");
            }
        }
        for (const RecordName& name : core_.live) {
            if (!there.contains(name)) mend_record(name, "it is missing");
        }
    }

    // The catalog holds a copy of each record's file.
    void mend_record(const RecordName& name, const std::string& what) {
        const std::string path = record_path(name);
        std::optional<Bytes> copy = core_.index->record(name);
        try {
            if (copy) decode_record(name, *copy, core_.keys, core_.config.id);
        } catch (const Error& error) {
            ignore_error(error, "a copy that is damaged too is no copy");
            copy.reset();
        }
        found(Weight::damage, path,
              what + (!copy     ? ""
                      : repair_ ? "; mended from the catalog"
                                : "; the catalog has a good copy (mend it with --repair)"));
        if (!repair_ || !copy) return;
        if (core_.blobs->size_of(path)) core_.blobs->remove(path);
        core_.blobs->put_new(path, *copy);
    }

    void check_packs() {
        const auto listed = list_packs(*core_.blobs);
        uint64_t total = 0;
        for (const auto& [number, pack] : listed) total += pack.size;
        progress_.phase("checking packs", total);
        for (const auto& [number, pack] : listed) {
            check_interrupted();
            progress_.advance(pack.size);
            if (!read_directories_ && core_.index->packs().contains(number)) continue;
            try {
                const PackReader reader(*core_.blobs, core_.keys, core_.config.id, pack.id);
                if (!core_.index->packs().contains(number)) found(Weight::note, pack_name(pack.id), "not in the index yet");
            } catch (const Error& error) {
                if (error.code() != Code::damaged && error.code() != Code::not_found) throw;
                found(Weight::damage, pack_name(pack.id), error.what());
            }
        }
        for (const auto& [number, pack] : core_.index->packs()) {
            const auto it = listed.find(number);
            if (it == listed.end())
                found(Weight::damage, pack_name(pack.id), "it is missing");
            else if (it->second.size != pack.size)
                found(Weight::damage, pack_name(pack.id),
                      fmt::format("{} bytes where {} were written", it->second.size, pack.size));
        }
    }

    // Each chunk of a pack's directory is found where the directory says, or in another live pack.
    void check_index() {
        if (!read_directories_) return;
        progress_.phase("checking the index", 0);
        uint64_t wrong = 0;
        for (const auto& [number, pack] : core_.index->packs()) {
            check_interrupted();
            try {
                const PackReader reader(*core_.blobs, core_.keys, core_.config.id, pack.id);
                wrong += missing_chunks(reader);
            } catch (const IndexDamaged&) {
                throw;
            } catch (const Error& error) {
                ignore_error(error, "named by check_packs");
            }
        }
        if (wrong == 0) return;
        found(Weight::note, "index",
              fmt::format("{} chunks are not where it says{}", wrong,
                          repair_ ? "; it was rebuilt" : " (mend it with --rebuild-index)"));
        if (repair_) rebuild_index(core_);
    }

    uint64_t missing_chunks(const PackReader& reader) {
        uint64_t wrong = 0;
        std::vector<ChunkId> ids;
        for (size_t s = 0; s < reader.segments().size(); ++s) {
            ids.clear();
            for (const ChunkEntry& chunk : reader.segments()[s].chunks) ids.push_back(chunk.id);
            std::vector<std::optional<Location>> at(ids.size());
            core_.lookup(ids, at);
            uint32_t offset = 0;
            for (size_t i = 0; i < ids.size(); ++i) {
                const uint32_t length = reader.segments()[s].chunks[i].length;
                const bool here = at[i] && at[i]->pack == number_of(reader.id());
                if (!at[i] || at[i]->length != length || (here && (at[i]->segment != s || at[i]->offset != offset))) ++wrong;
                offset += length;
            }
        }
        return wrong;
    }

    // Files that are none of the format's.
    void check_strangers() {
        for (const char* folder : {"packs", "records", "heads", "keys"}) {
            core_.blobs->list(folder, [&](const std::string& name, uint64_t) {
                const bool known = pack_id_from_name(name) || record_from_path(name) || name.starts_with("heads/") ||
                                   (name.starts_with("keys/") && (name.ends_with(".a") || name.ends_with(".b")));
                if (!known) found(Weight::note, printable(name), "not a file of a repository; it is ignored");
            });
        }
    }

    RepositoryCore& core_;
    bool read_directories_;
    bool repair_;
    Progress& progress_;
    std::vector<Finding> findings_;
};

}  // namespace

std::vector<Finding> check_repository(Repository& repository, bool read_directories, bool repair, Progress& progress) {
    return Checker(repository.core(), read_directories, repair, progress).run();
}

}  // namespace ingot
