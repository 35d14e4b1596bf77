#include "restore/old_pin.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <set>

#include "base/error.h"
#include "base/metadata.h"
#include "restore/live_roots.h"

namespace ingot {
namespace {

// Raw bytes of a damaged state are nobody else's.
constexpr uint32_t kFolderMode = 0700;

// A file that nobody should change any more; whoever holds it open since before the swap still can.
class PlainStream : public Stream {
public:
    PlainStream(std::unique_ptr<ReadFile> file, std::function<LiveStat()> look)
        : file_(std::move(file)), look_(std::move(look)), before_(look_()) {}

    std::optional<Section> next_section() override {
        if (given_) return std::nullopt;
        given_ = true;
        return Section::cdc();
    }
    size_t read(std::span<uint8_t> out) override {
        try {
            const size_t n = file_->read_at(offset_, out);
            offset_ += n;
            return n;
        } catch (const Error& error) {
            throw error.as(Code::source);
        }
    }
    bool settled() override {
        const LiveStat now = look_();
        return now.inode == before_.inode && now.size == before_.size && now.mtime_ns == before_.mtime_ns &&
               now.ctime_ns == before_.ctime_ns && offset_ == now.size;
    }

private:
    std::unique_ptr<ReadFile> file_;
    std::function<LiveStat()> look_;
    LiveStat before_;
    uint64_t offset_ = 0;
    bool given_ = false;
};

std::unique_ptr<Stream> plain_stream(FileSystem& fs, const Beneath& folder, const std::string& path) {
    const auto look = [&folder, path] {
        const std::optional<LiveStat> found = folder.look(path);
        if (!found) throw Error(Code::source, fmt::format("{} is gone", printable(folder.name(path))));
        return *found;
    };
    try {
        return std::make_unique<PlainStream>(folder.at(path).run([&](const std::string& at) { return fs.open(at); }), look);
    } catch (const Error& error) {
        throw error.as(Code::source);
    }
}

}  // namespace

Bytes known_fingerprint() { return {1}; }

std::optional<Entry> OldTreePin::next() {
    std::optional<OldEntry> next = tree_.next();
    if (!next) return std::nullopt;
    current_ = std::move(*next);
    Entry entry = current_.listed.entry;
    if (entry.type == EntryType::file && !current_.aside) entry.fingerprint = known_fingerprint();
    return entry;
}

std::unique_ptr<Stream> OldTreePin::open(const Entry& entry) {
    if (!current_.aside) {
        throw Error(Code::source, fmt::format("the note of where {} is stored already could not be kept", printable(entry.path)),
                    "free some space in the state directory");
    }
    return plain_stream(fs_, tree_.stage(*current_.aside), current_.aside->path);
}

RawFilesPin::RawFilesPin(FileSystem& fs, std::vector<ReplacedFile> files, const std::string& folder)
    : fs_(fs), files_(std::move(files)) {
    std::set<std::string> folders;
    for (const ReplacedFile& file : files_) {
        for (std::string above = parent_of(file.listing_path); !folder.empty() && is_below(above, folder);
             above = parent_of(above))
            folders.insert(above);
    }
    for (const std::string& each : folders) files_.push_back({"", each});
    std::ranges::sort(files_, [](const auto& a, const auto& b) { return listing_less(a.listing_path, b.listing_path); });
}

std::optional<Entry> RawFilesPin::next() {
    if (at_ == files_.size()) return std::nullopt;
    const ReplacedFile& file = files_[at_++];
    Entry entry;
    entry.path = file.listing_path;
    if (file.path.empty()) {
        entry.type = EntryType::directory;
        entry.mode = kFolderMode;
        entry.uid = ::geteuid();
        entry.gid = ::getegid();
        return entry;
    }
    try {
        const Metadata metadata = metadata_of(file.path);
        const struct stat st = stat_of(file.path);
        entry.mode = metadata.mode;
        entry.uid = metadata.uid;
        entry.gid = metadata.gid;
        entry.mtime_ns = metadata.mtime_ns;
        entry.xattrs = metadata.xattrs;
        entry.size = static_cast<uint64_t>(st.st_size);
        entry.sparse = st.st_blocks * 512 < st.st_size;
    } catch (const Error& error) {
        throw error.as(Code::source);
    }
    return entry;
}

std::unique_ptr<Stream> RawFilesPin::open(const Entry&) {
    const std::string& path = files_[at_ - 1].path;
    const auto folder = std::make_shared<Beneath>(parent_of(path));
    // The folder lives as long as the stream looks into it.
    class Held : public Stream {
    public:
        Held(std::shared_ptr<Beneath> folder, std::unique_ptr<Stream> stream)
            : folder_(std::move(folder)), stream_(std::move(stream)) {}
        std::optional<Section> next_section() override { return stream_->next_section(); }
        size_t read(std::span<uint8_t> out) override { return stream_->read(out); }
        bool settled() override { return stream_->settled(); }

    private:
        std::shared_ptr<Beneath> folder_;
        std::unique_ptr<Stream> stream_;
    };
    return std::make_unique<Held>(folder, plain_stream(fs_, *folder, base_name_of(path)));
}

RenamedPin::RenamedPin(std::unique_ptr<Pin> inner, const std::vector<SourceRoot>& from, const std::vector<SourceRoot>& to)
    : inner_(std::move(inner)) {
    for (size_t i = 0; i < std::min(from.size(), to.size()); ++i) {
        names_.emplace_back(from[i].listing_path, to[i].listing_path);
    }
}

std::optional<Entry> RenamedPin::next() {
    std::optional<Entry> entry = inner_->next();
    if (!entry) return entry;
    current_ = *entry;
    entry->fingerprint.clear();
    return renamed(std::move(*entry));
}

Entry RenamedPin::renamed(Entry entry) const {
    entry.path = renamed(entry.path);
    if (entry.type == EntryType::hard_link) entry.link = renamed(entry.link);
    return entry;
}

std::string RenamedPin::renamed(const std::string& path) const {
    for (const auto& [from, to] : names_) {
        if (is_below(path, from)) return to + path.substr(from.size());
    }
    return path;
}

}  // namespace ingot
