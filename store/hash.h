// SHA-256 (FIPS 180-4) and HMAC-SHA-256 (RFC 2104).
//
// hash_many takes many inputs at a time so that an implementation may run several at once in vector lanes; whichever is used,
// the digests are the same. Thread safety: all functions and const members from any thread.
#pragma once

#include <initializer_list>
#include <memory>
#include <span>

#include "base/bytes.h"

namespace ingot {

// digests[i] = SHA-256(inputs[i]); both spans have the same length.
void hash_many(std::span<const ByteView> inputs, std::span<Digest> digests);

Digest sha256(ByteView bytes);

// SHA-256 of bytes that come in pieces.
class Sha256 {
public:
    Sha256();
    ~Sha256();
    Sha256(Sha256&&) noexcept;
    Sha256& operator=(Sha256&&) noexcept;
    void update(ByteView bytes);
    Digest finish();  // once

private:
    struct State;
    std::unique_ptr<State> state_;
};

// HMAC under one key, prepared once: a short message costs two compressions.
class HmacSha256 {
public:
    explicit HmacSha256(ByteView key);
    ~HmacSha256();
    HmacSha256(HmacSha256&&) noexcept;
    HmacSha256& operator=(HmacSha256&&) noexcept;
    // Of the parts one after the other.
    Digest operator()(std::initializer_list<ByteView> parts) const;

private:
    struct State;
    std::unique_ptr<State> state_;
};

// Equal in constant time; lengths may be compared openly.
bool same_secret(ByteView a, ByteView b);

void random_bytes(std::span<uint8_t> out);

}  // namespace ingot
