// The driver of Redis and Valkey servers (docs/drivers/redis.md): all databases of one server, libraries of functions too.
//
// Pin: the server forks for a replica that is none (drivers/redis_dump.h); milliseconds. Its RDB is received in the background,
// and stored in the one form of its data (drivers/rdb_canonical.h). A restore loads it into spare databases, and swaps those.
//
// Entries: the folder "SOURCE.redis", in it `acl` (where the user may read it), `aux`, `dump.rdb` and, under an LRU or LFU
// policy, `eviction`.
//
// Thread safety: as any Driver. Errors: as any Driver.
#pragma once

#include "drivers/driver.h"
#include "drivers/redis_settings.h"

namespace ingot {

class RedisDriver : public Driver {
public:
    // Throws Error{usage}.
    explicit RedisDriver(SourceSpec spec);

    // Connects and logs in; waits for a save that is under way. Of a stopped server, where `data_dir` is known: has it files?
    void prepare() override;
    std::unique_ptr<Pin> pin() override;
    std::vector<SourceRoot> roots() const override;
    bool lives_at_roots() const override { return false; }
    // Reads the dump to its CRC.
    Facts open_artifact(const std::string& dir) override;
    std::optional<EngineMatch> match_engine(const Facts& then) override;
    // A pattern, as a fact says it: how many keys match now. By SCAN, which keeps nobody waiting.
    Fact ask_live(const std::string& question) override;
    std::unique_ptr<EngineTarget> engine_target(const TargetSpec& target) override;
    // A temporary server (drivers/redis_scratch.h); null where none is installed, or the artifact is an append-only file.
    std::unique_ptr<ScratchTarget> scratch_target(const ScratchSpec& scratch) override;

private:
    RedisSettings settings_;
    std::string root_;
};

}  // namespace ingot
