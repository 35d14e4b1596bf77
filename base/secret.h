// Secret bytes: keys and passphrases. Locked in memory where the system allows it, kept out of core dumps, overwritten when
// they die, never copied by accident, never printed.
//
// Thread safety: as for any value. Errors: Error{failed} when memory cannot be had.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "base/bytes.h"

namespace ingot {

class Secret {
public:
    Secret() = default;
    explicit Secret(size_t size);
    static Secret copy_of(ByteView bytes);
    static Secret copy_of(std::string_view text) { return copy_of(view_of(text)); }
    Secret(Secret&& other) noexcept;
    Secret& operator=(Secret&& other) noexcept;
    Secret(const Secret&) = delete;
    Secret& operator=(const Secret&) = delete;
    ~Secret();

    ByteView view() const { return {data_, size_}; }
    std::span<uint8_t> writable() { return {data_, size_}; }
    std::string_view text() const { return text_of(view()); }
    size_t size() const { return size_; }
    bool empty() const { return size_ == 0; }
    Secret clone() const { return copy_of(view()); }

private:
    void wipe() noexcept;

    uint8_t* data_ = nullptr;
    size_t size_ = 0;
    size_t mapped_ = 0;
};

// Overwrites bytes that held a secret, in a way the compiler keeps.
void wipe(std::span<uint8_t> bytes) noexcept;

}  // namespace ingot
