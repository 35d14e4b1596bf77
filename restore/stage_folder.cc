#include "restore/stage_folder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/metadata.h"
#include "restore/tree_plan.h"
#include "snapshot/beneath.h"

namespace ingot {
namespace {

void remove_below(FileSystem& fs, const Beneath& host, const std::string& path) {
    const Reached reached = host.at(path);
    const std::optional<LiveStat> live = reached.look();
    if (!live) return;
    if (live->mount_root) {
        throw Error(Code::failed, fmt::format("{} is not removed: something is mounted there", printable(reached.name())),
                    "unmount it, then run `ingot restore --resume`");
    }
    if (!S_ISDIR(live->type)) return reached.run([&](const std::string& at) { fs.remove(at); });
    // An owner other than root cannot empty a folder that is read-only for him.
    if ((live->mode & 0700) != 0700) (void)::fchmodat(reached.folder_fd(), reached.leaf().c_str(), live->mode | 0700, 0);
    for (const std::string& name : names_in(host, path)) remove_below(fs, host, join(path, name));
    reached.run([&](const std::string& at) { fs.remove_dir(at); });
}

// Runs `change`, and gives the folder the times back that it had.
template <class Change>
void keeping_times(const std::string& folder, Change&& change) {
    struct stat before {};
    const bool known = ::stat(folder.c_str(), &before) == 0;
    change();
    if (!known) return;
    const timespec times[2] = {{.tv_sec = 0, .tv_nsec = UTIME_OMIT}, before.st_mtim};
    (void)::utimensat(AT_FDCWD, folder.c_str(), times, 0);
}

}  // namespace

void make_stage_folder(FileSystem& fs, const std::string& path) {
    const std::string host = parent_of(path);
    keeping_times(host, [&] {
        if (!fs.make_dir(path, 0700)) {
            throw Error(Code::failed, fmt::format("the stage folder {} is there already", printable(path)),
                        "it was left by something else: look into it, move it away, and run the restore again");
        }
    });
    try {
        fs.sync_dir(host);
    } catch (const Error&) {
        keeping_times(host, [&] { fs.remove_dir(path); });
        throw;
    }
}

void require_exchange(FileSystem& fs, const std::string& stage) {
    const std::string a = join(stage, "probe-a");
    const std::string b = join(stage, "probe-b");
    (void)fs.create(a, 0600);
    (void)fs.create(b, 0600);
    try {
        fs.rename(a, b, Rename::exchange);
    } catch (const Error& error) {
        throw Error(Code::failed,
                    fmt::format("the file system of {} cannot exchange two files in one step: {}", printable(parent_of(stage)),
                                error.what()),
                    "restore to another place with --to, and copy from there");
    }
    fs.remove(a);
    fs.remove(b);
}

void remove_stage_folder(FileSystem& fs, const std::string& path) {
    const std::string host = parent_of(path);
    if (!fs.exists(path)) return;
    keeping_times(host, [&] { remove_below(fs, Beneath(host), base_name_of(path)); });
    fs.sync_dir(host);
}

}  // namespace ingot
