#include "drivers/qdrant_pin.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <set>
#include <thread>

#include "base/error.h"
#include "base/interrupt.h"
#include "drivers/qdrant_download.h"

namespace ingot {
namespace {

// What is in the database is nobody else's.
constexpr uint32_t kFolderMode = 0700, kFileMode = 0600;
constexpr std::chrono::milliseconds kQueueTick{5};
constexpr size_t kRestoreIdDigits = 16;

class ArchiveStream : public Stream {
public:
    ArchiveStream(TarBytes bytes, std::vector<Section> sections) : bytes_(std::move(bytes)), sections_(std::move(sections)) {}

    std::optional<Section> next_section() override {
        if (next_ == sections_.size()) return std::nullopt;
        left_ = sections_[next_].length_bytes;
        return sections_[next_++];
    }
    size_t read(std::span<uint8_t> out) override {
        const auto wanted = static_cast<size_t>(std::min<uint64_t>(out.size(), left_));
        const size_t n = wanted == 0 ? 0 : bytes_(offset_, out.first(wanted));
        offset_ += n;
        left_ -= n;
        return n;
    }

private:
    TarBytes bytes_;
    std::vector<Section> sections_;
    size_t next_ = 0;
    uint64_t offset_ = 0, left_ = 0;
};

// Servers before 1.19 leave updates that were accepted and not yet applied out of a shard's stream.
void drain(QdrantApi& api, const QdrantSettings& settings, const std::string& collection) {
    const int64_t until_ns = mono_now_ns() + settings.timeout_ms * 1'000'000;
    for (;;) {
        const auto info = api.info(collection);
        if (!info || !info->queued_updates) return api.drain_updates(collection);
        if (*info->queued_updates == 0) return;
        if (mono_now_ns() >= until_ns) {
            throw Error(Code::source,
                        fmt::format("{}: {} updates of {} are still queued", settings.source, *info->queued_updates,
                                    printable(collection)),
                        "pause the writers ([barrier] in the config), or take the snapshot when they are quiet");
        }
        check_interrupted();
        std::this_thread::sleep_for(kQueueTick);
    }
}

class QdrantPin : public Pin {
public:
    QdrantPin(const QdrantSettings& settings, const SourceSpec& spec) : settings_(settings), spec_(spec) {
        QdrantApi api(settings, Code::source);
        record_ = find_qdrant_collections(api, settings, Code::source);
        const bool streams = qdrant_streams(settings, record_.version);
        if (streams && !qdrant_at_least(record_.version, 1, 19)) {
            for (const QdrantCollection& of : record_.collections) drain(api, settings, of.real_name);
        }
        const std::vector<uint64_t> before = counts(api);
        for (const auto& [name, text] : settings.facts) {
            const auto [collection, filter] = qdrant_fact(text);
            facts_[name] = static_cast<int64_t>(api.count(collection, filter));
        }
        moment_.first = now();
        for (QdrantCollection& of : record_.collections) {
            if (!streams) of.shards.clear();
            std::vector<std::optional<uint32_t>> wanted(of.shards.begin(), of.shards.end());
            if (!streams) wanted = {std::nullopt};
            for (size_t i = 0; i < wanted.size(); ++i) {
                downloads_[qdrant_archives(spec.name, of)[i]] =
                    std::make_unique<QdrantDownload>(settings, of.real_name, wanted[i], spec.spool_dir);
            }
        }
        for (const auto& [path, download] : downloads_) download->wait_pinned();
        moment_.last = now();
        const std::vector<uint64_t> after = counts(api);
        int64_t points = 0;
        for (size_t i = 0; i < record_.collections.size(); ++i) {
            QdrantCollection& of = record_.collections[i];
            points += static_cast<int64_t>(after[i]);
            facts_["points_" + of.name] = static_cast<int64_t>(after[i]);
            if (before[i] == after[i]) {
                of.points = after[i];
            } else {
                notes_.push_back(
                    fmt::format("{}: the points of {} went from {} to {} while it was pinned: what a restore of it "
                                "loads is not counted. Pause the writers ([barrier] in the config)",
                                spec.name, printable(of.name), before[i], after[i]));
            }
            if (!streams) of.checksum = downloads_.at(qdrant_archives(spec.name, of)[0])->checksum();
        }
        facts_["points"] = points;
        facts_["collections"] = static_cast<int64_t>(record_.collections.size());
        facts_["version"] = record_.version;
        text_ = encode_qdrant_record(record_);
    }

    PinMoment moment() const override { return moment_; }
    Facts facts() override { return facts_; }

    std::optional<Entry> next() override {
        if (files_.empty()) list();
        if (next_ == files_.size()) return std::nullopt;
        const File& file = files_[next_++];
        Entry entry;
        entry.path = file.path;
        entry.type = file.folder ? EntryType::directory : EntryType::file;
        entry.mode = file.folder ? kFolderMode : kFileMode;
        entry.uid = ::geteuid();
        entry.gid = ::getegid();
        entry.mtime_ns = moment_.last.wall_ms * 1'000'000;
        if (const auto found = downloads_.find(file.path); found != downloads_.end()) {
            found->second->wait();
            entry.size = found->second->spool().size();
            if (!found->second->note().empty()) notes_.push_back(found->second->note());
        } else if (!file.folder) {
            entry.size = text_.size();
        }
        return entry;
    }

    std::unique_ptr<Stream> open(const Entry& entry) override {
        const auto found = downloads_.find(entry.path);
        if (found == downloads_.end()) {
            Section section = Section::cdc();
            section.length_bytes = text_.size();
            return std::make_unique<ArchiveStream>(
                [this](uint64_t offset, std::span<uint8_t> out) {
                    return text_.copy(reinterpret_cast<char*>(out.data()), out.size(), offset);
                },
                std::vector<Section>{section});
        }
        const TarBytes bytes = found->second->bytes();
        return std::make_unique<ArchiveStream>(
            bytes, tar_sections(bytes, found->second->spool().size(), qdrant_vectors(files_[next_ - 1].of->config)));
    }

    PinConsistency consistency() const override { return PinConsistency::pinned; }
    std::vector<std::string> notes() const override { return notes_; }

private:
    struct File {
        std::string path;
        bool folder = false;
        const QdrantCollection* of = nullptr;
    };

    std::vector<uint64_t> counts(QdrantApi& api) const {
        std::vector<uint64_t> out;
        for (const QdrantCollection& of : record_.collections) out.push_back(api.count(of.real_name));
        return out;
    }

    void list() {
        files_.push_back({spec_.name + ".qdrant", true, nullptr});
        files_.push_back({qdrant_record_path(spec_.name), false, nullptr});
        for (const QdrantCollection& of : record_.collections) {
            files_.push_back({qdrant_folder(spec_.name, of), true, nullptr});
            for (const std::string& path : qdrant_archives(spec_.name, of)) files_.push_back({path, false, &of});
        }
        std::sort(files_.begin(), files_.end(), [](const File& a, const File& b) { return listing_less(a.path, b.path); });
    }

    const QdrantSettings& settings_;
    const SourceSpec& spec_;
    QdrantRecord record_;
    PinMoment moment_;
    Facts facts_;
    std::vector<std::string> notes_;
    std::string text_;  // of collections.json
    std::vector<File> files_;
    size_t next_ = 0;
    std::map<std::string, std::unique_ptr<QdrantDownload>> downloads_;  // by listing path
};

}  // namespace

bool qdrant_streams(const QdrantSettings& settings, const std::string& version) {
    if (settings.method != QdrantMethod::automatic) return settings.method == QdrantMethod::stream;
    return qdrant_at_least(version, 1, 12);
}

std::string qdrant_restored_name(const std::string& collection) {
    const size_t end = collection.size();
    constexpr size_t kTail = 3 + kRestoreIdDigits;
    if (end <= kTail || (collection.compare(end - kTail, 3, "__r") != 0 && collection.compare(end - kTail, 3, "__u") != 0))
        return {};
    if (collection.find_first_not_of("0123456789abcdef", end - kRestoreIdDigits) != std::string::npos) return {};
    return collection.substr(0, end - kTail);
}

QdrantRecord find_qdrant_collections(QdrantApi& api, const QdrantSettings& settings, Code code, QdrantStatus status) {
    QdrantRecord out;
    out.version = api.version();
    const QdrantAliases aliases = api.aliases();
    std::set<std::string> names(settings.collections.begin(), settings.collections.end());
    if (names.empty()) {
        for (const std::string& collection : api.collections()) {
            // A drill's, under way or left behind.
            if (collection.find(kQdrantDrill) != std::string::npos) continue;
            // A collection that a restore made goes by the alias that it was given.
            const std::string before = qdrant_restored_name(collection);
            const auto alias = aliases.find(before);
            names.insert(alias != aliases.end() && alias->second == collection ? before : collection);
        }
    }
    if (names.empty())
        throw Error(code, fmt::format("{} holds no collection", settings.shown()), "does `url` name the right server?");
    std::map<std::string, std::string> seen;  // real name -> name
    for (const std::string& name : names) {
        const auto refuse = [&](const std::string& why, const std::string& hint) {
            return Error(code, fmt::format("{}: collection {} {}", settings.shown(), printable(name), why), hint);
        };
        const auto info = api.info(name);
        if (!info) throw refuse("is not there", "create it, or take it out of `collections`");
        if (status == QdrantStatus::well && info->status != "green" && info->status != "yellow") {
            throw refuse(fmt::format("is {} ({})", printable(info->status), printable(info->optimizer_status)),
                         info->status == "grey"
                             ? "its optimizations wait for an update: PATCH /collections/NAME {\"optimizers_config\":{}}"
                             : "the server's log says why; a snapshot of it may not be restorable");
        }
        QdrantCollection of;
        of.name = name;
        const auto alias = aliases.find(name);
        of.real_name = alias == aliases.end() ? name : alias->second;
        if (const auto [twice, fresh] = seen.emplace(of.real_name, name); !fresh) {
            throw refuse(fmt::format("is the same as {}", printable(twice->second)), "name it once in `collections`");
        }
        for (const auto& [other, target] : aliases) {
            if (target == of.real_name && other != name) of.aliases.push_back(other);
        }
        const QdrantShards shards = api.shards(of.real_name);
        if (shards.remote > 0 || shards.local.empty())
            throw refuse("has shards on other nodes", "a cluster's nodes are snapshotted one by one, with Qdrant's own means");
        if (!shards.not_active.empty())
            throw refuse(fmt::format("has a shard that is {}", printable(shards.not_active)), "wait until it is active");
        of.shards = shards.local;
        of.config = info->config;
        of.payload_schema = info->payload_schema;
        if (const auto known = settings.known_as.find(name); known != settings.known_as.end()) {
            of.name = known->second.front();
            of.aliases.assign(known->second.begin() + 1, known->second.end());
        }
        out.collections.push_back(std::move(of));
    }
    std::ranges::sort(out.collections, {}, &QdrantCollection::name);
    return out;
}

std::unique_ptr<Pin> make_qdrant_pin(const QdrantSettings& settings, const SourceSpec& spec) {
    return std::make_unique<QdrantPin>(settings, spec);
}

}  // namespace ingot
