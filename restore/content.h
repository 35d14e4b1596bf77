// What a restore asks of the snapshot's contents: their chunks' digests, to compare with live files, and their bytes, to stage.
//
// Thread safety: one thread; read() delivers on several. Errors: Error{damaged}; Error{failed} for live files.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "base/filesystem.h"
#include "base/progress.h"
#include "store/reader.h"

namespace ingot {

class SnapshotContent {
public:
    virtual ~SnapshotContent() = default;
    virtual void read(const std::function<std::optional<ReadRequest>()>& next, ReadSink& sink) = 0;
    // The chunks of a stream in order; `each` returns false to stop.
    virtual void walk(const StreamRoot& root, const std::function<bool(const Digest&, uint64_t length)>& each) = 0;
};

class RepositoryContent : public SnapshotContent {
public:
    RepositoryContent(Repository& repository, Progress& progress) : reader_(repository), progress_(progress) {}
    void read(const std::function<std::optional<ReadRequest>()>& next, ReadSink& sink) override;
    void walk(const StreamRoot& root, const std::function<bool(const Digest&, uint64_t length)>& each) override;

private:
    Reader reader_;
    Progress& progress_;
};

// Does the live file hold exactly these bytes? Compared by hash, chunk by chunk; size and time prove nothing.
bool same_content(SnapshotContent& content, const StreamRoot& root, ReadFile& live);

}  // namespace ingot
