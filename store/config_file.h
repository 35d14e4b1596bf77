// A repository's config (docs/format.md, "Config"): written once by init, in two copies, never again.
//
// Thread safety: values. Errors: Error{no_repository} where there is none, Error{damaged} where both copies are damaged,
// Error{failed} for a newer format.
#pragma once

#include <functional>
#include <string>

#include "store/blob_store.h"
#include "store/cut.h"
#include "store/types.h"

namespace ingot {

inline constexpr uint32_t kFormatVersion = 1;

struct RepositoryConfig {
    RepositoryId id;
    std::string created;
    bool sealed = true;
    CutParameters cut;
    uint32_t segment_bytes = 1 << 20;
    uint32_t pack_bytes = 48 << 20;  // packs end up between 32 and 64 MiB

    Digest config_id;  // set by encode and decode
};

// The file's bytes; sets config.config_id.
Bytes encode_config(RepositoryConfig& config);
RepositoryConfig decode_config(ByteView file);

// The good copy; a damaged or missing other one is named through `warn`.
RepositoryConfig load_config(BlobStore& blobs, const std::function<void(const std::string&)>& warn);

}  // namespace ingot
