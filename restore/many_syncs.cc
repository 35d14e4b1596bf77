#include "restore/many_syncs.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace ingot {

// More find no more to share: the journal is busy all the time then (as snapshot/sync_pool.cc has it).
static constexpr size_t kThreads = 16;

void sync_many(size_t count, const std::function<void(size_t number)>& sync) {
    std::atomic<size_t> next{0};
    std::mutex mutex;
    std::exception_ptr failure;
    const auto work = [&] {
        for (size_t number = next++; number < count; number = next++) {
            try {
                sync(number);
            } catch (...) {
                const std::lock_guard lock(mutex);
                if (!failure) failure = std::current_exception();
                next = count;
            }
        }
    };
    std::vector<std::jthread> threads;
    try {
        while (threads.size() + 1 < std::min(count, kThreads)) threads.emplace_back(work);
    } catch (const std::system_error&) {
        // No more threads are to be had: those that are there do all of it, and this one anyway.
    }
    work();
    threads.clear();
    if (failure) std::rethrow_exception(failure);
}

}  // namespace ingot
