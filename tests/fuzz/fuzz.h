// What the fuzzers share. Each target is one file `<name>_fuzz.cc` with LLVMFuzzerTestOneInput and `fuzz_seeds`:
//
//   ./dev fuzz NAME [SECONDS]     built by clang with libFuzzer, ASan and UBSan, over tests/fuzz/corpus/NAME
//   ctest -R fuzz                 every input of the corpora and every seed, once, in the ordinary and the sanitized build
//
// The promise each target holds: whatever the bytes are, the decoder returns a value or throws Error; it never aborts, hangs, or
// allocates by a length that it did not check. What it returns is encoded again where there is an encoder, and must come back
// the same.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace ingot::fuzz {

// Valid inputs, to begin with: what is far from valid finds little.
std::vector<Bytes> seeds();

// A finding. Kept in a function of its own, so that libFuzzer's report names it.
[[noreturn]] inline void finding(const char* what) {
    std::fprintf(stderr, "fuzz: %s\n", what);
    std::abort();
}

inline void require(bool holds, const char* what) {
    if (!holds) finding(what);
}

// Runs `decode`; an Error is an answer, anything else a finding.
template <class Decode>
void decode_or_error(Decode&& decode) {
    try {
        decode();
    } catch (const Error&) {  // the bytes were refused, in words
    }
}

// An input whose first byte says which decoder it is for.
inline Bytes tagged(uint8_t tag, ByteView bytes) { return Encoder().u8(tag).raw(bytes).take(); }

// Takes the input apart from its front.
class Input {
public:
    Input(const uint8_t* data, size_t size) : rest_(data, size) {}
    uint8_t u8() {
        if (rest_.empty()) return 0;
        const uint8_t value = rest_.front();
        rest_ = rest_.subspan(1);
        return value;
    }
    uint32_t u32() {
        return u8() | static_cast<uint32_t>(u8()) << 8 | static_cast<uint32_t>(u8()) << 16 | static_cast<uint32_t>(u8()) << 24;
    }
    ByteView rest() const { return rest_; }

private:
    ByteView rest_;
};

}  // namespace ingot::fuzz
