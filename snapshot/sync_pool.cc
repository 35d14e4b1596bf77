#include "snapshot/sync_pool.h"

#include "base/error.h"
#include "snapshot/beneath.h"

namespace ingot {

// More find no more to share: the journal is busy all the time then.
static constexpr size_t kThreads = 16;
// Each is an open descriptor.
static constexpr size_t kWaiting = 48;

SyncPool::~SyncPool() {
    {
        const std::lock_guard lock(mutex_);
        ending_ = true;
        waiting_.clear();
    }
    work_.notify_all();
    for (std::thread& thread : threads_) thread.join();
}

void SyncPool::add(std::unique_ptr<WriteFile> file, std::string folder) {
    std::unique_lock lock(mutex_);
    room_.wait(lock, [this] { return waiting_.size() < kWaiting || failure_; });
    if (failure_) std::rethrow_exception(failure_);
    waiting_.push_back({std::move(file), std::move(folder)});
    if (threads_.size() < kThreads && threads_.size() < busy_ + waiting_.size()) threads_.emplace_back([this] { work(); });
    work_.notify_one();
}

void SyncPool::finish() {
    std::unique_lock lock(mutex_);
    room_.wait(lock, [this] { return (waiting_.empty() && busy_ == 0) || failure_; });
    if (failure_) std::rethrow_exception(failure_);
}

void SyncPool::work() {
    std::unique_lock lock(mutex_);
    for (;;) {
        work_.wait(lock, [this] { return !waiting_.empty() || ending_; });
        if (ending_) return;
        Waiting next = std::move(waiting_.front());
        waiting_.pop_front();
        ++busy_;
        lock.unlock();
        std::exception_ptr failure;
        try {
            next.file->sync();
        } catch (const Error& error) {
            failure = std::make_exception_ptr(spoken_of(error, next.folder));
        } catch (...) {
            failure = std::current_exception();
        }
        next.file.reset();
        lock.lock();
        --busy_;
        if (failure && !failure_) failure_ = failure;
        // Those who add wait for half of the room, not for each place of it.
        if (waiting_.size() <= kWaiting / 2 || failure_) room_.notify_all();
    }
}

}  // namespace ingot
