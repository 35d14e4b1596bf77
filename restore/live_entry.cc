#include "restore/live_entry.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace ingot {

Metadata metadata_of_entry(const Entry& entry) {
    Metadata metadata{entry.mode, entry.uid, entry.gid, entry.mtime_ns, entry.xattrs};
    if (entry.type == EntryType::symlink) {
        metadata.mode = 0777;
        metadata.xattrs.clear();
    }
    return metadata;
}

uint32_t type_bits(EntryType type) {
    switch (type) {
        case EntryType::file:
        case EntryType::hard_link:
            return S_IFREG;
        case EntryType::directory:
            return S_IFDIR;
        case EntryType::symlink:
            return S_IFLNK;
        case EntryType::fifo:
            return S_IFIFO;
        case EntryType::block_device:
            return S_IFBLK;
        case EntryType::char_device:
            return S_IFCHR;
    }
    return 0;
}

Metadata live_metadata(const Beneath& anchor, const std::string& path) {
    return anchor.at(path).run([](const std::string& at) { return metadata_of(at); });
}

std::string live_link(const Beneath& anchor, const std::string& path) {
    const Reached reached = anchor.at(path);
    std::string target(4096, '\0');  // PATH_MAX: no target is longer
    const ssize_t length = ::readlinkat(reached.folder_fd(), reached.leaf().c_str(), target.data(), target.size());
    if (length < 0) throw Error::from_errno("reading the symlink", reached.name(), errno);
    target.resize(static_cast<size_t>(length));
    return target;
}

}  // namespace ingot
