// Running one hook: a command line of the config, by /bin/sh, in a process group of its own, with a time limit.
//
// Its output goes to memory, not to a pipe: nobody has to read it, so a service that a hook leaves in the background never writes
// to a pipe that is gone, and one that keeps its output open keeps nobody waiting. After the hook ended that memory takes no more
// (a write to it fails). Its standard input is an empty file that this process holds a kernel lock on, which a hook and all its
// children share: after a crash of ours, wait_for_orphans() sees by it that a hook of then still runs, which might otherwise stop
// the services after they were started again. A background job of a shell reads /dev/null, and holds no such lock.
//
// Thread safety: one thread. Errors: Error{failed} for a status other than 0 and at the time limit, after which the whole group
// is ended; Error{interrupted}, where it may be, the same way.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/filesystem.h"

namespace ingot {

struct Hook {
    std::string name;  // "stop": for errors
    std::string command;
    std::string folder;
    std::vector<std::pair<std::string, std::string>> environment;
    int64_t timeout_ms = 0;
    bool may_be_interrupted = false;
};

class HookRunner {
public:
    // `lock_path`: the empty file. Made where it is not there.
    explicit HookRunner(std::string lock_path) : lock_path_(std::move(lock_path)) {}
    HookRunner(const HookRunner&) = delete;
    HookRunner& operator=(const HookRunner&) = delete;
    ~HookRunner();

    // The end of what it wrote.
    std::string run(const Hook& hook);

    // Waits, at most so long, until no hook of an earlier process runs. False: one still does.
    bool wait_for_orphans(int64_t limit_ms);

private:
    bool take_lock();

    std::string lock_path_;
    int lock_fd_ = -1;
};

}  // namespace ingot
