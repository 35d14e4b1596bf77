// What the config says of the services around a stack: the commands that stop and start them when it is restored, and the
// questions that the restored stack must answer (docs/restore.md). Plain values; cli/config_services.cc and cli/config_probes.cc
// make them, restore/services.h and restore/probe.h carry them out.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace ingot {

// Long enough for `docker compose stop` of a few containers, each of which gets ten seconds.
inline constexpr int64_t kHookTimeoutMs = 120'000;

// [services]: command lines for /bin/sh, any of which may be empty.
struct ServicesSpec {
    std::string drain;     // keeps new requests away
    std::string stop;      // stops the writers, not the engines
    std::string checkout;  // puts the application of INGOT_VERSION in place
    std::string start;
    std::string undrain;
    int64_t timeout_ms = kHookTimeoutMs;  // of each

    bool any() const { return !(drain.empty() && stop.empty() && checkout.empty() && start.empty() && undrain.empty()); }
};

// [sources.X.hooks]: around each exchange of this source's live state, forward and back.
struct SourceHooks {
    std::string before_swap;
    std::string after_swap;
    int64_t timeout_ms = kHookTimeoutMs;
};

// [[probes]]: one question, asked until it is answered well or its time is over.
struct ProbeSpec {
    enum class Kind : uint8_t { http, tcp, command, sql, count, top_k };

    std::string name;
    Kind kind = Kind::command;
    std::string target;  // url, host:port, command line, SQL, or the collection of top_k
    // Of http.
    int status = 0;  // 0: any 2xx
    std::string contains;
    std::map<std::string, std::string> json;  // JSON pointer (RFC 6901) -> value, as text
    // Of sql, count and top_k: asked of this source's live engine.
    std::string source;
    std::string value;     // empty: `fact` says it
    std::string fact;      // of the source: what it was in the snapshot
    double tolerance = 0;  // as a share of the expected value
    // Of top_k (snapshot/top_k.h): compared with what was recorded when the snapshot was made golden.
    uint32_t k = 10;
    uint32_t spread = 5;      // so many stored vectors are the queries, where `queries` is empty
    std::string queries;      // a file of vectors, absolute
    std::string vector_name;  // where points have several
    int64_t timeout_ms = 30'000;
    int64_t interval_ms = 1'000;
};

}  // namespace ingot
