// A spool: an unlinked temporary file, for bytes that must be written before they can be read in order, and that may be
// larger than memory. It has no name, so nothing is left of it when the process dies.
//
// Not part of a repository and not durable: its I/O does not go through FileSystem. Errors: Error{failed}, naming the folder.
// Thread safety: write_at and read_at from any thread for disjoint ranges; append by one thread.
#pragma once

#include <cstdint>
#include <string>

#include "base/bytes.h"

namespace ingot {

class Spool {
public:
    // In `folder`, which must exist.
    explicit Spool(const std::string& folder);
    Spool(Spool&& other) noexcept;
    Spool& operator=(Spool&&) = delete;
    ~Spool();

    void append(ByteView bytes);
    void write_at(uint64_t offset, ByteView bytes);
    // Bytes read; short only at the end.
    size_t read_at(uint64_t offset, std::span<uint8_t> out) const;
    uint64_t size() const;
    // "/proc/self/fd/N": a path by which a library can open the spool while it lives.
    std::string path() const;
    int fd() const { return fd_; }

private:
    int fd_;
    uint64_t appended_ = 0;
    std::string folder_;
};

}  // namespace ingot
