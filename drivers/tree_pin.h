// The pin of a tree: the walk's record of it, and the files behind the record.
//
// What the walk saw is what the pin promises. Between walk and read a file may change: it is then delivered as it is when it is
// read, in one piece, and the pin is fuzzy and names it. When nothing changed, every entry is as it was at the instant the walk
// ended: folders are looked at again right after the walk, and the pin does not return before the kernel's clock has ticked, so
// that no later change can hide behind an equal time.
//
// A declared path that is not there is an Error{source} of next(); what is there is delivered.
//
// Thread safety: one thread. Errors: Error{source}; Error{failed} of the spool. Lifetime: within its driver's.
#pragma once

#include "base/error.h"
#include "drivers/tree_walk.h"

namespace ingot {

class TreePin : public Pin {
public:
    // Walks the tree.
    TreePin(const SourceSpec& spec, const TreeRules& rules);
    ~TreePin() override;

    PinMoment moment() const override { return moment_; }
    std::optional<Entry> next() override;
    std::unique_ptr<Stream> open(const Entry& entry) override;
    Entry described(Entry entry) const override;
    Facts facts() override;
    PinConsistency consistency() const override;
    std::vector<std::string> notes() const override;

protected:
    const TreeRules& rules() const { return rules_; }

private:
    void walk();
    void name_missing();
    int root_fd_of(const std::string& live, std::string& relative);
    void delivered(const struct stat& st, const std::string& live, uint64_t length);

    const SourceSpec& spec_;
    const TreeRules& rules_;
    std::vector<Error> missing_;  // declared paths that are not there, named by next() before the first entry
    size_t missing_named_ = 0;
    std::unique_ptr<Spool> spool_;
    TreeWalk walk_;
    PinMoment moment_;
    std::optional<TreeRecordReader> reader_;
    TreeRecord current_;
    Entry delivered_;
    std::vector<std::pair<std::string, int>> root_fds_;
    std::vector<std::string> torn_;  // folders that changed during the walk
    Notes read_later_;
};

// Device, inode, size and times as bytes; empty where the file was changed too shortly before `wall_ns` for its times to tell
// the next change.
Bytes fingerprint_of(const PinnedStat& stat, uint64_t size, int64_t wall_ns);

}  // namespace ingot
