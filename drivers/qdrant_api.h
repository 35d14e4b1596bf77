// The calls of Qdrant's REST interface that a snapshot and a restore are made of. docs/drivers/qdrant.md says of which versions.
//
// JSON that is only passed on (a collection's config, a filter) is text here. Names are percent-encoded into paths.
// Thread safety: one thread at a time; connections are kept open. Errors: Error{code}, which name the server and the request,
// never the key; Error{interrupted}.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/http.h"
#include "drivers/qdrant_settings.h"
#include "drivers/top_k.h"

namespace ingot {

struct QdrantInfo {
    std::string status;            // green, yellow, grey, red
    std::string optimizer_status;  // "ok", or why not
    std::optional<uint64_t> queued_updates;
    std::string config;          // JSON
    std::string payload_schema;  // JSON
};

struct QdrantShards {
    std::vector<uint32_t> local;  // sorted
    std::string not_active;       // of one that is not: its state
    size_t remote = 0;
};

struct QdrantSnapshotFile {
    std::string name;
    uint64_t size = 0;
    std::string checksum;
};

// Of a shard, or of the whole collection.
struct QdrantPlace {
    std::string collection;
    std::optional<uint32_t> shard;
};

// alias -> collection
using QdrantAliases = std::map<std::string, std::string>;

struct QdrantPoint {
    std::string id;  // a number, or a UUID
    bool number = false;
    Bytes vector;  // f32; empty where it has no dense vector of that name
};

class QdrantApi {
public:
    // `interruptible`: signals end its waits; not those of a swap, nor of what takes one back.
    QdrantApi(const QdrantSettings& settings, Code code, bool interruptible = true);

    std::string version();
    std::vector<std::string> collections();
    QdrantAliases aliases();
    // Of a collection or an alias; nothing where there is none of that name.
    std::optional<QdrantInfo> info(const std::string& name);
    QdrantShards shards(const std::string& collection);
    // Exact; `filter` is JSON or empty.
    uint64_t count(const std::string& collection, const std::string& filter = {});
    // Points from `from` on (JSON: a number or a UUID in quotes; empty: the first), in the order of their ids: numbers before
    // UUIDs. `vector_name`: of the vectors that come with them; empty: the only one.
    std::vector<QdrantPoint> scroll(const std::string& collection, const std::string& from, uint32_t limit,
                                    const std::string& vector_name);
    // The nearest points, exact: no index is asked. `query_points`: by the newer of two requests, from Qdrant 1.10 on.
    std::vector<Neighbour> nearest(const std::string& collection, const std::string& vector_name, const Bytes& vector, uint32_t k,
                                   bool query_points);
    // Returns once every update that was accepted before is applied: the deletion of a point that is not there, waited for.
    void drain_updates(const std::string& collection);

    // Both end early where `stop` says so.
    void stream_shard(const std::string& collection, uint32_t shard, const std::function<void(ByteView)>& to,
                      const std::function<bool()>& stop);
    void download(const std::string& collection, const std::string& snapshot, const std::function<void(ByteView)>& to,
                  const std::function<bool()>& stop);

    // The server makes it while this waits; it stays there until it is deleted.
    QdrantSnapshotFile create_snapshot(const std::string& collection, const std::function<bool()>& stop);
    std::vector<std::string> snapshots(const QdrantPlace& place);
    // Also after a signal. Nothing where it is not there.
    void delete_snapshot(const QdrantPlace& place, const std::string& name);
    // The server loads it while this waits. `checksum` may be empty.
    void upload(const QdrantPlace& place, HttpUpload file, const std::string& checksum);

    // From the config that info() gave of another one.
    void create(const std::string& collection, const std::string& config);
    // Of a field as payload_schema describes it.
    void create_indexes(const std::string& collection, const std::string& payload_schema);
    // Has a grey collection optimised. Changes no setting.
    void trigger_optimizers(const std::string& collection);
    // Nothing where it is not there.
    void remove(const std::string& collection);
    // All or none: those in `remove` first, then those in `add`.
    void change_aliases(const std::vector<std::string>& remove, const QdrantAliases& add);

    // "http://127.0.0.1:6333"
    const std::string& shown() const { return shown_; }

private:
    struct Answer;
    HttpRequest request(const std::string& method, const std::string& path) const;
    Answer ask(const HttpRequest& request, const std::string& path);
    Answer get(const std::string& path);
    Answer send(const std::string& method, const std::string& path, const std::string& json);
    Error refused(const HttpRequest& request, const std::string& path, const HttpResponse& response) const;
    void stream(const std::string& path, const std::function<void(ByteView)>& to, const std::function<bool()>& stop);

    const QdrantSettings& settings_;
    const Code code_;
    const bool interruptible_;
    const std::string shown_;
    std::unique_ptr<Http> http_;
};

// Is it at least that version? Throws Error{damaged} for text that is no version.
bool qdrant_at_least(const std::string& version, int major, int minor);

}  // namespace ingot
