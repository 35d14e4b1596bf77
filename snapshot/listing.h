// The listing: the entries of one source's tree, sorted, as one stream (docs/format.md, "Listing").
//
// Thread safety: one thread. Errors: Error{damaged} for bytes that are not a listing, named with the entry's number.
#pragma once

#include <optional>

#include "base/spool.h"
#include "drivers/entry.h"
#include "store/reader.h"
#include "store/types.h"

namespace ingot {

struct ListedEntry {
    Entry entry;                   // without fingerprint
    StreamRoot root;               // of files
    std::optional<Digest> sha256;  // of the whole file, where it is known
};

// The longest encoding of an entry that a reader accepts, and the limits of its parts.
inline constexpr size_t kEntryLimitBytes = 8 << 20;
inline constexpr size_t kPathLimitBytes = 65535;
inline constexpr size_t kXattrNameLimitBytes = 255;
inline constexpr size_t kXattrValueLimitBytes = 65536;

// Appends the entry's encoding. Throws Error{source} for an entry that no reader would accept.
void encode_entry(const ListedEntry& listed, Bytes& out);
// The reverse, without the length in front.
ListedEntry decode_entry(ByteView rest);

// Reads a listing from its spool, entry by entry, and checks that they are in listing order and that no byte is left over.
class ListingReader {
public:
    explicit ListingReader(Spool spool);
    std::optional<ListedEntry> next();

private:
    ByteView buffered(size_t wanted);

    Spool spool_;
    uint64_t size_ = 0;
    uint64_t offset_ = 0;  // in the spool, of the first byte after the buffer
    uint64_t number_ = 0;
    std::string last_path_;
    Bytes buffer_;
    size_t buffered_from_ = 0;
};

// The listing of a source, fetched from the repository.
ListingReader open_listing(Reader& reader, const StreamRoot& listing, const std::string& spool_dir);

}  // namespace ingot
