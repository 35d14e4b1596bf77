// Reading streams back.
//
// Chunks are fetched in pack order and delivered by offset, never in stream order: after months a stream's chunks lie in
// hundreds of packs, and in-order reading would decode each of them many times over. What must be sequential reads from a
// spool that was filled that way. Every chunk is unsealed, decompressed and re-hashed before it is delivered.
//
// Thread safety: one call at a time on one Reader; sinks are called from several threads at once.
// Errors: Error{damaged} names the pack or what is missing. Lifetime: must not outlive its Repository.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/progress.h"
#include "base/spool.h"
#include "store/types.h"

namespace ingot {

class Repository;

// One stream to read, and the number by which its sink calls it.
struct ReadRequest {
    StreamRoot root;
    uint64_t cookie = 0;
};

class ReadSink {
public:
    virtual ~ReadSink() = default;
    // Bytes of stream `cookie` at `offset`, verified. Each byte of each stream exactly once, in any order, from any thread.
    virtual void write(uint64_t cookie, uint64_t offset, ByteView bytes) = 0;
    // These bytes are lost. By default the error ends the read.
    virtual void lost(uint64_t cookie, uint64_t offset, uint64_t length, const Error& error);
};

class Reader {
public:
    explicit Reader(Repository& repository);
    ~Reader();

    // Reads all the streams that `next` names, until it returns nothing. Streams without bytes deliver nothing. `next` is asked
    // in the calling thread, also while the sink is given what it named before.
    void read(ChunkKind kind, const std::function<std::optional<ReadRequest>()>& next, ReadSink& sink, Progress& progress);

    // One stream into a new spool in `folder`, ready to be read from its start.
    Spool to_spool(ChunkKind kind, const StreamRoot& root, const std::string& folder);

    // A small stream as a whole. Throws Error{damaged} when it says to be larger than `limit_bytes`.
    Bytes to_memory(ChunkKind kind, const StreamRoot& root, uint64_t limit_bytes);

    // The chunks of a stream in order, as its tree says: reads meta packs only. `each` returns false to stop.
    void walk(ChunkKind kind, const StreamRoot& root, const std::function<bool(const Digest&, uint64_t length)>& each);

private:
    Repository& repository_;
};

}  // namespace ingot
