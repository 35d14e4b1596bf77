// Read leases on files, and the thread that notices when a writer wants one back.
//
// A read lease (fcntl F_SETLEASE F_RDLCK) is granted only when nobody has the file open for writing. From then on whoever opens
// it for writing, or truncates it, waits in the kernel until the lease is given up, or for /proc/sys/fs/lease-break-time seconds
// (45), after which it is taken away. Replacing the name by a rename asks nobody: the old file stays with who holds it open.
//
// The kernel tells that somebody waits by a signal. It goes to the thread of this watch alone, which holds it blocked: no
// handler, no other thread, no program around us sees it.
//
// Thread safety: take() from any thread. Errors: Error{failed} where no thread can be started.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <thread>

namespace ingot {

enum class Lease : uint8_t {
    granted,
    busy,           // somebody has the file open for writing, or mapped writable
    not_to_be_had,  // not ours and no CAP_LEASE, or a file system without leases, or one that other machines write to
};

class LeaseWatch {
public:
    // `on_break` is called in the watch's thread when a lease is wanted back, and a few times a second besides (a signal may be
    // lost); it finds out which by wanted_back(). It must not throw.
    explicit LeaseWatch(std::function<void()> on_break);
    LeaseWatch(const LeaseWatch&) = delete;
    LeaseWatch& operator=(const LeaseWatch&) = delete;
    // Returns when on_break has. Leases that are still held are no longer watched.
    ~LeaseWatch();

    // `fd` must be open for reading only.
    Lease take(int fd) const;
    // Does somebody wait for the file, or was the lease taken away?
    static bool wanted_back(int fd);
    static void give_up(int fd);

private:
    void run();

    std::function<void()> on_break_;
    std::atomic<bool> stop_ = false;
    std::atomic<int> thread_id_ = 0;
    std::thread thread_;
};

}  // namespace ingot
