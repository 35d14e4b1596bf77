// A stream that does as it is told: sections, short reads, failures.
#pragma once

#include <algorithm>

#include "base/error.h"
#include "store/write_session.h"

namespace ingot::test {

class ScriptedStream : public Stream {
public:
    struct Part {
        Section section;
        Bytes bytes;
    };

    explicit ScriptedStream(std::vector<Part> parts, size_t most_per_read = SIZE_MAX)
        : parts_(std::move(parts)), most_(most_per_read) {}

    // Throws at this byte of all its parts, counted together.
    ScriptedStream& fail_at(uint64_t byte, Code code = Code::source) {
        fail_at_ = byte;
        code_ = code;
        return *this;
    }
    ScriptedStream& fail_at_section(size_t number) {
        fail_section_ = number;
        return *this;
    }
    ScriptedStream& settles(bool settled) {
        settled_ = settled;
        return *this;
    }

    std::optional<Section> next_section() override {
        if (next_ == fail_section_) throw Error(Code::source, "the section cannot be read");
        if (next_ == parts_.size()) return std::nullopt;
        position_ = 0;
        return parts_[next_++].section;
    }
    size_t read(std::span<uint8_t> out) override {
        const Bytes& bytes = parts_.at(next_ - 1).bytes;
        const size_t n = std::min({out.size(), bytes.size() - position_, most_});
        if (read_ + n > fail_at_) throw Error(code_, "the stream cannot be read");
        std::copy_n(bytes.begin() + static_cast<ptrdiff_t>(position_), n, out.begin());
        position_ += n;
        read_ += n;
        return n;
    }
    bool settled() override { return settled_; }

private:
    std::vector<Part> parts_;
    size_t most_;
    size_t next_ = 0;
    size_t position_ = 0;
    uint64_t read_ = 0;
    uint64_t fail_at_ = UINT64_MAX;
    size_t fail_section_ = SIZE_MAX;
    Code code_ = Code::source;
    bool settled_ = true;
};

// Streams one after the other; remembers what was said about each.
class ScriptedFeed : public StreamFeed {
public:
    struct End {
        bool settled;
        std::optional<Error> error;
    };

    ScriptedFeed& add(ScriptedStream stream) {
        streams_.push_back(std::move(stream));
        return *this;
    }
    ScriptedFeed& add(Section section, Bytes bytes) { return add(ScriptedStream({{section, std::move(bytes)}})); }

    Stream* next() override { return next_ < streams_.size() ? &streams_[next_++] : nullptr; }
    void read_to_end(bool settled, const Error* error) override {
        ends.push_back({settled, error ? std::optional(*error) : std::nullopt});
        if (gives_up && error) throw *error;
    }
    void stored(const StreamStored& stream) override { results.push_back(stream); }

    bool gives_up = false;
    std::vector<End> ends;
    std::vector<StreamStored> results;

private:
    std::vector<ScriptedStream> streams_;
    size_t next_ = 0;
};

}  // namespace ingot::test
