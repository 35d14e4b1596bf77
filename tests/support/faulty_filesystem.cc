#include "tests/support/faulty_filesystem.h"

#include "base/error.h"

namespace ingot::test {
namespace {

class FaultyReadFile : public ReadFile {
public:
    FaultyReadFile(FaultyFileSystem& fs, std::unique_ptr<ReadFile> inner, std::string path)
        : fs_(fs), inner_(std::move(inner)), path_(std::move(path)) {}
    size_t read_at(uint64_t offset, std::span<uint8_t> out) override {
        fs_.count(Call::read, path_);
        return inner_->read_at(offset, out);
    }
    uint64_t size() override { return inner_->size(); }
    void drop_cache() override { inner_->drop_cache(); }

private:
    FaultyFileSystem& fs_;
    std::unique_ptr<ReadFile> inner_;
    std::string path_;
};

class FaultyWriteFile : public WriteFile {
public:
    FaultyWriteFile(FaultyFileSystem& fs, std::unique_ptr<WriteFile> inner, std::string path)
        : fs_(fs), inner_(std::move(inner)), path_(std::move(path)) {}
    void append(ByteView bytes) override {
        guarded(Call::write, [&] { inner_->append(bytes); });
    }
    void write_at(uint64_t offset, ByteView bytes) override {
        guarded(Call::write, [&] { inner_->write_at(offset, bytes); });
    }
    void set_size(uint64_t bytes) override {
        guarded(Call::write, [&] { inner_->set_size(bytes); });
    }
    void sync() override {
        guarded(Call::sync, [&] { inner_->sync(); });
    }
    int fd() const override { return inner_->fd(); }

private:
    template <class Body>
    void guarded(Call call, Body&& body) {
        if (poisoned_) throw Error(Code::failed, path_ + " is not written to after a failed write");
        try {
            fs_.count(call, path_);
        } catch (const Error&) {
            poisoned_ = true;
            throw;
        }
        body();
    }

    FaultyFileSystem& fs_;
    std::unique_ptr<WriteFile> inner_;
    std::string path_;
    std::atomic<bool> poisoned_ = false;
};

}  // namespace

const char* to_string(Call call) {
    static const char* const kNames[kCalls] = {"open",   "read",     "create",   "write",     "sync", "rename",
                                               "remove", "make_dir", "sync_dir", "sync_file", "list", "change"};
    return kNames[static_cast<size_t>(call)];
}

void FaultyFileSystem::fail(Call call, uint64_t nth, bool for_good, int errno_value) {
    failing_ = call;
    for_good_ = for_good;
    errno_value_ = errno_value;
    failures_ = 0;
    at_ = counts_[static_cast<size_t>(call)] + nth;
}

void FaultyFileSystem::mend() { at_ = 0; }

bool FaultyFileSystem::counts_as(Call call) const {
    return call == failing_ || (failing_ == Call::change && call != Call::open && call != Call::read && call != Call::list);
}

void FaultyFileSystem::count(Call call, const std::string& path) {
    uint64_t number = ++counts_[static_cast<size_t>(call)];
    if (call != Call::open && call != Call::read && call != Call::list) {
        const uint64_t change = ++counts_[static_cast<size_t>(Call::change)];
        if (failing_ == Call::change) number = change;
    }
    if (at_ == 0 || !counts_as(call) || (for_good_ ? number < at_ : number != at_)) return;
    ++failures_;
    throw Error::from_errno(std::string("(injected) ") + to_string(call), path, errno_value_);
}

std::unique_ptr<ReadFile> FaultyFileSystem::open(const std::string& path) {
    count(Call::open, path);
    return std::make_unique<FaultyReadFile>(*this, inner_.open(path), path);
}
std::unique_ptr<WriteFile> FaultyFileSystem::create(const std::string& path, uint32_t mode) {
    count(Call::create, path);
    return std::make_unique<FaultyWriteFile>(*this, inner_.create(path, mode), path);
}
void FaultyFileSystem::rename(const std::string& from, const std::string& to, Rename how) {
    count(Call::rename, to);
    inner_.rename(from, to, how);
}
void FaultyFileSystem::remove(const std::string& path) {
    count(Call::remove, path);
    inner_.remove(path);
}
void FaultyFileSystem::remove_dir(const std::string& path) {
    count(Call::remove, path);
    inner_.remove_dir(path);
}
bool FaultyFileSystem::make_dir(const std::string& path, uint32_t mode) {
    count(Call::make_dir, path);
    return inner_.make_dir(path, mode);
}
void FaultyFileSystem::sync_dir(const std::string& path) {
    count(Call::sync_dir, path);
    inner_.sync_dir(path);
}
void FaultyFileSystem::sync_file(const std::string& path) {
    count(Call::sync_file, path);
    inner_.sync_file(path);
}
void FaultyFileSystem::list(const std::string& path, const std::function<void(const std::string& name)>& each) {
    count(Call::list, path);
    inner_.list(path, each);
}

}  // namespace ingot::test
