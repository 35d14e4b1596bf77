// What a stream tree needs, for verifying: every node and chunk of it, those that it names many times once.
//
// A tree is read from stored bytes, and in a repository that is not sealed anybody can write one: 21 levels whose nodes name the
// same child 128 times each would be followed for ever. So what was found below a node is remembered, for one tree at a time, and
// not for nodes of height 1 beyond their parent: they are the most, and following them again costs at most 128 times as much.
//
// Thread safety: one thread. Errors: Error{damaged} for a node that cannot be read, or whose lengths do not add up.
#pragma once

#include <functional>

#include "store/index.h"
#include "store/repository_core.h"
#include "store/types.h"

namespace ingot {

// Calls `each` with the ids of the tree's nodes and of its chunks.
void each_part_of(RepositoryCore& core, ChunkKind kind, const StreamRoot& root, const std::function<void(const ChunkId&)>& each);

// How many bytes of the stream cannot be had where what lies at the places that `lost` says is gone.
uint64_t lost_bytes_of(RepositoryCore& core, ChunkKind kind, const StreamRoot& root,
                       const std::function<bool(const Location&)>& lost);

}  // namespace ingot
