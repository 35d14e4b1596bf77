#include "drivers/mongodb_pin.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <exception>
#include <future>
#include <stop_token>
#include <thread>

#include "base/spool.h"
#include "drivers/mongodb_documents.h"
#include "drivers/mongodb_files.h"
#include "drivers/mongodb_scope.h"
#include "drivers/whole_stream.h"

namespace ingot {
namespace {

// Documents are nobody else's.
constexpr uint32_t kFolderMode = 0700, kFileMode = 0600;
// Migrations that make a collection at the very moment of the pin are rare; one that does so all the time is told.
constexpr int kTries = 3;

struct Collection {
    std::string database, name, on_server;
    MongoDescription description;
    bool capped = false;
    uint64_t begin = 0, end = 0;  // in the spool
};

class MongoPin : public Pin {
public:
    MongoPin(const MongoSettings& settings, std::unique_ptr<MongoConnection> connection, const std::string& spool_dir,
             const std::optional<std::string>& old_of)
        : settings_(settings), old_of_(old_of), connection_(std::move(connection)), spool_(spool_dir) {
        const MongoServer& server = connection_->server();
        version_ = server.version;
        in_snapshot_ = server.snapshots;
        if (in_snapshot_) {
            fix_snapshot();
        } else {
            moment_.first = now();
            scope_ = scope();
        }
        describe();
        moment_.last = in_snapshot_ ? moment_.last : now();
        std::promise<void> done;
        done_ = done.get_future();
        thread_ = std::jthread([this, done = std::move(done)](const std::stop_token& stop) mutable {
            try {
                read(stop);
                done.set_value();
            } catch (...) {
                done.set_exception(std::current_exception());
            }
        });
        if (in_snapshot_) return;
        if (!settings_.writers_paused) {
            fuzzy(
                "the server has no snapshots (it is no replica set of MongoDB 5.0 or newer); its collections are of different "
                "moments");
            return;
        }
        done_.get();
        read_ = true;
        moment_.last = now();
    }

    PinMoment moment() const override { return moment_; }

    Facts facts() override {
        wait();
        return facts_;
    }

    std::optional<Entry> next() override {
        if (failed_) return std::nullopt;
        try {
            wait();
        } catch (const Error&) {
            failed_ = true;
            throw;
        }
        if (next_ == files_.size()) return std::nullopt;
        return files_[next_++].entry;
    }

    std::unique_ptr<Stream> open(const Entry&) override {
        const File& file = files_[next_ - 1];
        if (file.collection == nullptr) return std::make_unique<WholeStream>(file.text);
        const uint64_t begin = file.collection->begin;
        return document_stream(
            [this, begin](uint64_t offset, std::span<uint8_t> out) { return spool_.read_at(begin + offset, out); },
            file.entry.size, printable(file.entry.path));
    }

    PinConsistency consistency() const override { return notes_.empty() ? PinConsistency::pinned : PinConsistency::fuzzy; }
    std::vector<std::string> notes() const override { return notes_; }

private:
    struct File {
        Entry entry;
        std::string text;
        const Collection* collection = nullptr;
    };

    MongoScope scope() {
        return old_of_ ? mongo_set_aside(*connection_, settings_, *old_of_) : mongo_scope(*connection_, settings_);
    }

    void fuzzy(const std::string& why) { notes_.push_back(settings_.source + ": " + why); }

    // The first read of a session fixes the cluster time of all others. What collections there are is not read in it: the same
    // before and after.
    void fix_snapshot() {
        for (int tries = kTries;; --tries) {
            const MongoScope before = scope();
            std::string database = "test", collection = "none";
            for (const MongoScope::Database& one : before.databases) {
                for (const MongoNamespace& found : one.namespaces) {
                    if (found.kind != MongoNamespace::Kind::collection || found.capped()) continue;
                    database = one.name;
                    collection = found.name;
                }
            }
            moment_.first = now();
            connection_->begin_snapshot(database, collection);
            moment_.last = now();
            scope_ = scope();
            if (scope_ == before) return;
            if (tries == 1) {
                throw connection_->error(fmt::format("collections were made or dropped during each of {} tries", kTries),
                                         "take the snapshot when no migration runs");
            }
        }
    }

    void describe() {
        const std::string end = old_of_ ? mongo_name_beside("", "old", *old_of_) : std::string();
        for (const MongoScope::Database& database : scope_.databases) {
            for (const MongoNamespace& found : database.namespaces) {
                Collection one;
                one.database = database.name;
                one.on_server = found.name;
                one.name = found.name.substr(0, found.name.size() - end.size());
                one.capped = found.capped();
                one.description.view = found.kind == MongoNamespace::Kind::view;
                one.description.options = found.options;
                if (!one.description.view) one.description.indexes = connection_->indexes(database.name, found.name);
                if (mongo_file_name(one.name).size() + 5 > 255) {
                    throw connection_->error(
                        fmt::format("the name of {}.{} is too long for a file", printable(database.name), printable(one.name)),
                        "leave it out (`exclude`), or rename it");
                }
                collections_.push_back(std::move(one));
            }
        }
    }

    void read(const std::stop_token& stop) {
        facts_["server_version"] = version_;
        for (const auto& [name, count] : settings_.facts)
            facts_[name] = mongo_count_of(*connection_, settings_, count, "the fact " + printable(name), in_snapshot_);
        int64_t documents = 0, views = 0;
        for (Collection& one : collections_) {
            if (one.description.view) {
                ++views;
                continue;
            }
            spool(one, stop);
            documents += one.description.documents;
        }
        // One that was dropped after the snapshot was fixed reads as an empty one.
        if (!(scope() == scope_)) {
            throw connection_->error("collections were made, changed, dropped or renamed while they were read",
                                     "take the snapshot when no migration runs");
        }
        facts_["documents"] = documents;
        facts_["collections"] = static_cast<int64_t>(collections_.size()) - views;
        connection_.reset();
    }

    void spool(Collection& one, const std::stop_token& stop) {
        const auto keep = [&](ByteView document) {
            if (stop.stop_requested()) throw Error(Code::interrupted, "the pin was given up");
            check_document(document, "a document of " + printable(one.name));
            spool_.append(document);
            ++one.description.documents;
        };
        const auto take = [&](bool in_snapshot) {
            one.begin = spool_.size();
            one.description.documents = 0;
            try {
                connection_->read(one.database, one.on_server, {.by_id = !one.capped, .in_snapshot = in_snapshot}, keep);
            } catch (const Error& error) {
                if (error.code() != Code::damaged) throw;
                throw error.within(settings_.source).as(Code::source);
            }
            one.end = spool_.size();
        };
        try {
            take(in_snapshot_);
        } catch (const Error& error) {
            // Before 8.0 a capped collection is refused in a snapshot.
            if (!one.capped || !in_snapshot_ || connection_->refused_code() == 0) throw;
            ignore_error(error, "read as it is, with a note");
            take(false);
            fuzzy(fmt::format("{}.{} is capped, which the server does not read in a snapshot; it is of a later moment",
                              printable(one.database), printable(one.name)));
        }
    }

    void wait() {
        if (!read_) done_.get();
        read_ = true;
        if (!files_.empty()) return;
        const std::string root = mongo_root(settings_.source);
        add(root, EntryType::directory, {}, nullptr);
        add(root + "/server.json", EntryType::file, encode_mongo_server(version_), nullptr);
        for (const MongoScope::Database& database : scope_.databases)
            add(root + "/" + mongo_file_name(database.name), EntryType::directory, {}, nullptr);
        for (const Collection& one : collections_) {
            const std::string path = root + "/" + mongo_file_name(one.database) + "/" + mongo_file_name(one.name);
            add(path + ".json", EntryType::file, one.description.encode(), nullptr);
            if (!one.description.view) add(path + ".bson", EntryType::file, {}, &one);
        }
        std::sort(files_.begin(), files_.end(),
                  [](const File& a, const File& b) { return listing_less(a.entry.path, b.entry.path); });
    }

    void add(std::string path, EntryType type, std::string text, const Collection* collection) {
        File file;
        file.entry.path = std::move(path);
        file.entry.type = type;
        file.entry.mode = type == EntryType::directory ? kFolderMode : kFileMode;
        file.entry.uid = ::geteuid();
        file.entry.gid = ::getegid();
        file.entry.mtime_ns = moment_.last.wall_ms * 1'000'000;
        file.entry.size = collection != nullptr ? collection->end - collection->begin : text.size();
        file.text = std::move(text);
        file.collection = collection;
        files_.push_back(std::move(file));
    }

    const MongoSettings& settings_;
    const std::optional<std::string> old_of_;
    std::unique_ptr<MongoConnection> connection_;
    Spool spool_;
    std::string version_;
    bool in_snapshot_ = false;
    PinMoment moment_;
    MongoScope scope_;
    std::vector<Collection> collections_;
    std::vector<std::string> notes_;
    Facts facts_;
    std::vector<File> files_;
    size_t next_ = 0;
    bool read_ = false, failed_ = false;
    std::future<void> done_;
    std::jthread thread_;  // the last: joined before the rest goes
};

}  // namespace

std::unique_ptr<Pin> make_mongo_pin(const MongoSettings& settings, std::unique_ptr<MongoConnection> connection,
                                    const std::string& spool_dir, const std::optional<std::string>& old_of) {
    return std::make_unique<MongoPin>(settings, std::move(connection), spool_dir, old_of);
}

}  // namespace ingot
