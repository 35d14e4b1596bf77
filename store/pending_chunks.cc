#include "store/pending_chunks.h"

#include <tsl/robin_set.h>

namespace ingot {

// Ids are uniform, so that probes stay short.
static constexpr float kLoad = 0.8F;

struct PendingChunks::Table {
    tsl::robin_set<ChunkId, ChunkId::Hash> ids;
};

PendingChunks::PendingChunks() : table_(std::make_unique<Table>()) { table_->ids.max_load_factor(kLoad); }
PendingChunks::~PendingChunks() = default;

bool PendingChunks::insert(const ChunkId& id) { return table_->ids.insert(id).second; }
void PendingChunks::erase(const ChunkId& id) { table_->ids.erase(id); }
void PendingChunks::clear() { table_->ids.clear(); }
size_t PendingChunks::size() const { return table_->ids.size(); }

}  // namespace ingot
