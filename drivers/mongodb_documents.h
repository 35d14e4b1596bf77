// The documents of one collection, one behind the other, as a spool or a file holds them: a stream whose sections are cut so that
// a changed document costs little.
//
// A section is a run of whole documents, of some 4 KiB; where it ends is decided by a hash of a document's _id alone. A document
// that changes, also in length, changes its own section; one that is added or removed changes its own, and the one after it at
// most. Larger runs would store more beside a changed document, smaller ones would have the index grow (docs/drivers/mongodb.md,
// "What a change costs").
//
// Thread safety: one thread at a time. Errors: Error{damaged} for what is no run of whole documents.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/stream.h"
#include "drivers/mongodb_bson.h"

namespace ingot {

// Reads up to out.size() bytes at `offset` of the run; short only at its end.
using DocumentBytes = std::function<size_t(uint64_t offset, std::span<uint8_t> out)>;

// `size` is the length of the whole run.
std::unique_ptr<Stream> document_stream(DocumentBytes bytes, uint64_t size, std::string what);

// Calls `each` with every document, in batches of whole documents of at most `batch_bytes` (or one larger), and how many there
// are in it. Every document is checked to its last field.
void for_each_batch(const DocumentBytes& bytes, uint64_t size, uint64_t batch_bytes, uint64_t batch_documents,
                    const std::string& what, const std::function<void(ByteView documents, uint64_t count)>& each);

}  // namespace ingot
