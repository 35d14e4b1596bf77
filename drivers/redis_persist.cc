#include "drivers/redis_persist.h"

#include <fmt/format.h>

#include <chrono>
#include <thread>

#include "base/clock.h"
#include "drivers/redis_dump.h"

namespace ingot {
namespace {

constexpr std::chrono::milliseconds kTick{20};

std::string field(const std::map<std::string, std::string>& info, const std::string& name) {
    const auto found = info.find(name);
    return found == info.end() ? "" : found->second;
}

struct Kind {
    const char* command;
    const char* in_progress;
    const char* status;
};

// A child that began before what is to be durable does not count: its own is started once there is none.
void run_child(RedisConnection& connection, const Kind& kind, int64_t until_ns) {
    for (;;) {
        wait_for_no_child(connection, std::max<int64_t>(1, (until_ns - mono_now_ns()) / 1'000'000));
        const RedisReply reply = connection.ask({kind.command});
        if (!reply.is_error() && reply.text.find("scheduled") == std::string::npos) break;
        // Another child began in between.
        const bool busy = !reply.is_error() || reply.text.find("in progress") != std::string::npos ||
                          reply.text.find("Another child") != std::string::npos;
        if (!busy || mono_now_ns() >= until_ns) throw connection.error(fmt::format("{}: {}", kind.command, reply.text));
        std::this_thread::sleep_for(kTick);
    }
    for (;;) {
        const auto info = connection.info("persistence");
        if (field(info, kind.in_progress) != "1") {
            if (field(info, kind.status) == "ok") return;
            throw connection.error(fmt::format("its {} failed", kind.command), "see the server's log: the disk may be full");
        }
        if (mono_now_ns() >= until_ns) {
            throw connection.error(fmt::format("its {} takes too long", kind.command), "`save_timeout` is how long it may take");
        }
        std::this_thread::sleep_for(kTick);
    }
}

}  // namespace

void make_redis_durable(RedisConnection& connection, int64_t limit_ms) {
    const int64_t until_ns = mono_now_ns() + limit_ms * 1'000'000;
    if (field(connection.info("persistence"), "aof_enabled") != "1") {
        return run_child(connection, {"BGSAVE", "rdb_bgsave_in_progress", "rdb_last_bgsave_status"}, until_ns);
    }
    if (connection.config("appendfsync", "") == "always") return;
    // Half of what an answer may take, so that its own limit comes first.
    const RedisReply synced = connection.ask({"WAITAOF", "1", "0", "5000"});
    if (synced.items.size() == 2 && synced.items[0].integer == 1) return;
    run_child(connection, {"BGREWRITEAOF", "aof_rewrite_in_progress", "aof_last_bgrewrite_status"}, until_ns);
}

}  // namespace ingot
