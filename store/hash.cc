// The low-level SHA-256 of OpenSSL is marked deprecated in favour of EVP, whose set-up costs more than hashing a 4 KiB chunk's
// last block; it uses the CPU's SHA instructions where there are any.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "store/hash.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include "base/error.h"
#include "store/sha256_lanes.h"

namespace ingot {

Digest sha256(ByteView bytes) {
    Digest digest;
    SHA256(bytes.data(), bytes.size(), digest.bytes.data());
    return digest;
}

void hash_many(std::span<const ByteView> inputs, std::span<Digest> digests) {
    if (has_sha_instructions()) {
        sha256_in_lanes(inputs, digests);
        return;
    }
    for (size_t i = 0; i < inputs.size(); ++i) digests[i] = sha256(inputs[i]);
}

struct Sha256::State {
    SHA256_CTX context;
};

Sha256::Sha256() : state_(std::make_unique<State>()) { SHA256_Init(&state_->context); }
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::update(ByteView bytes) { SHA256_Update(&state_->context, bytes.data(), bytes.size()); }

Digest Sha256::finish() {
    Digest digest;
    SHA256_Final(digest.bytes.data(), &state_->context);
    return digest;
}

struct HmacSha256::State {
    SHA256_CTX inner;
    SHA256_CTX outer;
};

HmacSha256::HmacSha256(ByteView key) : state_(std::make_unique<State>()) {
    std::array<uint8_t, SHA256_CBLOCK> block{};
    if (key.size() > block.size()) {
        const Digest short_key = sha256(key);
        std::memcpy(block.data(), short_key.bytes.data(), short_key.bytes.size());
    } else if (!key.empty()) {
        std::memcpy(block.data(), key.data(), key.size());
    }
    std::array<uint8_t, SHA256_CBLOCK> pad{};
    for (size_t i = 0; i < pad.size(); ++i) pad[i] = block[i] ^ 0x36;
    SHA256_Init(&state_->inner);
    SHA256_Update(&state_->inner, pad.data(), pad.size());
    for (size_t i = 0; i < pad.size(); ++i) pad[i] = block[i] ^ 0x5c;
    SHA256_Init(&state_->outer);
    SHA256_Update(&state_->outer, pad.data(), pad.size());
    OPENSSL_cleanse(block.data(), block.size());
    OPENSSL_cleanse(pad.data(), pad.size());
}

HmacSha256::~HmacSha256() {
    if (state_) OPENSSL_cleanse(state_.get(), sizeof *state_);
}
HmacSha256::HmacSha256(HmacSha256&&) noexcept = default;
HmacSha256& HmacSha256::operator=(HmacSha256&&) noexcept = default;

Digest HmacSha256::operator()(std::initializer_list<ByteView> parts) const {
    SHA256_CTX context = state_->inner;
    for (const ByteView part : parts) SHA256_Update(&context, part.data(), part.size());
    Digest digest;
    SHA256_Final(digest.bytes.data(), &context);
    context = state_->outer;
    SHA256_Update(&context, digest.bytes.data(), digest.bytes.size());
    SHA256_Final(digest.bytes.data(), &context);
    return digest;
}

bool same_secret(ByteView a, ByteView b) { return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0; }

void random_bytes(std::span<uint8_t> out) {
    if (RAND_bytes(out.data(), static_cast<int>(out.size())) != 1) {
        throw Error(Code::failed, "the system's random generator failed");
    }
}

}  // namespace ingot
