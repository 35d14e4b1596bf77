// A file system that fails, or loses power, at the call it is told to.
//
//   fail(call, n, for_good)   the n-th call of a kind from now on throws, once or from then on; reading calls can fail too
//   crash(n, keep)            right before the n-th changing call: what was not synced is lost, and on_crash is called (in a
//   child
//                             process: _exit), or all calls fail from then on
//
// What a crash keeps: every file's bytes up to its last sync, every name whose folder was synced since, and of the names since
// then the first `keep` in their order, as a journal would (0: none; UINT64_MAX: all, with the bytes never synced cut off).
// Counts all changing calls, in order. Thread safety: any thread; calls run one at a time.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <map>
#include <mutex>
#include <vector>

#include "base/error.h"
#include "base/filesystem.h"

namespace ingot::test {

enum class Call : size_t { create, write, sync, rename, remove, make_dir, sync_dir, open, read, list, look };
inline constexpr std::array kCallNames = {"create",   "write", "sync", "rename", "remove", "make_dir",
                                          "sync_dir", "open",  "read", "list",   "look"};

class LossyFileSystem : public FileSystem {
public:
    explicit LossyFileSystem(FileSystem& inner = real_filesystem()) : inner_(inner) {}

    void fail(Call call, uint64_t nth, bool for_good, int errno_value = EIO) {
        failing_ = call;
        for_good_ = for_good;
        errno_ = errno_value;
        fail_at_ = counts_[static_cast<size_t>(call)] + nth;
        failures_ = 0;
    }
    void mend() { fail_at_ = 0; }
    uint64_t failures() const { return failures_; }
    uint64_t count(Call call) const { return counts_[static_cast<size_t>(call)]; }

    // `stash` is a folder on the same file system, for what a crash may have to bring back.
    void crash(uint64_t nth, uint64_t keep, std::string stash, std::function<void()> on_crash = {}) {
        crash_at_ = calls_.size() + nth;
        keep_ = keep;
        stash_ = std::move(stash);
        on_crash_ = std::move(on_crash);
    }
    bool crashed() const { return dead_; }
    // The power goes now, if crash() was called before.
    void cut() {
        const std::lock_guard lock(mutex_);
        lose();
        dead_ = true;
    }
    // Syncing a folder does nothing from now on: what a crash test that tests something must notice.
    void ignore_folder_syncs() { ignores_folder_syncs_ = true; }

    const std::vector<Call>& calls() const { return calls_; }
    void forget_calls() { calls_.clear(); }

    std::unique_ptr<ReadFile> open(const std::string& path) override {
        return run(Call::open, path, [&] { return std::make_unique<Reading>(*this, inner_.open(path), path); });
    }
    std::unique_ptr<WriteFile> create(const std::string& path, uint32_t mode) override {
        return run(Call::create, path, [&] {
            auto file = std::make_unique<Writing>(*this, inner_.create(path, mode), path);
            unsynced_[path] = 0;
            pending_.push_back({Change::created, path, {}, {}});
            return file;
        });
    }
    void rename(const std::string& from, const std::string& to, Rename how) override {
        run(Call::rename, to, [&] {
            if (how == Rename::exchange) throw Error(Code::failed, "exchanging is not simulated");
            const std::string saved = how == Rename::replace ? save(to) : "";
            inner_.rename(from, to, how);
            move_paths(from, to);
            pending_.push_back({Change::renamed, to, from, saved});
        });
    }
    void remove(const std::string& path) override {
        run(Call::remove, path, [&] {
            const std::string saved = save(path);
            inner_.remove(path);
            pending_.push_back({Change::removed, path, {}, saved});
        });
    }
    void remove_dir(const std::string& path) override {
        run(Call::remove, path, [&] {
            inner_.remove_dir(path);
            pending_.push_back({Change::removed_dir, path, {}, {}});
        });
    }
    bool make_dir(const std::string& path, uint32_t mode) override {
        return run(Call::make_dir, path, [&] {
            const bool made = inner_.make_dir(path, mode);
            if (made) pending_.push_back({Change::made_dir, path, {}, {}});
            return made;
        });
    }
    void sync_dir(const std::string& path) override {
        run(Call::sync_dir, path, [&] {
            if (!ignores_folder_syncs_)
                std::erase_if(pending_, [&](const Change& change) { return parent_of(change.path) == path; });
        });
    }
    void sync_file(const std::string& path) override {
        run(Call::sync, path, [&] { unsynced_.erase(path); });
    }
    void list(const std::string& path, const std::function<void(const std::string& name)>& each) override {
        run(Call::list, path, [&] { inner_.list(path, each); });
    }
    std::optional<uint64_t> file_size(const std::string& path) override {
        return run(Call::look, path, [&] { return inner_.file_size(path); });
    }
    bool exists(const std::string& path) override {
        return run(Call::look, path, [&] { return inner_.exists(path); });
    }

private:
    // A change of names that no sync of its folder has made durable yet.
    struct Change {
        enum Kind { created, made_dir, renamed, removed, removed_dir } kind;
        std::string path;
        std::string from;
        std::string saved;
    };

    class Reading : public ReadFile {
    public:
        Reading(LossyFileSystem& fs, std::unique_ptr<ReadFile> inner, std::string path)
            : fs_(fs), inner_(std::move(inner)), path_(std::move(path)) {}
        size_t read_at(uint64_t offset, std::span<uint8_t> out) override {
            return fs_.run(Call::read, path_, [&] { return inner_->read_at(offset, out); });
        }
        uint64_t size() override { return inner_->size(); }
        void drop_cache() override { inner_->drop_cache(); }

    private:
        LossyFileSystem& fs_;
        std::unique_ptr<ReadFile> inner_;
        std::string path_;
    };

    class Writing : public WriteFile {
    public:
        Writing(LossyFileSystem& fs, std::unique_ptr<WriteFile> inner, std::string path)
            : fs_(fs), inner_(std::move(inner)), path_(std::move(path)) {}
        void append(ByteView bytes) override {
            guarded(Call::write, [&] {
                inner_->append(bytes);
                size_ += bytes.size();
            });
        }
        void write_at(uint64_t offset, ByteView bytes) override {
            guarded(Call::write, [&] { inner_->write_at(offset, bytes); });
        }
        void set_size(uint64_t bytes) override {
            guarded(Call::write, [&] { inner_->set_size(bytes); });
        }
        void sync() override {
            guarded(Call::sync, [&] { fs_.unsynced_[path_] = size_; });
        }
        int fd() const override { return inner_->fd(); }

    private:
        template <class Work>
        void guarded(Call call, Work work) {
            if (poisoned_) throw Error(Code::failed, path_ + " is not written to after a failed write");
            poisoned_ = true;
            fs_.run(call, path_, work);
            poisoned_ = false;
        }
        LossyFileSystem& fs_;
        std::unique_ptr<WriteFile> inner_;
        std::string path_;
        uint64_t size_ = 0;
        bool poisoned_ = false;
    };

    static bool changes(Call call) { return call < Call::open; }

    template <class Work>
    auto run(Call call, const std::string& path, Work work) -> decltype(work()) {
        const std::lock_guard lock(mutex_);
        if (dead_) throw Error::from_errno("(no power)", path, EIO);
        const uint64_t number = ++counts_[static_cast<size_t>(call)];
        if (fail_at_ != 0 && call == failing_ && (for_good_ ? number >= fail_at_ : number == fail_at_)) {
            ++failures_;
            throw Error::from_errno(std::string("(injected) ") + kCallNames[static_cast<size_t>(call)], path, errno_);
        }
        if (changes(call)) {
            calls_.push_back(call);
            if (crash_at_ != 0 && calls_.size() >= crash_at_) {
                lose();
                dead_ = true;
                if (on_crash_) on_crash_();
                throw Error::from_errno("(power cut)", path, EIO);
            }
        }
        return work();
    }

    // A second name for a file that is about to lose its own.
    std::string save(const std::string& path) {
        if (crash_at_ == 0 || !inner_.file_size(path)) return {};
        const std::string saved = join(stash_, std::to_string(++saved_));
        return ::link(path.c_str(), saved.c_str()) == 0 ? saved : "";
    }

    static bool below(const std::string& path, const std::string& folder) {
        return path == folder || path.starts_with(folder + "/");
    }
    void move_paths(const std::string& from, const std::string& to) {
        for (Change& change : pending_) {
            if (below(change.path, from)) change.path = to + change.path.substr(from.size());
            if (!change.from.empty() && below(change.from, from)) change.from = to + change.from.substr(from.size());
        }
        std::map<std::string, uint64_t> moved;
        for (const auto& [path, synced] : unsynced_) moved[below(path, from) ? to + path.substr(from.size()) : path] = synced;
        unsynced_ = std::move(moved);
    }

    void lose() {
        for (const auto& [path, synced] : unsynced_) {
            std::error_code gone;
            if (std::filesystem::file_size(path, gone) > synced && !gone) std::filesystem::resize_file(path, synced, gone);
        }
        while (pending_.size() > keep_) {
            const Change change = pending_.back();
            pending_.pop_back();
            undo(change);
        }
    }
    void undo(const Change& change) {
        std::error_code gone;
        switch (change.kind) {
            case Change::created:
                std::filesystem::remove(change.path, gone);
                break;
            case Change::made_dir:
                std::filesystem::remove_all(change.path, gone);
                break;
            case Change::removed_dir:
                std::filesystem::create_directory(change.path, gone);
                break;
            case Change::removed:
                if (!change.saved.empty()) std::filesystem::rename(change.saved, change.path, gone);
                break;
            case Change::renamed:
                std::filesystem::rename(change.path, change.from, gone);
                if (!change.saved.empty()) std::filesystem::rename(change.saved, change.path, gone);
                move_paths(change.path, change.from);
                break;
        }
    }

    FileSystem& inner_;
    std::mutex mutex_;
    std::array<uint64_t, kCallNames.size()> counts_{};
    std::vector<Call> calls_;
    Call failing_ = Call::open;
    uint64_t fail_at_ = 0, failures_ = 0;
    bool for_good_ = false;
    int errno_ = EIO;

    uint64_t crash_at_ = 0, keep_ = 0, saved_ = 0;
    std::string stash_;
    std::function<void()> on_crash_;
    bool dead_ = false, ignores_folder_syncs_ = false;
    std::map<std::string, uint64_t> unsynced_;  // bytes of each file written here that a sync has made durable
    std::vector<Change> pending_;
};

}  // namespace ingot::test
