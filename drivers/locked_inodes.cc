#include "drivers/locked_inodes.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <mutex>

namespace ingot {
namespace {

struct Held {
    int holds = 0;
    std::vector<int> parked;
};

struct Registry {
    std::mutex mutex;
    std::map<InodeName, Held> held;
};

Registry& registry() {
    static Registry instance;
    return instance;
}

}  // namespace

LockedInodes::LockedInodes(std::vector<InodeName> inodes) : inodes_(std::move(inodes)) {
    const std::lock_guard lock(registry().mutex);
    for (const InodeName& inode : inodes_) ++registry().held[inode].holds;
}

LockedInodes::~LockedInodes() {
    const std::lock_guard lock(registry().mutex);
    for (const InodeName& inode : inodes_) {
        const auto found = registry().held.find(inode);
        if (--found->second.holds > 0) continue;
        for (const int fd : found->second.parked) ::close(fd);
        registry().held.erase(found);
    }
}

void close_source_file(int fd) {
    const std::lock_guard lock(registry().mutex);
    if (!registry().held.empty()) {
        struct stat st {};
        const bool known = ::fstat(fd, &st) == 0;
        const auto found = known ? registry().held.find({st.st_dev, st.st_ino}) : registry().held.end();
        if (found != registry().held.end()) {
            found->second.parked.push_back(fd);
            return;
        }
    }
    ::close(fd);
}

}  // namespace ingot
