// An Entry: one name in a source's tree, as a driver found it.
//
// Every source, a database too, is a sorted tree of entries; what has bytes has a Stream. Paths are bytes, not text: relative
// to the stack's root ("models/a.bin"), or absolute where the source lies outside of it ("/etc/nginx/nginx.conf"). Entries come
// in listing order: byte-wise by path with '/' before every other byte, so that a folder stands right before what it holds.
//
// Thread safety: values.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"

namespace ingot {

enum class EntryType : uint8_t {
    file = 1,
    directory = 2,
    symlink = 3,
    hard_link = 4,  // another name of the file `link`, which comes earlier in the listing
    fifo = 5,
    block_device = 6,
    char_device = 7,
};

struct Entry {
    std::string path;
    EntryType type = EntryType::file;
    bool sparse = false;   // fewer blocks than bytes: zeros are put back as holes
    bool growing = false;  // pinned at its size; the live file may have grown since
    uint32_t mode = 0;     // the permission bits (07777)
    uint32_t uid = 0;
    uint32_t gid = 0;
    int64_t mtime_ns = 0;
    uint64_t size = 0;  // of files
    std::string link;   // symlink: its target; hard_link: the path of the first name
    uint32_t device_major = 0;
    uint32_t device_minor = 0;
    std::vector<std::pair<std::string, std::string>> xattrs;  // sorted by name; POSIX ACLs are among them
    // Opaque: equal fingerprints of one path mean equal content (device, inode, size, mtime, ctime). Empty: never assume so.
    // Not part of the listing; kept in the client's files cache.
    Bytes fingerprint;
};

// Listing order.
bool listing_less(std::string_view a, std::string_view b);

}  // namespace ingot
