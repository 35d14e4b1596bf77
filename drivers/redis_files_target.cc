#include "drivers/redis_files_target.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "base/interrupt.h"
#include "base/metadata.h"
#include "base/step.h"
#include "drivers/redis_connection.h"
#include "drivers/source_paths.h"

namespace ingot {
namespace {

constexpr std::string_view kPlanMagic = "ingot-redis-files 1\n";
constexpr const char* kAofFolder = "appendonlydir";
constexpr const char* kOldAof = "appendonly.aof";
constexpr const char* kManifestEnd = ".manifest";
// Of the file system.
constexpr size_t kMostNameBytes = 255;
// Of a copy: as much as one read asks for.
constexpr size_t kCopyBytes = 1 << 20;
// Data of an application, and hashes of passwords: where there is no file to take them from.
constexpr uint32_t kFileMode = 0600;

// Name -> inode of what a server would load.
using Inodes = std::map<std::string, uint64_t>;

class RedisFilesTarget : public EngineTarget {
public:
    RedisFilesTarget(TargetSpec target, const RedisSettings& settings, const std::string& root)
        : spec_(std::move(target)),
          fs_(*spec_.fs),
          settings_(settings),
          root_(root),
          place_(join(settings.data_dir, ".ingot-redis-" + spec_.restore_id)),
          new_(join(place_, "new")),
          old_(join(place_, "old")) {}

    void preflight() override {
        require_stopped();
        if (::faccessat(AT_FDCWD, settings_.data_dir.c_str(), W_OK | X_OK, AT_EACCESS) != 0)
            throw Error::from_errno("writing in `data_dir`", settings_.data_dir, errno);
        for (const auto& [name, inode] : live()) require_unused(join(settings_.data_dir, name));
    }

    void ping() override { require_stopped(); }

    void stage() override {
        replace_file(fs_, join(spec_.work_dir, "files"), {});
        remove_tree_if_there(place_);
        make_dirs(fs_, new_, 0700);
        make_dirs(fs_, old_, 0700);
        const std::string files = staged("files"), dump = staged("dump.rdb");
        if (fs_.exists(files)) {
            copy_tree(files, new_);
        } else {
            copy_file(dump, join(new_, rdb_name()));
            const Inodes now = live();
            if (now.contains(kOldAof)) copy_file(dump, join(new_, kOldAof));
            if (now.contains(kAofFolder)) make_append_only(dump);
        }
        fs_.sync_dir(new_);
        fs_.sync_dir(place_);
        step("restore.redis.files-staged");
    }

    void prepare_undo() override {
        if (fs_.exists(plan_path())) return;
        const Inodes now = live();
        Encoder out;
        out.raw(kPlanMagic).u32(static_cast<uint32_t>(now.size()));
        for (const auto& [name, inode] : now) out.prefixed(name).u64(inode);
        replace_file(fs_, plan_path(), out.bytes());
        step("restore.redis.undo-saved");
    }

    void swap() override {
        require_stopped();
        const Inodes planned = plan();
        const Inodes now = live();
        for (const auto& [name, inode] : planned) {
            if (const auto found = now.find(name); found != now.end() && found->second == inode)
                move(name, settings_.data_dir, old_);
        }
        sync();
        step("restore.redis.swap-begun");
        for (const std::string& name : names_in(new_)) move(name, new_, settings_.data_dir);
        sync();
        step("restore.redis.swapped");
    }

    void undo() override {
        if (!fs_.exists(plan_path())) return;
        const std::vector<std::string> waiting = names_in(old_);
        const Inodes planned = plan(), now = live();
        const auto is_old = [&](const auto& each) {
            const auto found = planned.find(each.first);
            return found != planned.end() && found->second == each.second;
        };
        if (waiting.empty() && std::ranges::all_of(now, is_old)) return;
        require_stopped();
        // Also what the server made of the new files, once it ran upon them.
        for (const auto& each : now) {
            if (is_old(each)) continue;
            if (fs_.exists(join(new_, each.first))) remove_tree_if_there(join(new_, each.first));
            move(each.first, settings_.data_dir, new_);
        }
        for (const std::string& name : waiting) move(name, old_, settings_.data_dir);
        sync();
        step("restore.redis.undone");
    }

    void discard() override {
        remove_tree_if_there(place_);
        fs_.sync_dir(settings_.data_dir);
        step("restore.redis.discarded");
    }

    std::string old_place() override { return "the files of a server that was not running"; }
    std::vector<ReplacedFile> replaced() override {
        std::vector<ReplacedFile> out;
        if (fs_.exists(old_)) add_files(old_, root_ + "/files", out);
        return out;
    }

private:
    std::string plan_path() const { return join(spec_.work_dir, "files-plan"); }
    std::string staged(const std::string& name) const { return path_in_artifact(spec_.staged_dir, root_ + "/" + name); }

    void require_stopped() const {
        if (redis_is_stopped(settings_)) return;
        throw Error(Code::failed, fmt::format("{} answers now: its files cannot be exchanged under it", settings_.shown()),
                    "stop it, then run the command again; `before_swap` and `after_swap` of its hooks can do that");
    }

    // A server that runs elsewhere than the url says has its append-only file open.
    void require_unused(const std::string& path) const {
        if (S_ISDIR(stat_of(path).st_mode)) {
            for (const std::string& name : names_in(path)) require_unused(join(path, name));
            return;
        }
        const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        if (fd < 0) throw Error::from_errno("opening", path, errno);
        const bool used = ::fcntl(fd, F_SETLEASE, F_RDLCK) != 0 && errno == EAGAIN;
        ::close(fd);
        if (!used) return;
        throw Error(Code::failed,
                    fmt::format("{} is open for writing: a server runs on it, though none answers at {}", printable(path),
                                settings_.shown()),
                    "mend `url` or `data_dir`, or stop that server");
    }

    std::vector<std::string> names_in(const std::string& folder) const {
        std::vector<std::string> out;
        if (fs_.exists(folder)) fs_.list(folder, [&](const std::string& name) { out.push_back(name); });
        std::ranges::sort(out);
        return out;
    }

    // `dbfilename` of its config, as far as that can be told. temp-PID.rdb is a save that did not end.
    std::string rdb_name() const {
        std::vector<std::string> found;
        for (const std::string& name : names_in(settings_.data_dir)) {
            if (name == "dump.rdb") return name;
            if (name.ends_with(".rdb") && !name.starts_with("temp-")) found.push_back(name);
        }
        if (found.size() > 1) {
            throw Error(Code::failed,
                        fmt::format("{} has several RDB files: {}", printable(settings_.data_dir), fmt::join(found, ", ")),
                        "leave there the one that the server loads (`dbfilename` in its config)");
        }
        return found.empty() ? "dump.rdb" : found.front();
    }

    Inodes live() const {
        Inodes out;
        const std::string rdb = rdb_name();
        for (const std::string& name : names_in(settings_.data_dir)) {
            if (name == rdb || name == kAofFolder || name == kOldAof) out[name] = stat_of(join(settings_.data_dir, name)).st_ino;
        }
        return out;
    }

    Inodes plan() const {
        const Bytes bytes = read_file(fs_, plan_path(), 1 << 20);
        Decoder in(bytes, "the plan of a redis restore by files");
        in.expect(kPlanMagic);
        Inodes out;
        for (uint32_t n = in.count(12); n > 0; --n) {
            const std::string name = in.prefixed_text(kMostNameBytes);
            out[name] = in.u64();
        }
        in.finish();
        return out;
    }

    void move(const std::string& name, const std::string& from, const std::string& to) {
        fs_.rename(join(from, name), join(to, name), Rename::no_replace);
    }

    void sync() {
        for (const std::string& folder : {new_, old_, settings_.data_dir}) fs_.sync_dir(folder);
    }

    void remove_tree_if_there(const std::string& path) {
        if (!fs_.exists(path)) return;
        S_ISDIR(stat_of(path).st_mode) ? remove_tree(fs_, path) : fs_.remove(path);
    }

    // Owner and mode are those of the file that it replaces, or of the folder: the server must be able to read and replace it.
    Metadata metadata_for(const std::string& path) const {
        const std::string live = settings_.data_dir + path.substr(new_.size());
        const bool there = fs_.exists(live);
        Metadata out = metadata_of(there ? live : settings_.data_dir);
        if (!there) out.mode = kFileMode;
        out.xattrs.clear();
        return out;
    }

    void copy_file(const std::string& from, const std::string& to) {
        const auto in = fs_.open(from);
        const auto out = fs_.create(to, kFileMode);
        Bytes buffer(kCopyBytes);
        for (uint64_t at = 0;;) {
            check_interrupted();
            const size_t n = in->read_at(at, buffer);
            if (n == 0) break;
            out->append(ByteView(buffer).first(n));
            at += n;
        }
        set_metadata(to, metadata_for(to));
        out->sync();
    }

    void set_metadata(const std::string& path, const Metadata& metadata) const {
        const std::vector<std::string> problems = apply_metadata(path, metadata, false);
        if (!problems.empty()) throw Error(Code::failed, problems.front(), "run the restore as root, or as the server's user");
    }

    void copy_tree(const std::string& from, const std::string& to) {
        for (const std::string& name : names_in(from)) {
            const std::string source = join(from, name), target = join(to, name);
            if (!S_ISDIR(stat_of(source).st_mode)) {
                copy_file(source, target);
                continue;
            }
            make_folder(target);
            copy_tree(source, target);
            fs_.sync_dir(target);
        }
    }

    void make_folder(const std::string& path) {
        (void)fs_.make_dir(path, 0700);
        Metadata metadata = metadata_of(settings_.data_dir);
        metadata.xattrs.clear();
        set_metadata(path, metadata);
    }

    // The base of an append-only file may be an RDB file; without increments it is all there is.
    void make_append_only(const std::string& dump) {
        std::string name = kOldAof;
        for (const std::string& each : names_in(join(settings_.data_dir, kAofFolder))) {
            if (each.ends_with(kManifestEnd)) name = each.substr(0, each.size() - std::string_view(kManifestEnd).size());
        }
        const std::string folder = join(new_, kAofFolder), base = name + ".1.base.rdb",
                          manifest = join(folder, name + kManifestEnd);
        make_folder(folder);
        copy_file(dump, join(folder, base));
        const auto out = fs_.create(manifest, kFileMode);
        out->append(view_of(fmt::format("file {} seq 1 type b\n", base)));
        set_metadata(manifest, metadata_for(manifest));
        out->sync();
        fs_.sync_dir(folder);
    }

    void add_files(const std::string& folder, const std::string& listed, std::vector<ReplacedFile>& out) const {
        for (const std::string& name : names_in(folder)) {
            const std::string path = join(folder, name);
            if (S_ISDIR(stat_of(path).st_mode)) {
                add_files(path, listed + "/" + name, out);
            } else {
                out.push_back({path, listed + "/" + name});
            }
        }
    }

    TargetSpec spec_;
    FileSystem& fs_;
    const RedisSettings settings_;
    const std::string root_;
    const std::string place_, new_, old_;
};

}  // namespace

std::unique_ptr<EngineTarget> make_redis_files_target(TargetSpec target, const RedisSettings& settings, const std::string& root) {
    return std::make_unique<RedisFilesTarget>(std::move(target), settings, root);
}

bool restores_by_redis_files(const TargetSpec& target) { return target.fs->exists(join(target.work_dir, "files")); }

}  // namespace ingot
