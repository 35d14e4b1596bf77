#include "drivers/faiss_reader.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"

namespace ingot {
namespace {

// Fields come in runs of some dozens of bytes between tables.
constexpr uint64_t kAheadBytes = 4096;

constexpr const char* kHint = "was it still being written? save the index again; if it stays so, the file is damaged";

}  // namespace

std::string fourcc_text(uint32_t letters) {
    char text[4];
    std::memcpy(text, &letters, sizeof text);
    return printable({text, sizeof text});
}

uint64_t saturating_product(uint64_t a, uint64_t b) {
    uint64_t product;
    return __builtin_mul_overflow(a, b, &product) ? UINT64_MAX : product;
}

void FaissReader::fail(std::string_view what) const {
    throw Error(Code::source, fmt::format("as a FAISS index, at byte {} of {}: {}", offset_, size_, what), kHint);
}

bool FaissReader::flag(std::string_view what) {
    const uint8_t value = u8(what);
    if (value > 1) fail(fmt::format("{} is {}, not 0 or 1", what, value));
    return value == 1;
}

void FaissReader::skip(uint64_t bytes, std::string_view what) {
    if (bytes > left()) fail(fmt::format("{} takes {} bytes, and {} are left", what, bytes, left()));
    offset_ += bytes;
}

FaissReader::Table FaissReader::elements(uint64_t count, uint64_t element_bytes, std::string_view what) {
    const uint64_t bytes = saturating_product(count, element_bytes);
    if (bytes > left()) {
        fail(fmt::format("{} says {} elements of {} bytes, and {} bytes are left", what, count, element_bytes, left()));
    }
    const Table table{offset_, count, bytes};
    offset_ += bytes;
    return table;
}

FaissReader::Table FaissReader::table(uint64_t element_bytes, std::string_view what) {
    const uint64_t count = u64(what);
    return elements(count, element_bytes, what);
}

void FaissReader::take(std::span<uint8_t> out, std::string_view what) {
    if (out.size() > left()) fail(fmt::format("it ends before {}", what));
    if (offset_ < ahead_at_ || offset_ + out.size() > ahead_at_ + ahead_.size()) {
        ahead_.resize(std::min(kAheadBytes, left()));
        ahead_at_ = offset_;
        read_fully(ahead_at_, ahead_);
    }
    std::memcpy(out.data(), ahead_.data() + (offset_ - ahead_at_), out.size());
    offset_ += out.size();
}

void FaissReader::read_fully(uint64_t offset, std::span<uint8_t> out) const {
    if ((*read_at_)(offset, out) != out.size()) {
        throw Error(Code::source, fmt::format("as a FAISS index: fewer than {} bytes while it was read", size_), kHint);
    }
}

}  // namespace ingot
