// Heads: per writer, a chain of small files that say which records are live (docs/format.md, "Heads").
//
// Thread safety: one thread. Errors: decode throws Error{damaged}; load_heads collects damage in HeadState::problems.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "store/blob_store.h"
#include "store/keys.h"
#include "store/types.h"

namespace ingot {

struct Head {
    bool full = false;
    WriterId writer;
    uint64_t number = 0;
    int64_t time_ms = 0;
    Digest previous;
    std::vector<RecordName> added;
    std::vector<RecordName> removed;
    uint64_t live = 0;
    Digest live_digest;
};

Bytes encode_head(const Head& head, const RepositoryId& repository, ByteView head_key);
Head decode_head(ByteView file, const RepositoryId& repository, ByteView head_key);

// "heads/<writer>/0000000001"
std::string head_path(const WriterId& writer, uint64_t number);

// What one writer's heads add up to.
struct WriterState {
    uint64_t last = 0;  // 0: none
    Digest last_hash;
    std::set<RecordName> live;     // added and not removed, by this writer
    std::set<RecordName> removed;  // anyone's records
};

struct HeadState {
    std::map<WriterId, WriterState> writers;
    std::vector<std::string> problems;  // damaged or missing heads: "heads/../0000000007: ..."
    uint64_t files = 0;
    uint64_t bytes = 0;

    // Added by some head and removed by none.
    std::set<RecordName> live() const;
};

// Reads and replays all chains, each from its newest full head.
HeadState load_heads(BlobStore& blobs, const RepositoryId& repository, ByteView head_key);

// The next head of a writer, and the state after it.
Head next_head(WriterState& state, const WriterId& writer, std::vector<RecordName> added, std::vector<RecordName> removed,
               bool full);

}  // namespace ingot
