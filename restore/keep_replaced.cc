#include "restore/keep_replaced.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <set>

#include "base/clock.h"
#include "base/error.h"
#include "base/metadata.h"
#include "base/step.h"
#include "restore/live_entry.h"
#include "restore/live_roots.h"
#include "restore/stage_folder.h"
#include "restore/target.h"
#include "restore/tree_plan.h"
#include "restore/tree_target.h"
#include "snapshot/materialise.h"

namespace ingot {
namespace {

constexpr size_t kCopyBytes = 1 << 20;
// Being copied: renamed to its place when it is whole, so that what has a name there is complete.
constexpr const char* kPart = ".ingot-part";

class Keeper {
public:
    Keeper(FileSystem& fs, const std::string& kept_dir, const std::string& source)
        : fs_(fs), kept_dir_(kept_dir), part_(join(kept_dir, kPart)), below_(join(kept_dir, source)) {}

    // Nothing to do where `path` is not below `from` (any more).
    void move(const Beneath& from, const std::string& path, const std::string& listing_path) {
        const Reached reached = from.at(path);
        if (!reached.look()) return;
        const std::string place = free_name(join(below_, path_below(listing_path)));
        const std::string folder = parent_of(place);
        if (folders_.insert(folder).second) make_dirs(fs_, folder, 0700);
        try {
            reached.run([&](const std::string& at) { fs_.rename(at, place, Rename::no_replace); });
            return;
        } catch (const Error& error) {
            ignore_error(error, "another file system, most likely: a copy works there too, or says what is wrong");
        }
        drop_part();
        copy(from, path, part_);
        fs_.rename(part_, place, Rename::no_replace);
        fs_.sync_dir(folder);
        remove_stage_folder(fs_, from.name(path));
    }

    void sync() {
        for (const std::string& folder : folders_) fs_.sync_dir(folder);
    }

    void drop_part() {
        if (fs_.exists(part_)) remove_tree(fs_, part_);
    }

private:
    std::string free_name(const std::string& wish) const {
        std::string name = wish;
        for (int n = 2; fs_.exists(name); ++n) name = fmt::format("{}~{}", wish, n);
        return name;
    }

    void copy(const Beneath& from, const std::string& path, const std::string& to) {
        const Reached reached = from.at(path);
        const std::optional<LiveStat> live = reached.look();
        if (!live || S_ISSOCK(live->type)) return;
        const Metadata metadata = live_metadata(from, path);
        if (S_ISDIR(live->type)) {
            (void)fs_.make_dir(to, 0700);
            for (const std::string& name : names_in(from, path)) copy(from, join(path, name), join(to, name));
        } else if (S_ISREG(live->type)) {
            copy_bytes(reached, to);
        } else if (S_ISLNK(live->type)) {
            if (::symlink(live_link(from, path).c_str(), to.c_str()) != 0)
                throw Error::from_errno("making the symlink", to, errno);
        } else if (::mknod(to.c_str(), live->type | 0600, makedev(live->device_major, live->device_minor)) != 0) {
            throw Error::from_errno("making the device node", to, errno);
        }
        const std::vector<std::string> problems = apply_metadata(to, metadata, S_ISLNK(live->type));
        if (!problems.empty()) throw Error(Code::failed, problems.front(), "name a folder on a file system that can hold it");
        if (S_ISDIR(live->type)) return fs_.sync_dir(to);
        fs_.sync_file(to);
    }

    void copy_bytes(const Reached& reached, const std::string& to) {
        const auto in = reached.run([&](const std::string& at) { return fs_.open(at); });
        const auto out = fs_.create(to, 0600);
        Bytes buffer(kCopyBytes);
        uint64_t at = 0;
        for (;;) {
            const size_t n = in->read_at(at, buffer);
            if (n == 0) break;
            const ByteView bytes = ByteView(buffer).first(n);
            // Holes stay holes: a sparse file would not fit else.
            if (std::ranges::any_of(bytes, [](uint8_t byte) { return byte != 0; })) out->write_at(at, bytes);
            at += n;
        }
        out->set_size(at);
        out->sync();
    }

    FileSystem& fs_;
    std::string kept_dir_;
    std::string part_;
    std::string below_;
    std::set<std::string> folders_;  // made, or seen to be there
};

void keep_tree(FileSystem& fs, const JournalTarget& target, Keeper& keeper) {
    const std::string plan_path = tree_plan_path(target.work_dir);
    if (!fs.exists(plan_path)) return;  // it was all kept before, and cleaned up
    const TreePlanFile file(fs, plan_path);
    std::vector<std::optional<Beneath>> stages;
    for (const std::string& stage : file.plan().stages) {
        stages.emplace_back();
        if (fs.exists(stage)) stages.back().emplace(stage);
    }
    for (size_t i = 0; i < file.moves(); ++i) {
        const TreeOp op = file.op(i);
        const std::optional<Beneath>& stage = stages.at(op.stage);
        if (op.kind == OpKind::add || !stage) continue;
        const std::optional<LiveStat> old = stage->look(op.staged);
        if (!old || old->inode != op.old.inode) continue;
        const std::string live = join(file.plan().anchors.at(op.anchor), op.path);
        const auto root =
            std::ranges::find_if(target.roots, [&](const SourceRoot& each) { return is_below(live, each.live_path); });
        const std::string listing_path =
            root == target.roots.end() ? live : root->listing_path + live.substr(root->live_path.size());
        keeper.move(*stage, op.staged, listing_path);
    }
    keeper.sync();
    for (const std::string& stage : file.plan().stages) {
        if (fs.exists(stage)) fs.sync_dir(stage);
    }
}

void keep_engine(FileSystem& fs, const Stack& stack, const JournalTarget& target, Keeper& keeper) {
    if (!fs.exists(target.work_dir)) return;
    Driver* driver = find_driver_of(stack, target.source);
    std::unique_ptr<EngineTarget> engine;
    if (driver != nullptr) engine = driver->engine_target(engine_spec(fs, target));
    if (engine == nullptr) {
        throw Error(Code::failed, fmt::format("source {} ({}) is no longer in the config", target.source, target.driver),
                    "put the source back into the config");
    }
    for (const ReplacedFile& file : engine->replaced()) {
        keeper.move(Beneath(parent_of(file.path)), base_name_of(file.path), file.listing_path);
    }
    keeper.sync();
}

}  // namespace

std::string kept_folder_name(const std::string& dir, const Journal& journal) {
    // 2026-11-19T08:00:00.123Z without its punctuation and below a second: the names sort by time.
    std::string time;
    for (const char c : iso_utc(journal.started_ms).substr(0, 19)) {
        if (c != '-' && c != ':') time += c;
    }
    return join(dir, fmt::format("{}Z-{}", time, journal.restore_id));
}

void make_kept_folder(FileSystem& fs, const std::string& kept_dir) {
    try {
        make_dirs(fs, kept_dir, 0700);
    } catch (const Error& error) {
        throw error.within("the folder for what is replaced");
    }
}

void drop_empty_kept_folder(FileSystem& fs, const std::string& kept_dir) {
    if (kept_dir.empty() || !fs.exists(kept_dir)) return;
    bool empty = true;
    fs.list(kept_dir, [&](const std::string&) { empty = false; });
    if (empty) fs.remove_dir(kept_dir);
}

void keep_replaced(FileSystem& fs, const Stack& stack, const std::string& kept_dir, const JournalTarget& target) {
    Keeper keeper(fs, kept_dir, target.source);
    try {
        make_dirs(fs, kept_dir, 0700);  // again, where it was removed meanwhile
        keeper.drop_part();
        target.engine ? keep_engine(fs, stack, target, keeper) : keep_tree(fs, target, keeper);
    } catch (const Error&) {
        try {
            keeper.drop_part();
        } catch (const Error& error) {
            ignore_error(error, "the error that ended it is the one to hear of; the next try removes it");
        }
        throw;
    }
    step("restore.replaced-kept");
}

}  // namespace ingot
