#include "base/scratch_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "base/error.h"

namespace ingot {

static constexpr const char* kPrefix = "scratch-";

// The folder's descriptor, locked; -1 where somebody else holds it or it is gone.
static int lock_folder(const std::string& path) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0 && ::flock(fd, LOCK_EX | LOCK_NB) != 0) {
        ::close(fd);
        return -1;
    }
    return fd;
}

ScratchFolder::ScratchFolder(FileSystem& fs, const std::string& parent)
    : fs_(fs), path_(join(parent, std::string(kPrefix) + "XXXXXX")) {
    if (::mkdtemp(path_.data()) == nullptr) throw Error::from_errno("making a scratch folder in", parent, errno);
    fd_ = lock_folder(path_);
    if (fd_ < 0) throw Error::from_errno("locking the scratch folder", path_, errno);
}

ScratchFolder::~ScratchFolder() {
    try {
        remove_tree(fs_, path_);
    } catch (const Error& error) {
        ignore_error(error, "the next process sweeps it up");
    }
    ::close(fd_);
}

void sweep_scratch_folders(FileSystem& fs, const std::string& parent) {
    std::vector<std::string> names;
    fs.list(parent, [&](const std::string& name) {
        if (name.starts_with(kPrefix)) names.push_back(name);
    });
    for (const std::string& name : names) {
        const std::string path = join(parent, name);
        const int fd = lock_folder(path);
        if (fd < 0) continue;
        try {
            remove_tree(fs, path);
        } catch (const Error& error) {
            ignore_error(error, "a later sweep tries again");
        }
        ::close(fd);
    }
}

}  // namespace ingot
