// What a restore of a tree never moves or deletes: paths that the driver excludes, what belongs to another source, mount points,
// sockets, and names that begin with ".ingot-".
//
// Thread safety: any thread, where the two functions are. Errors: those of looking (snapshot/beneath.h); Error{interrupted}.
#pragma once

#include <functional>
#include <string>

#include "snapshot/beneath.h"

namespace ingot {

class LeftAlone {
public:
    using Rule = std::function<bool(const std::string& path)>;

    LeftAlone(Rule excluded, Rule foreign) : excluded_(std::move(excluded)), foreign_(std::move(foreign)) {}

    // Of a path of the listing, wherever it is live.
    bool listed(const std::string& listing_path, const std::string& live_path) const {
        return excluded_(listing_path) || foreign_(live_path);
    }
    bool excluded(const std::string& listing_path) const { return excluded_(listing_path); }

    // Why a live entry is left alone. Null: nothing keeps it. "": it is kept without a word.
    const char* why(const Beneath& anchor, const std::string& path, const std::string& listing_path, const LiveStat& live) const;

    struct Below {
        uint64_t entries = 0;
        uint64_t bytes = 0;
    };
    // The live path of something below a folder that is left alone; empty where there is none, and then `below` is all of it.
    std::string first_below(const Beneath& anchor, const std::string& path, const std::string& listing_path, Below& below) const;

private:
    Rule excluded_;
    Rule foreign_;
};

}  // namespace ingot
