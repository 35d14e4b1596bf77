// A file system that fails when it is told to: the Nth call of a kind, once or from then on. Counts calls, so that a test can
// loop N until nothing fails any more.
//
// Thread safety: any thread.
#pragma once

#include <array>
#include <atomic>
#include <cerrno>

#include "base/filesystem.h"

namespace ingot::test {

enum class Call : size_t {
    open,
    read,
    create,
    write,
    sync,
    rename,
    remove,
    make_dir,
    sync_dir,
    sync_file,
    list,
    change
};  // change: any that writes
inline constexpr size_t kCalls = 12;
const char* to_string(Call call);

class FaultyFileSystem : public FileSystem {
public:
    explicit FaultyFileSystem(FileSystem& inner = real_filesystem()) : inner_(inner) {}

    // The `nth` call of that kind from now on fails, counted from 1; with `for_good` every later one too.
    void fail(Call call, uint64_t nth, bool for_good, int errno_value = EIO);
    void mend();
    uint64_t calls(Call call) const { return counts_[static_cast<size_t>(call)]; }
    uint64_t failures() const { return failures_; }

    std::unique_ptr<ReadFile> open(const std::string& path) override;
    std::unique_ptr<WriteFile> create(const std::string& path, uint32_t mode) override;
    void rename(const std::string& from, const std::string& to, Rename how) override;
    void remove(const std::string& path) override;
    void remove_dir(const std::string& path) override;
    bool make_dir(const std::string& path, uint32_t mode) override;
    void sync_dir(const std::string& path) override;
    void sync_file(const std::string& path) override;
    void list(const std::string& path, const std::function<void(const std::string& name)>& each) override;
    std::optional<uint64_t> file_size(const std::string& path) override { return inner_.file_size(path); }
    bool exists(const std::string& path) override { return inner_.exists(path); }

    // Throws when it is this call's turn to fail.
    void count(Call call, const std::string& path);

private:
    bool counts_as(Call call) const;

    FileSystem& inner_;
    std::array<std::atomic<uint64_t>, kCalls> counts_{};
    std::atomic<uint64_t> failures_{0};
    Call failing_ = Call::open;
    std::atomic<uint64_t> at_{0};  // 0: nothing fails
    bool for_good_ = false;
    int errno_value_ = EIO;
};

}  // namespace ingot::test
