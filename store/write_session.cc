#include "store/write_session.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/step.h"
#include "store/index_mend.h"
#include "store/packer.h"
#include "store/record.h"
#include "store/write_session_open.h"

namespace ingot {
namespace {

constexpr uint64_t kFullHeadEvery = 256;

class RepositoryWriteSession : public WriteSession {
public:
    explicit RepositoryWriteSession(RepositoryCore& core) : core_(core), packer_(core) {}

    void put(ChunkKind kind, StreamFeed& feed, Progress& progress) override {
        guarded([&] {
            ChunkFeed chunks(feed, core_.cutter, progress);
            run_write_pipeline(chunks, packer_, kind, feed);
            if (kind == ChunkKind::data) packer_.totals().bytes_read += chunks.bytes_read();
        });
    }

    void flush() override {
        guarded([&] { packer_.flush(); });
    }

    RecordId add_record(RecordKind kind, ByteView plaintext) override {
        records_.push_back(encode_record(kind, plaintext, core_.keys, core_.config.id));
        return records_.back().name.id;
    }

    void remove_record(const RecordName& name) override { removed_.push_back(name); }

    // docs/format.md, "Commit": the order is the promise.
    void commit() override {
        guarded([&] {
            packer_.flush();
            step("commit.index-flushed");
            check_packs();
            step("commit.packs-checked");
            publish_records();
            step("commit.records-published");
            publish_head();
            step("commit.head-published");
            remember_heads();
            step("commit.remembered");
            delete_removed();
            records_.clear();
            removed_.clear();
        });
    }

    const SessionTotals& totals() const override { return const_cast<Packer&>(packer_).totals(); }

private:
    // After an error the session refuses further work: what it holds in memory may not be what is on disk.
    template <class Work>
    void guarded(Work work) {
        if (broken_) throw Error(Code::failed, "this session failed before and does no more work");
        broken_ = true;
        work();
        broken_ = false;
    }

    // What is published stays: a state directory that takes no more writes must not make a stored snapshot a failed one.
    void remember_heads() {
        try {
            core_.memory.remember(core_.heads);
        } catch (const Error& error) {
            if (core_.warn)
                core_.warn(
                    fmt::format("{}: all is stored, but a repository set back to before it would not be noticed", error.what()));
        }
    }

    void check_packs() {
        const auto listed = list_packs(*core_.blobs);
        for (const auto& [number, pack] : core_.index->packs()) {
            const auto it = listed.find(number);
            if (it == listed.end() || it->second.size != pack.size) {
                throw Error(Code::failed,
                            fmt::format("{} was changed or removed while the snapshot was taken; nothing was committed",
                                        pack_name(pack.id)),
                            "find out who removes files from the repository, then run the command again");
            }
        }
    }

    void publish_records() {
        for (const EncodedRecord& record : records_) {
            if (!core_.blobs->put_new(record_path(record.name), record.file)) {
                throw Error(Code::failed, fmt::format("{} exists already", record_path(record.name)));
            }
            try {
                core_.index->put_record(record.name, record.file);
            } catch (const IndexDamaged& error) {
                ignore_error(error, "the catalog is a copy; the next session finds the damage again, and mends it");
            }
            packer_.totals().bytes_stored += record.file.size();
        }
    }

    void publish_head() {
        std::vector<RecordName> added;
        for (const EncodedRecord& record : records_) added.push_back(record.name);
        if (!try_publish_head(added)) {
            // Another client uses our writer id: a cloned machine. From now on we are another writer.
            core_.writer = core_.memory.new_writer();
            if (!try_publish_head(added)) throw Error(Code::failed, "no head could be published");
        }
        core_.live.insert(added.begin(), added.end());
        for (const RecordName& name : removed_) core_.live.erase(name);
    }

    bool try_publish_head(const std::vector<RecordName>& added) {
        WriterState state = core_.heads.writers[core_.writer];
        // Now and then a full one: a chain is replayed from its newest full head, so opening stays quick for years.
        const bool full = (state.last + 1) % kFullHeadEvery == 0;
        const Head head = next_head(state, core_.writer, added, removed_, full);
        const Bytes file = encode_head(head, core_.config.id, core_.keys.head_key());
        if (!core_.blobs->put_new(head_path(core_.writer, head.number), file)) return false;
        state.last = head.number;
        state.last_hash = sha256(file);
        core_.heads.writers[core_.writer] = std::move(state);
        packer_.totals().bytes_stored += file.size();
        return true;
    }

    void delete_removed() {
        for (const RecordName& name : removed_) {
            core_.index->remove_record(name);
            try {
                core_.blobs->remove(record_path(name));
            } catch (const Error& error) {
                if (error.code() != Code::not_found) throw;
            }
        }
    }

    RepositoryCore& core_;
    Packer packer_;
    std::vector<EncodedRecord> records_;
    std::vector<RecordName> removed_;
    bool broken_ = false;
};

}  // namespace

std::unique_ptr<WriteSession> open_write_session(RepositoryCore& core) {
    if (!core.writable()) throw Error(Code::failed, "the repository is open for reading only");
    core.blobs->clean_temporaries();
    return std::make_unique<RepositoryWriteSession>(core);
}

}  // namespace ingot
