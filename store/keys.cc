#include "store/keys.h"

#include <fmt/format.h>
#include <sodium.h>

#include <algorithm>
#include <set>

#include "base/error.h"

namespace ingot {
namespace {

constexpr std::string_view kMagic = "INGTSLOT";
constexpr uint64_t kSlotLimitBytes = 16 << 10;
constexpr size_t kKeyBytes = 32;
constexpr uint8_t kPassphrase = 1;
constexpr uint8_t kKeyFile = 2;
// Below, a passphrase is guessed too cheaply; above, a hostile slot would take the machine down (RFC 9106 gives 64 MiB as the
// second recommendation; tests use less than the default, never less than this).
constexpr uint32_t kLeastMemoryKib = 8 << 10, kMostMemoryKib = 2 << 20, kLeastPasses = 1, kMostPasses = 16;

void need_sodium() {
    static const int ready = sodium_init();
    if (ready < 0) throw Error(Code::failed, "libsodium could not start");
}

struct WrapKeys {
    Secret both{2 * kKeyBytes};
    ByteView wrap() const { return both.view().first(kKeyBytes); }
    ByteView commit() const { return both.view().subspan(kKeyBytes); }
};

WrapKeys from_passphrase(ByteView passphrase, ByteView salt, uint32_t passes, uint32_t memory_kib) {
    if (passes < kLeastPasses || passes > kMostPasses || memory_kib < kLeastMemoryKib || memory_kib > kMostMemoryKib) {
        throw Error(Code::damaged,
                    fmt::format("a key slot asks for {} passes over {} KiB, which is refused", passes, memory_kib));
    }
    WrapKeys keys;
    if (crypto_pwhash(keys.both.writable().data(), keys.both.size(), text_of(passphrase).data(), passphrase.size(), salt.data(),
                      passes, size_t{memory_kib} * 1024, crypto_pwhash_ALG_ARGON2ID13) != 0) {
        throw Error(Code::failed, fmt::format("Argon2id needs {} MiB of memory and did not get it", memory_kib / 1024),
                    "free some memory, or open the repository with a key file");
    }
    return keys;
}

WrapKeys from_key_file(ByteView key, ByteView salt) {
    WrapKeys keys;
    crypto_auth_hmacsha512_state state;
    crypto_auth_hmacsha512_init(&state, key.data(), key.size());
    const ByteView label = view_of("ingot key file");
    crypto_auth_hmacsha512_update(&state, label.data(), label.size());
    crypto_auth_hmacsha512_update(&state, salt.data(), salt.size());
    crypto_auth_hmacsha512_final(&state, keys.both.writable().data());
    sodium_memzero(&state, sizeof state);
    return keys;
}

Digest commitment_of(const WrapKeys& keys, const RepositoryConfig& config) {
    return HmacSha256(keys.commit())({view_of("ingot slot"), config.config_id.view()});
}

struct SlotHeader {
    uint8_t kind;
    std::string name;
    std::string label;
    uint32_t passes, memory_kib;
    ByteView salt, nonce, commitment;
    ByteView authenticated;  // the file up to and with the commitment
    ByteView sealed;
};

// Everything but the secret part; the checksum proves that the file is as it was written.
SlotHeader decode_slot(ByteView file, const std::string& name) {
    Decoder whole(file, "a key slot");
    if (file.size() < 32) whole.fail("it is too short");
    const ByteView body = file.first(file.size() - 32);
    if (sha256(body).view().size() != 32 || !std::ranges::equal(sha256(body).view(), file.subspan(body.size()))) {
        whole.fail("its checksum does not match");
    }
    Decoder in(body, "a key slot");
    in.expect(kMagic);
    SlotHeader slot;
    if (in.u16() != 1) in.fail("an unknown version");
    slot.kind = in.u8();
    if (slot.kind != kPassphrase && slot.kind != kKeyFile) in.fail("an unknown kind");
    in.expect_zeros(1);
    slot.name = to_hex(in.raw(4));
    if (slot.name != name) in.fail("it lies under another slot's name");
    slot.label = in.prefixed_text(64);
    slot.passes = in.u32();
    slot.memory_kib = in.u32();
    slot.salt = in.raw(16);
    slot.nonce = in.raw(24);
    slot.commitment = in.raw(32);
    slot.authenticated = body.first(body.size() - in.left());
    slot.sealed = in.prefixed(kSlotLimitBytes);
    in.finish();
    if (slot.sealed.size() < crypto_aead_xchacha20poly1305_ietf_ABYTES) in.fail("its bundle is too short");
    return slot;
}

Bytes associated_data(const RepositoryConfig& config, ByteView authenticated) {
    return Encoder().raw(config.config_id.view()).raw(authenticated).take();
}

std::set<std::string> slot_names(BlobStore& blobs) {
    std::set<std::string> names;
    blobs.list("keys", [&](const std::string& name, uint64_t) {
        const std::string base = base_name_of(name);
        if (base.size() == 10 && (base.ends_with(".a") || base.ends_with(".b"))) names.insert(base.substr(0, 8));
    });
    return names;
}

std::string copy_name(const std::string& slot, char copy) { return fmt::format("keys/{}.{}", slot, copy); }

}  // namespace

KeyRing KeyRing::generate() {
    KeyRing ring;
    Secret master(kKeyBytes);
    for (Secret* key : {&ring.id_key_, &ring.chunker_key_, &ring.directory_key_, &ring.head_key_}) {
        *key = Secret(kKeyBytes);
        random_bytes(key->writable());
    }
    random_bytes(master.writable());
    ring.masters_.emplace(1, std::move(master));
    return ring;
}

KeyRing KeyRing::plain() {
    KeyRing ring;
    for (Secret* key : {&ring.id_key_, &ring.chunker_key_, &ring.directory_key_, &ring.head_key_}) *key = Secret(kKeyBytes);
    return ring;
}

KeyRing KeyRing::decode(ByteView bundle) {
    Decoder in(bundle, "a key bundle");
    KeyRing ring;
    for (Secret* key : {&ring.id_key_, &ring.chunker_key_, &ring.directory_key_, &ring.head_key_})
        *key = Secret::copy_of(in.raw(kKeyBytes));
    const uint32_t count = in.count(4 + kKeyBytes);
    for (uint32_t i = 0; i < count; ++i) {
        const uint32_t epoch = in.u32();
        ring.masters_.emplace(epoch, Secret::copy_of(in.raw(kKeyBytes)));
    }
    in.finish();
    if (ring.masters_.size() != count || count == 0 || ring.masters_.begin()->first == 0) in.fail("impossible epochs");
    return ring;
}

Secret KeyRing::encode() const {
    Encoder out;
    for (const Secret* key : {&id_key_, &chunker_key_, &directory_key_, &head_key_}) out.raw(key->view());
    out.u32(static_cast<uint32_t>(masters_.size()));
    for (const auto& [epoch, master] : masters_) out.u32(epoch).raw(master.view());
    Bytes bytes = out.take();
    Secret bundle = Secret::copy_of(bytes);
    wipe(bytes);
    return bundle;
}

static Sealer derived(Seal seal, ByteView key, const char* label, const RepositoryId& repository, const Salt& salt) {
    return {seal, Secret::copy_of(HmacSha256(key)({view_of(label), repository.view(), salt}).view())};
}

Sealer KeyRing::from_master(const char* label, Seal seal, uint32_t epoch, const RepositoryId& repository,
                            const Salt& salt) const {
    if (seal == Seal::none) {
        if (sealed()) throw Error(Code::damaged, "unsealed data in a sealed repository");
        return {seal, Secret()};
    }
    const auto master = masters_.find(epoch);
    if (master == masters_.end()) throw Error(Code::damaged, fmt::format("there is no key of epoch {}", epoch));
    return derived(seal, master->second.view(), label, repository, salt);
}

Sealer KeyRing::pack_sealer(Seal seal, uint32_t epoch, const RepositoryId& repository, const Salt& salt) const {
    return from_master("ingot pack", seal, epoch, repository, salt);
}

Sealer KeyRing::record_sealer(Seal seal, uint32_t epoch, const RepositoryId& repository, const Salt& salt) const {
    return from_master("ingot record", seal, epoch, repository, salt);
}

Sealer KeyRing::directory_sealer(Seal seal, const RepositoryId& repository, const Salt& salt) const {
    if (seal == Seal::none) {
        if (sealed()) throw Error(Code::damaged, "an unsealed directory in a sealed repository");
        return {seal, Secret()};
    }
    return derived(seal, directory_key_.view(), "ingot directory", repository, salt);
}

EncodedSlot encode_slot(const KeyRing& keys, const Credentials& credentials, const RepositoryConfig& config,
                        const InitOptions& options) {
    need_sodium();
    if (credentials.passphrase.has_value() == credentials.key_file.has_value()) {
        throw Error(Code::usage, "a key slot needs either a passphrase or a key file");
    }
    if (credentials.passphrase && credentials.passphrase->empty()) {
        throw Error(Code::usage, "an empty passphrase protects nothing", "give one, or make the repository with --no-encryption");
    }
    if (options.label.size() > 64) throw Error(Code::usage, "a key's label has at most 64 bytes");
    const bool by_passphrase = credentials.passphrase.has_value();
    std::array<uint8_t, 4 + 16 + 24> random;
    random_bytes(random);
    const ByteView slot(random.data(), 4), salt(random.data() + 4, 16), nonce(random.data() + 20, 24);
    const uint32_t passes = by_passphrase ? options.kdf_passes : 0;
    const uint32_t memory = by_passphrase ? options.kdf_memory_kib : 0;
    const WrapKeys wrap = by_passphrase ? from_passphrase(credentials.passphrase->view(), salt, passes, memory)
                                        : from_key_file(credentials.key_file->view(), salt);
    Encoder out;
    out.raw(kMagic).u16(1).u8(by_passphrase ? kPassphrase : kKeyFile).u8(0).raw(slot).prefixed(options.label);
    out.u32(passes).u32(memory).raw(salt).raw(nonce).raw(commitment_of(wrap, config).view());
    const Bytes associated = associated_data(config, out.bytes());
    const Secret bundle = keys.encode();
    Bytes sealed(bundle.size() + crypto_aead_xchacha20poly1305_ietf_ABYTES);
    unsigned long long length = 0;
    crypto_aead_xchacha20poly1305_ietf_encrypt(sealed.data(), &length, bundle.view().data(), bundle.size(), associated.data(),
                                               associated.size(), nullptr, nonce.data(), wrap.wrap().data());
    out.prefixed(sealed);
    const Digest sum = sha256(out.bytes());
    out.raw(sum.view());
    return {to_hex(slot), out.take()};
}

void put_slot(BlobStore& blobs, const EncodedSlot& slot) {
    for (const char copy : {'a', 'b'}) {
        if (!blobs.put_new(copy_name(slot.name, copy), slot.file)) {
            throw Error(Code::failed, fmt::format("a key slot {} exists already", slot.name), "run the command again");
        }
    }
}

std::optional<KeyRing> open_slot(ByteView file, const std::string& name, const RepositoryConfig& config,
                                 const Credentials& credentials) {
    need_sodium();
    const SlotHeader slot = decode_slot(file, name);
    const bool fits = slot.kind == kPassphrase ? credentials.passphrase.has_value() : credentials.key_file.has_value();
    if (!fits) return std::nullopt;
    const WrapKeys wrap = slot.kind == kPassphrase
                              ? from_passphrase(credentials.passphrase->view(), slot.salt, slot.passes, slot.memory_kib)
                              : from_key_file(credentials.key_file->view(), slot.salt);
    if (!same_secret(commitment_of(wrap, config).view(), slot.commitment)) return std::nullopt;
    const Bytes associated = associated_data(config, slot.authenticated);
    Secret bundle(slot.sealed.size() - crypto_aead_xchacha20poly1305_ietf_ABYTES);
    unsigned long long length = 0;
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(bundle.writable().data(), &length, nullptr, slot.sealed.data(),
                                                   slot.sealed.size(), associated.data(), associated.size(), slot.nonce.data(),
                                                   wrap.wrap().data()) != 0) {
        throw Error(Code::damaged, "a key slot is damaged: its seal is broken");
    }
    return KeyRing::decode(bundle.view());
}

std::vector<KeySlot> list_slots(BlobStore& blobs) {
    std::vector<KeySlot> slots;
    for (const std::string& name : slot_names(blobs)) {
        KeySlot slot{name, "", "", ""};
        for (const char copy : {'a', 'b'}) {
            try {
                const Bytes file = blobs.get(copy_name(name, copy), kSlotLimitBytes);
                const SlotHeader header = decode_slot(file, name);
                slot.label = header.label;
                slot.kind = header.kind == kPassphrase ? "passphrase" : "key file";
            } catch (const Error& error) {
                if (error.code() != Code::damaged && error.code() != Code::not_found) throw;
                slot.problem += fmt::format("{}{}: {}", slot.problem.empty() ? "" : "; ", copy_name(name, copy), error.what());
            }
        }
        slots.push_back(std::move(slot));
    }
    return slots;
}

KeyRing unlock(BlobStore& blobs, const RepositoryConfig& config, const Credentials& credentials,
               const std::function<void(const std::string&)>& warn, std::string* opened) {
    if (!config.sealed) return KeyRing::plain();
    if (!credentials.passphrase && !credentials.key_file) {
        throw Error(Code::wrong_key, "this repository is encrypted and no key was given",
                    "give --key-file, INGOT_PASSWORD_FILE or INGOT_PASSWORD_COMMAND");
    }
    const std::set<std::string> names = slot_names(blobs);
    size_t readable = 0;
    for (const std::string& name : names) {
        for (const char copy : {'a', 'b'}) {
            try {
                auto ring = open_slot(blobs.get(copy_name(name, copy), kSlotLimitBytes), name, config, credentials);
                ++readable;
                if (!ring) break;  // the second copy is the same slot: one slow attempt is enough
                if (opened) *opened = name;
                return std::move(*ring);
            } catch (const Error& error) {
                if (error.code() != Code::damaged && error.code() != Code::not_found) throw;
                if (warn)
                    warn(fmt::format("key slot {}: {} (`ingot check --repair` mends it)", copy_name(name, copy), error.what()));
            }
        }
    }
    if (readable == 0) {
        throw Error(Code::damaged,
                    names.empty() ? "the repository is encrypted and has no key slot left" : "no key slot can be read",
                    "copy the folder keys/ from another copy of this repository");
    }
    throw Error(Code::wrong_key, "no key slot opens with this key or passphrase", "check which key belongs to this repository");
}

}  // namespace ingot
