// One file, fixed: by a read lease where one is to be had, else by a copy that was compared.
//
//   leased      the bytes are read from the file itself, which nobody can write to (drivers/lease_watch.h)
//     -> give_way(): a writer waits; what is not stored yet is copied into a spool, and the lease given up
//   copied      the bytes are read from a spool
//
// A copy of a file that may be written meanwhile is the state of one moment when the file is, byte for byte, still the same after
// a moment at which the copy was complete: whatever was read before that moment and is equal after it was so at it. Times alone
// do not show that, for a program that has the file mapped can change it without touching them.
//
// Thread safety: give_way() from the watch's thread, all else from one other. Lifetime: outlives every call of give_way().
// Errors: Error{source}; Error{failed} of the spool.
#pragma once

#include <sys/stat.h>

#include <condition_variable>
#include <mutex>
#include <optional>

#include "base/error.h"
#include "base/read_ahead.h"
#include "base/spool.h"
#include "drivers/driver.h"
#include "drivers/file_stream.h"
#include "drivers/lease_watch.h"

namespace ingot {

class LeasedFile {
public:
    // Opens it. Throws Error{source} where it is not there, a symlink, no regular file, or may not be read.
    LeasedFile(SourceRoot root, std::string spool_dir);
    LeasedFile(const LeasedFile&) = delete;
    LeasedFile& operator=(const LeasedFile&) = delete;
    ~LeasedFile();

    const SourceRoot& root() const { return root_; }
    // As it was when it was opened, or when the copy was begun.
    const struct stat& stat() const { return stat_; }
    PinnedStat pinned_stat() const;

    Lease take_lease(const LeaseWatch& watch);
    // Instead of a lease.
    void copy();
    // Is this state the file's, and the name this file's, still? Of a copy: reads all of it again. The lease must not have been
    // given up since.
    bool still_so();

    // What take_lease() said.
    Lease lease() const { return lease_; }
    bool was_leased() const { return lease_ == Lease::granted; }
    // Bytes read, short only at the end. Waits while give_way() copies: what stores the bytes is busy with all processors and the
    // disk, and a writer waits for the copy.
    size_t read_at(uint64_t offset, std::span<uint8_t> out);
    // Is what was read until now the fixed state? Only a lease that the kernel took away can make it false.
    bool intact();
    // Nothing more will be read: gives the lease up.
    void release();

    // Does a writer wait?
    bool wanted_back();
    // Copies what the lease protects, and gives it up. What fails is kept, and thrown by the next read. Ends early, without a
    // copy, when `abandoned` becomes true.
    void give_way(const std::atomic<bool>& abandoned);

private:
    bool unchanged() const;
    bool named() const;
    void give_up();
    Error taken_away() const;

    const SourceRoot root_;
    const std::string spool_dir_;
    SourceFile file_;
    struct stat stat_ {};
    ReadAhead ahead_;
    Lease lease_ = Lease::not_to_be_had;

    std::mutex mutex_;  // of what give_way() changes
    std::condition_variable copied_;
    bool copying_ = false;
    bool leased_ = false;
    bool cloned_ = false;
    std::optional<Spool> spool_;
    std::optional<Error> failure_;
};

// Copies the first `size_bytes` of a file, as fast as the kernel can: by sharing its blocks where the file system does that
// (true), else by copying. Ends early when `abandoned`. Throws Error{source} where the file is shorter.
bool copy_to_spool(int from, const std::string& shown, uint64_t size_bytes, Spool& to, const std::string& spool_dir,
                   const std::atomic<bool>& abandoned);

}  // namespace ingot
