// The trap in POSIX file locks: when a process closes any descriptor of a file, all its locks on that file are gone, also those
// that a library took through another descriptor. A `files` source that holds a database which a SQLite source has pinned would
// drop the pin's locks in silence by reading the file (or its -shm) and closing it.
//
// So: who holds such locks says which inodes they are on, and who closes a descriptor of a source's file does it here.
// Descriptors of held inodes are kept open until the last hold on them ends.
//
// Thread safety: any thread.
#pragma once

#include <sys/types.h>

#include <utility>
#include <vector>

namespace ingot {

using InodeName = std::pair<dev_t, ino_t>;

// While it lives, close_source_file() leaves descriptors of these inodes open.
class LockedInodes {
public:
    explicit LockedInodes(std::vector<InodeName> inodes);
    LockedInodes(const LockedInodes&) = delete;
    LockedInodes& operator=(const LockedInodes&) = delete;
    ~LockedInodes();

private:
    std::vector<InodeName> inodes_;
};

// Closes `fd`, now or when nobody holds locks on its inode any more.
void close_source_file(int fd);

}  // namespace ingot
