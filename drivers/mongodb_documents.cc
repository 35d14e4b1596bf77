#include "drivers/mongodb_documents.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"

namespace ingot {
namespace {

// A run ends after a document whose hash has its low bits clear, or that would make it too long; documents of 1 KiB then make
// runs of 4 KiB on average. The chance is weighted by the bytes of a document, so that it is the same for small and for large
// ones.
constexpr uint64_t kAverageBytes = 4096;
// Under this a chunk's own bookkeeping is no longer small beside it.
constexpr uint64_t kLeastBytes = 2048;
constexpr uint64_t kMostBytes = 4 * kAverageBytes;
// What is read at once from a spool.
constexpr size_t kWindowBytes = 1 << 20;

// FNV-1a, 64 bits (http://www.isthe.com/chongo/tech/comp/fnv/), and a last mix: its low bits alone are poor for counters.
uint64_t hash_of(ByteView bytes) {
    uint64_t hash = 14695981039346656037ULL;
    for (const uint8_t byte : bytes) hash = (hash ^ byte) * 1099511628211ULL;
    hash ^= hash >> 32;
    hash *= 0xD6E8FEB86659FD93ULL;
    return hash ^ (hash >> 32);
}

bool ends_here(ByteView document, uint64_t run_bytes) {
    if (run_bytes < kLeastBytes) return false;
    if (run_bytes >= kMostBytes) return true;
    const ByteView id = id_of(document);
    // Chance = document / (average - least): a run that is over the least length goes on for so many bytes on average.
    const uint64_t threshold = std::min<uint64_t>(UINT64_MAX / (kAverageBytes - kLeastBytes) * document.size(), UINT64_MAX);
    return document.size() >= kAverageBytes - kLeastBytes || hash_of(id.empty() ? document : id) < threshold;
}

// Whole documents out of a window that moves over the run.
class Documents {
public:
    Documents(const DocumentBytes& bytes, uint64_t size, const std::string& what) : bytes_(bytes), size_(size), what_(what) {}

    uint64_t offset() const { return offset_; }
    // The next one; empty at the end. Valid until the next call.
    ByteView next() {
        if (offset_ == size_) return {};
        need(4);
        uint32_t length = 0;
        if (!plausible_document(window(), &length) || length > size_ - offset_)
            throw Error(Code::damaged, fmt::format("{}: no document begins at byte {}", what_, offset_));
        need(length);
        const ByteView out = window().first(length);
        at_ += length;
        offset_ += length;
        return out;
    }

private:
    ByteView window() const { return ByteView(buffer_).subspan(at_); }
    void need(size_t length) {
        if (window().size() >= length) return;
        buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(at_));
        at_ = 0;
        const size_t have = buffer_.size();
        const auto more = static_cast<size_t>(std::min<uint64_t>(std::max(kWindowBytes, length), size_ - offset_ - have));
        buffer_.resize(have + more);
        const size_t got = bytes_(offset_ + have, std::span(buffer_).subspan(have));
        buffer_.resize(have + got);
        if (buffer_.size() < length) throw Error(Code::damaged, fmt::format("{} ends in the middle of a document", what_));
    }

    const DocumentBytes& bytes_;
    const uint64_t size_;
    const std::string& what_;
    Bytes buffer_;
    size_t at_ = 0;
    uint64_t offset_ = 0;
};

class DocumentStream : public Stream {
public:
    DocumentStream(DocumentBytes bytes, uint64_t size, std::string what)
        : bytes_(std::move(bytes)), what_(std::move(what)), documents_(bytes_, size, what_) {}

    std::optional<Section> next_section() override {
        run_.clear();
        at_ = 0;
        for (ByteView document = documents_.next(); !document.empty(); document = documents_.next()) {
            run_.insert(run_.end(), document.begin(), document.end());
            if (ends_here(document, run_.size())) break;
        }
        if (run_.empty()) return std::nullopt;
        Section section;
        section.length_bytes = run_.size();
        // One document can be 16 MiB: what is too long for a chunk is cut by content.
        section.cut = Cut::whole;
        return section;
    }
    size_t read(std::span<uint8_t> out) override {
        const size_t n = std::min(out.size(), run_.size() - at_);
        std::copy_n(run_.begin() + static_cast<std::ptrdiff_t>(at_), n, out.begin());
        at_ += n;
        return n;
    }

private:
    const DocumentBytes bytes_;
    const std::string what_;
    Documents documents_;
    Bytes run_;
    size_t at_ = 0;
};

}  // namespace

std::unique_ptr<Stream> document_stream(DocumentBytes bytes, uint64_t size, std::string what) {
    return std::make_unique<DocumentStream>(std::move(bytes), size, std::move(what));
}

void for_each_batch(const DocumentBytes& bytes, uint64_t size, uint64_t batch_bytes, uint64_t batch_documents,
                    const std::string& what, const std::function<void(ByteView documents, uint64_t count)>& each) {
    Documents documents(bytes, size, what);
    Bytes batch;
    uint64_t count = 0;
    const auto give = [&] {
        if (count > 0) each(batch, count);
        batch.clear();
        count = 0;
    };
    for (ByteView document = documents.next(); !document.empty(); document = documents.next()) {
        check_document(document, fmt::format("{}: what lies before byte {}", what, documents.offset()));
        if (count > 0 && (batch.size() + document.size() > batch_bytes || count == batch_documents)) give();
        batch.insert(batch.end(), document.begin(), document.end());
        ++count;
    }
    give();
}

}  // namespace ingot
