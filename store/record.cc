#include "store/record.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"

namespace ingot {

static constexpr std::string_view kMagic = "INGTREC1";
static constexpr size_t kHeaderBytes = 48;
static constexpr std::array kKinds = {RecordKind::manifest, RecordKind::attestation, RecordKind::audit, RecordKind::tombstone};

EncodedRecord encode_record(RecordKind kind, ByteView plaintext, const KeyRing& keys, const RepositoryId& repository) {
    if (plaintext.size() > kRecordLimitBytes - 1024) throw Error(Code::failed, "a record of more than 64 MiB");
    const Seal seal = keys.sealed() ? best_seal() : Seal::none;
    Salt salt;
    random_bytes(salt);
    Encoder out;
    out.raw(kMagic).u16(1).u8(static_cast<uint8_t>(kind)).u8(static_cast<uint8_t>(seal)).u8(keys.sealed() ? 1 : 0);
    out.u8(0).u16(0).u32(keys.newest_epoch()).u32(0).raw(salt);
    const Bytes associated = Encoder().raw(repository.view()).raw(out.bytes()).take();
    Bytes body(plaintext.begin(), plaintext.end());
    const Tag tag = keys.record_sealer(seal, keys.newest_epoch(), repository, salt).seal(0, associated, body);
    out.u32(static_cast<uint32_t>(body.size())).raw(tag).raw(body);
    const RecordName name{kind, RecordId::from(sha256(out.bytes()).view())};
    return {name, out.take()};
}

Bytes decode_record(const RecordName& name, ByteView file, const KeyRing& keys, const RepositoryId& repository) {
    const std::string what = record_path(name);
    if (!std::ranges::equal(sha256(file).view(), name.id.view())) {
        throw Error(Code::damaged, fmt::format("{} is damaged: its bytes are not those its name says", what));
    }
    Decoder in(file, what);
    in.expect(kMagic);
    if (in.u16() != 1) in.fail("an unknown version");
    if (in.u8() != static_cast<uint8_t>(name.kind)) in.fail("it is of another kind");
    const uint8_t seal = in.u8();
    if (seal > 2) in.fail("an unknown seal");
    if (in.u8() != (seal == 0 ? 0 : 1)) in.fail("an unknown key mode");
    in.expect_zeros(3);
    const uint32_t epoch = in.u32();
    in.expect_zeros(4);
    Salt salt;
    const ByteView salt_bytes = in.raw(salt.size());
    std::copy(salt_bytes.begin(), salt_bytes.end(), salt.begin());
    const uint32_t length = in.u32();
    Tag tag;
    const ByteView tag_bytes = in.raw(tag.size());
    std::copy(tag_bytes.begin(), tag_bytes.end(), tag.begin());
    const ByteView sealed = in.raw(length);
    in.finish();
    Bytes plain(sealed.begin(), sealed.end());
    const Bytes associated = Encoder().raw(repository.view()).raw(file.first(kHeaderBytes)).take();
    try {
        keys.record_sealer(static_cast<Seal>(seal), epoch, repository, salt).unseal(0, associated, plain, tag);
    } catch (const Error& error) {
        throw error.within(what);
    }
    return plain;
}

const char* folder_of(RecordKind kind) {
    switch (kind) {
        case RecordKind::manifest:
            return "manifest";
        case RecordKind::attestation:
            return "attestation";
        case RecordKind::audit:
            return "audit";
        case RecordKind::tombstone:
            return "tombstone";
    }
    return "unknown";
}

std::string record_path(const RecordName& name) { return fmt::format("records/{}/{}", folder_of(name.kind), name.id.hex()); }

std::optional<RecordName> record_from_path(std::string_view path) {
    for (const RecordKind kind : kKinds) {
        const std::string prefix = fmt::format("records/{}/", folder_of(kind));
        if (!path.starts_with(prefix)) continue;
        const std::string_view hex = path.substr(prefix.size());
        if (hex.size() != 64 || hex.find_first_not_of("0123456789abcdef") != std::string_view::npos) return std::nullopt;
        return RecordName{kind, RecordId::from_hex(hex)};
    }
    return std::nullopt;
}

}  // namespace ingot
