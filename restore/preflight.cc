#include "restore/preflight.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <map>

#include "base/clock.h"
#include "base/error.h"
#include "restore/live_roots.h"

namespace ingot {
namespace {

// Folders, names and the plan itself take room too.
constexpr uint64_t kMarginBytes = 1 << 20;

std::string names_of(const std::vector<ManifestSource>& sources) {
    std::string names;
    for (const ManifestSource& source : sources) names += (names.empty() ? "" : ", ") + source.name;
    return names;
}

// The path with the links of all that exists of it resolved.
std::string resolved(const std::string& path) {
    if (char* real = ::realpath(path.c_str(), nullptr)) {
        const std::unique_ptr<char, void (*)(void*)> owner(real, std::free);
        return real;
    }
    const std::string parent = parent_of(path);
    if (parent == path) return path;
    return join(resolved(parent), base_name_of(path));
}

}  // namespace

std::vector<const ManifestSource*> wanted_sources(const Snapshot& snapshot, const std::vector<std::string>& only,
                                                  bool into_live) {
    const std::vector<ManifestSource>& all = snapshot.manifest.sources;
    for (const std::string& name : only) {
        if (snapshot.manifest.find(name) == nullptr) {
            throw Error(Code::usage, fmt::format("snapshot {} has no source {}", snapshot.short_id(), printable(name)),
                        fmt::format("it has: {}", names_of(all)));
        }
    }
    std::vector<const ManifestSource*> wanted;
    for (const ManifestSource& source : all) {
        if (!only.empty() && std::ranges::find(only, source.name) == only.end()) continue;
        if (!source.listing) {
            throw Error(Code::failed,
                        fmt::format("snapshot {} does not hold {}: it was {} then{}{}", snapshot.short_id(), source.name,
                                    to_string(source.status), source.problem.empty() ? "" : ": ", source.problem),
                        "take another snapshot, or name the other sources with --only");
        }
        // What could not be read then is not in the listing: put back in place, the live one would be taken away for it.
        if (into_live && (source.status == SourceStatus::unreadable || source.status == SourceStatus::missing)) {
            throw Error(Code::failed,
                        fmt::format("snapshot {} holds {} in part only: {}", snapshot.short_id(), source.name, source.problem),
                        "take another snapshot, or restore it beside with --to DIR");
        }
        wanted.push_back(&source);
    }
    if (wanted.empty()) throw Error(Code::failed, fmt::format("snapshot {} holds no source", snapshot.short_id()));
    return wanted;
}

Driver& require_driver(const Stack& stack, const ManifestSource& source) {
    Driver* driver = find_driver_of(stack, source.name);
    if (driver == nullptr) {
        throw Error(Code::failed,
                    fmt::format("source {} of the snapshot is not in the config, so it has no place to go", source.name),
                    "put it into the config, leave it out with --only, or restore to another place with --to");
    }
    if (driver->spec().driver != source.driver) {
        throw Error(Code::failed,
                    fmt::format("source {} was read by the driver {} then, and is one of {} in the config", source.name,
                                source.driver, driver->spec().driver),
                    "restore to another place with --to");
    }
    driver->adopt_roots(source.roots);
    for (const std::string& root : source.roots) {
        if (!std::ranges::any_of(driver->roots(), [&](const SourceRoot& now) { return now.listing_path == root; })) {
            throw Error(Code::failed,
                        fmt::format("the snapshot holds {} of source {}, which is none of its paths in the config",
                                    printable(root), source.name),
                        "mend the source's paths, or restore to another place with --to");
        }
    }
    return *driver;
}

void require_space(const std::vector<SpaceNeed>& needs) {
    struct FileSystemNeed {
        std::string folder;
        uint64_t bytes = 0;
    };
    std::map<dev_t, FileSystemNeed> by_device;
    for (const SpaceNeed& need : needs) {
        struct stat st {};
        if (::stat(need.folder.c_str(), &st) != 0) throw Error::from_errno("looking at", need.folder, errno);
        FileSystemNeed& sum = by_device[st.st_dev];
        sum.folder = need.folder;
        sum.bytes += need.bytes;
    }
    for (const auto& [device, need] : by_device) {
        struct statvfs space {};
        if (::statvfs(need.folder.c_str(), &space) != 0)
            throw Error::from_errno("asking for the free space of", need.folder, errno);
        if ((space.f_flag & ST_RDONLY) != 0) {
            throw Error(Code::failed, fmt::format("the file system of {} is mounted read-only", printable(need.folder)),
                        "remount it read-write, or restore to another place with --to");
        }
        const uint64_t free = space.f_bavail * space.f_frsize;
        if (need.bytes + kMarginBytes > free) {
            throw Error(Code::failed,
                        fmt::format("the file system of {} has {} free, and the restore needs {} beside what is there",
                                    printable(need.folder), human_bytes(free), human_bytes(need.bytes + kMarginBytes)),
                        "free some space there, restore fewer sources with --only, or to another place with --to");
        }
    }
}

bool on_file_system_of(const std::string& other, std::string folder) {
    struct stat a {};
    struct stat b {};
    while (folder != "/" && ::stat(folder.c_str(), &a) != 0) folder = parent_of(folder);
    return ::stat(folder.c_str(), &a) == 0 && ::stat(other.c_str(), &b) == 0 && a.st_dev == b.st_dev;
}

void require_apart(const std::string& folder, const Stack& stack, const char* flag) {
    const std::string to = resolved(folder);
    for (const std::unique_ptr<Driver>& driver : stack.sources) {
        for (const SourceRoot& root : driver->roots()) {
            if (root.live_path.empty()) continue;
            const std::string live = resolved(root.live_path);
            if (!is_below(to, live)) continue;
            throw Error(Code::usage,
                        fmt::format("{} lies in {}, which is live: it belongs to source {}", printable(folder), printable(live),
                                    driver->spec().name),
                        fmt::format("name a folder elsewhere with {}", flag));
        }
    }
}

}  // namespace ingot
