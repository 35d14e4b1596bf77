// The one small file-system interface of Ingot. All I/O of the store and every swap of a restore goes through it, so
// that faults can be put under it (tests/support/faulty_filesystem.h).
//
// Durability, in words:
//   WriteFile::sync     the bytes written so far survive a power cut; the name may not.
//   FileSystem::sync_dir  the names in that folder (creations, renames, removals) survive a power cut.
//   FileSystem::sync_file the bytes and attributes (owner, mode, times) of a file that is there survive a power cut.
//   publish / write_new_file  both, in the right order: there is no other durable replace, and no other rename, in the tree.
// After a failed write or sync a WriteFile refuses further work (a failed fsync is never retried: the kernel may have dropped
// the pages and called them clean).
//
// Errors: Error{failed} with path and hint; Error{not_found} where the path does not exist.
// Thread safety: FileSystem may be used from any thread; ReadFile::read_at too; a WriteFile by one thread at a time except
// write_at, which may be called for disjoint ranges concurrently.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/bytes.h"

namespace ingot {

class ReadFile {
public:
    virtual ~ReadFile() = default;
    // Fills `out` from `offset`, or as much as there is: returns the bytes read, short only at the end of the file.
    virtual size_t read_at(uint64_t offset, std::span<uint8_t> out) = 0;
    virtual uint64_t size() = 0;
    // Asks the kernel to forget its cached pages of this file, so that the next read comes from the medium.
    virtual void drop_cache() = 0;
    // Says that these bytes will be read soon: the medium works on them meanwhile. A hint; nothing may depend on it.
    virtual void will_need(uint64_t offset, uint64_t length) { (void)offset, (void)length; }
};

class WriteFile {
public:
    virtual ~WriteFile() = default;  // closes; an unsynced file may lose anything
    virtual void append(ByteView bytes) = 0;
    virtual void write_at(uint64_t offset, ByteView bytes) = 0;
    virtual void set_size(uint64_t bytes) = 0;
    virtual void sync() = 0;
    // Has the medium begin on what was written so far, so that sync() finds less to do. A hint; nothing is durable by it.
    virtual void start_writeback() {}
    virtual int fd() const = 0;  // for metadata calls (base/metadata.h); -1 where there is none
};

enum class Rename {
    no_replace,  // RENAME_NOREPLACE: Error{failed} with EEXIST where `to` exists
    exchange,    // RENAME_EXCHANGE: both must exist
    replace,     // plain rename(2)
};

class FileSystem {
public:
    virtual ~FileSystem() = default;

    virtual std::unique_ptr<ReadFile> open(const std::string& path) = 0;
    // Creates a file that must not exist yet (O_EXCL, O_NOFOLLOW).
    virtual std::unique_ptr<WriteFile> create(const std::string& path, uint32_t mode) = 0;
    virtual void rename(const std::string& from, const std::string& to, Rename how) = 0;
    virtual void remove(const std::string& path) = 0;
    virtual void remove_dir(const std::string& path) = 0;
    // False where something of that name is there already.
    virtual bool make_dir(const std::string& path, uint32_t mode) = 0;
    virtual void sync_dir(const std::string& path) = 0;
    // Of a regular file, however little its owner may do with it; links are not followed. For changes that were not made through
    // a WriteFile. Nothing to do for what is no regular file: no sync call takes a symlink, a FIFO or a device node.
    virtual void sync_file(const std::string& path) = 0;
    // Calls `each` with every name in the folder (not "." and ".."), in no order.
    virtual void list(const std::string& path, const std::function<void(const std::string& name)>& each) = 0;
    // Size of a regular file; nothing where there is none.
    virtual std::optional<uint64_t> file_size(const std::string& path) = 0;
    virtual bool exists(const std::string& path) = 0;  // of any type, links not followed
};

// The operating system's file system.
FileSystem& real_filesystem();

// The folder a path lies in ("." for a bare name), and its last component.
std::string parent_of(const std::string& path);
std::string base_name_of(const std::string& path);
std::string join(const std::string& folder, const std::string& name);

// Makes the synced file `temporary` appear as `path`: rename without replacing, then sync of the folder.
// False, with the temporary removed, where `path` exists already.
bool publish_new(FileSystem& fs, const std::string& temporary, const std::string& path);

// Writes `path`, which must not exist, durably: temporary beside it, sync, publish_new. False where it exists.
bool write_new_file(FileSystem& fs, const std::string& path, ByteView bytes, uint32_t mode = 0600);

// Replaces or creates `path` durably: old bytes or new bytes, never a mixture.
void replace_file(FileSystem& fs, const std::string& path, ByteView bytes, uint32_t mode = 0600);

// The whole of a file of at most `limit_bytes`. Throws Error{damaged} where it is larger.
Bytes read_file(FileSystem& fs, const std::string& path, uint64_t limit_bytes);

// mkdir -p; durable.
void make_dirs(FileSystem& fs, const std::string& path, uint32_t mode);

// Removes a folder and all below it. Links are removed, not followed. Stops at the first error.
void remove_tree(FileSystem& fs, const std::string& path);

}  // namespace ingot
