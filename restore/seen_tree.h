// What the comparison saw of the entries that a restore leaves where they are, so that it can look again before the swap: cheap,
// by what stat says and by names, and not by content.
//
// Files and the like by inode, type, size, times of content and of attributes; folders by the names in them that are the
// source's, those that are left alone (left_alone.h) not counted.
// Memory: 8 bytes an entry; the rest is in a spool. Thread safety: one thread.
#pragma once

#include <deque>
#include <string>

#include "restore/left_alone.h"
#include "restore/record_spool.h"

namespace ingot {

// A fingerprint of names, in the order of their bytes.
class NamesPrint {
public:
    void add(const std::string& name);
    uint64_t value() const { return print_; }

private:
    uint64_t print_ = 0xcbf29ce484222325;  // FNV-1a: this finds changes, it does not keep out forgers
};

class SeenTree {
public:
    explicit SeenTree(const std::string& spools) : records_(spools) {}

    void entry(uint32_t anchor, const std::string& path, const LiveStat& live);
    void folder(uint32_t anchor, const std::string& path, const std::string& listing_path, const LiveStat& live,
                const NamesPrint& names);

    // Throws Error{failed} naming the first that is no longer as it was seen. `anchors`: the folders, by their numbers.
    void look_again(const std::deque<Beneath>& anchors, const LeftAlone& rules) const;

    size_t size() const { return records_.size(); }

private:
    RecordSpool records_;
};

// "X was changed by someone else during the restore"
Error changed_by_others(const std::string& live_path);

}  // namespace ingot
