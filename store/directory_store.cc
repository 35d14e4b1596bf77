#include "store/directory_store.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/error.h"
#include "store/hash.h"

namespace ingot {
namespace {

// A pack grows while the next segments are made: the medium writes meanwhile, and a sync waits for the last pieces only.
constexpr uint64_t kWritebackBytes = 8 << 20;

class FileBlobWriter : public BlobWriter {
public:
    FileBlobWriter(FileSystem& fs, std::string folder, std::string temporary)
        : fs_(fs), folder_(std::move(folder)), temporary_(std::move(temporary)), file_(fs.create(temporary_, 0600)) {}
    ~FileBlobWriter() override {
        if (published_) return;
        try {
            fs_.remove(temporary_);
        } catch (const Error& error) {
            ignore_error(error, "temporaries are cleaned by the next writer");
        }
    }
    void append(ByteView bytes) override {
        file_->append(bytes);
        size_ += bytes.size();
        if (size_ - begun_ < kWritebackBytes) return;
        file_->start_writeback();
        begun_ = size_;
    }
    uint64_t size() const override { return size_; }
    void sync() override {
        file_->sync();
        synced_ = true;
    }
    bool publish(const std::string& name) override {
        if (!synced_) sync();
        const std::string path = join(folder_, name);
        make_dirs(fs_, parent_of(path), 0700);
        published_ = true;  // gone from its temporary name, one way or the other
        return publish_new(fs_, temporary_, path);
    }

private:
    FileSystem& fs_;
    std::string folder_;
    std::string temporary_;
    std::unique_ptr<WriteFile> file_;
    uint64_t size_ = 0;
    uint64_t begun_ = 0;  // the medium was told of this much
    bool synced_ = false;
    bool published_ = false;
};

}  // namespace

DirectoryStore::DirectoryStore(FileSystem& fs, std::string folder) : fs_(fs), folder_(std::move(folder)) {}

std::string DirectoryStore::path_of(const std::string& name) const { return join(folder_, name); }

std::unique_ptr<BlobWriter> DirectoryStore::begin() {
    const std::string folder = path_of("tmp");
    make_dirs(fs_, folder, 0700);
    std::array<uint8_t, 8> unique{};
    random_bytes(unique);
    return std::make_unique<FileBlobWriter>(fs_, folder_, join(folder, to_hex(unique)));
}

bool DirectoryStore::put_new(const std::string& name, ByteView bytes) {
    const std::string path = path_of(name);
    if (fs_.exists(path)) return false;
    const auto writer = begin();
    writer->append(bytes);
    return writer->publish(name);
}

std::unique_ptr<ReadFile> DirectoryStore::open(const std::string& name) {
    require_file(name);
    return fs_.open(path_of(name));
}

Bytes DirectoryStore::get(const std::string& name, uint64_t limit_bytes) {
    require_file(name);
    return read_file(fs_, path_of(name), limit_bytes);
}

// Opening a FIFO waits for a writer, who may never come.
void DirectoryStore::require_file(const std::string& name) const {
    struct stat st {};
    if (::stat(path_of(name).c_str(), &st) == 0 && !S_ISREG(st.st_mode))
        throw Error(Code::damaged, fmt::format("{} is no regular file", name), "somebody put it there; move it out of the way");
}

std::optional<uint64_t> DirectoryStore::size_of(const std::string& name) { return fs_.file_size(path_of(name)); }

// What is neither a file nor a folder, nor a link to a folder, has its name in the listing, so that `check` can tell it; nothing
// for folders, and where looking fails: listing it fails, too.
static std::optional<uint64_t> size_of_other(const std::string& path) {
    struct stat st {};
    if (::stat(path.c_str(), &st) == 0) {
        if (S_ISDIR(st.st_mode)) return std::nullopt;
        return S_ISREG(st.st_mode) ? static_cast<uint64_t>(st.st_size) : 0;
    }
    const bool leads_nowhere = errno == ELOOP || (errno == ENOENT && ::lstat(path.c_str(), &st) == 0);
    return leads_nowhere ? std::optional<uint64_t>(0) : std::nullopt;
}

// packs/ab/<id>, records/<kind>/<id>, heads/<writer>/<n>: a folder further below is none of ours. It may be a link that leads
// round in a circle.
static constexpr int kDeepest = 2;

void DirectoryStore::list(const std::string& prefix, const std::function<void(const std::string&, uint64_t)>& each) {
    list_below(prefix, 1, each);
}

void DirectoryStore::list_below(const std::string& prefix, int depth,
                                const std::function<void(const std::string&, uint64_t)>& each) {
    const std::string folder = path_of(prefix);
    std::vector<std::string> names;
    try {
        fs_.list(folder, [&](const std::string& name) { names.push_back(name); });
    } catch (const Error& error) {
        if (error.code() == Code::not_found) return;
        throw;  // an error is never an empty listing (restic #4612)
    }
    for (const std::string& name : names) {
        const std::string below = join(prefix, name);
        if (const auto size = fs_.file_size(path_of(below))) {
            each(below, *size);
        } else if (const auto other = size_of_other(path_of(below))) {
            each(below, *other);
        } else if (depth < kDeepest) {
            list_below(below, depth + 1, each);
        } else {
            each(below, 0);
        }
    }
}

void DirectoryStore::remove(const std::string& name) { fs_.remove(path_of(name)); }

void DirectoryStore::clean_temporaries() {
    std::vector<std::string> names;
    list("tmp", [&](const std::string& name, uint64_t) { names.push_back(name); });
    for (const std::string& name : names) remove(name);
}

}  // namespace ingot
