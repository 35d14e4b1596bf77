#include "drivers/files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <optional>

#include "base/error.h"
#include "base/metadata.h"
#include "drivers/source_paths.h"
#include "drivers/tree_pin.h"

namespace ingot {
namespace {

// Asked, not opened: closing a file again could drop locks that a library of this process holds on it (drivers/locked_inodes.h).
void require_readable(const std::string& path, const std::string& source) {
    struct stat st {};
    if (::lstat(path.c_str(), &st) != 0) {
        if (errno != ENOENT && errno != ENOTDIR) throw Error::from_errno("looking at", path, errno, Code::source);
        throw Error(Code::source, fmt::format("{} is not there", printable(path)),
                    fmt::format("put it back, or mend `paths` of [sources.{}]", source));
    }
    if (S_ISLNK(st.st_mode)) return;
    const int rights = S_ISDIR(st.st_mode) ? R_OK | X_OK : R_OK;
    if (::faccessat(AT_FDCWD, path.c_str(), rights, AT_EACCESS) != 0) {
        throw Error::from_errno("reading", path, errno, Code::source);
    }
}

}  // namespace

FilesDriver::FilesDriver(SourceSpec source_spec) : Driver(std::move(source_spec)), rules_(TreeRules::from(spec())) {}

void FilesDriver::prepare() {
    // Some of the paths may be gone: the pin names those, and the others are stored all the same.
    std::optional<Error> first;
    size_t out = 0;
    for (const std::string& path : spec().paths) {
        try {
            require_readable(live_path_from(spec().root, path), spec().name);
        } catch (const Error& error) {
            if (++out == 1) first = error;
        }
    }
    if (first && out == spec().paths.size()) throw *first;
}

std::unique_ptr<Pin> FilesDriver::pin() { return std::make_unique<TreePin>(spec(), rules_); }

bool FilesDriver::excluded(const std::string& listing_path) const {
    return rules_.excluded(live_path_of(rules_.stack_root, listing_path));
}

Facts FilesDriver::open_artifact(const std::string& dir) {
    TreeRules all;
    all.stack_root = dir;
    all.roots = {{.listing_path = dir, .live_path = dir}};
    Spool entries(spec().spool_dir), folders(spec().spool_dir);
    TreeTotals totals;
    try {
        totals = walk_tree(all, entries, folders).totals;
    } catch (const Error& error) {
        throw error.code() == Code::source ? error.as(Code::damaged) : error;
    }
    if (totals.files + totals.directories + totals.symlinks + totals.specials <= 1) {  // the folder itself
        throw Error(Code::damaged, fmt::format("the artifact of {} holds no entries", spec().name), "take a new snapshot of it");
    }
    return {{"files", static_cast<int64_t>(totals.files)},
            {"symlinks", static_cast<int64_t>(totals.symlinks)},
            {"bytes", static_cast<int64_t>(totals.bytes)}};
}

}  // namespace ingot
