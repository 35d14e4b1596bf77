// What records hold: their envelope (store/record.h), manifests and attestations (snapshot/manifest.h).
#include "snapshot/manifest.h"
#include "store/hash.h"
#include "store/record.h"
#include "tests/fuzz/fuzz.h"

namespace ingot::fuzz {
namespace {

// Whoever can write to a plaintext repository can give a record any bytes and the right name.
void envelope(ByteView file) {
    static const KeyRing keys = KeyRing::plain();
    for (const RecordKind kind : {RecordKind::manifest, RecordKind::attestation, RecordKind::audit, RecordKind::tombstone}) {
        const RecordName name{kind, RecordId::from(sha256(file).view())};
        decode_or_error([&] { (void)decode_record(name, file, keys, RepositoryId{}); });
    }
}

void manifest(ByteView json) {
    const Manifest first = decode_manifest(json);
    const Bytes encoded = encode_manifest(first);
    require(encode_manifest(decode_manifest(encoded)) == encoded, "a manifest does not come back the same");
}

void attestation(ByteView json) {
    const Attestation first = decode_attestation(json);
    const Bytes encoded = encode_attestation(first);
    require(encode_attestation(decode_attestation(encoded)) == encoded, "an attestation does not come back the same");
}

}  // namespace

std::vector<Bytes> seeds() {
    Manifest sample;
    sample.stack = "raggen";
    ManifestSource source;
    source.name = "db";
    source.driver = "sqlite";
    source.facts["chunks"] = int64_t{4312};
    source.facts["journal_mode"] = std::string("wal");
    source.facts["share"] = 0.5;
    sample.sources.push_back(source);
    const Bytes manifest = encode_manifest(sample);
    const Bytes file = encode_record(RecordKind::manifest, manifest, KeyRing::plain(), RepositoryId{}).file;
    return {tagged(0, file), tagged(1, manifest), tagged(2, encode_attestation(Attestation{}))};
}

}  // namespace ingot::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace ingot::fuzz;
    Input input(data, size);
    const uint8_t which = input.u8();
    decode_or_error([&] {
        if (which % 3 == 0) envelope(input.rest());
        if (which % 3 == 1) manifest(input.rest());
        if (which % 3 == 2) attestation(input.rest());
    });
    return 0;
}
