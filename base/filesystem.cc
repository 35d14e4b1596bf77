#include "base/filesystem.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>

#include "base/error.h"

namespace ingot {
namespace {

[[noreturn]] void fail(std::string_view op, const std::string& path) {
    const int error = errno;
    throw Error::from_errno(op, path, error, error == ENOENT ? Code::not_found : Code::failed);
}

class Fd {
public:
    explicit Fd(int fd) : fd_(fd) {}
    Fd(const Fd&) = delete;
    Fd& operator=(const Fd&) = delete;
    ~Fd() {
        if (fd_ >= 0) ::close(fd_);
    }
    int get() const { return fd_; }

private:
    int fd_;
};

class RealReadFile : public ReadFile {
public:
    RealReadFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}

    size_t read_at(uint64_t offset, std::span<uint8_t> out) override {
        size_t done = 0;
        while (done < out.size()) {
            const ssize_t n = ::pread(fd_.get(), out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
            if (n < 0 && errno == EINTR) continue;
            if (n < 0) fail("reading", path_);
            if (n == 0) break;
            done += static_cast<size_t>(n);
        }
        return done;
    }
    uint64_t size() override {
        struct stat st {};
        if (::fstat(fd_.get(), &st) != 0) fail("asking the size of", path_);
        return static_cast<uint64_t>(st.st_size);
    }
    void drop_cache() override { (void)::posix_fadvise(fd_.get(), 0, 0, POSIX_FADV_DONTNEED); }
    void will_need(uint64_t offset, uint64_t length) override {
        (void)::posix_fadvise(fd_.get(), static_cast<off_t>(offset), static_cast<off_t>(length), POSIX_FADV_WILLNEED);
    }

private:
    Fd fd_;
    std::string path_;
};

class RealWriteFile : public WriteFile {
public:
    RealWriteFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}

    void append(ByteView bytes) override {
        refuse_if_poisoned();
        while (!bytes.empty()) {
            const ssize_t n = ::write(fd_.get(), bytes.data(), bytes.size());
            if (n < 0 && errno == EINTR) continue;
            if (n < 0) poison("writing");
            bytes = bytes.subspan(static_cast<size_t>(n));
        }
    }
    void write_at(uint64_t offset, ByteView bytes) override {
        refuse_if_poisoned();
        while (!bytes.empty()) {
            const ssize_t n = ::pwrite(fd_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
            if (n < 0 && errno == EINTR) continue;
            if (n < 0) poison("writing");
            bytes = bytes.subspan(static_cast<size_t>(n));
            offset += static_cast<uint64_t>(n);
        }
    }
    void set_size(uint64_t bytes) override {
        refuse_if_poisoned();
        if (::ftruncate(fd_.get(), static_cast<off_t>(bytes)) != 0) poison("setting the size of");
    }
    void sync() override {
        refuse_if_poisoned();
        if (::fsync(fd_.get()) != 0) poison("syncing");
    }
    // Its errors are the sync's to tell, which reports them too.
    void start_writeback() override { (void)::sync_file_range(fd_.get(), 0, 0, SYNC_FILE_RANGE_WRITE); }
    int fd() const override { return fd_.get(); }

private:
    void refuse_if_poisoned() const {
        // Says why, too: of several threads that write, it may be this one's error that is heard of.
        if (const int error = poisoned_; error != 0)
            throw Error::from_errno("not writing any more, after a write failed, to", path_, error);
    }
    [[noreturn]] void poison(std::string_view op) {
        poisoned_ = errno;
        fail(op, path_);
    }

    Fd fd_;
    std::string path_;
    std::atomic<int> poisoned_ = 0;  // the errno of the write that failed
};

class RealFileSystem : public FileSystem {
public:
    std::unique_ptr<ReadFile> open(const std::string& path) override {
        const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY);
        // Below a file there is nothing, as exists() says too.
        if (fd < 0 && errno == ENOTDIR) throw Error::from_errno("opening", path, ENOTDIR, Code::not_found);
        if (fd < 0) fail("opening", path);
        return std::make_unique<RealReadFile>(fd, path);
    }
    std::unique_ptr<WriteFile> create(const std::string& path, uint32_t mode) override {
        const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
        if (fd < 0) fail("creating", path);
        return std::make_unique<RealWriteFile>(fd, path);
    }
    void rename(const std::string& from, const std::string& to, Rename how) override {
        const unsigned flags = how == Rename::no_replace ? RENAME_NOREPLACE : how == Rename::exchange ? RENAME_EXCHANGE : 0;
        if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), flags) != 0) {
            fail(fmt::format("renaming {} to", printable(from)), to);
        }
    }
    void remove(const std::string& path) override {
        if (::unlink(path.c_str()) != 0) fail("removing", path);
    }
    void remove_dir(const std::string& path) override {
        if (::rmdir(path.c_str()) != 0) fail("removing the folder", path);
    }
    bool make_dir(const std::string& path, uint32_t mode) override {
        if (::mkdir(path.c_str(), mode) == 0) return true;
        if (errno == EEXIST) return false;
        fail("making the folder", path);
    }
    void sync_dir(const std::string& path) override {
        const Fd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        if (fd.get() < 0) fail("opening the folder", path);
        // Some network and FUSE file systems have no fsync for folders (restic #3720); any other error is one.
        if (::fsync(fd.get()) != 0 && errno != EINVAL && errno != ENOTSUP) fail("syncing the folder", path);
    }
    void sync_file(const std::string& path) override {
        struct stat st {};
        if (::lstat(path.c_str(), &st) != 0) fail("looking at", path);
        if (!S_ISREG(st.st_mode)) return;
        constexpr int kHow = O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
        const Fd fd(::open(path.c_str(), O_RDONLY | kHow));
        if (fd.get() < 0 && errno == EACCES) return sync_unreadable(path);
        if (fd.get() < 0) fail("opening", path);
        if (::fsync(fd.get()) != 0) fail("syncing", path);
    }
    void list(const std::string& path, const std::function<void(const std::string&)>& each) override {
        DIR* dir = ::opendir(path.c_str());
        if (dir == nullptr) fail("listing", path);
        const std::unique_ptr<DIR, int (*)(DIR*)> closer(dir, ::closedir);
        for (;;) {
            errno = 0;
            const dirent* entry = ::readdir(dir);
            if (entry == nullptr) break;
            const std::string name = entry->d_name;
            if (name != "." && name != "..") each(name);
        }
        if (errno != 0) fail("listing", path);
    }
    std::optional<uint64_t> file_size(const std::string& path) override {
        struct stat st {};
        if (::lstat(path.c_str(), &st) != 0) {
            if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
            fail("looking at", path);
        }
        if (!S_ISREG(st.st_mode)) return std::nullopt;
        return static_cast<uint64_t>(st.st_size);
    }
    bool exists(const std::string& path) override {
        struct stat st {};
        if (::lstat(path.c_str(), &st) == 0) return true;
        if (errno == ENOENT || errno == ENOTDIR) return false;
        fail("looking at", path);
    }

private:
    // Its owner may set its attributes, and cannot open it: then all of the file system is synced.
    static void sync_unreadable(const std::string& path) {
        const Fd folder(::open(parent_of(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        if (folder.get() < 0) fail("opening the folder of", path);
        if (::syncfs(folder.get()) != 0) fail("syncing the file system of", path);
    }
};

// Names of temporaries never repeat within a process, and not between processes that live at the same time.
std::string temporary_name(const std::string& path) {
    static std::atomic<uint64_t> counter{0};
    return join(parent_of(path), fmt::format(".tmp-{}-{}-{}", ::getpid(), counter.fetch_add(1), base_name_of(path)));
}

void write_synced(FileSystem& fs, const std::string& path, ByteView bytes, uint32_t mode) {
    const auto file = fs.create(path, mode);
    file->append(bytes);
    file->sync();
}

void remove_leftover(FileSystem& fs, const std::string& path) {
    try {
        fs.remove(path);
    } catch (const Error& error) {
        ignore_error(error, "a temporary that cannot be removed is found and removed by the next run");
    }
}

}  // namespace

FileSystem& real_filesystem() {
    static RealFileSystem fs;
    return fs;
}

std::string parent_of(const std::string& path) {
    const size_t slash = path.find_last_of('/');
    if (slash == std::string::npos) return ".";
    return slash == 0 ? "/" : path.substr(0, slash);
}

std::string base_name_of(const std::string& path) {
    const size_t slash = path.find_last_of('/');
    return slash == std::string::npos ? path : path.substr(slash + 1);
}

std::string join(const std::string& folder, const std::string& name) {
    if (folder.empty()) return name;
    return folder.back() == '/' ? folder + name : folder + "/" + name;
}

bool publish_new(FileSystem& fs, const std::string& temporary, const std::string& path) {
    if (fs.exists(path)) {
        fs.remove(temporary);
        return false;
    }
    try {
        fs.rename(temporary, path, Rename::no_replace);
    } catch (const Error&) {
        if (!fs.exists(path)) throw;  // somebody else was quicker
        fs.remove(temporary);
        return false;
    }
    fs.sync_dir(parent_of(path));
    return true;
}

bool write_new_file(FileSystem& fs, const std::string& path, ByteView bytes, uint32_t mode) {
    if (fs.exists(path)) return false;
    const std::string temporary = temporary_name(path);
    try {
        write_synced(fs, temporary, bytes, mode);
        return publish_new(fs, temporary, path);
    } catch (const Error&) {
        remove_leftover(fs, temporary);
        throw;
    }
}

void replace_file(FileSystem& fs, const std::string& path, ByteView bytes, uint32_t mode) {
    const std::string temporary = temporary_name(path);
    try {
        write_synced(fs, temporary, bytes, mode);
        fs.rename(temporary, path, Rename::replace);
    } catch (const Error&) {
        remove_leftover(fs, temporary);
        throw;
    }
    fs.sync_dir(parent_of(path));
}

Bytes read_file(FileSystem& fs, const std::string& path, uint64_t limit_bytes) {
    const auto file = fs.open(path);
    const uint64_t size = file->size();
    if (size > limit_bytes) {
        throw Error(Code::damaged,
                    fmt::format("{} has {} bytes where at most {} are expected", printable(path), size, limit_bytes));
    }
    Bytes out(size);
    out.resize(file->read_at(0, out));
    return out;
}

void make_dirs(FileSystem& fs, const std::string& path, uint32_t mode) {
    if (path.empty() || path == "/" || path == "." || fs.exists(path)) return;
    const std::string parent = parent_of(path);
    make_dirs(fs, parent, mode);
    if (fs.make_dir(path, mode)) fs.sync_dir(parent);
}

void remove_tree(FileSystem& fs, const std::string& path) {
    struct stat st {};
    if (::lstat(path.c_str(), &st) != 0) {
        if (errno == ENOENT) return;
        fail("looking at", path);
    }
    if (!S_ISDIR(st.st_mode)) {
        fs.remove(path);
        return;
    }
    std::vector<std::string> names;
    fs.list(path, [&](const std::string& name) { names.push_back(name); });
    for (const std::string& name : names) remove_tree(fs, join(path, name));
    fs.remove_dir(path);
}

}  // namespace ingot
