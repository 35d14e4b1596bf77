// Writing entries below a folder: what materialising a snapshot and staging a restore have in common.
//
// Entries come in listing order; their contents are fetched for a window of entries at a time, in pack order, and written by
// offset from several threads. Files get their metadata when their last byte is written, folders when all that is in them is.
// Nothing is written through a symlink or outside the folder (snapshot/beneath.h). Memory is bounded by the window.
//
// Thread safety: one thread; contents arrive on several. Errors: Error{failed} (space, rights), Error{damaged} for entries that
// contradict each other and for lost contents; Error{interrupted} between windows.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/filesystem.h"
#include "snapshot/listing.h"
#include "store/reader.h"

namespace ingot {

struct PlacedEntry {
    ListedEntry listed;
    std::string at;          // below the folder
    std::string link_at;     // of hard links: where their first name was placed
    std::string shown = {};  // its name in errors; empty: its path in the listing

    const std::string& name() const { return shown.empty() ? listed.entry.path : shown; }
};

// Delivers the contents of all streams that `next` names (Reader::read, or a fake).
using FetchContent = std::function<void(const std::function<std::optional<ReadRequest>()>& next, ReadSink& sink)>;

struct PlaceOptions {
    bool metadata = true;  // owner, mode, times, xattrs
    bool sync = false;     // fsync each file and folder
    bool salvage = false;  // files whose bytes are lost are left out and named, instead of ending it all
};

struct Placed {
    uint64_t entries = 0;
    uint64_t bytes = 0;                 // of content
    std::vector<std::string> problems;  // metadata and device nodes that could not be set or made
    std::vector<std::string> lost;      // with `salvage`: "models/a.bin: why"
};

Placed place_entries(const FetchContent& fetch, FileSystem& fs, const std::string& folder,
                     const std::function<std::optional<PlacedEntry>()>& next, const PlaceOptions& options);

}  // namespace ingot
