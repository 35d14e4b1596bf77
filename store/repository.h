// A repository: immutable packs, records and heads in a BlobStore, and an index over them that can always be rebuilt.
//
//   Repository::init(...)                                 once
//   auto repo = Repository::open(..., LockMode::append)   opens, unlocks, checks heads against this client's memory (I10),
//                                                         mends the index against the packs that are there
//   repo->begin() -> WriteSession                          adds
//   Reader(*repo)                                          reads
//
// Locks are kernel locks and die with the process: `shared` (reading), `append` (adding; one at a time, beside shared),
// `exclusive` (removing; alone).
//
// Thread safety: one thread, except where a member says otherwise. Lifetime: sessions and readers must die before it.
// Errors: no_repository (10), locked (11), wrong_key (12), damaged (20), tampered (25), failed (1).
#pragma once

#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/filesystem.h"
#include "base/progress.h"
#include "base/secret.h"
#include "store/lock.h"
#include "store/types.h"
#include "store/write_session.h"

namespace ingot {

// What opens the repository: the passphrase, or the 32 bytes of a key file. Neither for a repository without encryption.
struct Credentials {
    std::optional<Secret> passphrase;
    std::optional<Secret> key_file;  // the decoded key, not the file's text
};

struct InitOptions {
    bool encryption = true;
    std::string label = "first";
    // Weaker only in tests: Argon2id passes and memory.
    uint32_t kdf_passes = 3;
    uint32_t kdf_memory_kib = 128 * 1024;
};

struct OpenOptions {
    LockMode mode = LockMode::shared;
    int64_t lock_wait_ms = 600'000;
    std::string state_dir;                              // this client's memory of heads, writer id, spools
    bool accept_head = false;                           // take the heads as they are and remember them (`check --accept-head`)
    std::function<void(const std::string& line)> warn;  // second copies used, an index mended
};

struct KeySlot {
    std::string name;  // 8 hexadecimal digits
    std::string label;
    std::string kind;     // "passphrase" or "key file"
    std::string problem;  // empty, or what is wrong with one of its copies
};

struct PackInfo {
    PackId id;
    ChunkKind kind;
    uint64_t size = 0;
    uint64_t chunks = 0;
    int64_t verified_ms = 0;  // wall clock of the last time every byte of it was read back and re-hashed; 0: never
};

struct RepositoryStats {
    uint64_t packs = 0, pack_bytes = 0, chunks = 0, records = 0, record_bytes = 0, heads = 0, head_bytes = 0, index_bytes = 0;
};

struct RepositoryCore;

class Repository {
public:
    virtual ~Repository() = default;

    // Makes a repository at `path`, which must not exist or be an empty folder (a mount point may be one). Built beside and
    // renamed into place, or, in an existing folder, with the config written last: a half-made one is never taken for one.
    static void init(FileSystem& fs, const std::string& path, const Credentials& credentials, const InitOptions& options);

    static std::unique_ptr<Repository> open(FileSystem& fs, const std::string& path, const Credentials& credentials,
                                            const OpenOptions& options);

    virtual const std::string& path() const = 0;
    virtual const RepositoryId& id() const = 0;
    virtual const WriterId& writer() const = 0;
    virtual bool encrypted() const = 0;
    virtual const std::string& spool_dir() const = 0;
    // Changes whenever chunks once known may be gone: the index was rebuilt, or a pack vanished. What a client remembers of
    // stored streams (its files cache) holds only within one generation.
    virtual std::string generation() const = 0;

    // All live records of a kind: those that heads name and none removed. In no order.
    virtual std::vector<RecordId> records(RecordKind kind) = 0;
    // A record's plaintext, from the catalog or the file; verified. Throws Error{damaged}, Error{not_found}.
    virtual Bytes read_record(const RecordName& name) = 0;

    // One at a time, under LockMode::append or exclusive.
    virtual std::unique_ptr<WriteSession> begin() = 0;

    virtual std::vector<PackInfo> packs() = 0;
    virtual RepositoryStats stats() = 0;

    virtual std::vector<KeySlot> key_slots() = 0;
    // Adds a slot that `fresh` opens; returns its name.
    virtual std::string add_key(const Credentials& fresh, const std::string& label, const InitOptions& options) = 0;
    // Throws Error{usage} for the last one, or the one in use unless another remains.
    virtual void remove_key(const std::string& slot) = 0;

    // A keyed hash of the parts, for comparing secrets without keeping them: the same parts give the same fingerprint in this
    // repository, and without its keys nobody can tell which parts they were, nor try. Nothing without encryption, where there is
    // no key to hide them. Where one part ends and the next begins does not count. Any thread.
    virtual std::optional<Digest> fingerprint(std::initializer_list<ByteView> parts) const = 0;

    // For the store's own classes.
    virtual RepositoryCore& core() = 0;
};

// One thing that `check` or `verify` found.
struct Finding {
    enum class Weight { note, damage, tampering } weight = Weight::damage;
    std::string where;  // "packs/ab/ab12...", "heads", "index"
    std::string what;
};

struct VerifyReport {
    uint64_t streams = 0, packs = 0, packs_recent = 0, segments = 0, chunks = 0, bytes = 0;  // bytes: plaintext re-hashed
    std::vector<Finding> findings;
    bool clean() const;
};

// Verifies streams: every chunk their trees name must be in a known pack, and every such pack is read back in full, past the
// page cache, each segment unsealed, each chunk re-hashed. Packs verified less than `max_age_ms` ago count as verified.
// Goes on after damage, and names it.  (I3)
class Verifier {
public:
    virtual ~Verifier() = default;
    static std::unique_ptr<Verifier> over(Repository& repository);

    // Walks the stream's tree (meta packs) and marks the packs it needs. Damage becomes a finding that names `label`.
    virtual void add(ChunkKind kind, const StreamRoot& root, const std::string& label) = 0;
    // Every pack of the repository.
    virtual void add_all_packs() = 0;
    // `sample` in (0, 1]: this share of the packs, chosen anew each time.
    virtual VerifyReport run(int64_t max_age_ms, double sample, Progress& progress) = 0;
};

// Structure of the whole repository without reading packs' contents: config, key slots, heads, records, pack sizes and
// directories, index against both. With `repair`, second copies are mended and a damaged index is rebuilt.
std::vector<Finding> check_repository(Repository& repository, bool read_directories, bool repair, Progress& progress);

}  // namespace ingot
