#include "snapshot/place.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <deque>
#include <mutex>

#include "base/interrupt.h"
#include "base/metadata.h"
#include "snapshot/beneath.h"
#include "snapshot/sync_pool.h"

namespace ingot {
namespace {

// Entries of one window: large enough that pack order means something, small enough that its table is a few MiB.
constexpr size_t kWindowEntries = 16'384;
// Files of more than one chunk stay open until their last byte came, and a window ends when it has this many of them.
// A larger number would meet the usual limit of 1024 descriptors on its way.
constexpr size_t kOpenFiles = 256;
// Zeros are left out of sparse files by file-system blocks; smaller runs would not become holes anyway.
constexpr size_t kHoleBytes = 4096;
// Between two calls for writeback of one file.
constexpr uint64_t kWritebackBytes = 8 << 20;

size_t open_file_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return kOpenFiles;
    // Half of what is allowed: packs, the index and this process's own files need the rest.
    return std::clamp<size_t>(static_cast<size_t>(limit.rlim_cur) / 2, 8, kOpenFiles);
}

bool all_zero(ByteView bytes) {
    return bytes.empty() || (bytes[0] == 0 && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

Metadata metadata_of_entry(const Entry& entry) { return {entry.mode, entry.uid, entry.gid, entry.mtime_ns, entry.xattrs}; }

// A file of the window on its way.
struct Slot {
    PlacedEntry placed;
    std::mutex mutex;                 // of `file` being made
    std::unique_ptr<WriteFile> file;  // open from the first byte to the last
    std::atomic<uint64_t> remaining{0};
    std::atomic<bool> lost{false};
    std::atomic<uint64_t> written{0};

    uint64_t size() const { return placed.listed.root.size; }
};

class Placer : public ReadSink {
public:
    Placer(FileSystem& fs, const std::string& folder, const PlaceOptions& options)
        : fs_(fs), below_(folder), options_(options), open_limit_(open_file_limit()) {}

    Placed run(const FetchContent& fetch, const std::function<std::optional<PlacedEntry>()>& next) {
        for (bool more = true; more;) {
            check_interrupted();
            more = fill_window(next);
            fetch_window(fetch);
            syncs_.finish();
            for (const PlacedEntry& link : links_) make_link(link);
            finish_folders();
        }
        if (options_.sync) fs_.sync_dir(below_.folder());
        return std::move(result_);
    }

    void write(uint64_t cookie, uint64_t offset, ByteView bytes) override {
        Slot& slot = slots_.at(cookie);
        if (offset > slot.size() || bytes.size() > slot.size() - offset) {
            throw Error(Code::damaged, fmt::format("{}: more bytes than the listing says", printable(slot.placed.at)));
        }
        if (!slot.lost) write_piece(slot, offset, bytes);
        count_down(slot, bytes.size());
    }

    void lost(uint64_t cookie, uint64_t, uint64_t length, const Error& error) override {
        Slot& slot = slots_.at(cookie);
        if (!options_.salvage) throw error.within(printable(slot.placed.name()));
        if (!slot.lost.exchange(true)) {
            const std::lock_guard lock(result_mutex_);
            result_.lost.push_back(fmt::format("{}: {}", printable(slot.placed.name()), error.what()));
        }
        if (length > 0) count_down(slot, length);
    }

private:
    struct Folder {
        std::string at;
        std::optional<Entry> entry;  // none: a folder the listing does not mention
    };

    bool fill_window(const std::function<std::optional<PlacedEntry>()>& next) {
        slots_.clear();
        links_.clear();
        for (size_t entries = 0, open = 0; entries < kWindowEntries && open < open_limit_; ++entries) {
            std::optional<PlacedEntry> placed = next();
            if (!placed) {
                leave_folders_until("");
                return false;
            }
            if (placed->listed.entry.type == EntryType::file && placed->listed.root.height > 0) ++open;
            place(std::move(*placed));
        }
        return true;
    }

    void place(PlacedEntry placed) {
        if (!last_leaf_.empty() && holds(last_leaf_, placed.at)) contradiction(placed.at);
        leave_folders_until(placed.at);
        make_parents(placed.at);
        ++result_.entries;
        last_leaf_ = placed.listed.entry.type == EntryType::directory ? "" : placed.at;
        switch (placed.listed.entry.type) {
            case EntryType::directory:
                make_folder(placed.at, 0700);
                open_folders_.push_back({placed.at, placed.listed.entry});
                break;
            case EntryType::file:
                slots_.emplace_back().placed = std::move(placed);
                slots_.back().remaining = slots_.back().size();
                break;
            case EntryType::hard_link:
                links_.push_back(std::move(placed));
                break;
            case EntryType::symlink:
                make_symlink(placed);
                break;
            case EntryType::fifo:
            case EntryType::block_device:
            case EntryType::char_device:
                make_node(placed);
                break;
        }
    }

    // --- folders -------------------------------------------------------------------------------------------------------

    static bool holds(const std::string& folder, const std::string& at) {
        return at.size() > folder.size() && at[folder.size()] == '/' && at.starts_with(folder);
    }

    // Entries come in listing order: a folder that does not hold the next entry will get no more of them.
    void leave_folders_until(const std::string& at) {
        while (!open_folders_.empty() && !holds(open_folders_.back().at, at)) {
            closed_folders_.push_back(std::move(open_folders_.back()));
            open_folders_.pop_back();
        }
    }

    // The folders above an entry that the listing does not mention: what lies above a source's root.
    void make_parents(const std::string& at) {
        size_t from = open_folders_.empty() ? 0 : open_folders_.back().at.size() + 1;
        for (size_t slash = at.find('/', from); slash != std::string::npos; slash = at.find('/', slash + 1)) {
            const std::string parent = at.substr(0, slash);
            make_folder(parent, 0755);
            open_folders_.push_back({parent, std::nullopt});
        }
    }

    void make_folder(const std::string& at, uint32_t mode) {
        const Reached reached = reach(at);
        if (reached.run([&](const std::string& path) { return fs_.make_dir(path, mode); })) return;
        const std::optional<LiveStat> there = reached.look();
        if (!there || !S_ISDIR(there->type)) contradiction(at);
    }

    void finish_folders() {
        for (const Folder& folder : closed_folders_) {
            const Reached reached = reach(folder.at);
            if (folder.entry) put_metadata(reached, *folder.entry);
            if (options_.sync) reached.run([&](const std::string& path) { fs_.sync_dir(path); });
        }
        closed_folders_.clear();
    }

    // --- contents ------------------------------------------------------------------------------------------------------

    void fetch_window(const FetchContent& fetch) {
        size_t number = 0;
        bool any = false;
        for (Slot& slot : slots_) {
            if (slot.size() == 0) finish_file(slot);
            any = any || slot.size() != 0;
        }
        if (!any) return;
        fetch(
            [&]() -> std::optional<ReadRequest> {
                while (number < slots_.size() && slots_[number].size() == 0) ++number;
                if (number == slots_.size()) return std::nullopt;
                const ReadRequest request{slots_[number].placed.listed.root, number};
                ++number;
                return request;
            },
            *this);
        for (const Slot& slot : slots_) {
            if (slot.remaining == 0) continue;
            throw Error(Code::damaged,
                        fmt::format("{}: {} bytes did not come", printable(slot.placed.at), slot.remaining.load()));
        }
    }

    WriteFile& opened(Slot& slot) {
        const std::lock_guard lock(slot.mutex);
        if (!slot.file) {
            const Entry& entry = slot.placed.listed.entry;
            const uint32_t mode = options_.metadata ? 0600 : 0600 | (entry.mode & 0777);
            slot.file = reach(slot.placed.at).run([&](const std::string& path) { return fs_.create(path, mode); });
            // Bytes come in any order; a sparse file's last ones may never be written.
            if (slot.size() > 0 && (entry.sparse || slot.placed.listed.root.height > 0)) {
                speaking_of(slot, [&] { slot.file->set_size(slot.size()); });
            }
        }
        return *slot.file;
    }

    void write_piece(Slot& slot, uint64_t offset, ByteView bytes) {
        WriteFile& file = opened(slot);
        speaking_of(slot, [&] {
            const uint64_t before = slot.written.fetch_add(bytes.size());
            // The medium begins while more is read; else all of a large file would be left to its sync.
            const bool begin = options_.sync && before / kWritebackBytes != (before + bytes.size()) / kWritebackBytes;
            if (!slot.placed.listed.entry.sparse) {
                file.write_at(offset, bytes);
                if (begin) file.start_writeback();
                return;
            }
            while (!bytes.empty()) {
                const size_t data = run_of(offset, bytes, false);
                if (data > 0) file.write_at(offset, bytes.first(data));
                const size_t hole = run_of(offset + data, bytes.subspan(data), true);
                offset += data + hole;
                bytes = bytes.subspan(data + hole);
            }
        });
    }

    // How many of the first bytes lie in blocks that are all zero, or are not.
    static size_t run_of(uint64_t offset, ByteView bytes, bool zero) {
        size_t end = 0;
        while (end < bytes.size()) {
            const size_t block = std::min<size_t>(kHoleBytes - (offset + end) % kHoleBytes, bytes.size() - end);
            if (all_zero(bytes.subspan(end, block)) != zero) break;
            end += block;
        }
        return end;
    }

    void count_down(Slot& slot, uint64_t bytes) {
        if (slot.remaining.fetch_sub(bytes) == bytes) finish_file(slot);
    }

    // By whichever thread wrote the last piece.
    void finish_file(Slot& slot) {
        const Reached reached = reach(slot.placed.at);
        if (slot.lost) {
            if (slot.file) reached.run([&](const std::string& path) { fs_.remove(path); });
            slot.file.reset();
            return;
        }
        (void)opened(slot);
        put_metadata(reached, slot.placed.listed.entry);
        if (options_.sync) syncs_.add(std::move(slot.file), parent_of(reached.name()));
        slot.file.reset();
        const std::lock_guard lock(result_mutex_);
        result_.bytes += slot.size();
    }

    // --- the rest ------------------------------------------------------------------------------------------------------

    void make_symlink(const PlacedEntry& placed) {
        const Reached reached = reach(placed.at);
        if (::symlinkat(placed.listed.entry.link.c_str(), reached.folder_fd(), reached.leaf().c_str()) != 0) {
            throw Error::from_errno("making the symlink", reached.name(), errno);
        }
        put_metadata(reached, placed.listed.entry);
    }

    void make_node(const PlacedEntry& placed) {
        const Entry& entry = placed.listed.entry;
        const Reached reached = reach(placed.at);
        const mode_t type = entry.type == EntryType::fifo ? S_IFIFO : entry.type == EntryType::block_device ? S_IFBLK : S_IFCHR;
        if (::mknodat(reached.folder_fd(), reached.leaf().c_str(), type | 0600,
                      makedev(entry.device_major, entry.device_minor)) != 0) {
            const Error error = Error::from_errno("making the device node", reached.name(), errno);
            if (errno != EPERM) throw error;
            result_.problems.push_back(error.what());
            return;
        }
        put_metadata(reached, entry);
    }

    void make_link(const PlacedEntry& link) {
        const Reached first = reach(link.link_at);
        const Reached reached = reach(link.at);
        const std::optional<LiveStat> there = first.look();
        if (!there) {
            if (options_.salvage && !result_.lost.empty()) {
                result_.lost.push_back(fmt::format("{}: its first name {} is lost", printable(link.at), printable(link.link_at)));
                return;
            }
            throw Error(Code::damaged,
                        fmt::format("{} is another name of {}, which is not there", printable(link.at), printable(link.link_at)));
        }
        if (!S_ISREG(there->type)) contradiction(link.link_at);
        if (::linkat(first.folder_fd(), first.leaf().c_str(), reached.folder_fd(), reached.leaf().c_str(), 0) != 0) {
            throw Error::from_errno("making the hard link", reached.name(), errno);
        }
    }

    Reached reach(const std::string& at) const {
        try {
            return below_.at(at);
        } catch (const Error& error) {
            throw error.as(Code::damaged).within("the listing contradicts itself");
        }
    }

    [[noreturn]] void contradiction(const std::string& at) const {
        throw Error(Code::damaged, fmt::format("the listing contradicts itself at {}", printable(below_.name(at))));
    }

    template <class Call>
    void speaking_of(const Slot& slot, Call&& call) const {
        try {
            call();
        } catch (const Error& error) {
            throw spoken_of(error, parent_of(below_.name(slot.placed.at)));
        }
    }

    void put_metadata(const Reached& reached, const Entry& entry) {
        if (!options_.metadata) return;
        for (std::string& line : apply_metadata(reached.path(), metadata_of_entry(entry), entry.type == EntryType::symlink)) {
            const std::lock_guard lock(result_mutex_);
            result_.problems.push_back(reached.spoken(std::move(line)));
        }
    }

    FileSystem& fs_;
    const Beneath below_;
    const PlaceOptions options_;
    const size_t open_limit_;
    std::string last_leaf_;               // the entry before, unless it is a folder: nothing can lie below it
    std::deque<Slot> slots_;              // files of this window; the index is the cookie
    std::vector<PlacedEntry> links_;      // of this window, made once its files are there
    std::vector<Folder> open_folders_;    // from the outermost to the one the last entry lies in
    std::vector<Folder> closed_folders_;  // of this window: children before their folders
    std::mutex result_mutex_;
    Placed result_;
    SyncPool syncs_;
};

}  // namespace

Placed place_entries(const FetchContent& fetch, FileSystem& fs, const std::string& folder,
                     const std::function<std::optional<PlacedEntry>()>& next, const PlaceOptions& options) {
    return Placer(fs, folder, options).run(fetch, next);
}

}  // namespace ingot
