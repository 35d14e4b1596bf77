// The files cache: what this client remembers of the streams of one source, so that an unchanged file is not read again.
//
//   state_dir/<repository id>/files/<stack>.<source>:
//     "INGOTFC1"   u32-prefixed generation
//     entries in listing order, each: u32 length of the rest, u32-prefixed path, u32-prefixed fingerprint, u8 height,
//                                     32 bytes digest, u64 size, u8 has_sha256, [32 bytes sha256], u64 chunks
//     u64 count of entries   u64 FNV-1a of all bytes before it
//
// It is only ever a hint that may be lost: whatever is wrong with it (torn, flipped, another format, another generation of the
// repository, a path of another order) means "remember nothing". Reading and writing walk along in listing order, so that memory
// does not grow with the number of files.
//
// Thread safety: one thread. Errors: none; a cache that cannot be written is not, and problem() says why.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/filesystem.h"
#include "store/types.h"

namespace ingot {

struct CachedFile {
    std::string path;
    Bytes fingerprint;
    StreamRoot root;
    std::optional<Digest> sha256;
    uint64_t chunks = 0;
};

// Where the cache of a source lies; names are made safe.
std::string files_cache_path(const std::string& state_dir, const RepositoryId& repository, const std::string& stack,
                             const std::string& source);

class FilesCacheReader {
public:
    FilesCacheReader(FileSystem& fs, const std::string& path, const std::string& generation);

    // What is remembered of the path, where its fingerprint is this one. Paths are asked for in listing order.
    // Borrowed until the next call.
    const CachedFile* find(const std::string& path, const Bytes& fingerprint);
    uint64_t count() const { return count_; }
    uint64_t hits() const { return hits_; }

private:
    void open(FileSystem& fs, const std::string& path, const std::string& generation);
    bool advance();
    ByteView take(size_t wanted);
    void forget();

    std::unique_ptr<ReadFile> file_;
    uint64_t offset_ = 0;  // of the first byte after the buffer
    uint64_t end_ = 0;     // of the entries
    uint64_t count_ = 0;
    uint64_t hits_ = 0;
    Bytes buffer_;
    size_t buffered_from_ = 0;
    std::optional<CachedFile> current_;
};

// Writes the next cache beside the present one, which stays until publish().
class FilesCacheWriter {
public:
    FilesCacheWriter(FileSystem& fs, const std::string& path, const std::string& generation);
    FilesCacheWriter(const FilesCacheWriter&) = delete;
    FilesCacheWriter& operator=(const FilesCacheWriter&) = delete;
    ~FilesCacheWriter();  // removes what was not published

    // In listing order.
    void add(const CachedFile& file);
    // All of it is on the disk, beside the present one.
    void finish();
    // It takes the present one's place, durably; to be called once the streams it names are committed.
    void publish();
    const std::string& problem() const { return problem_; }

private:
    void attempt(const std::function<void()>& work);
    void write(ByteView bytes);
    void flush();

    FileSystem& fs_;
    std::string path_;
    std::string temporary_;
    std::unique_ptr<WriteFile> file_;
    Bytes buffer_;
    uint64_t count_ = 0;
    uint64_t sum_;
    bool published_ = false;
    std::string problem_;
};

}  // namespace ingot
