// Sorting more records than memory holds: sorted runs go into a spool, and are merged as they are read.
//
// Records are sorted by their keys, byte by byte; those of one key stay in the order they came in. Memory: `memory_bytes` for
// records and about a third of that for their places, later 64 KiB for each run; one record may be larger than that, and then
// is held whole.
//
// Thread safety: one thread. Errors: those of Spool.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/spool.h"

namespace ingot {

class RecordSort {
public:
    struct Record {
        ByteView key;
        ByteView payload;
    };

    // The spool goes into `folder`, and is made only when it is needed.
    RecordSort(std::string folder, size_t memory_bytes);
    ~RecordSort();

    // At most 4 GiB each.
    void add(ByteView key, ByteView payload);
    // After the last add().
    void finish();
    // In order; borrowed until the next call.
    std::optional<Record> next();

    size_t runs() const { return run_starts_.size(); }

private:
    class Run;
    struct Place {
        size_t offset;
        uint32_t key_bytes;
        uint32_t payload_bytes;
    };

    Record at(const Place& place) const;
    void sort();
    void spill();
    bool run_after(size_t a, size_t b) const;

    std::string folder_;
    size_t memory_bytes_;
    Bytes arena_;
    std::vector<Place> places_;
    size_t given_ = 0;
    std::unique_ptr<Spool> spool_;
    std::vector<uint64_t> run_starts_;
    std::vector<std::unique_ptr<Run>> merging_;
    std::vector<size_t> heap_;  // of runs, the one whose record comes first at the top
    bool advance_ = false;      // the top run's record was given
};

}  // namespace ingot
