// The names in one folder, sorted as bytes, in one block of memory (ten million names are not ten million strings).
//
// Thread safety: a value. Errors: none thrown: read() returns errno, 0 when all is well.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ingot {

class FolderNames {
public:
    // From an open folder, from its start.
    int read(int folder_fd);
    size_t size() const { return starts_.size(); }
    // Ended by NUL.
    const char* at(size_t i) const { return block_.data() + starts_[i]; }
    // Equal for equal names.
    uint64_t digest() const;

private:
    std::string block_;
    std::vector<size_t> starts_;
};

}  // namespace ingot
