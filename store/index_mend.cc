#include "store/index_mend.h"

#include <fmt/format.h>

#include "base/interrupt.h"
#include "store/pack_reader.h"

namespace ingot {
namespace {

std::string own_folder(const RepositoryCore& core) { return join(core.path, "index"); }

struct Difference {
    std::vector<ListedPack> unknown;
    std::vector<PackNumber> vanished;
};

Difference compare(const Index& index, BlobStore& blobs) {
    Difference difference;
    auto listed = list_packs(blobs);
    for (const auto& [number, pack] : index.packs()) {
        const auto it = listed.find(number);
        if (it == listed.end() || it->second.id != pack.id || it->second.size != pack.size) difference.vanished.push_back(number);
    }
    for (const auto& [number, pack] : listed) {
        if (!index.packs().contains(number)) difference.unknown.push_back(pack);
    }
    return difference;
}

void read_in(RepositoryCore& core, Index& index, const std::vector<ListedPack>& packs) {
    std::vector<PackContents> gathered;
    size_t chunks = 0;
    const auto add_gathered = [&] {
        index.add_packs(gathered);
        gathered.clear();
        chunks = 0;
    };
    for (const ListedPack& pack : packs) {
        check_interrupted();
        try {
            const PackReader reader(*core.blobs, core.keys, core.config.id, pack.id);
            IndexedPack entry{pack.id, reader.kind(), reader.size(), 0, 0};
            for (const SegmentEntry& segment : reader.segments()) entry.chunks += static_cast<uint32_t>(segment.chunks.size());
            chunks += entry.chunks;
            gathered.push_back({entry, reader.segments()});
        } catch (const IndexDamaged&) {
            throw;
        } catch (const Error& error) {
            if (error.code() != Code::damaged && error.code() != Code::not_found) throw;
            if (core.warn) core.warn(fmt::format("{}: its chunks are taken as lost", error.what()));
        }
        if (chunks >= Index::kChunksAtOnce) add_gathered();
    }
    add_gathered();
    if (!packs.empty()) index.flush();
}

// A new index of all packs there are, in `folder`.
std::unique_ptr<Index> build(RepositoryCore& core, const std::string& folder) {
    try {
        std::unique_ptr<Index> index = Index::create(folder, core.config.id);
        read_in(core, *index, compare(*index, *core.blobs).unknown);
        return index;
    } catch (const IndexDamaged& error) {
        // What was written a moment ago is not there: that is no damage that another rebuild would mend.
        throw Error(Code::failed, fmt::format("making a new index: {}", error.what()),
                    "the repository's file system may be failing: look into the kernel's log, then run the command again");
    }
}

// The repository's own index, written to. Under LockMode::append or exclusive.
std::unique_ptr<Index> mend(RepositoryCore& core) {
    const std::string folder = own_folder(core);
    if (core.fs.exists(folder)) {
        try {
            auto index = std::make_unique<Index>(folder, IndexMode::read_write, core.config.id);
            const Difference difference = compare(*index, *core.blobs);
            if (difference.vanished.empty()) {
                read_in(core, *index, difference.unknown);
                return index;
            }
            // A chunk that a vanished pack held may lie in another pack too; only the directories know.
            if (core.warn)
                core.warn(
                    fmt::format("{} packs that the index knew are gone or changed: it is rebuilt", difference.vanished.size()));
        } catch (const IndexDamaged& error) {
            if (core.warn) core.warn(fmt::format("{}: the index is rebuilt from the packs", error.what()));
        }
        remove_tree(core.fs, folder);
    }
    return build(core, folder);
}

std::unique_ptr<Index> temporary(RepositoryCore& core) {
    core.temporary_index = std::make_unique<ScratchFolder>(core.fs, core.spool_dir);
    if (core.warn) core.warn("the index cannot be mended now: one for this command alone is made");
    return build(core, join(core.temporary_index->path(), "index"));
}

// Mends under the append lock if nobody else is adding. False: somebody is, or the repository cannot be written to.
bool mend_beside_readers(RepositoryCore& core) {
    try {
        const Lock append(join(core.path, "config"), LockMode::append, 0);
        mend(core);
        return true;
    } catch (const IndexDamaged&) {
        throw;
    } catch (const Error& error) {
        if (error.code() != Code::locked && error.code() != Code::failed && error.code() != Code::not_found) throw;
        ignore_error(error, "a reader can do without: it hides what vanished, or makes an index of its own");
        return false;
    }
}

std::unique_ptr<Index> for_reading(RepositoryCore& core) {
    const auto open = [&] { return std::make_unique<Index>(own_folder(core), IndexMode::read_only, core.config.id); };
    std::unique_ptr<Index> index;
    Difference difference;
    try {
        index = open();
        difference = compare(*index, *core.blobs);
        if (difference.unknown.empty() && difference.vanished.empty()) return index;
    } catch (const IndexDamaged& error) {
        ignore_error(error, "mended below, or replaced by a temporary one");
        index.reset();
    }
    const bool usable = index != nullptr;
    index.reset();
    if (mend_beside_readers(core)) return open();
    if (!usable) return temporary(core);
    // Somebody is adding. What they add is not acknowledged yet, so nothing that is read now needs it.
    index = open();
    for (const PackNumber number : compare(*index, *core.blobs).vanished) index->hide_pack(number);
    return index;
}

}  // namespace

std::unordered_map<PackNumber, ListedPack> list_packs(BlobStore& blobs) {
    std::unordered_map<PackNumber, ListedPack> packs;
    blobs.list("packs", [&](const std::string& name, uint64_t size) {
        if (const auto id = pack_id_from_name(name)) packs.insert_or_assign(number_of(*id), ListedPack{*id, size});
    });
    return packs;
}

void open_index(RepositoryCore& core) { core.index = core.writable() ? mend(core) : for_reading(core); }

void rebuild_index(RepositoryCore& core) {
    const std::lock_guard lock(core.index_mutex);
    close_index(core);
    if (core.writable()) {
        remove_tree(core.fs, own_folder(core));
        core.index = build(core, own_folder(core));
    } else {
        core.index = temporary(core);
    }
}

void close_index(RepositoryCore& core) {
    core.index.reset();
    core.temporary_index.reset();
}

const IndexedPack& RepositoryCore::pack_of(PackNumber number) const {
    const auto found = index->packs().find(number);
    if (found == index->packs().end()) throw Error(Code::damaged, "a pack went while it was needed");
    return found->second;
}

void RepositoryCore::lookup(std::span<const ChunkId> ids, std::span<std::optional<Location>> out) {
    try {
        index->lookup(ids, out);
    } catch (const IndexDamaged& error) {
        if (warn) warn(fmt::format("{}: the index is rebuilt from the packs", error.what()));
        rebuild_index(*this);
        index->lookup(ids, out);
    }
}

}  // namespace ingot
