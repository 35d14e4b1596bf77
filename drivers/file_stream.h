// Reading one file of a tree, so that what was read is one state of it.
//
// The file is opened without following links and never blocks. settled() compares the open file, and the name, with what they
// were at the open: size, times, inode. A growing file is read to the length it was pinned at, and may be longer by then.
//
// Holes of a sparse file that nobody changed for a minute are skipped with SEEK_DATA; of any other file every byte is read,
// because file systems have been known to call unwritten data a hole.
//
// Thread safety: one thread. Errors: Error{source}.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/read_ahead.h"
#include "base/stream.h"
#include "drivers/tree_record.h"

struct stat;

namespace ingot {

// An open file of a source, closed as drivers/locked_inodes.h wants it.
class SourceFile {
public:
    // `beneath` is an open folder that `relative` is below, without symlinks on the way; -1: `relative` is a path of its own.
    // Throws Error{source} naming `shown`.
    SourceFile(int beneath, const std::string& relative, const std::string& shown);
    SourceFile(const SourceFile&) = delete;
    SourceFile& operator=(const SourceFile&) = delete;
    ~SourceFile();

    int fd() const { return fd_; }
    struct stat stat() const;

private:
    int fd_;
    std::string shown_;
};

class FileStream : public Stream {
public:
    struct Opened {
        std::string live_path;
        std::string shown;  // for errors
        uint64_t length = 0;
        bool growing = false;  // only the first `length` bytes must stay
        PinnedStat stat;       // at the open
        bool skip_holes = false;
    };
    // `when_settled` is told the first time settled() finds that all is well.
    FileStream(std::unique_ptr<SourceFile> file, Opened opened, std::function<void()> when_settled);

    std::optional<Section> next_section() override;
    size_t read(std::span<uint8_t> out) override;
    bool settled() override;

private:
    size_t hole_at(uint64_t offset, size_t limit);

    std::unique_ptr<SourceFile> file_;
    Opened opened_;
    std::function<void()> when_settled_;
    ReadAhead ahead_;
    uint64_t offset_ = 0;
    uint64_t data_until_ = 0;  // known to be no hole
    bool section_given_ = false;
    bool cut_short_ = false;
};

}  // namespace ingot
