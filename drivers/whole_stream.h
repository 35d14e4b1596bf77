// Bytes that are there as a whole, as a stream of one section that is cut by content.
//
// Thread safety: as Stream. Lifetime: within what `read_at` reads. Errors: those of `read_at`.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <utility>

#include "base/stream.h"

namespace ingot {

class WholeStream : public Stream {
public:
    // Reads up to out.size() bytes at an offset below `size`; 0 only at the end.
    using ReadAt = std::function<size_t(uint64_t offset, std::span<uint8_t> out)>;

    WholeStream(uint64_t size, ReadAt read_at) : size_(size), read_at_(std::move(read_at)) {}
    explicit WholeStream(const std::string& text)
        : WholeStream(text.size(), [&text](uint64_t offset, std::span<uint8_t> out) {
              return text.copy(reinterpret_cast<char*>(out.data()), out.size(), offset);
          }) {}

    std::optional<Section> next_section() override {
        if (std::exchange(given_, true) || size_ == 0) return std::nullopt;
        Section section = Section::cdc();
        section.length_bytes = size_;
        return section;
    }

    size_t read(std::span<uint8_t> out) override {
        const size_t n = read_at_(offset_, out);
        offset_ += n;
        return n;
    }

private:
    const uint64_t size_;
    const ReadAt read_at_;
    uint64_t offset_ = 0;
    bool given_ = false;
};

}  // namespace ingot
