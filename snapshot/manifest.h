// The manifest: the immutable record of a snapshot; and attestations: dated records about a manifest.
//
// Both are JSON (docs/format.md, "Manifest" and "Attestation"), sealed as records. Unknown fields are kept out of the way:
// decoding ignores them, and nothing ever rewrites a manifest.
//
// Thread safety: values. Errors: Error{damaged} when the JSON is not what the format says.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "drivers/driver.h"
#include "snapshot/secret_fingerprints.h"
#include "snapshot/stack.h"
#include "snapshot/top_k.h"
#include "store/types.h"

namespace ingot {

enum class SourceStatus : uint8_t { stored, missing, empty, unreadable, shrunk };
const char* to_string(SourceStatus status);

struct ManifestSource {
    std::string name;
    std::string driver;
    SourceStatus status = SourceStatus::stored;
    std::string problem;  // one sentence where the status is not `stored`
    std::string hint;     // what to do about it; may be empty
    PinConsistency consistency = PinConsistency::pinned;
    int64_t moment_first_ms = 0;  // wall clock
    int64_t moment_last_ms = 0;
    int64_t pause_ms = 0;               // how long this source's pin itself kept its writers from committing
    std::vector<std::string> roots;     // listing paths
    std::optional<StreamRoot> listing;  // of kind meta; none where nothing could be stored
    uint64_t entries = 0;
    uint64_t streams = 0;
    uint64_t bytes = 0;
    Facts facts;
    std::vector<std::string> notes;
    SecretFingerprints secrets;  // of the values it held; none in a repository without encryption

    // All that it was is stored, if less than expected: its size can be accepted.
    bool is_whole() const { return listing && status != SourceStatus::missing && status != SourceStatus::unreadable; }
};

struct Manifest {
    std::string stack;
    std::string root;
    std::string host;
    std::string ingot_version;
    std::string application_version;              // what [stack] version printed
    std::map<std::string, std::string> versions;  // of what is stored: "schema" -> "42"
    std::vector<std::string> tags;
    int64_t started_ms = 0;
    int64_t moment_ms = 0;  // the snapshot's moment: the latest pin's
    int64_t finished_ms = 0;
    Consistency consistency = Consistency::fuzzy;
    int64_t skew_ms = 0;              // between the first and the last pin's moment
    std::optional<int64_t> pause_ms;  // how long the writers were paused; none where no pause is configured
    std::vector<ManifestSource> sources;
    uint64_t bytes_read = 0, chunks = 0, chunks_new = 0, bytes_new = 0;

    // Every declared source is stored.
    bool complete() const;
    const ManifestSource* find(std::string_view source) const;
};

enum class AttestationKind : uint8_t { verified, golden, drilled, suspect, accepted };
const char* to_string(AttestationKind kind);

struct Attestation {
    AttestationKind kind = AttestationKind::verified;
    RecordId manifest;
    int64_t time_ms = 0;
    std::string host;
    std::map<std::string, Facts> evidence;         // "read back", a source's name, "coverage": what was found
    std::vector<std::string> accepted;             // sources whose new size was accepted
    std::map<std::string, TopKRecord> top_k = {};  // of golden: known queries, by probe
};

Bytes encode_manifest(const Manifest& manifest);
Manifest decode_manifest(ByteView json);
Bytes encode_attestation(const Attestation& attestation);
Attestation decode_attestation(ByteView json);

}  // namespace ingot
