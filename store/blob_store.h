// Where a repository's files lie: put once, read by range, list, remove. Nothing is ever overwritten.
//
// A folder implements it (store/directory_store.h); an object store can. Names are relative paths of [0-9a-z./-].
//
// What is durable: after put_new and BlobWriter::publish returned true, the whole blob and its name. remove is durable when the
// folder is next synced; nobody relies on it before.
// Thread safety: any thread; a BlobWriter by one thread at a time.
// Errors: Error{not_found} for names that are not there; Error{failed}.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/filesystem.h"

namespace ingot {

// A blob in the making. Destroyed unpublished, it leaves nothing that counts.
class BlobWriter {
public:
    virtual ~BlobWriter() = default;
    virtual void append(ByteView bytes) = 0;
    virtual uint64_t size() const = 0;
    // Makes the bytes durable under no name yet.
    virtual void sync() = 0;
    // Gives them their name, durably. False, and nothing is changed, where that name exists.
    virtual bool publish(const std::string& name) = 0;
};

class BlobStore {
public:
    virtual ~BlobStore() = default;

    virtual std::unique_ptr<BlobWriter> begin() = 0;
    // A small blob, written at once. False where it exists.
    virtual bool put_new(const std::string& name, ByteView bytes) = 0;
    virtual std::unique_ptr<ReadFile> open(const std::string& name) = 0;
    virtual Bytes get(const std::string& name, uint64_t limit_bytes) = 0;
    virtual std::optional<uint64_t> size_of(const std::string& name) = 0;
    // Every blob below the folder `prefix` ("packs"), with its size, in no order. A folder that is not there is empty.
    virtual void list(const std::string& prefix, const std::function<void(const std::string& name, uint64_t size)>& each) = 0;
    virtual void remove(const std::string& name) = 0;
    // Removes what interrupted writers left. Only while nobody else writes.
    virtual void clean_temporaries() = 0;
};

}  // namespace ingot
