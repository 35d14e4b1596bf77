// Streams from memory, for tests of the store.
#pragma once

#include <algorithm>
#include <deque>
#include <random>
#include <string>
#include <vector>

#include "base/error.h"
#include "store/write_session.h"

namespace ingot::test {

// Reproducible bytes that do not compress.
inline Bytes noise(size_t size, uint64_t seed) {
    std::mt19937_64 random(seed);
    Bytes out(size);
    for (size_t i = 0; i < size; i += 8) {
        const uint64_t word = random();
        std::memcpy(out.data() + i, &word, std::min<size_t>(8, size - i));
    }
    return out;
}

// Reproducible bytes that do.
inline Bytes prose(size_t size, uint64_t seed) {
    static const char* const kWords[] = {"golden ", "snapshot ", "vector ", "index ", "restore ",
                                         "chunk ",  "of ",       "the ",    "a ",     "pack\n"};
    std::mt19937_64 random(seed);
    Bytes out;
    while (out.size() < size) {
        const std::string word = kWords[random() % 10] + std::to_string(random() % 1000);
        out.insert(out.end(), word.begin(), word.end());
    }
    out.resize(size);
    return out;
}

class MemoryStream : public Stream {
public:
    MemoryStream(Bytes bytes, Section section) : bytes_(std::move(bytes)), section_(section) {}
    std::optional<Section> next_section() override {
        if (std::exchange(given_, true)) return std::nullopt;
        return section_;
    }
    size_t read(std::span<uint8_t> out) override {
        const size_t n = std::min(out.size(), bytes_.size() - position_);
        std::copy_n(bytes_.begin() + static_cast<ptrdiff_t>(position_), n, out.begin());
        position_ += n;
        return n;
    }

private:
    Bytes bytes_;
    Section section_;
    size_t position_ = 0;
    bool given_ = false;
};

class MemoryFeed : public StreamFeed {
public:
    MemoryFeed& add(Bytes bytes, Section section = {}) {
        waiting_.emplace_back(std::move(bytes), section);
        return *this;
    }
    Stream* next() override {
        if (waiting_.empty()) return nullptr;
        current_.push_back(std::make_unique<MemoryStream>(std::move(waiting_.front().first), waiting_.front().second));
        waiting_.pop_front();
        return current_.back().get();
    }
    void read_to_end(bool, const Error* error) override {
        if (error) throw *error;
    }
    void stored(const StreamStored& stream) override { results.push_back(stream); }

    std::vector<StreamStored> results;

private:
    std::deque<std::pair<Bytes, Section>> waiting_;
    std::vector<std::unique_ptr<MemoryStream>> current_;
};

}  // namespace ingot::test
