// Layout of a listing: entries back to back, each
//   u32 length of the rest
//   u8 type   u8 flags (1 sparse, 2 growing)   u32 mode   u32 uid   u32 gid   i64 mtime_ns   u32-prefixed path
//   file:                u8 height   32 bytes digest   u64 size   u8 has_sha256   [32 bytes sha256]
//   symlink, hard_link:  u32-prefixed target
//   devices:             u32 major   u32 minor
//   u32 xattr count, each: u32-prefixed name   u32-prefixed value
#include "snapshot/listing.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"

namespace ingot {
namespace {

constexpr uint8_t kSparse = 1;
constexpr uint8_t kGrowing = 2;
constexpr uint32_t kModeBits = 07777;
// What is read from the spool at a time; larger entries make the buffer grow, up to their limit.
constexpr size_t kReadBytes = 256 << 10;

void encode_content(const ListedEntry& listed, Encoder& out) {
    const Entry& entry = listed.entry;
    switch (entry.type) {
        case EntryType::file:
            out.u8(listed.root.height).raw(listed.root.digest.view()).u64(listed.root.size);
            out.u8(listed.sha256.has_value() ? 1 : 0);
            if (listed.sha256) out.raw(listed.sha256->view());
            break;
        case EntryType::symlink:
        case EntryType::hard_link:
            out.prefixed(entry.link);
            break;
        case EntryType::block_device:
        case EntryType::char_device:
            out.u32(entry.device_major).u32(entry.device_minor);
            break;
        case EntryType::directory:
        case EntryType::fifo:
            break;
    }
}

void decode_content(Decoder& in, ListedEntry& listed) {
    Entry& entry = listed.entry;
    switch (entry.type) {
        case EntryType::file: {
            listed.root.height = in.u8();
            listed.root.digest = in.name<Digest>();
            listed.root.size = entry.size = in.u64();
            const uint8_t has_sha256 = in.u8();
            if (has_sha256 > 1) in.fail("an unknown digest");
            if (has_sha256 == 1) listed.sha256 = in.name<Digest>();
            break;
        }
        case EntryType::symlink:
        case EntryType::hard_link:
            entry.link = in.prefixed_text(kPathLimitBytes);
            break;
        case EntryType::block_device:
        case EntryType::char_device:
            entry.device_major = in.u32();
            entry.device_minor = in.u32();
            break;
        case EntryType::directory:
        case EntryType::fifo:
            break;
        default:
            in.fail(fmt::format("an unknown type {}", static_cast<int>(entry.type)));
    }
}

void refuse_unreadable(const Entry& entry, size_t length) {
    const auto too_long = [](const auto& xattr) {
        return xattr.first.size() > kXattrNameLimitBytes || xattr.second.size() > kXattrValueLimitBytes;
    };
    if (entry.path.empty() || entry.path.size() > kPathLimitBytes || entry.link.size() > kPathLimitBytes ||
        length > kEntryLimitBytes || std::any_of(entry.xattrs.begin(), entry.xattrs.end(), too_long)) {
        throw Error(Code::source, fmt::format("{}: its name or its attributes are too long to be stored",
                                              printable(entry.path.substr(0, 200))));
    }
}

}  // namespace

void encode_entry(const ListedEntry& listed, Bytes& out) {
    const Entry& entry = listed.entry;
    Encoder rest;
    rest.u8(static_cast<uint8_t>(entry.type));
    rest.u8(static_cast<uint8_t>((entry.sparse ? kSparse : 0) | (entry.growing ? kGrowing : 0)));
    rest.u32(entry.mode & kModeBits).u32(entry.uid).u32(entry.gid).i64(entry.mtime_ns).prefixed(entry.path);
    encode_content(listed, rest);
    rest.u32(static_cast<uint32_t>(entry.xattrs.size()));
    for (const auto& [name, value] : entry.xattrs) rest.prefixed(name).prefixed(value);
    refuse_unreadable(entry, rest.size());
    Encoder length;
    length.u32(static_cast<uint32_t>(rest.size()));
    out.insert(out.end(), length.bytes().begin(), length.bytes().end());
    out.insert(out.end(), rest.bytes().begin(), rest.bytes().end());
}

ListedEntry decode_entry(ByteView rest) {
    Decoder in(rest, "a listing's entry");
    ListedEntry listed;
    Entry& entry = listed.entry;
    entry.type = static_cast<EntryType>(in.u8());
    const uint8_t flags = in.u8();
    if ((flags & ~(kSparse | kGrowing)) != 0) in.fail("unknown flags");
    entry.sparse = (flags & kSparse) != 0;
    entry.growing = (flags & kGrowing) != 0;
    entry.mode = in.u32();
    if ((entry.mode & ~kModeBits) != 0) in.fail("a mode that is none");
    entry.uid = in.u32();
    entry.gid = in.u32();
    entry.mtime_ns = in.i64();
    entry.path = in.prefixed_text(kPathLimitBytes);
    if (entry.path.empty()) in.fail("an empty path");
    decode_content(in, listed);
    const uint32_t xattrs = in.count(8);  // two lengths each
    for (uint32_t i = 0; i < xattrs; ++i) {
        std::string name = in.prefixed_text(kXattrNameLimitBytes);
        entry.xattrs.emplace_back(std::move(name), in.prefixed_text(kXattrValueLimitBytes));
    }
    in.finish();
    return listed;
}

ListingReader::ListingReader(Spool spool) : spool_(std::move(spool)), size_(spool_.size()) {}

// At least `wanted` bytes from the current position, without consuming them.
ByteView ListingReader::buffered(size_t wanted) {
    size_t have = buffer_.size() - buffered_from_;
    if (have < wanted) {
        buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(buffered_from_));
        buffered_from_ = 0;
        if (wanted - have > size_ - offset_) throw Error(Code::damaged, "it ends too early");
        const auto more = static_cast<size_t>(std::min<uint64_t>(std::max(wanted - have, kReadBytes), size_ - offset_));
        buffer_.resize(have + more);
        if (spool_.read_at(offset_, std::span(buffer_).subspan(have)) != more) throw Error(Code::damaged, "it ends too early");
        offset_ += more;
    }
    return ByteView(buffer_).subspan(buffered_from_, wanted);
}

std::optional<ListedEntry> ListingReader::next() {
    if (offset_ == size_ && buffered_from_ == buffer_.size()) return std::nullopt;
    try {
        const uint32_t length = Decoder(buffered(4), "a listing").u32();
        if (length > kEntryLimitBytes) throw Error(Code::damaged, fmt::format("a length of {}", length));
        ListedEntry listed = decode_entry(buffered(4 + length).subspan(4));
        buffered_from_ += 4 + length;
        if (number_ > 0 && !listing_less(last_path_, listed.entry.path)) {
            throw Error(Code::damaged,
                        fmt::format("{} does not come after {}", printable(listed.entry.path), printable(last_path_)));
        }
        last_path_ = listed.entry.path;
        ++number_;
        return listed;
    } catch (const Error& error) {
        if (error.code() != Code::damaged) throw;
        throw error.within(fmt::format("entry {} of the listing", number_ + 1));
    }
}

ListingReader open_listing(Reader& reader, const StreamRoot& listing, const std::string& spool_dir) {
    if (listing.size == 0) return ListingReader(Spool(spool_dir));
    return ListingReader(reader.to_spool(ChunkKind::meta, listing, spool_dir));
}

}  // namespace ingot
