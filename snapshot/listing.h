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

// Appends the entry's encoding.
void encode_entry(const ListedEntry& listed, Bytes& out);

// Reads a listing from its spool, entry by entry, and checks that they are in listing order.
class ListingReader {
public:
    explicit ListingReader(Spool spool);
    std::optional<ListedEntry> next();

private:
    Spool spool_;
    uint64_t offset_ = 0;
    uint64_t number_ = 0;
    std::string last_path_;
    Bytes buffer_;
    size_t buffered_from_ = 0;
    size_t buffered_to_ = 0;
};

// The listing of a source, fetched from the repository.
ListingReader open_listing(Reader& reader, const StreamRoot& listing, const std::string& spool_dir);

}  // namespace ingot
