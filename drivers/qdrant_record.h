// What a snapshot of a `qdrant` source records beside the archives: SOURCE.qdrant/collections.json.
//
//   SOURCE.qdrant/collections.json
//   SOURCE.qdrant/<collection>/shard-<n>.tar      streams of the shards, or
//   SOURCE.qdrant/<collection>/collection.tar     a snapshot of the whole collection
//
// A collection's folder is its name, percent-encoded. Thread safety: values. Errors: Error{damaged}.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/filesystem.h"
#include "drivers/tar_layout.h"

namespace ingot {

struct QdrantCollection {
    std::string name;                  // by which it is asked for; an alias after it was restored once
    std::string real_name;             // the collection's own
    std::vector<std::string> aliases;  // others, sorted
    std::string config;                // JSON, as the server describes it
    std::string payload_schema;        // JSON
    std::vector<uint32_t> shards;      // each one archive; none: the archive is one, of the whole collection
    std::string checksum;              // SHA-256 of that one, by the server; may be empty
    std::optional<uint64_t> points;    // exact; nothing where it changed during the pin
};

struct QdrantRecord {
    std::string version;                        // of the server
    std::vector<QdrantCollection> collections;  // sorted by name
};

std::string encode_qdrant_record(const QdrantRecord& record);
QdrantRecord decode_qdrant_record(const std::string& text);
QdrantRecord read_qdrant_record(FileSystem& fs, const std::string& path);

// Listing paths.
std::string qdrant_record_path(const std::string& source);
std::string qdrant_folder(const std::string& source, const QdrantCollection& collection);
std::vector<std::string> qdrant_archives(const std::string& source, const QdrantCollection& collection);

// Which members of an archive are arrays of vectors, by a collection's config.
TarKnown qdrant_vectors(const std::string& config);

// Is what was read a whole archive of a shard, or of a collection: ended, and with the members that the server writes last?
// Collects names as they come.
class QdrantArchiveCheck {
public:
    explicit QdrantArchiveCheck(bool whole_collection) : whole_collection_(whole_collection) {}
    void member(const TarMember& member);
    // Throws Error{damaged} saying what is missing.
    void require_whole(bool ended) const;
    // A member of a frozen segment was seen: what comes later does not change what is in the archive.
    bool segment_seen() const { return segments_ > 0; }
    uint64_t segment_members() const { return segments_; }
    uint64_t members() const { return members_; }

private:
    bool whole_collection_;
    uint64_t members_ = 0, segments_ = 0, shard_configs_ = 0, replica_states_ = 0;
    bool config_ = false;
};

// Walks an archive to its end and requires it whole. Throws Error{damaged}.
QdrantArchiveCheck check_qdrant_archive(const TarBytes& bytes, uint64_t size, bool whole_collection);

}  // namespace ingot
