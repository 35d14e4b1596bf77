#include "drivers/file_set.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "drivers/tree_walk.h"

namespace ingot {
namespace {

// Who has a file open for writing and is at it changes it within this time; whoever only keeps it open does not. Long beside the
// write(2) calls of a save, short beside a pause of the writers.
constexpr std::chrono::milliseconds kLookTwice{30};

}  // namespace

Unsettled being_written(const std::string& live_path) {
    return {Error(Code::source, fmt::format("{} is being written", printable(live_path)),
                  "take the snapshot when the save is over, or let ingot pause what writes to it ([barrier] in the config)")};
}

FileSet::FileSet(std::string spool_dir)
    : spool_dir_(std::move(spool_dir)), watch_(std::make_unique<LeaseWatch>([this] { give_way(); })) {}

FileSet::~FileSet() {
    abandoned_ = true;
    for (const auto& file : owned_) file->release();
    watch_.reset();
}

LeasedFile& FileSet::add(const SourceRoot& root) {
    auto file = std::make_unique<LeasedFile>(root, spool_dir_);
    const Lease lease = file->take_lease(*watch_);
    if (lease == Lease::busy) {
        std::this_thread::sleep_for(kLookTwice);
        const LeasedFile later(root, spool_dir_);
        if (!(later.pinned_stat() == file->pinned_stat())) throw being_written(root.live_path);
    }
    if (lease != Lease::granted) file->copy();
    const std::lock_guard lock(mutex_);
    return *owned_.emplace_back(std::move(file));
}

void FileSet::fix() {
    moment_.first = now();
    moment_.last = now();
    for (const auto& file : owned_) {
        if (!file->still_so()) throw being_written(file->root().live_path);
    }
    for (const auto& file : owned_) files_.push_back(file.get());
    std::sort(files_.begin(), files_.end(), [](const LeasedFile* a, const LeasedFile* b) {
        return listing_less(a->root().listing_path, b->root().listing_path);
    });
}

int64_t FileSet::writers_blocked_ms() const {
    const std::lock_guard lock(mutex_);
    return (blocked_ns_ + (blocked_since_ns_ != 0 ? mono_now_ns() - blocked_since_ns_ : 0)) / 1'000'000;
}

// In the watch's thread. A writer waits from when it asked until its file's lease is gone; two that wait at once count once.
void FileSet::give_way() {
    std::vector<LeasedFile*> wanted;
    {
        const std::lock_guard lock(mutex_);
        for (const auto& file : owned_) {
            if (file->wanted_back()) wanted.push_back(file.get());
        }
        if (wanted.empty()) return;
        blocked_since_ns_ = mono_now_ns();
    }
    for (LeasedFile* file : wanted) file->give_way(abandoned_);
    const std::lock_guard lock(mutex_);
    blocked_ns_ += mono_now_ns() - blocked_since_ns_;
    blocked_since_ns_ = 0;
}

}  // namespace ingot
