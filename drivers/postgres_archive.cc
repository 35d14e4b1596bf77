#include "drivers/postgres_archive.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "base/bytes.h"
#include "base/error.h"

namespace ingot {
namespace {

constexpr std::string_view kMagic = "PGDMP";
constexpr int kOldest = 1012, kNewest = 1016;
constexpr uint8_t kCustomFormat = 1;
// K_OFFSET_*: unknown, set, no data. What is stored in the offset is not needed: blocks are read in order.
constexpr uint8_t kMostOffsetState = 3;
constexpr uint8_t kDataBlock = 1, kLargeObjectBlock = 3;
constexpr int kStampInts = 7;
// One read of the file; rows are read out of it.
constexpr size_t kBufferBytes = 256 << 10;
// Names of databases and versions are far shorter; definitions of functions and views far larger, and are not kept.
constexpr uint64_t kMostKeptText = 4096;

class Reader {
public:
    Reader(const ReadAt& read_at, uint64_t size) : read_at_(read_at), size_(size), buffer_(kBufferBytes) {}

    uint64_t offset() const { return offset_; }
    uint64_t left() const { return size_ - offset_; }
    void set_widths(size_t int_bytes, size_t offset_bytes) { int_bytes_ = int_bytes, offset_bytes_ = offset_bytes; }

    uint8_t u8() {
        if (offset_ < begin_ || offset_ >= end_) fill();
        return buffer_[static_cast<size_t>(offset_++ - begin_)];
    }
    void skip(uint64_t bytes) {
        if (bytes > left()) throw damaged("it ends in the middle");
        offset_ += bytes;
    }
    int64_t integer() {
        const bool negative = u8() != 0;
        uint64_t value = 0;
        for (size_t i = 0; i < int_bytes_; ++i) value |= uint64_t{u8()} << (8 * i);
        return negative ? -static_cast<int64_t>(value) : static_cast<int64_t>(value);
    }
    // Its length; what is not kept is skipped.
    int64_t text(std::string* kept = nullptr) {
        const int64_t length = integer();
        if (length <= 0) return length;
        if (kept == nullptr) {
            skip(static_cast<uint64_t>(length));
            return length;
        }
        if (static_cast<uint64_t>(length) > std::min(left(), kMostKeptText)) throw damaged("a name in it is too long");
        kept->clear();
        for (int64_t i = 0; i < length; ++i) *kept += static_cast<char>(u8());
        return length;
    }
    void skip_offset() {
        if (u8() > kMostOffsetState) throw damaged("a place in its contents makes no sense");
        skip(offset_bytes_);
    }
    // Frames up to the empty one; how many.
    uint64_t frames() {
        uint64_t count = 0;
        while (const int64_t length = integer()) {
            if (length < 0) throw damaged("the length of a row makes no sense");
            skip(static_cast<uint64_t>(length));
            ++count;
        }
        return count;
    }
    Error damaged(const std::string& why) const {
        return {Code::damaged, fmt::format("the dump is damaged at byte {}: {}", offset_, why), "choose another snapshot"};
    }

private:
    void fill() {
        begin_ = offset_;
        end_ = begin_;
        if (offset_ < size_) end_ += read_at_(offset_, buffer_);
        end_ = std::min(end_, size_);
        if (end_ == begin_) throw damaged("it ends in the middle");
    }

    const ReadAt& read_at_;
    const uint64_t size_;
    std::vector<uint8_t> buffer_;
    uint64_t begin_ = 0, end_ = 0, offset_ = 0;
    size_t int_bytes_ = 4, offset_bytes_ = 8;
};

// True where the entry has data, and so a block.
bool skip_entry(Reader& in, int version) {
    in.integer();  // id
    const bool has_data = in.integer() != 0;
    for (int i = 0; i < 4; ++i) in.text();  // table oid, oid, tag, description
    in.integer();                           // section
    for (int i = 0; i < 5; ++i) in.text();  // definition, drop, copy, namespace, tablespace
    if (version >= 1014) in.text();         // access method
    if (version >= 1016) in.integer();      // relation kind
    in.text();                              // owner
    in.text();                              // with oids
    while (in.text() >= 0) {
    }  // dependencies, until the one that is none
    in.skip_offset();
    return has_data;
}

PgArchiveBlock read_block(Reader& in) {
    PgArchiveBlock block{in.offset(), 0, 0, 0};
    const uint8_t kind = in.u8();
    if (kind != kDataBlock && kind != kLargeObjectBlock) throw in.damaged(fmt::format("no block begins with {}", kind));
    in.integer();  // id
    if (kind == kDataBlock) {
        block.frames = in.frames();
        if (block.frames > 0) block.rows = block.frames - 1;
    } else {
        while (in.integer() != 0) block.frames += in.frames();
    }
    block.bytes = in.offset() - block.offset;
    return block;
}

Section one_chunk(uint64_t bytes) {
    Section section;
    section.length_bytes = bytes;
    section.cut = Cut::whole;
    return section;
}

// A row that changed costs its chunk, and rows that change are strewn all over a table: chunks of a few rows. Smaller ones than a
// KiB cost more in names than they save.
constexpr uint64_t kRowsPerChunk = 4, kLeastChunk = 1024, kMostChunk = 4096;

Section rows(const PgArchiveBlock& block) {
    const uint64_t row = block.bytes / std::max<uint64_t>(block.frames, 1);
    return Section::elements(block.bytes, 1, static_cast<uint32_t>(std::clamp(row * kRowsPerChunk, kLeastChunk, kMostChunk)));
}

Section content(uint64_t bytes) {
    Section section = Section::cdc();
    section.length_bytes = bytes;
    return section;
}

}  // namespace

PgArchive parse_pg_archive(const ReadAt& read_at, uint64_t size) {
    Reader in(read_at, size);
    for (const char c : kMagic) {
        if (in.u8() != static_cast<uint8_t>(c)) throw in.damaged("this is no archive of pg_dump -Fc");
    }
    PgArchive out;
    const int major = in.u8();
    out.version = major * 1000 + in.u8();
    in.u8();  // revision
    const size_t int_bytes = in.u8(), offset_bytes = in.u8();
    if (in.u8() != kCustomFormat) throw in.damaged("this is an archive of another format than -Fc");
    if (int_bytes == 0 || int_bytes > 7 || offset_bytes == 0 || offset_bytes > 8) throw in.damaged("its widths make no sense");
    in.set_widths(int_bytes, offset_bytes);
    out.understood = out.version >= kOldest && out.version <= kNewest;
    out.stamp_offset = in.offset();
    if (!out.understood) return out;
    if (out.version >= 1015) {
        in.u8();
    } else {
        in.integer();
    }
    out.stamp_offset = in.offset();
    for (int i = 0; i < kStampInts; ++i) in.integer();
    out.stamp_bytes = in.offset() - out.stamp_offset;
    in.text();  // the database's name
    in.text(&out.server);
    in.text(&out.dumped_by);
    const int64_t count = in.integer();
    if (count < 0) throw in.damaged("the number of its entries makes no sense");
    uint64_t with_data = 0;
    for (int64_t i = 0; i < count; ++i) with_data += skip_entry(in, out.version) ? 1 : 0;
    out.entries = static_cast<uint64_t>(count);
    while (in.left() > 0) {
        out.blocks.push_back(read_block(in));
        out.rows += out.blocks.back().rows;
    }
    if (out.blocks.size() != with_data) {
        throw in.damaged(fmt::format("it has the data of {} tables, and its contents name {}", out.blocks.size(), with_data));
    }
    return out;
}

PgArchive read_pg_archive_file(FileSystem& fs, const std::string& path) {
    const std::unique_ptr<ReadFile> file = fs.open(path);
    return parse_pg_archive([&](uint64_t offset, std::span<uint8_t> out) { return file->read_at(offset, out); }, file->size());
}

std::vector<Section> pg_archive_sections(const PgArchive& archive, uint64_t size) {
    if (!archive.understood) return {content(size)};
    std::vector<Section> out;
    const uint64_t stamped = archive.stamp_offset + archive.stamp_bytes;
    out.push_back(one_chunk(stamped));
    uint64_t at = stamped;
    for (const PgArchiveBlock& block : archive.blocks) {
        if (block.offset > at) out.push_back(content(block.offset - at));
        out.push_back(rows(block));
        at = block.offset + block.bytes;
    }
    if (size > at) out.push_back(content(size - at));
    return out;
}

int pg_major_of(const std::string& version) {
    int out = 0;
    for (const char c : version) {
        if (c < '0' || c > '9' || out > 9999) break;
        out = out * 10 + (c - '0');
    }
    return out;
}

}  // namespace ingot
