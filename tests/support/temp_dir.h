// A folder that is removed with all below it when the test ends. In memory where the machine offers that: thousands of fsyncs
// then cost nothing. What must be tested on a real disk (power cuts) makes its own file system.
#pragma once

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

namespace ingot::test {

// Where tests may write much and quickly.
inline std::string fast_folder() {
    const std::filesystem::path memory = "/dev/shm";
    std::error_code error;
    const auto space = std::filesystem::space(memory, error);
    const bool usable = !error && ::access(memory.c_str(), W_OK) == 0 && space.available > (uintmax_t{1} << 30);
    return (usable ? memory : std::filesystem::temp_directory_path()).string();
}

class TempDir {
public:
    explicit TempDir(const std::string& parent = fast_folder()) {
        std::string pattern = parent + "/ingot-test-XXXXXX";
        path_ = ::mkdtemp(pattern.data());
    }
    TempDir(const TempDir&) = delete;
    TempDir& operator=(const TempDir&) = delete;
    ~TempDir() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    const std::string& path() const { return path_; }
    std::string operator/(const std::string& name) const { return path_ + "/" + name; }

private:
    std::string path_;
};

}  // namespace ingot::test
