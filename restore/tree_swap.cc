#include "restore/tree_swap.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>

#include "base/error.h"
#include "base/interrupt.h"
#include "base/step.h"
#include "restore/many_syncs.h"
#include "restore/seen_tree.h"

namespace ingot {
namespace {

// A list of problems for a person: the first few, and how many more.
std::string joined(const std::vector<std::string>& lines) {
    constexpr size_t kShown = 5;
    std::string out;
    for (size_t i = 0; i < lines.size() && i < kShown; ++i) out += (i == 0 ? "" : "; ") + lines[i];
    if (lines.size() > kShown) out += fmt::format("; and {} more", lines.size() - kShown);
    return out;
}

std::string folder_of(const std::string& path) {
    const size_t slash = path.find_last_of('/');
    return slash == std::string::npos ? "" : path.substr(0, slash);
}

using Place = std::pair<uint32_t, std::string>;  // an anchor's number, and a path below it

// An old entry is known by its number: it exists until after the commit point, so nothing else can have it.
bool is_old(const std::optional<LiveStat>& live, const TreeOp& op) { return live && live->inode == op.old.inode; }

// A new one could be removed by someone else, and its number be given to what he makes in its place.
bool is_new(const std::optional<LiveStat>& live, const TreeOp& op) {
    return live && live->inode == op.new_inode && live->birth_ns == op.new_birth_ns;
}

}  // namespace

TreeSwap::TreeSwap(FileSystem& fs, const std::string& plan_path) : fs_(fs), plan_(fs, plan_path) {
    for (const std::string& anchor : plan_.plan().anchors) anchors_.emplace_back(anchor);
    for (const std::string& stage : plan_.plan().stages) stages_.emplace_back(stage);
}

TreeSwap::Done TreeSwap::is_done(const TreeOp& op, const std::optional<LiveStat>& at_live,
                                 const std::optional<LiveStat>& at_stage) {
    switch (op.kind) {
        case OpKind::exchange:
            if (is_old(at_live, op) && is_new(at_stage, op)) return Done::no;
            return is_new(at_live, op) && is_old(at_stage, op) ? Done::yes : Done::neither;
        case OpKind::add:
            if (!at_live && is_new(at_stage, op)) return Done::no;
            return is_new(at_live, op) && !at_stage ? Done::yes : Done::neither;
        case OpKind::remove:
            if (is_old(at_live, op) && !at_stage) return Done::no;
            return !at_live && is_old(at_stage, op) ? Done::yes : Done::neither;
        case OpKind::metadata:
            break;
    }
    return Done::neither;
}

void TreeSwap::require_unchanged(const TreeOp& op, const std::optional<LiveStat>& now, const std::string& name) {
    const bool folder = now && S_ISDIR(now->type);
    bool same = now && now->inode == op.old.inode && now->type == op.old.type;
    if (same && !folder) same = now->size == op.old.size && now->mtime_ns == op.old.mtime_ns;
    if (!same) throw changed_by_others(name);
}

void TreeSwap::rename(const TreeOp& op, const Reached& at_live, const Reached& at_stage, bool back) {
    at_live.run([&](const std::string& live_path) {
        at_stage.run([&](const std::string& stage_path) {
            if (op.kind == OpKind::exchange) return fs_.rename(stage_path, live_path, Rename::exchange);
            const bool to_live = (op.kind == OpKind::add) != back;
            fs_.rename(to_live ? stage_path : live_path, to_live ? live_path : stage_path, Rename::no_replace);
        });
    });
}

TreeSwap::Done TreeSwap::require_ready(const TreeOp& op, const Reached& at_live, const Reached& at_stage) const {
    const std::optional<LiveStat> now = at_live.look();
    const Done done = is_done(op, now, at_stage.look());
    if (done == Done::yes) return done;
    if (op.kind != OpKind::add) {
        require_unchanged(op, now, at_live.name());
        const bool touched = (op.old.ctime_ns != 0 && now->ctime_ns != op.old.ctime_ns) ||
                             (S_ISDIR(now->type) && subtree_fingerprint(anchors_.at(op.anchor), op.path) != op.old.below);
        if (touched) throw changed_by_others(at_live.name());
    }
    if (done == Done::neither) throw changed_by_others(at_live.name());
    return done;
}

void TreeSwap::look_again() const {
    for (size_t i = 0; i < plan_.moves(); ++i) {
        if (i % 1024 == 0) check_interrupted();
        const TreeOp op = plan_.op(i);
        (void)require_ready(op, live(op), staged(op));
    }
}

void TreeSwap::carry_out(const TreeOp& op) {
    const Reached at_live = live(op);
    const Reached at_stage = staged(op);
    if (require_ready(op, at_live, at_stage) == Done::yes) return;
    rename(op, at_live, at_stage, false);
    // Whoever replaced the entry in the moment between the look and the rename has his in the stage now: that counts as a change
    // too.
    if (op.kind != OpKind::add) require_unchanged(op, at_stage.look(), at_live.name());
}

std::vector<std::string> TreeSwap::set_metadata(const TreeOp& op, const Metadata& metadata) const {
    const Reached reached = live(op);
    const std::optional<LiveStat> now = reached.look();
    if (!is_old(now, op) || now->type != op.old.type) {
        throw changed_by_others(reached.name());
    }
    std::vector<std::string> problems = apply_metadata(reached.path(), metadata, S_ISLNK(op.old.type));
    for (std::string& line : problems) line = reached.spoken(std::move(line));
    return problems;
}

std::vector<std::string> TreeSwap::swap() {
    std::vector<std::string> problems;
    for (size_t i = 0; i < plan_.moves(); ++i) {
        carry_out(plan_.op(i));
        step("restore.op");
    }
    for (size_t i = plan_.moves(); i < plan_.size(); ++i) {
        const TreeOp op = plan_.op(i);
        if (!op.after) continue;
        for (std::string& line : set_metadata(op, *op.after)) problems.push_back(std::move(line));
        step("restore.op");
    }
    sync_touched();
    return problems;
}

void TreeSwap::sync_touched() {
    std::vector<Place> folders;
    std::vector<Place> files;  // whose attributes were changed in place
    for (size_t i = 0; i < plan_.size(); ++i) {
        const TreeOp op = plan_.op(i);
        const bool in_place = op.kind == OpKind::metadata;
        if (in_place && S_ISREG(op.old.type)) files.emplace_back(op.anchor, op.path);
        Place folder(op.anchor, in_place && S_ISDIR(op.old.type) ? op.path : folder_of(op.path));
        // Operations come in listing order, so most have the folder of the one before.
        if (folders.empty() || folders.back() != folder) folders.push_back(std::move(folder));
    }
    std::sort(folders.begin(), folders.end());
    folders.erase(std::unique(folders.begin(), folders.end()), folders.end());
    for (const Beneath& stage : stages_) {
        fs_.sync_dir(stage.folder());
        // Symlinks, FIFOs and device nodes cannot be synced: a journaling file system writes its changes in order, so a file made
        // and synced after theirs carries these along.
        const std::string barrier = join(stage.folder(), "barrier");
        if (fs_.exists(barrier)) fs_.remove(barrier);
        fs_.create(barrier, 0600)->sync();
        fs_.remove(barrier);
    }
    sync_many(files.size(), [&](size_t number) {
        const auto& [anchor, path] = files[number];
        anchors_.at(anchor).at(path).run([&](const std::string& file) { fs_.sync_file(file); });
    });
    sync_many(folders.size(), [&](size_t number) {
        const auto& [anchor, path] = folders[number];
        anchors_.at(anchor).inside(path).run([&](const std::string& folder) { fs_.sync_dir(folder); });
    });
}

void TreeSwap::undo_move(const TreeOp& op) {
    const Reached at_live = live(op);
    const Reached at_stage = staged(op);
    const std::optional<LiveStat> live_now = at_live.look();
    const std::optional<LiveStat> stage_now = at_stage.look();
    if (is_done(op, live_now, stage_now) == Done::yes) return rename(op, at_live, at_stage, true);
    if (op.kind == OpKind::add) {
        // Not added; what someone else put there meanwhile is his. Added and then replaced: his too, but it was not there before.
        if (!live_now || is_new(stage_now, op)) return;
        throw Error(Code::failed,
                    fmt::format("{} was not there before the restore, and is someone else's now: remove it if it is not wanted",
                                printable(at_live.name())));
    }
    if (is_old(live_now, op)) return;
    if (!is_old(stage_now, op)) {
        throw Error(Code::failed,
                    fmt::format("the old {} is neither there nor at {}", printable(at_live.name()), printable(at_stage.name())));
    }
    throw Error(Code::failed,
                fmt::format("{} was changed by someone else during the restore; the old one is {}: move it back by hand",
                            printable(at_live.name()), printable(at_stage.name())));
}

void TreeSwap::undo_once(std::vector<std::string>& problems) {
    const auto attempt = [&](auto&& call) {
        try {
            call();
        } catch (const Error& error) {
            problems.push_back(error.what());  // the others are still put back
        }
    };
    for (size_t i = plan_.moves(); i-- > 0;) {
        attempt([&] { undo_move(plan_.op(i)); });
        step("restore.undo-op");
    }
    for (size_t i = plan_.moves(); i < plan_.size(); ++i) {
        attempt([&] {
            const TreeOp op = plan_.op(i);
            for (std::string& line : set_metadata(op, op.before)) problems.push_back(std::move(line));
        });
    }
    attempt([&] { sync_touched(); });
}

void TreeSwap::undo() {
    std::vector<std::string> problems;
    undo_once(problems);
    if (problems.empty()) return;
    problems.clear();  // what failed once may pass now, and what was done is seen to be done
    undo_once(problems);
    if (problems.empty()) return;
    throw Error(Code::rollback_incomplete, joined(problems), "mend what is named, then run `ingot restore --resume`");
}

}  // namespace ingot
