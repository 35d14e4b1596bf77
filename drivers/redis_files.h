// The files of a server that is stopped: what it would load when it starts, taken as one set (drivers/file_set.h).
//
//   without an append-only file   its RDB file alone
//   with one                      the RDB file and all of appendonlydir (Redis 7: a manifest, a base, increments), or
//   appendonly.aof
//
// A file that somebody has open for writing means a server that runs after all, only elsewhere than the url says: refused.
//
// Thread safety: one thread. Errors: Error{source}.
#pragma once

#include <string>
#include <vector>

#include "drivers/file_set.h"

namespace ingot {

class RedisFiles {
public:
    // `data_dir` is the server's `dir`. Files are listed as `root`/files/NAME.
    RedisFiles(const std::string& data_dir, const std::string& root, const std::string& spool_dir);

    PinMoment moment() const { return set_.moment(); }
    bool append_only() const { return append_only_; }
    // In listing order.
    const std::vector<LeasedFile*>& files() const { return set_.files(); }
    // Null: there is none.
    LeasedFile* rdb() const { return rdb_; }
    // Of the file that was written last.
    int64_t written_ms() const;

private:
    FileSet set_;
    LeasedFile* rdb_ = nullptr;
    bool append_only_ = false;
};

// The names in the manifest of an append-only file: its base, history and increments. Throws Error{damaged}.
std::vector<std::string> aof_manifest_files(std::string_view text);

// Looks at a set of such files below a folder: the manifest's files are there, and every RDB file among them is right to its CRC.
// Returns how many files there are. Throws Error{damaged}.
size_t check_redis_files(const std::string& folder);

}  // namespace ingot
