#include "drivers/mount_view.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <map>

#include "base/error.h"
#include "base/filesystem.h"
#include "drivers/source_paths.h"

namespace ingot {
namespace {

// A mount for each name: a few thousand take a tenth of a second. Beyond it is no folder that configs and logs lie in.
constexpr size_t kMirroredNames = 4000;

class ViewPlan {
public:
    ViewPlan(const OverlaidTree& tree, const std::string& scratch) : tree_(tree), scratch_(scratch) {}

    void put(const OverlaidTree::Part& part) {
        const std::optional<struct stat> staged = lstat_of(part.from);
        if (!staged) throw Error(Code::failed, fmt::format("looking at {}: it is not there", printable(part.from)));
        std::string folder = parent_of(part.live), name = base_name_of(part.live);
        std::vector<std::string> missing;  // folders above it, the innermost first
        while (!lstat_of(folder)) {
            missing.push_back(std::move(name));
            name = base_name_of(folder);
            folder = parent_of(folder);
        }
        if (missing.empty()) {
            const std::optional<struct stat> live = lstat_of(part.live);
            const bool same_type = live && (live->st_mode & S_IFMT) == (staged->st_mode & S_IFMT);
            if (same_type && (S_ISDIR(staged->st_mode) || S_ISREG(staged->st_mode))) {
                bound_.push_back({part.from, part.live});
            } else {
                mirror_of(folder).instead[name] = part.from;
            }
            return;
        }
        const std::string top = join(folder, name);
        auto chain = chains_.find(top);
        if (chain == chains_.end()) chain = chains_.emplace(top, fresh_folder("chain")).first;
        mirror_of(folder).instead[name] = chain->second;
        std::string place = chain->second, at = top;
        for (size_t i = missing.size(); i-- > 1;) {
            place = join(place, missing[i]);
            at = join(at, missing[i]);
            (void)real_filesystem().make_dir(place, 0755);
        }
        stand_in(part.from, *staged, join(place, missing.front()));
        if (!S_ISLNK(staged->st_mode)) bound_.push_back({part.from, join(at, missing.front())});
    }

    void cover(const std::string& path) {
        const std::optional<std::string> resolved = tree_.resolve(path);
        if (!resolved) {
            // To be made by the program: its folder must be writable, if there is one.
            const std::optional<std::string> folder = tree_.resolve(parent_of(path));
            if (folder && *folder != "/" && tree_.part_of(*folder) == nullptr) mirror_of(*folder);
            return;
        }
        if (tree_.part_of(*resolved) != nullptr) return;
        const std::optional<struct stat> live = tree_.look(*resolved);
        if (live && S_ISREG(live->st_mode)) covers_.push_back({fresh_file(live->st_mode & 07777), *resolved});
        if (live && S_ISDIR(live->st_mode)) covers_.push_back({fresh_folder("dir"), *resolved});
    }

    std::vector<Mount> mounts() {
        std::vector<Mount> out;
        // By path: a folder comes before what lies in it, and is bound before that.
        for (const auto& [folder, mirror] : mirrors_) build(folder, mirror, out);
        for (const std::vector<Mount>* each : {&bound_, &covers_}) out.insert(out.end(), each->begin(), each->end());
        return out;
    }

private:
    struct Mirror {
        std::map<std::string, std::string> instead;  // name -> what stands there
    };

    static std::optional<struct stat> lstat_of(const std::string& path) {
        struct stat st {};
        if (::lstat(path.c_str(), &st) != 0) return std::nullopt;
        return st;
    }

    Mirror& mirror_of(const std::string& folder) {
        if (folder == "/") {
            throw Error(Code::failed, "a file right below / cannot be shown to a program in place of the live one");
        }
        return mirrors_[folder];
    }

    std::string fresh_folder(const char* kind) {
        std::string path = join(scratch_, fmt::format("{}{}", kind, count_++));
        (void)real_filesystem().make_dir(path, 0755);
        return path;
    }

    std::string fresh_file(mode_t mode) {
        std::string path = join(scratch_, fmt::format("file{}", count_++));
        real_filesystem().create(path, mode | 0600);
        return path;
    }

    // What a mount needs to stand on: a folder, a file, or for a link the link itself.
    static void stand_in(const std::string& original, const struct stat& st, const std::string& path) {
        if (S_ISDIR(st.st_mode)) {
            real_filesystem().make_dir(path, 0755);
        } else if (S_ISLNK(st.st_mode)) {
            std::string target(4096, '\0');  // the kernel's limit
            const ssize_t n = ::readlink(original.c_str(), target.data(), target.size());
            if (n < 0) throw Error::from_errno("reading the link", original, errno);
            target.resize(static_cast<size_t>(n));
            if (::symlink(target.c_str(), path.c_str()) != 0) throw Error::from_errno("making the link", path, errno);
        } else {
            real_filesystem().create(path, 0600);
        }
    }

    void build(const std::string& folder, const Mirror& mirror, std::vector<Mount>& out) {
        const std::string mirrored = fresh_folder("mirror");
        const OverlaidTree live;
        const std::vector<std::string> names = live.names(folder);
        if (names.size() > kMirroredNames) {
            throw Error(Code::failed, fmt::format("{} holds {} names, too many to be mirrored", printable(folder), names.size()));
        }
        for (const std::string& name : names) {
            if (!mirror.instead.contains(name)) copy_name(join(folder, name), join(mirrored, name), true, out);
        }
        for (const auto& [name, from] : mirror.instead) copy_name(from, join(mirrored, name), false, out);
        out.push_back({mirrored, folder});
    }

    static void copy_name(const std::string& from, const std::string& at, bool may_fail, std::vector<Mount>& out) {
        const std::optional<struct stat> st = lstat_of(from);
        if (!st) return;
        stand_in(from, *st, at);
        if (!S_ISLNK(st->st_mode)) out.push_back({from, at, may_fail});
    }

    const OverlaidTree& tree_;
    std::string scratch_;
    std::map<std::string, Mirror> mirrors_;
    std::map<std::string, std::string> chains_;  // a missing folder -> what stands in for it
    std::vector<Mount> bound_, covers_;
    int count_ = 0;
};

}  // namespace

std::vector<Mount> plan_view(const OverlaidTree& tree, const std::vector<std::string>& covered, const std::string& scratch) {
    ViewPlan plan(tree, scratch);
    for (const OverlaidTree::Part& part : tree.parts()) plan.put(part);
    for (const std::string& path : covered) plan.cover(path);
    return plan.mounts();
}

}  // namespace ingot
