// LD_PRELOAD: system calls of the built binary that fail, or are the last ones it makes. It lies under everything: RocksDB and
// SQLite do not use base/filesystem.h, and their calls fail here too.
//
//   SHIM_KIND=write|fsync|rename|unlink|mkdir|truncate|create|any   which calls
//   SHIM_KIND=spawn                 starts of other programs, wherever they lie; only those of Ingot itself
//   SHIM_KIND=clock                 no call fails: from the N-th question on, the wall clock is SHIM_JUMP seconds off; Ingot's
//   only SHIM_PATH=PREFIX[:PREFIX...]     only calls on paths below; a call on a descriptor counts by the path it was opened with
//   SHIM_AT=N                        the N-th of these calls, from 1; 0 or not there: only count
//   SHIM_MODE=once|forever|kill|short   fails it, it and all later ones, kill -9 before it; or writes only half, from it on
//   SHIM_ERRNO=EIO|ENOSPC
//   SHIM_COUNT=FILE                  16 bytes, kept up to date also when the process is killed: u64 calls, u64 failures
//
// `any` is any of the kinds. Renames count where either end lies below.
#include <dlfcn.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>

namespace {

enum class Mode { once, forever, kill, shorter };
enum class Verdict { pass, fail, cut_short };

struct Shim {
    const char* kind = "";
    const char* paths = nullptr;
    uint64_t at = 0;
    Mode mode = Mode::once;
    int error = EIO;
    std::atomic<uint64_t> own_counts[2]{};
    std::atomic<uint64_t>* counts = own_counts;

    Shim() {
        if (const char* value = ::getenv("SHIM_KIND")) kind = value;
        paths = ::getenv("SHIM_PATH");
        if (const char* value = ::getenv("SHIM_AT")) at = ::strtoull(value, nullptr, 10);
        if (const char* value = ::getenv("SHIM_MODE")) {
            mode = ::strcmp(value, "forever") == 0 ? Mode::forever
                   : ::strcmp(value, "kill") == 0  ? Mode::kill
                   : ::strcmp(value, "short") == 0 ? Mode::shorter
                                                   : Mode::once;
        }
        if (const char* value = ::getenv("SHIM_ERRNO")) error = ::strcmp(value, "ENOSPC") == 0 ? ENOSPC : EIO;
        if (const char* file = ::getenv("SHIM_COUNT")) share_counts(file);
    }

    // A mapping of the file: what was counted stays when the process is killed.
    void share_counts(const char* file) {
        const long fd = ::syscall(SYS_openat, AT_FDCWD, file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (fd < 0) return;
        struct stat st {};
        if (::fstat(static_cast<int>(fd), &st) == 0 && st.st_size < 16) (void)!::syscall(SYS_ftruncate, fd, 16L);
        void* map = ::mmap(nullptr, 16, PROT_READ | PROT_WRITE, MAP_SHARED, static_cast<int>(fd), 0);
        ::syscall(SYS_close, fd);
        if (map != MAP_FAILED) counts = static_cast<std::atomic<uint64_t>*>(map);
    }
};

Shim& shim() {
    static Shim the;
    return the;
}

bool below(const char* path) {
    const char* prefix = shim().paths;
    if (prefix == nullptr) return true;
    while (*prefix != '\0') {
        const char* end = ::strchrnul(prefix, ':');
        const size_t length = static_cast<size_t>(end - prefix);
        if (length > 0 && ::strncmp(path, prefix, length) == 0 &&
            (path[length] == '/' || path[length] == '\0' || path[length] == ' '))
            return true;
        prefix = *end == ':' ? end + 1 : end;
    }
    return false;
}

// Where a descriptor points to. False for pipes and the like.
bool path_of(int fd, char* out) {
    char link[64];
    ::snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    const ssize_t n = ::readlink(link, out, PATH_MAX - 1);
    if (n <= 0 || out[0] != '/') return false;
    out[n] = '\0';
    return true;
}

// "/proc/self/fd/7/leaf" and paths relative to a folder's descriptor, made absolute. Other links are left as they are.
void absolute(int folder, const char* path, char* out) {
    static const char kProc[] = "/proc/self/fd/";
    int fd = folder;
    const char* rest = path;
    if (::strncmp(path, kProc, sizeof kProc - 1) == 0) {
        char* end = nullptr;
        fd = static_cast<int>(::strtol(path + sizeof kProc - 1, &end, 10));
        rest = *end == '/' ? end + 1 : end;
    } else if (path[0] == '/') {
        ::snprintf(out, PATH_MAX, "%s", path);
        return;
    }
    char base[PATH_MAX];
    if (fd == AT_FDCWD ? ::getcwd(base, sizeof base) == nullptr : !path_of(fd, base)) base[0] = '\0';
    if (::snprintf(out, PATH_MAX, "%s/%s", base, rest) >= PATH_MAX) out[0] = '\0';
}

Verdict judge(const char* kind) {
    Shim& the = shim();
    const uint64_t number = ++the.counts[0];
    if (the.at == 0 || number < the.at) return Verdict::pass;
    if (the.mode == Mode::shorter) return ::strcmp(kind, "write") == 0 ? Verdict::cut_short : Verdict::pass;
    if (the.mode != Mode::forever && number != the.at) return Verdict::pass;
    ++the.counts[1];
    if (the.mode == Mode::kill) ::kill(::getpid(), SIGKILL);
    errno = the.error;
    return Verdict::fail;
}

bool wanted(const char* kind) { return ::strcmp(shim().kind, kind) == 0 || ::strcmp(shim().kind, "any") == 0; }

// The shell of a hook inherits LD_PRELOAD: what it does is its own.
bool of_ingot(const char* kind) {
    return ::strcmp(shim().kind, kind) == 0 && ::strncmp(program_invocation_short_name, "ingot", 5) == 0;
}

Verdict on_fd(const char* kind, int fd) {
    if (!wanted(kind)) return Verdict::pass;
    char path[PATH_MAX];
    if (!path_of(fd, path) || !below(path)) return Verdict::pass;
    return judge(kind);
}

bool fails(const char* kind, int folder, const char* path, int other_folder = AT_FDCWD, const char* other = nullptr) {
    if (!wanted(kind)) return false;
    char full[PATH_MAX];
    absolute(folder, path, full);
    bool counts = below(full);
    if (!counts && other != nullptr) {
        absolute(other_folder, other, full);
        counts = below(full);
    }
    return counts && judge(kind) == Verdict::fail;
}

template <class Function>
Function next(const char* name) {
    return reinterpret_cast<Function>(::dlsym(RTLD_NEXT, name));
}

size_t half(size_t size) { return size > 1 ? size / 2 : size; }

}  // namespace

// NOLINTBEGIN: the names and shapes are libc's.
#define REAL(name) static const auto real = next<decltype(&::name)>(#name)

extern "C" {

ssize_t write(int fd, const void* data, size_t size) {
    REAL(write);
    const Verdict verdict = on_fd("write", fd);
    if (verdict == Verdict::fail) return -1;
    return real(fd, data, verdict == Verdict::cut_short ? half(size) : size);
}

ssize_t pwrite(int fd, const void* data, size_t size, off_t offset) {
    REAL(pwrite);
    const Verdict verdict = on_fd("write", fd);
    if (verdict == Verdict::fail) return -1;
    return real(fd, data, verdict == Verdict::cut_short ? half(size) : size, offset);
}

ssize_t pwrite64(int fd, const void* data, size_t size, off64_t offset) {
    REAL(pwrite64);
    const Verdict verdict = on_fd("write", fd);
    if (verdict == Verdict::fail) return -1;
    return real(fd, data, verdict == Verdict::cut_short ? half(size) : size, offset);
}

ssize_t writev(int fd, const iovec* parts, int count) {
    REAL(writev);
    return on_fd("write", fd) == Verdict::fail ? -1 : real(fd, parts, count);
}

ssize_t pwritev(int fd, const iovec* parts, int count, off_t offset) {
    REAL(pwritev);
    return on_fd("write", fd) == Verdict::fail ? -1 : real(fd, parts, count, offset);
}

ssize_t pwritev64(int fd, const iovec* parts, int count, off64_t offset) {
    REAL(pwritev64);
    return on_fd("write", fd) == Verdict::fail ? -1 : real(fd, parts, count, offset);
}

ssize_t copy_file_range(int in, off64_t* in_offset, int out, off64_t* out_offset, size_t size, unsigned flags) {
    REAL(copy_file_range);
    return on_fd("write", out) == Verdict::fail ? -1 : real(in, in_offset, out, out_offset, size, flags);
}

int fsync(int fd) {
    REAL(fsync);
    return on_fd("fsync", fd) == Verdict::fail ? -1 : real(fd);
}

int fdatasync(int fd) {
    REAL(fdatasync);
    return on_fd("fsync", fd) == Verdict::fail ? -1 : real(fd);
}

int ftruncate(int fd, off_t size) {
    REAL(ftruncate);
    return on_fd("truncate", fd) == Verdict::fail ? -1 : real(fd, size);
}

int ftruncate64(int fd, off64_t size) {
    REAL(ftruncate64);
    return on_fd("truncate", fd) == Verdict::fail ? -1 : real(fd, size);
}

int rename(const char* from, const char* to) {
    REAL(rename);
    return fails("rename", AT_FDCWD, from, AT_FDCWD, to) ? -1 : real(from, to);
}

int renameat(int from_folder, const char* from, int to_folder, const char* to) {
    REAL(renameat);
    return fails("rename", from_folder, from, to_folder, to) ? -1 : real(from_folder, from, to_folder, to);
}

int renameat2(int from_folder, const char* from, int to_folder, const char* to, unsigned flags) {
    REAL(renameat2);
    return fails("rename", from_folder, from, to_folder, to) ? -1 : real(from_folder, from, to_folder, to, flags);
}

int link(const char* from, const char* to) {
    REAL(link);
    return fails("create", AT_FDCWD, to) ? -1 : real(from, to);
}

int linkat(int from_folder, const char* from, int to_folder, const char* to, int flags) {
    REAL(linkat);
    return fails("create", to_folder, to) ? -1 : real(from_folder, from, to_folder, to, flags);
}

int symlinkat(const char* target, int folder, const char* path) {
    REAL(symlinkat);
    return fails("create", folder, path) ? -1 : real(target, folder, path);
}

int symlink(const char* target, const char* path) {
    REAL(symlink);
    return fails("create", AT_FDCWD, path) ? -1 : real(target, path);
}

int unlink(const char* path) {
    REAL(unlink);
    return fails("unlink", AT_FDCWD, path) ? -1 : real(path);
}

int unlinkat(int folder, const char* path, int flags) {
    REAL(unlinkat);
    return fails("unlink", folder, path) ? -1 : real(folder, path, flags);
}

int rmdir(const char* path) {
    REAL(rmdir);
    return fails("unlink", AT_FDCWD, path) ? -1 : real(path);
}

int mkdir(const char* path, mode_t mode) {
    REAL(mkdir);
    return fails("mkdir", AT_FDCWD, path) ? -1 : real(path, mode);
}

int mkdirat(int folder, const char* path, mode_t mode) {
    REAL(mkdirat);
    return fails("mkdir", folder, path) ? -1 : real(folder, path, mode);
}

// The mode is there only when a file may be made.
#define TAKE_MODE(flags)                          \
    mode_t mode = 0;                              \
    if (((flags) & (O_CREAT | O_TMPFILE)) != 0) { \
        va_list rest;                             \
        va_start(rest, flags);                    \
        mode = va_arg(rest, mode_t);              \
        va_end(rest);                             \
    }

int open(const char* path, int flags, ...) {
    REAL(open);
    TAKE_MODE(flags)
    return (flags & O_CREAT) != 0 && fails("create", AT_FDCWD, path) ? -1 : real(path, flags, mode);
}

int open64(const char* path, int flags, ...) {
    REAL(open64);
    TAKE_MODE(flags)
    return (flags & O_CREAT) != 0 && fails("create", AT_FDCWD, path) ? -1 : real(path, flags, mode);
}

int openat(int folder, const char* path, int flags, ...) {
    REAL(openat);
    TAKE_MODE(flags)
    return (flags & O_CREAT) != 0 && fails("create", folder, path) ? -1 : real(folder, path, flags, mode);
}

int openat64(int folder, const char* path, int flags, ...) {
    REAL(openat64);
    TAKE_MODE(flags)
    return (flags & O_CREAT) != 0 && fails("create", folder, path) ? -1 : real(folder, path, flags, mode);
}

int posix_spawnp(pid_t* pid, const char* file, const posix_spawn_file_actions_t* actions, const posix_spawnattr_t* attributes,
                 char* const argv[], char* const environment[]) {
    REAL(posix_spawnp);
    if (of_ingot("spawn") && judge("spawn") == Verdict::fail) return errno;
    return real(pid, file, actions, attributes, argv, environment);
}

pid_t fork() {
    REAL(fork);
    return of_ingot("spawn") && judge("spawn") == Verdict::fail ? -1 : real();
}

pid_t _Fork() {
    REAL(_Fork);
    return of_ingot("spawn") && judge("spawn") == Verdict::fail ? -1 : real();
}

int clock_gettime(clockid_t id, struct timespec* now) {
    REAL(clock_gettime);
    const int result = real(id, now);
    if (id != CLOCK_REALTIME || !of_ingot("clock")) return result;
    static const char* const jump = ::getenv("SHIM_JUMP");
    static const uint64_t at = shim().at;
    const uint64_t number = ++shim().counts[0];
    if (at == 0 || number < at || jump == nullptr) return result;
    ++shim().counts[1];
    now->tv_sec += ::atoll(jump);
    return result;
}

}  // extern "C"
// NOLINTEND
