// The ids of chunks that a session stored and the index does not have yet: one place in memory each, because there may be a
// million of them and each is looked for once.
//
// Thread safety: one thread. Memory: 45 to 90 bytes an id.
#pragma once

#include <memory>

#include "store/types.h"

namespace ingot {

class PendingChunks {
public:
    PendingChunks();
    ~PendingChunks();
    PendingChunks(const PendingChunks&) = delete;
    PendingChunks& operator=(const PendingChunks&) = delete;

    // False: it is among them already.
    bool insert(const ChunkId& id);
    void erase(const ChunkId& id);
    void clear();
    size_t size() const;

private:
    struct Table;
    std::unique_ptr<Table> table_;
};

}  // namespace ingot
