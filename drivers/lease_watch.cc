#include "drivers/lease_watch.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>

#include "base/error.h"

namespace ingot {
namespace {

// A real-time signal, because it tells nothing to a program that does not ask for it; not the first ones, which debuggers and
// threads libraries use.
int break_signal() { return SIGRTMIN + 9; }

// A lost signal may cost a writer this long. Ten looks a second cost nothing.
constexpr timespec kLookAgain{.tv_sec = 0, .tv_nsec = 100'000'000};

// Files of these are written by other machines, or by a server of this one, which asks no local lease.
constexpr std::array<unsigned long, 13> kSharedFileSystems = {
    0x6969,      // NFS
    0x517B,      // SMB
    0xFF534D42,  // CIFS
    0xFE534D42,  // SMB2
    0x65735546,  // FUSE
    0x00C36400,  // Ceph
    0x01021997,  // 9P
    0x5346414F,  // AFS
    0x6B414653,  // kAFS
    0x0BD00BD0,  // Lustre
    0x47504653,  // GPFS
    0x01161970,  // GFS2
    0x7461636F,  // OCFS2
};

bool shared_file_system(int fd) {
    struct statfs fs {};
    if (::fstatfs(fd, &fs) != 0) return true;
    const auto type = static_cast<unsigned long>(fs.f_type) & 0xFFFFFFFF;
    return std::find(kSharedFileSystems.begin(), kSharedFileSystems.end(), type) != kSharedFileSystems.end();
}

}  // namespace

LeaseWatch::LeaseWatch(std::function<void()> on_break) : on_break_(std::move(on_break)) {
    // Blocked from the thread's first instruction on: it inherits this. SIGIO is what the kernel falls back to when its queue of
    // real-time signals is full, and would end the process.
    sigset_t mine, before;
    sigemptyset(&mine);
    sigaddset(&mine, break_signal());
    sigaddset(&mine, SIGIO);
    ::pthread_sigmask(SIG_BLOCK, &mine, &before);
    try {
        thread_ = std::thread([this] { run(); });
    } catch (const std::system_error& error) {
        ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
        throw Error::from_errno("starting a thread for", "leases", error.code().value());
    }
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    thread_id_.wait(0);
}

LeaseWatch::~LeaseWatch() {
    stop_ = true;
    ::pthread_kill(thread_.native_handle(), break_signal());
    thread_.join();
}

void LeaseWatch::run() {
    // Ctrl-C and the like are for the threads that can say what they were doing.
    sigset_t all, mine;
    sigfillset(&all);
    ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
    sigemptyset(&mine);
    sigaddset(&mine, break_signal());
    sigaddset(&mine, SIGIO);
    // Whoever waits, waits for what this thread does: it goes before the threads that hash and compress. Only root may ask that.
    constexpr int kBeforeOthers = -15;
    (void)::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), kBeforeOthers);
    thread_id_ = static_cast<int>(::gettid());
    thread_id_.notify_all();
    while (!stop_) {
        ::sigtimedwait(&mine, nullptr, &kLookAgain);
        if (!stop_) on_break_();
    }
}

Lease LeaseWatch::take(int fd) const {
    if (shared_file_system(fd)) return Lease::not_to_be_had;
    // Before the lease: else the kernel would send SIGIO to the whole process.
    const f_owner_ex owner{.type = F_OWNER_TID, .pid = thread_id_};
    if (::fcntl(fd, F_SETSIG, break_signal()) != 0 || ::fcntl(fd, F_SETOWN_EX, &owner) != 0) return Lease::not_to_be_had;
    if (::fcntl(fd, F_SETLEASE, F_RDLCK) == 0) return Lease::granted;
    return errno == EAGAIN ? Lease::busy : Lease::not_to_be_had;
}

bool LeaseWatch::wanted_back(int fd) { return ::fcntl(fd, F_GETLEASE) != F_RDLCK; }

void LeaseWatch::give_up(int fd) { ::fcntl(fd, F_SETLEASE, F_UNLCK); }

}  // namespace ingot
