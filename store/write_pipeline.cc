// The stages of storing as a pipeline (oneTBB parallel_pipeline): reading and cutting, hashing, deduplicating, sealing and
// writing overlap, with a bounded number of batches under way.
#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/parallel_pipeline.h>

#include <mutex>

#include "store/packer.h"

namespace ingot {
namespace {

// Batches are reused: their buffers are the pipeline's memory, kTokens * 4 MiB and as much again in segments.
class BatchPool {
public:
    HashedBatch* take() {
        const std::lock_guard lock(mutex_);
        if (free_.empty()) {
            all_.push_back(std::make_unique<HashedBatch>());
            return all_.back().get();
        }
        HashedBatch* batch = free_.back();
        free_.pop_back();
        return batch;
    }
    void give_back(HashedBatch* batch) {
        const std::lock_guard lock(mutex_);
        free_.push_back(batch);
    }

private:
    std::mutex mutex_;
    std::vector<std::unique_ptr<HashedBatch>> all_;
    std::vector<HashedBatch*> free_;
};

constexpr size_t kTokens = 6;

}  // namespace

void run_write_pipeline(ChunkFeed& chunks, Packer& packer, ChunkKind kind, StreamFeed& feed) {
    namespace tbb = oneapi::tbb;
    BatchPool pool;
    const auto read = [&](tbb::flow_control& control) -> HashedBatch* {
        HashedBatch* batch = pool.take();
        if (!chunks.fill(batch->batch)) {
            control.stop();
            return nullptr;
        }
        return batch;
    };
    const auto hash = [&](HashedBatch* batch) {
        packer.hash(*batch, kind);
        return batch;
    };
    const auto take = [&](HashedBatch* batch) {
        packer.take(*batch, kind, feed);
        return batch;
    };
    const auto seal = [&](HashedBatch* batch) {
        Packer::seal(batch->jobs);
        return batch;
    };
    const auto write = [&](HashedBatch* batch) {
        packer.write(batch->jobs);
        pool.give_back(batch);
    };
    tbb::parallel_pipeline(kTokens, tbb::make_filter<void, HashedBatch*>(tbb::filter_mode::serial_in_order, read) &
                                        tbb::make_filter<HashedBatch*, HashedBatch*>(tbb::filter_mode::parallel, hash) &
                                        tbb::make_filter<HashedBatch*, HashedBatch*>(tbb::filter_mode::serial_in_order, take) &
                                        tbb::make_filter<HashedBatch*, HashedBatch*>(tbb::filter_mode::parallel, seal) &
                                        tbb::make_filter<HashedBatch*, void>(tbb::filter_mode::serial_in_order, write));
}

}  // namespace ingot
