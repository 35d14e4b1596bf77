// Syncing many files at once: a journaling file system writes its journal once for all that wait for it, so sixteen waiting
// threads are many times as fast as one, also on one core.
//
// Thread safety: any thread may add; finish() by one thread, when nobody adds any more. Errors: those of WriteFile::sync; the
// first of them is thrown by finish(), and by add() once it is known.
#pragma once

#include <condition_variable>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/filesystem.h"

namespace ingot {

class SyncPool {
public:
    SyncPool() = default;
    SyncPool(const SyncPool&) = delete;
    SyncPool& operator=(const SyncPool&) = delete;
    ~SyncPool();

    // Syncs the file and closes it, some time. Waits where too many are waiting already. `folder` names it in errors.
    void add(std::unique_ptr<WriteFile> file, std::string folder);
    // All that was added is synced.
    void finish();

private:
    struct Waiting {
        std::unique_ptr<WriteFile> file;
        std::string folder;
    };

    void work();

    std::mutex mutex_;
    std::condition_variable work_;  // there is something to sync, or no more will come
    std::condition_variable room_;  // there is less waiting than there was
    std::deque<Waiting> waiting_;
    size_t busy_ = 0;
    bool ending_ = false;
    std::exception_ptr failure_;
    std::vector<std::thread> threads_;
};

}  // namespace ingot
