// Keys: what a sealed repository is locked with, and the slots that hold them wrapped (docs/format.md, "Keys").
//
// Thread safety: const members from any thread. Errors: Error{wrong_key} when no slot opens, Error{damaged} when none can be
// read at all, Error{usage} for a credential that does not fit.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/secret.h"
#include "store/blob_store.h"
#include "store/config_file.h"
#include "store/hash.h"
#include "store/repository.h"
#include "store/seal.h"

namespace ingot {

using Salt = std::array<uint8_t, 24>;

class KeyRing {
public:
    // Fresh random keys, epoch 1.
    static KeyRing generate();
    // Of a repository without encryption: all zeros, no master.
    static KeyRing plain();
    static KeyRing decode(ByteView bundle);
    Secret encode() const;

    bool sealed() const { return !masters_.empty(); }
    uint32_t newest_epoch() const { return masters_.empty() ? 0 : masters_.rbegin()->first; }
    ByteView chunker_key() const { return chunker_key_.view(); }
    ByteView id_key() const { return id_key_.view(); }
    ByteView head_key() const { return head_key_.view(); }

    // The key named in docs/format.md for one pack, directory or record. Throws Error{damaged} for an epoch that is not there.
    Sealer pack_sealer(Seal seal, uint32_t epoch, const RepositoryId& repository, const Salt& salt) const;
    Sealer directory_sealer(Seal seal, const RepositoryId& repository, const Salt& salt) const;
    Sealer record_sealer(Seal seal, uint32_t epoch, const RepositoryId& repository, const Salt& salt) const;

private:
    KeyRing() = default;
    Sealer from_master(const char* label, Seal seal, uint32_t epoch, const RepositoryId& repository, const Salt& salt) const;

    Secret id_key_, chunker_key_, directory_key_, head_key_;
    std::map<uint32_t, Secret> masters_;
};

// Encodes a slot that `credentials` opens, and its name. Slow on purpose for a passphrase.
struct EncodedSlot {
    std::string name;
    Bytes file;
};
EncodedSlot encode_slot(const KeyRing& keys, const Credentials& credentials, const RepositoryConfig& config,
                        const InitOptions& options);

// Writes both copies.
void put_slot(BlobStore& blobs, const EncodedSlot& slot);

// What slots there are, and what is wrong with their copies.
std::vector<KeySlot> list_slots(BlobStore& blobs);

// Tries every slot the credentials could open. Names the slot that opened in `opened`.
KeyRing unlock(BlobStore& blobs, const RepositoryConfig& config, const Credentials& credentials,
               const std::function<void(const std::string&)>& warn, std::string* opened);

// Tries to open one slot's file. Nothing: a wrong secret. Throws Error{damaged}.
std::optional<KeyRing> open_slot(ByteView file, const std::string& name, const RepositoryConfig& config,
                                 const Credentials& credentials);

}  // namespace ingot
