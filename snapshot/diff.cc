#include "snapshot/diff.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "base/error.h"
#include "base/interrupt.h"
#include "snapshot/listing.h"
#include "store/reader.h"

namespace ingot {
namespace {

// Chunks of the earlier content that are remembered: 64 MiB of digests, a file of 32 GiB. What lies beyond counts as new, so that
// bytes_new is then an upper bound.
constexpr size_t kRememberedChunks = 2'000'000;
// Larger files are no env files: their keys are not compared.
constexpr uint64_t kEnvLimitBytes = 1 << 20;

using Keys = std::map<std::string, std::string>;

class SourceDiff {
public:
    SourceDiff(Repository& repository, Reader& reader, const ManifestSource* before, const ManifestSource* after,
               const ParseEnv& parse_env, const std::function<void(const Difference&)>& each)
        : reader_(reader),
          name_((after != nullptr ? after : before)->name),
          env_((after != nullptr ? after : before)->driver == "env"),
          parse_env_(parse_env),
          each_(each) {
        if (before != nullptr && before->listing) before_.emplace(open_listing(reader, *before->listing, repository.spool_dir()));
        if (after != nullptr && after->listing) after_.emplace(open_listing(reader, *after->listing, repository.spool_dir()));
    }

    void run() {
        std::optional<ListedEntry> old = next(before_), now = next(after_);
        while (old || now) {
            check_interrupted();
            if (!now || (old && listing_less(old->entry.path, now->entry.path))) {
                report(Difference::What::removed, &*old, nullptr);
                old = next(before_);
            } else if (!old || listing_less(now->entry.path, old->entry.path)) {
                report(Difference::What::added, nullptr, &*now);
                now = next(after_);
            } else {
                compare(*old, *now);
                old = next(before_);
                now = next(after_);
            }
        }
    }

private:
    static std::optional<ListedEntry> next(std::optional<ListingReader>& listing) {
        return listing ? listing->next() : std::nullopt;
    }

    void compare(const ListedEntry& old, const ListedEntry& now) {
        const Entry& a = old.entry;
        const Entry& b = now.entry;
        if (a.type != b.type || old.root != now.root || a.link != b.link || a.device_major != b.device_major ||
            a.device_minor != b.device_minor) {
            report(Difference::What::changed, &old, &now);
        } else if (a.mode != b.mode || a.uid != b.uid || a.gid != b.gid || a.mtime_ns != b.mtime_ns || a.xattrs != b.xattrs) {
            report(Difference::What::metadata, &old, &now);
        }
    }

    void report(Difference::What what, const ListedEntry* old, const ListedEntry* now) {
        Difference out{what, name_, (now != nullptr ? now : old)->entry.path, 0, 0, 0, {}};
        if (old != nullptr) out.bytes_before = old->root.size;
        if (now != nullptr) out.bytes_after = now->root.size;
        if (what == Difference::What::added) out.bytes_new = out.bytes_after;
        if (what == Difference::What::changed) out.bytes_new = new_bytes(old->root, now->root);
        if (env_ && what != Difference::What::metadata) out.keys = differing_keys(old, now);
        each_(out);
    }

    uint64_t new_bytes(const StreamRoot& old, const StreamRoot& now) {
        if (old.size == 0 || now.size == 0) return now.size;
        std::vector<Digest> known;
        reader_.walk(ChunkKind::data, old, [&](const Digest& digest, uint64_t) {
            known.push_back(digest);
            return known.size() < kRememberedChunks;
        });
        std::sort(known.begin(), known.end());
        uint64_t bytes = 0;
        reader_.walk(ChunkKind::data, now, [&](const Digest& digest, uint64_t length) {
            if (!std::binary_search(known.begin(), known.end(), digest)) bytes += length;
            return true;
        });
        return bytes;
    }

    std::vector<std::string> differing_keys(const ListedEntry* old, const ListedEntry* now) {
        const Keys before = keys_of(old), after = keys_of(now);
        std::set<std::string> names;
        for (const auto& [key, value] : before) names.insert(key);
        for (const auto& [key, value] : after) names.insert(key);
        std::vector<std::string> out;
        for (const std::string& name : names) {
            const auto a = before.find(name), b = after.find(name);
            if (a == before.end()) {
                out.push_back("+" + name);
            } else if (b == after.end()) {
                out.push_back("-" + name);
            } else if (a->second != b->second) {
                out.push_back("~" + name);
            }
        }
        return out;
    }

    Keys keys_of(const ListedEntry* listed) {
        Keys out;
        if (listed == nullptr || listed->entry.type != EntryType::file || listed->root.size == 0 ||
            listed->root.size > kEnvLimitBytes || !parse_env_) {
            return out;
        }
        for (auto& [key, value] : parse_env_(reader_.to_memory(ChunkKind::data, listed->root, kEnvLimitBytes))) {
            out[std::move(key)] = std::move(value);  // the last one of a name is the one that counts
        }
        return out;
    }

    Reader& reader_;
    std::string name_;
    bool env_;
    const ParseEnv& parse_env_;
    const std::function<void(const Difference&)>& each_;
    std::optional<ListingReader> before_, after_;
};

}  // namespace

void diff_snapshots(Repository& repository, const Snapshot& before, const Snapshot& after, const ParseEnv& parse_env,
                    const std::function<void(const Difference&)>& each) {
    std::set<std::string> names;
    for (const Manifest* manifest : {&before.manifest, &after.manifest}) {
        for (const ManifestSource& source : manifest->sources) names.insert(source.name);
    }
    Reader reader(repository);
    for (const std::string& name : names) {
        const ManifestSource* old = before.manifest.find(name);
        const ManifestSource* now = after.manifest.find(name);
        if (old != nullptr && now != nullptr && old->listing && now->listing && *old->listing == *now->listing) continue;
        SourceDiff(repository, reader, old, now, parse_env, each).run();
    }
}

}  // namespace ingot
