// The repository's locks: open-file-description locks (fcntl F_OFD_SETLK, Linux 3.15) on byte ranges of its config file.
//
//   shared     read lock on byte 0
//   append     read lock on byte 0, write lock on byte 1
//   exclusive  write lock on bytes 0 and 1
//
// They belong to the open file, so they vanish when the process dies, however it dies, and no other descriptor of the process
// can drop them by accident. There is no lock file that could be stale, or be deleted: the config is never written again, but
// for `check --repair`, which locks the new one too; whoever got a lock on the old one notices and locks the new one instead.
// Who holds one is read from /proc/*/fdinfo, where the kernel lists each descriptor's locks.
//
// Thread safety: one thread. Errors: Error{locked} names the holder's pid and command; Error{interrupted}.
#pragma once

#include <cstdint>
#include <string>

namespace ingot {

enum class LockMode { shared, append, exclusive };

class Lock {
public:
    // Waits up to `wait_ms` for the lock on the file `path`.
    Lock(const std::string& path, LockMode mode, int64_t wait_ms);
    Lock(const Lock&) = delete;
    Lock& operator=(const Lock&) = delete;
    ~Lock();

    LockMode mode() const { return mode_; }
    int fd() const { return fd_; }

private:
    int fd_ = -1;
    LockMode mode_;
};

}  // namespace ingot
