#include "store/seal.h"

#include <openssl/evp.h>
#include <xxhash.h>

#include <algorithm>
#include <cassert>
#include <memory>

#include "base/error.h"

namespace ingot {
namespace {

using Context = std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)>;

const EVP_CIPHER* cipher_of(Seal seal) {
    // Fetched once: a fetch by name in each call costs more than sealing a small record.
    static EVP_CIPHER* const aes = EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr);
    static EVP_CIPHER* const chacha = EVP_CIPHER_fetch(nullptr, "ChaCha20-Poly1305", nullptr);
    return seal == Seal::aes256_gcm ? aes : chacha;
}

std::array<uint8_t, 12> nonce_of(uint64_t counter) {
    std::array<uint8_t, 12> nonce{};
    for (size_t i = 0; i < 8; ++i) nonce[i] = static_cast<uint8_t>(counter >> (8 * i));
    return nonce;
}

Tag checksum_of(ByteView bytes) {
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits(bytes.data(), bytes.size()));
    Tag tag;
    std::copy(std::begin(canonical.digest), std::end(canonical.digest), tag.begin());
    return tag;
}

void require(bool ok, const char* what) {
    if (!ok) throw Error(Code::failed, std::string("the cryptographic library failed: ") + what);
}

}  // namespace

Seal best_seal() {
    return __builtin_cpu_supports("aes") && __builtin_cpu_supports("pclmul") ? Seal::aes256_gcm : Seal::chacha20_poly1305;
}

uint64_t xxh3_64(ByteView bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

Sealer::Sealer(Seal seal, Secret key) : seal_(seal), key_(std::move(key)) {
    if (seal_ != Seal::none && seal_ != Seal::aes256_gcm && seal_ != Seal::chacha20_poly1305) {
        throw Error(Code::damaged, "an unknown kind of seal");
    }
}

Tag Sealer::seal(uint64_t counter, ByteView associated, std::span<uint8_t> bytes) const {
    if (seal_ == Seal::none) return checksum_of(bytes);
    const Context context(EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free);
    int length = 0;
    Tag tag;
    require(context &&
                EVP_EncryptInit_ex2(context.get(), cipher_of(seal_), key_.view().data(), nonce_of(counter).data(), nullptr) == 1,
            "starting to seal");
    require(EVP_EncryptUpdate(context.get(), nullptr, &length, associated.data(), static_cast<int>(associated.size())) == 1,
            "associated data");
    require(EVP_EncryptUpdate(context.get(), bytes.data(), &length, bytes.data(), static_cast<int>(bytes.size())) == 1,
            "sealing");
    require(EVP_EncryptFinal_ex(context.get(), bytes.data() + length, &length) == 1, "ending a seal");
    require(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_GET_TAG, static_cast<int>(tag.size()), tag.data()) == 1,
            "reading a tag");
    return tag;
}

void Sealer::unseal(uint64_t counter, ByteView associated, ByteView sealed, std::span<uint8_t> out, const Tag& tag) const {
    assert(sealed.size() == out.size());
    if (seal_ == Seal::none) {
        if (checksum_of(sealed) != tag) throw Error(Code::damaged, "the checksum does not match");
        if (sealed.data() != out.data()) copy_bytes(sealed, out);
        return;
    }
    const Context context(EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free);
    int length = 0;
    Tag copy = tag;
    require(context &&
                EVP_DecryptInit_ex2(context.get(), cipher_of(seal_), key_.view().data(), nonce_of(counter).data(), nullptr) == 1,
            "starting to unseal");
    require(EVP_DecryptUpdate(context.get(), nullptr, &length, associated.data(), static_cast<int>(associated.size())) == 1,
            "associated data");
    require(EVP_DecryptUpdate(context.get(), out.data(), &length, sealed.data(), static_cast<int>(sealed.size())) == 1,
            "unsealing");
    require(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_SET_TAG, static_cast<int>(copy.size()), copy.data()) == 1,
            "setting a tag");
    if (EVP_DecryptFinal_ex(context.get(), out.data() + length, &length) != 1) {
        std::ranges::fill(out, uint8_t{0});
        throw Error(Code::damaged, "the seal is broken");
    }
}

}  // namespace ingot
