// Telling the kernel what a sequential reader will want, further ahead than it looks by itself: with a cold page cache a reader
// that also computes got 0.45 GB/s of a medium that gives 2 GB/s (docs/benchmarks.md). Advice only: nothing depends on it.
//
// Thread safety: one thread. Errors: none.
#pragma once

#include <cstdint>

namespace ingot {

class ReadAhead {
public:
    // Of the first `length` bytes of an open file that outlives this. Short files are left to the kernel.
    ReadAhead(int fd, uint64_t length) : fd_(fd), length_(length) {}
    // Before each read. Advice begins with the second of two reads that follow each other.
    void reading(uint64_t offset, uint64_t length);

private:
    int fd_;
    uint64_t length_;
    uint64_t next_ = 0;  // where the read before ended
    uint64_t told_ = 0;  // asked for up to here
};

}  // namespace ingot
