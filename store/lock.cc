#include "store/lock.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <fstream>
#include <memory>
#include <thread>

#include "base/clock.h"
#include "base/error.h"
#include "base/interrupt.h"

namespace ingot {
namespace {

bool try_range(int fd, short type, off_t byte) {
    struct flock lock {};
    lock.l_type = type;
    lock.l_whence = SEEK_SET;
    lock.l_start = byte;
    lock.l_len = 1;
    if (::fcntl(fd, F_OFD_SETLK, &lock) == 0) return true;
    if (errno == EAGAIN || errno == EACCES) return false;
    throw Error::from_errno("locking", "the repository", errno);
}

bool try_lock(int fd, LockMode mode) {
    if (!try_range(fd, mode == LockMode::exclusive ? F_WRLCK : F_RDLCK, 0)) return false;
    if (mode == LockMode::shared || try_range(fd, F_WRLCK, 1)) return true;
    try_range(fd, F_UNLCK, 0);
    return false;
}

std::string command_of(const std::string& pid) {
    std::ifstream file("/proc/" + pid + "/cmdline", std::ios::binary);
    std::string command((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    for (char& c : command) {
        if (c == '\0') c = ' ';
    }
    while (!command.empty() && command.back() == ' ') command.pop_back();
    return printable(command.substr(0, 200));
}

// The kernel lists each descriptor's locks in fdinfo: "lock:\t1: OFDLCK  ADVISORY  WRITE -1 fe:00:123456 1 1".
std::string holders_of(int fd) {
    struct stat st {};
    if (::fstat(fd, &st) != 0) return {};
    const std::string inode = fmt::format("{:02x}:{:02x}:{} ", major(st.st_dev), minor(st.st_dev), st.st_ino);
    std::string holders;
    const std::unique_ptr<DIR, int (*)(DIR*)> proc(::opendir("/proc"), ::closedir);
    if (!proc) return {};
    const std::string self = fmt::format("{}", ::getpid());
    while (const dirent* process = ::readdir(proc.get())) {
        const std::string pid = process->d_name;
        if (pid.find_first_not_of("0123456789") != std::string::npos || pid == self) continue;
        const std::string folder = "/proc/" + pid + "/fdinfo";
        const std::unique_ptr<DIR, int (*)(DIR*)> fds(::opendir(folder.c_str()), ::closedir);
        if (!fds) continue;
        bool holds = false;
        while (const dirent* one = ::readdir(fds.get())) {
            std::ifstream info(folder + "/" + one->d_name);
            for (std::string line; !holds && std::getline(info, line);) {
                holds = line.starts_with("lock:") && (line + " ").find(inode) != std::string::npos;
            }
        }
        if (holds) holders += fmt::format("{}pid {} ({})", holders.empty() ? "" : ", ", pid, command_of(pid));
    }
    return holders;
}

// Read locks are to be had on a read-only file system too.
int open_to_lock(const std::string& path, LockMode mode) {
    const int fd = ::open(path.c_str(), (mode == LockMode::shared ? O_RDONLY : O_RDWR) | O_CLOEXEC);
    if (fd < 0) throw Error::from_errno("opening to lock", path, errno);
    return fd;
}

// A config that `check --repair` wrote anew is another file: a lock on the old one keeps nobody out.
bool still_named(int fd, const std::string& path) {
    struct stat held {
    }, named{};
    return ::fstat(fd, &held) == 0 && ::stat(path.c_str(), &named) == 0 && held.st_dev == named.st_dev &&
           held.st_ino == named.st_ino;
}

}  // namespace

Lock::Lock(const std::string& path, LockMode mode, int64_t wait_ms) : mode_(mode) {
    fd_ = open_to_lock(path, mode);
    const int64_t deadline = mono_now_ns() + wait_ms * 1'000'000;
    try {
        for (;;) {
            if (try_lock(fd_, mode)) {
                if (still_named(fd_, path)) return;
                ::close(fd_);
                fd_ = -1;
                fd_ = open_to_lock(path, mode);
                continue;
            }
            check_interrupted();
            if (mono_now_ns() >= deadline) {
                const std::string holders = holders_of(fd_);
                throw Error(Code::locked,
                            fmt::format("locked by {}{}", holders.empty() ? "another process" : holders,
                                        wait_ms > 0 ? fmt::format("; waited {}", human_duration(wait_ms)) : ""),
                            "wait for it to end (--lock-wait sets how long); the lock ends with its process and is never stale");
            }
            std::this_thread::sleep_for(std::chrono::milliseconds(50));
        }
    } catch (const Error&) {
        if (fd_ >= 0) ::close(fd_);
        throw;
    }
}

Lock::~Lock() { ::close(fd_); }

}  // namespace ingot
