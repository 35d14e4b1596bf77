// Records: small sealed files, named by their SHA-256 (docs/format.md, "Records"). Encoding only, no I/O.
//
// Thread safety: pure. Errors: decode throws Error{damaged}.
#pragma once

#include <optional>
#include <string>

#include "base/secret.h"
#include "store/keys.h"
#include "store/types.h"

namespace ingot {

inline constexpr uint64_t kRecordLimitBytes = 64ULL << 20;

struct EncodedRecord {
    RecordName name;
    Bytes file;
};

EncodedRecord encode_record(RecordKind kind, ByteView plaintext, const KeyRing& keys, const RepositoryId& repository);
// Checks the file against the name, then opens it.
Bytes decode_record(const RecordName& name, ByteView file, const KeyRing& keys, const RepositoryId& repository);

const char* folder_of(RecordKind kind);
// "records/manifest/ab12..."
std::string record_path(const RecordName& name);
// Nothing for a name that is not a record's.
std::optional<RecordName> record_from_path(std::string_view path);

}  // namespace ingot
