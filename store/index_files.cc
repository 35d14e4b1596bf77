#include "store/index_files.h"

#include <rocksdb/env.h>
#include <rocksdb/file_system.h>
#include <sys/resource.h>

#include <memory>

namespace ingot {
namespace {

using rocksdb::FileOptions;
using rocksdb::FSWritableFile;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

class DeferringFile : public rocksdb::FSWritableFileOwnerWrapper {
public:
    using FSWritableFileOwnerWrapper::FSWritableFileOwnerWrapper;

    IOStatus Append(const Slice& data, const IOOptions& options, IODebugContext* debug) override {
        return write([&] { return target()->Append(data, options, debug); });
    }
    IOStatus Append(const Slice& data, const IOOptions& options, const rocksdb::DataVerificationInfo& info,
                    IODebugContext* debug) override {
        return write([&] { return target()->Append(data, options, info, debug); });
    }
    IOStatus PositionedAppend(const Slice& data, uint64_t offset, const IOOptions& options, IODebugContext* debug) override {
        return write([&] { return target()->PositionedAppend(data, offset, options, debug); });
    }
    IOStatus PositionedAppend(const Slice& data, uint64_t offset, const IOOptions& options,
                              const rocksdb::DataVerificationInfo& info, IODebugContext* debug) override {
        return write([&] { return target()->PositionedAppend(data, offset, options, info, debug); });
    }
    IOStatus Flush(const IOOptions& options, IODebugContext* debug) override {
        return write([&] { return target()->Flush(options, debug); });
    }
    IOStatus RangeSync(uint64_t offset, uint64_t bytes, const IOOptions& options, IODebugContext* debug) override {
        return write([&] { return target()->RangeSync(offset, bytes, options, debug); });
    }
    IOStatus Sync(const IOOptions& options, IODebugContext* debug) override {
        return failed_ ? error_ : target()->Sync(options, debug);
    }
    IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override {
        return failed_ ? error_ : target()->Fsync(options, debug);
    }
    IOStatus Close(const IOOptions& options, IODebugContext* debug) override {
        const IOStatus closed = target()->Close(options, debug);
        return failed_ ? error_ : closed;
    }

private:
    // After a failed write nothing more is written: the file would have a hole.
    template <class Write>
    IOStatus write(Write work) {
        if (failed_) return IOStatus::OK();
        error_ = work();
        failed_ = !error_.ok();
        return IOStatus::OK();
    }

    bool failed_ = false;
    IOStatus error_;
};

class DeferringFiles : public rocksdb::FileSystemWrapper {
public:
    using FileSystemWrapper::FileSystemWrapper;

    const char* Name() const override { return "ingot"; }

    IOStatus NewWritableFile(const std::string& path, const FileOptions& options, std::unique_ptr<FSWritableFile>* file,
                             IODebugContext* debug) override {
        return wrapped(target()->NewWritableFile(path, options, file, debug), file);
    }
    IOStatus ReopenWritableFile(const std::string& path, const FileOptions& options, std::unique_ptr<FSWritableFile>* file,
                                IODebugContext* debug) override {
        return wrapped(target()->ReopenWritableFile(path, options, file, debug), file);
    }
    IOStatus ReuseWritableFile(const std::string& path, const std::string& old_path, const FileOptions& options,
                               std::unique_ptr<FSWritableFile>* file, IODebugContext* debug) override {
        return wrapped(target()->ReuseWritableFile(path, old_path, options, file, debug), file);
    }

private:
    static IOStatus wrapped(IOStatus status, std::unique_ptr<FSWritableFile>* file) {
        if (status.ok()) *file = std::make_unique<DeferringFile>(std::move(*file));
        return status;
    }
};

}  // namespace

rocksdb::Env* index_files() {
    static const std::unique_ptr<rocksdb::Env> env =
        rocksdb::NewCompositeEnv(std::make_shared<DeferringFiles>(rocksdb::FileSystem::Default()));
    return env.get();
}

int open_file_budget() {
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 128;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    getrlimit(RLIMIT_NOFILE, &limit);
    const auto soft = static_cast<int64_t>(std::min<rlim_t>(limit.rlim_cur, 1 << 20));
    return static_cast<int>(std::clamp<int64_t>(soft - 256, 32, 4096));
}

}  // namespace ingot
