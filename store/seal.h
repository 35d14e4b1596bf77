// Sealing: authenticated encryption of segments, directories and records (docs/format.md, "Sealing").
//
// A Sealer holds one key. The nonce is a counter, and no counter is ever sealed twice under one key: each pack and record has
// a key of its own, from a random salt.
//
// Thread safety: const members from any thread. Errors: unseal throws Error{damaged} and leaves no plaintext behind.
#pragma once

#include <array>
#include <cstdint>

#include "base/bytes.h"
#include "base/secret.h"

namespace ingot {

enum class Seal : uint8_t { none = 0, aes256_gcm = 1, chacha20_poly1305 = 2 };

using Tag = std::array<uint8_t, 16>;

// AES-256-GCM where the CPU has instructions for it, else ChaCha20-Poly1305.
Seal best_seal();

class Sealer {
public:
    // Throws Error{damaged} for a seal this version does not know.
    Sealer(Seal seal, Secret key);

    Seal seal_kind() const { return seal_; }
    // In place; returns the tag.
    Tag seal(uint64_t counter, ByteView associated, std::span<uint8_t> bytes) const;
    void unseal(uint64_t counter, ByteView associated, std::span<uint8_t> bytes, const Tag& tag) const {
        unseal(counter, associated, bytes, bytes, tag);
    }
    // From one place to another of the same length, or in place.
    void unseal(uint64_t counter, ByteView associated, ByteView sealed, std::span<uint8_t> out, const Tag& tag) const;

private:
    Seal seal_;
    Secret key_;
};

// XXH3-64, for finding bit rot without keys.
uint64_t xxh3_64(ByteView bytes);

}  // namespace ingot
