#include "drivers/sqlite_target.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "base/clock.h"
#include "base/error.h"
#include "base/metadata.h"
#include "base/step.h"
#include "drivers/source_paths.h"
#include "drivers/sqlite_copy.h"
#include "drivers/sqlite_undo.h"

namespace ingot {
namespace {

// Beside what is copied: the folder entries, SQLite's own headers, and a file system that counts in large blocks.
constexpr uint64_t kSlackBytes = 1 << 20;

std::string existing_folder_above(const std::string& path) {
    std::string folder = parent_of(path);
    while (folder != "/" && folder != "." && !real_filesystem().exists(folder)) folder = parent_of(folder);
    return folder;
}

bool is_mount_point(const std::string& path) {
    struct statx stx {};
    if (::statx(AT_FDCWD, path.c_str(), AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_BASIC_STATS, &stx) != 0) return false;
    if (stx.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT) return (stx.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
    return stat_of(path).st_dev != stat_of(parent_of(path)).st_dev;  // kernels before 5.8
}

void require_space(const std::string& folder, uint64_t bytes) {
    struct statvfs vfs {};
    if (::statvfs(folder.c_str(), &vfs) != 0) throw Error::from_errno("asking the free space of", folder, errno);
    const uint64_t free = uint64_t{vfs.f_bavail} * vfs.f_frsize;
    if (free >= bytes) return;
    throw Error(Code::failed,
                fmt::format("the file system of {} has {} free where the restore needs {}", printable(folder), human_bytes(free),
                            human_bytes(bytes)),
                "free some space there, then run the command again");
}

// SQLite puts the -wal beside what a symlink points to, and so do we.
std::string followed(const std::string& path) {
    const std::unique_ptr<char, void (*)(void*)> real(::realpath(path.c_str(), nullptr), std::free);
    return real ? real.get() : path;
}

class SqliteTarget : public EngineTarget {
public:
    SqliteTarget(TargetSpec target, SourceRoot root)
        : spec_(std::move(target)),
          fs_(*spec_.fs),
          live_(followed(root.live_path)),
          listing_path_(root.listing_path),
          staged_(path_in_artifact(spec_.staged_dir, root.listing_path)),
          undo_(fs_, spec_.work_dir, live_) {}

    void preflight() override {
        const std::string folder = existing_folder_above(live_);
        if (!S_ISDIR(stat_of(folder).st_mode)) {
            throw Error(Code::failed, fmt::format("{} is in the way: it is not a folder", printable(folder)), "move it away");
        }
        if (::faccessat(AT_FDCWD, folder.c_str(), W_OK | X_OK, AT_EACCESS) != 0) {
            throw Error::from_errno("writing in", folder, errno);
        }
        uint64_t live_bytes = 0;
        if (fs_.exists(live_)) {
            require_replaceable();
            live_bytes = undo_.live_bytes();
        }
        const uint64_t staged_bytes = fs_.file_size(staged_).value_or(0);
        // Undo copy and new content, which for a while lies beside the old one (in a WAL, or as a file).
        require_space(folder, live_bytes + 2 * staged_bytes + kSlackBytes);
    }

    void prepare_undo() override {
        if (undo_.saved()) return;
        undo_.save();
        step("restore.sqlite.undo-saved");
    }

    void swap() override {
        if (!undo_.saved()) throw Error(Code::failed, "a swap without a saved undo: prepare_undo() comes first");
        if (!fs_.file_size(staged_)) {
            throw Error(Code::failed, fmt::format("{} is not staged", printable(staged_)),
                        "run the restore again from its start");
        }
        undo_.mark_begun();
        step("restore.sqlite.swap-begun");
        put(staged_);
        step("restore.sqlite.swapped");
    }

    void undo() override {
        if (!undo_.saved() || !undo_.begun()) {
            undo_.drop_partial();
            return;
        }
        const SavedLive saved = undo_.load();
        if (!saved.files[0].existed) {
            undo_.take_live_away("new");
        } else if (undo_.scratch_opens(spec_.deadline_ms) && live_state(live_, spec_.deadline_ms) == LiveState::database &&
                   write_into_live(undo_.scratch(), live_, spec_.deadline_ms)) {
            fs_.sync_dir(parent_of(live_));
        } else {
            undo_.put_raw_back(saved);
        }
        undo_.drop_scratch();
        undo_.clear_begun();
        step("restore.sqlite.undone");
    }

    std::vector<ReplacedFile> replaced() override { return undo_.saved_files(listing_path_); }

private:
    void require_replaceable() const {
        const struct stat st = stat_of(live_);
        if (S_ISLNK(st.st_mode) ? ::access(live_.c_str(), F_OK) != 0 : !S_ISREG(st.st_mode)) {
            throw Error(Code::failed, fmt::format("{} is in the way: it is not a file", printable(live_)), "move it away");
        }
        if (is_mount_point(live_)) {
            throw Error(Code::failed,
                        fmt::format("{} is itself a mount point (a single-file bind), so no other file can take its place",
                                    printable(live_)),
                        "mount the folder that holds it instead, or restore with --to DIR and copy it by hand");
        }
        if (::faccessat(AT_FDCWD, live_.c_str(), R_OK | W_OK, AT_EACCESS) != 0) throw Error::from_errno("writing", live_, errno);
    }

    void put(const std::string& from) {
        const LiveState state = live_state(live_, spec_.deadline_ms);
        if (state == LiveState::database && write_into_live(from, live_, spec_.deadline_ms)) {
            fs_.sync_dir(parent_of(live_));
            return;
        }
        // Missing or broken: a file takes its place. A stale -wal beside it would be applied to it.
        const Metadata metadata = state == LiveState::missing ? metadata_of(from) : undo_.live_metadata(metadata_of(from));
        undo_.put_file(from, metadata, state != LiveState::missing);
    }

    TargetSpec spec_;
    FileSystem& fs_;
    std::string live_;
    std::string listing_path_;
    std::string staged_;
    SqliteUndo undo_;
};

}  // namespace

std::unique_ptr<EngineTarget> make_sqlite_target(TargetSpec target, SourceRoot root) {
    return std::make_unique<SqliteTarget>(std::move(target), std::move(root));
}

}  // namespace ingot
