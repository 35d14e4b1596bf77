// The folder of one test, and short ways to its files.
#pragma once

#include <unistd.h>

#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <string>

#include "base/filesystem.h"

namespace ingot {

// In memory where the machine has a place for that, so that tests of other things than durability do not wait for the disk.
class TempDir {
public:
    TempDir() : path_((::access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp") + std::string("/ingot-test-XXXXXX")) {
        if (::mkdtemp(path_.data()) == nullptr) std::abort();
    }
    TempDir(const TempDir&) = delete;
    TempDir& operator=(const TempDir&) = delete;
    ~TempDir() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }

    const std::string& path() const { return path_; }
    std::string at(const std::string& name) const { return join(path_, name); }
    void write(const std::string& name, std::string_view text) const { replace_file(real_filesystem(), at(name), view_of(text)); }
    std::string read(const std::string& name) const {
        const Bytes bytes = read_file(real_filesystem(), at(name), 1 << 30);
        return std::string(text_of(bytes));
    }
    bool has(const std::string& name) const { return real_filesystem().exists(at(name)); }

private:
    std::string path_;
};

// Seconds of this process's own work, so that a busy machine fails no test; instrumented builds are allowed more.
inline double worked_s() {
#ifdef __SANITIZE_ADDRESS__
    return static_cast<double>(std::clock()) / CLOCKS_PER_SEC / 10;
#else
    return static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
#endif
}

}  // namespace ingot
