// Several files fixed at one moment: a vector index, and the files that are worth nothing without it.
//
//   add() each      opened and leased, or copied where no lease is to be had (drivers/leased_file.h)
//   fix()           the moment: every lease is held, every copy complete; then all are looked at again: each name still is that
//                   file, each copy still equal. What holds before and after the moment held at it.
//   read            from the leased files; a thread of the set notices a writer that waits, copies what it waits for, lets it go
//
// Names replaced by a rename cost nobody anything. Where something moved under the set, Unsettled is thrown: make another set.
//
// Thread safety: one thread; the set's own thread is its own business. Errors: Error{source}, Error{failed} of the spool.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "drivers/leased_file.h"

namespace ingot {

// The set was changing while it was fixed; the error says which file, for when there is no other try.
struct Unsettled {
    Error error;
};

class FileSet {
public:
    explicit FileSet(std::string spool_dir);
    FileSet(const FileSet&) = delete;
    FileSet& operator=(const FileSet&) = delete;
    // Gives all leases up; a copy under way is left.
    ~FileSet();

    // Throws Unsettled where somebody writes to it just now. The reference stays good as long as the set.
    LeasedFile& add(const SourceRoot& file);
    // Once, after the last add(). Throws Unsettled.
    void fix();

    PinMoment moment() const { return moment_; }
    // How long writers waited for us, until now; copies of the fallback hold nobody.
    int64_t writers_blocked_ms() const;
    // In listing order, after fix().
    const std::vector<LeasedFile*>& files() const { return files_; }

private:
    void give_way();

    std::string spool_dir_;
    mutable std::mutex mutex_;  // of owned_ and the times of waiting
    std::vector<std::unique_ptr<LeasedFile>> owned_;
    std::vector<LeasedFile*> files_;
    PinMoment moment_;
    int64_t blocked_ns_ = 0;
    int64_t blocked_since_ns_ = 0;  // while somebody waits
    std::atomic<bool> abandoned_ = false;
    std::unique_ptr<LeaseWatch> watch_;  // the last: its thread ends before what it works on
};

// "FILE is being written".
Unsettled being_written(const std::string& live_path);

}  // namespace ingot
