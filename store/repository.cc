#include "store/repository.h"

#include <fmt/format.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/step.h"
#include "store/directory_store.h"
#include "store/index_mend.h"
#include "store/record.h"
#include "store/repository_core.h"
#include "store/write_session_open.h"

namespace ingot {
namespace {

class OpenRepository : public Repository {
public:
    explicit OpenRepository(std::unique_ptr<RepositoryCore> core) : core_(std::move(core)) {}

    const std::string& path() const override { return core_->path; }
    const RepositoryId& id() const override { return core_->config.id; }
    const WriterId& writer() const override { return core_->writer; }
    bool encrypted() const override { return core_->config.sealed; }
    const std::string& spool_dir() const override { return core_->spool_dir; }
    std::string generation() const override { return core_->index->generation(); }

    std::vector<RecordId> records(RecordKind kind) override {
        std::vector<RecordId> ids;
        for (const RecordName& name : core_->live) {
            if (name.kind == kind) ids.push_back(name.id);
        }
        return ids;
    }

    Bytes read_record(const RecordName& name) override {
        try {
            if (const auto file = core_->index->record(name)) return decode_record(name, *file, core_->keys, core_->config.id);
        } catch (const Error& error) {
            if (error.code() != Code::damaged) throw;
            ignore_error(error, "the catalog is a copy; the file decides");
        }
        Bytes file;
        try {
            file = core_->blobs->get(record_path(name), kRecordLimitBytes);
        } catch (const Error& error) {
            if (error.code() != Code::not_found || !core_->live.contains(name)) throw;
            throw Error(Code::damaged, fmt::format("{} is missing", record_path(name)),
                        "put it back from another copy of the repository");
        }
        Bytes plain = decode_record(name, file, core_->keys, core_->config.id);
        if (core_->writable()) core_->index->put_record(name, file);
        return plain;
    }

    std::unique_ptr<WriteSession> begin() override { return open_write_session(*core_); }

    std::vector<PackInfo> packs() override {
        std::vector<PackInfo> packs;
        for (const auto& [number, pack] : core_->index->packs())
            packs.push_back({pack.id, pack.kind, pack.size, pack.chunks, pack.verified_ms});
        return packs;
    }

    RepositoryStats stats() override {
        RepositoryStats stats;
        for (const auto& [number, pack] : core_->index->packs()) {
            ++stats.packs;
            stats.pack_bytes += pack.size;
            stats.chunks += pack.chunks;
        }
        core_->blobs->list("records", [&](const std::string& name, uint64_t size) {
            if (!record_from_path(name)) return;
            ++stats.records;
            stats.record_bytes += size;
        });
        stats.heads = core_->heads.files;
        stats.head_bytes = core_->heads.bytes;
        stats.index_bytes = core_->index->bytes_on_disk();
        return stats;
    }

    std::vector<KeySlot> key_slots() override { return list_slots(*core_->blobs); }

    std::string add_key(const Credentials& fresh, const std::string& label, const InitOptions& options) override {
        if (!core_->config.sealed) throw Error(Code::usage, "this repository is not encrypted, so it has no keys");
        InitOptions with_label = options;
        with_label.label = label;
        const EncodedSlot slot = encode_slot(core_->keys, fresh, core_->config, with_label);
        put_slot(*core_->blobs, slot);
        // Read back and unlock before anyone relies on it.
        if (!open_slot(core_->blobs->get(fmt::format("keys/{}.a", slot.name), 1 << 20), slot.name, core_->config, fresh)) {
            throw Error(Code::failed, "the new key slot does not open",
                        "remove it with `ingot key remove " + slot.name + "` and try again");
        }
        return slot.name;
    }

    void remove_key(const std::string& slot) override {
        const std::vector<KeySlot> slots = list_slots(*core_->blobs);
        bool known = false;
        size_t others = 0;
        for (const KeySlot& one : slots) {
            if (one.name == slot)
                known = true;
            else if (!one.kind.empty())
                ++others;
        }
        if (!known)
            throw Error(Code::usage, fmt::format("there is no key slot \"{}\"", printable(slot)), "`ingot key list` shows them");
        if (others == 0)
            throw Error(Code::usage, "this is the last key slot: without it the repository can never be opened again",
                        "add another key first");
        for (const char copy : {'a', 'b'}) {
            try {
                core_->blobs->remove(fmt::format("keys/{}.{}", slot, copy));
            } catch (const Error& error) {
                if (error.code() != Code::not_found) throw;
            }
        }
    }

    std::optional<Digest> fingerprint(std::initializer_list<ByteView> parts) const override {
        if (!core_->config.sealed) return std::nullopt;
        // A key of its own: chunk ids are HMACs of 33 bytes under the id key, and never this one.
        const Digest key = core_->id_hmac({view_of("ingot secret fingerprint 1")});
        return HmacSha256(key.view())(parts);
    }

    RepositoryCore& core() override { return *core_; }

private:
    std::unique_ptr<RepositoryCore> core_;
};

// A repository of an older client, or one whose heads are damaged, can still be read: every record that is whole counts, except
// what readable heads removed.
std::set<RecordName> live_from_files(RepositoryCore& core) {
    std::set<RecordName> live;
    core.blobs->list("records", [&](const std::string& path, uint64_t) {
        const auto name = record_from_path(path);
        if (!name) return;
        try {
            decode_record(*name, core.blobs->get(path, kRecordLimitBytes), core.keys, core.config.id);
            live.insert(*name);
        } catch (const Error& error) {
            if (error.code() != Code::damaged && error.code() != Code::not_found) throw;
            if (core.warn) core.warn(error.what());
        }
    });
    for (const auto& [writer, state] : core.heads.writers) {
        for (const RecordName& name : state.removed) live.erase(name);
    }
    return live;
}

// Takes what is there for what should be there: every whole record is live, and a full head over each writer's chain makes the
// earlier ones unneeded. Our own head names them all, for nobody knows whose a lost head's records were.
void refound_heads(RepositoryCore& core) {
    if (!core.writable()) throw Error(Code::usage, "accepting heads needs the append lock");
    const std::set<RecordName> live = live_from_files(core);
    core.heads.writers[core.writer].live = live;
    for (auto& [writer, state] : core.heads.writers) {
        const Head head = next_head(state, writer, {}, {}, true);
        const Bytes file = encode_head(head, core.config.id, core.keys.head_key());
        if (!core.blobs->put_new(head_path(writer, head.number), file))
            throw Error(Code::failed, "a new head could not be published");
        state.last = head.number;
        state.last_hash = sha256(file);
    }
    core.heads.problems.clear();
}

// What is remembered must not be lost by a power cut afterwards: a head that a killed writer renamed may not have its folder
// synced yet, and its loss would look like tampering.
void remember_heads(RepositoryCore& core) {
    if (!core.heads.problems.empty() || core.memory.knows(core.heads)) return;
    for (const auto& [writer, state] : core.heads.writers) {
        if (state.last > 0) core.fs.sync_dir(join(core.path, "heads/" + writer.hex()));
    }
    core.memory.remember(core.heads);
}

// The lock is on the config file, or on its copy where the config itself is gone.
std::string lock_path(FileSystem& fs, const std::string& path) {
    const std::string config = join(path, "config");
    return fs.file_size(config) ? config : join(path, "config.copy");
}

}  // namespace

std::unique_ptr<Repository> Repository::open(FileSystem& fs, const std::string& path, const Credentials& credentials,
                                             const OpenOptions& options) {
    auto blobs = std::make_unique<DirectoryStore>(fs, path);
    const auto within = [&](const Error& error) { return error.within(fmt::format("repository {}", printable(path))); };
    try {
        RepositoryConfig config = load_config(*blobs, options.warn);
        auto lock = std::make_unique<Lock>(lock_path(fs, path), options.mode, options.lock_wait_ms);
        if (!config.sealed && (credentials.passphrase || credentials.key_file)) {
            throw Error(
                Code::tampered, "a key was given, but the repository's config says that it is not encrypted",
                "leave the key out if that is right; if it was encrypted, someone changed its config: put it back from a copy");
        }
        std::string opened;
        KeyRing keys = unlock(*blobs, config, credentials, options.warn, &opened);
        HmacSha256 id_hmac(keys.id_key());
        Cutter cutter(keys.chunker_key(), config.cut);
        const std::string spool = join(options.state_dir, "spool");
        make_dirs(fs, spool, 0700);
        sweep_scratch_folders(fs, spool);
        ClientMemory memory(fs, options.state_dir, config.id);
        if (options.accept_head) {
            memory.accept_config(config.config_id);
        } else {
            memory.check_config(config.config_id);
        }
        auto core = std::unique_ptr<RepositoryCore>(new RepositoryCore{fs,
                                                                       path,
                                                                       std::move(blobs),
                                                                       std::move(lock),
                                                                       config,
                                                                       std::move(keys),
                                                                       opened,
                                                                       std::move(id_hmac),
                                                                       std::move(cutter),
                                                                       options.state_dir,
                                                                       spool,
                                                                       options.warn,
                                                                       {},
                                                                       {},
                                                                       memory,
                                                                       {},
                                                                       nullptr,
                                                                       nullptr});
        core->heads = load_heads(*core->blobs, config.id, core->keys.head_key());
        core->writer = core->memory.writer();
        if (options.accept_head) {
            refound_heads(*core);
            core->live = core->heads.live();
        } else {
            core->memory.check(*core->blobs, core->heads);
            if (core->heads.problems.empty()) {
                core->live = core->heads.live();
            } else {
                const std::string what = fmt::format("the repository's heads are damaged: {}", core->heads.problems.front());
                const std::string hint =
                    "`ingot verify --all` tells what is whole; then accept what there is with `ingot check --accept-head`";
                if (core->writable()) throw Error(Code::damaged, what, hint);
                if (options.warn) options.warn(what + " (" + hint + ")");
                core->live = live_from_files(*core);
            }
        }
        open_index(*core);
        remember_heads(*core);
        return std::make_unique<OpenRepository>(std::move(core));
    } catch (const IndexDamaged& error) {
        throw within(error);
    } catch (const Error& error) {
        throw error.code() == Code::interrupted ? error : within(error);
    }
}

static void write_skeleton(FileSystem& fs, const std::string& folder, const Credentials& credentials,
                           const InitOptions& options) {
    DirectoryStore blobs(fs, folder);
    for (const char* name : {"keys", "packs", "records", "heads", "tmp", "records/manifest", "records/attestation",
                             "records/audit", "records/tombstone"}) {
        fs.make_dir(join(folder, name), 0700);
    }
    // All 256 at once, so that publishing a pack never has to make a folder durable too.
    for (unsigned i = 0; i < 256; ++i) fs.make_dir(join(folder, fmt::format("packs/{:02x}", i)), 0700);
    fs.sync_dir(join(folder, "packs"));
    fs.sync_dir(join(folder, "records"));
    fs.sync_dir(folder);
    step("init.folders");
    RepositoryConfig config;
    random_bytes(config.id.bytes);
    config.created = iso_utc(wall_now_ms());
    config.sealed = options.encryption;
    const Bytes file = encode_config(config);
    if (options.encryption) put_slot(blobs, encode_slot(KeyRing::generate(), credentials, config, options));
    step("init.keys");
    if (!blobs.put_new("config.copy", file)) throw Error(Code::failed, "a config.copy exists already");
    step("init.config-copy");
    if (!blobs.put_new("config", file)) throw Error(Code::failed, "a config exists already");
    step("init.config");
}

// Nothing was ever stored in it.
static bool holds_nothing(FileSystem& fs, const std::string& path) {
    bool used = false;
    DirectoryStore blobs(fs, path);
    for (const char* folder : {"packs", "records", "heads"}) {
        blobs.list(folder, [&](const std::string&, uint64_t) { used = true; });
    }
    return !used;
}

void Repository::init(FileSystem& fs, const std::string& path, const Credentials& credentials, const InitOptions& options) {
    const auto refuse = [&](std::string_view why, const char* hint) {
        throw Error(Code::failed, fmt::format("init of {}: {}; nothing was changed", printable(path), why), hint);
    };
    if (!options.encryption && (credentials.passphrase || credentials.key_file))
        throw Error(Code::usage, "a key was given for a repository without encryption");
    if (options.encryption && !credentials.passphrase && !credentials.key_file)
        throw Error(Code::usage, "an encrypted repository needs a key file or a passphrase");
    const std::string parent = parent_of(path);
    if (fs.exists(path)) {
        if (fs.exists(join(path, "config"))) refuse("there is a repository already", "use it, or choose another path");
        std::vector<std::string> names;
        try {
            fs.list(path, [&](const std::string& name) {
                if (name != "lost+found") names.push_back(name);  // a fresh file system's
            });
        } catch (const Error& error) {
            refuse(fmt::format("it exists and is not a folder that can be read ({})", error.what()), "choose another path");
        }
        // What an init that was killed half way left: no config, so nothing was ever stored in it.
        const std::set<std::string> own = {"keys", "packs", "records", "heads", "tmp", "config.copy"};
        for (const std::string& name : names) {
            if (!own.contains(name)) refuse("the folder is not empty", "choose an empty folder, or one that does not exist yet");
        }
        if (!holds_nothing(fs, path))
            refuse("it holds packs, records or heads but no config",
                   "this is a damaged repository: put its config back from a copy, do not make it anew");
        for (const std::string& name : names) remove_tree(fs, join(path, name));
        write_skeleton(fs, path, credentials, options);
        return;
    }
    make_dirs(fs, parent, 0755);
    std::array<uint8_t, 4> random{};
    random_bytes(random);
    const std::string prefix = base_name_of(path) + ".init-";
    // Leftovers of an init that was killed before it gave them their name; one may be complete, and still holds nothing.
    std::vector<std::string> leftovers;
    fs.list(parent, [&](const std::string& name) {
        const std::string folder = join(parent, name);
        if (name.starts_with(prefix) && (!fs.exists(join(folder, "config")) || holds_nothing(fs, folder)))
            leftovers.push_back(name);
    });
    for (const std::string& name : leftovers) remove_tree(fs, join(parent, name));
    const std::string temporary = join(parent, prefix + to_hex(random));
    fs.make_dir(temporary, 0700);
    try {
        write_skeleton(fs, temporary, credentials, options);
        fs.rename(temporary, path, Rename::no_replace);
    } catch (const Error&) {
        try {
            remove_tree(fs, temporary);
        } catch (const Error& error) {
            ignore_error(error, "the next init removes it");
        }
        throw;
    }
    fs.sync_dir(parent);
    step("init.renamed");
}

}  // namespace ingot
