// The RDB of a server at one moment: asked for as a replica does, received in the background.
//
// PSYNC without "capa eof": the line +FULLRESYNC then comes right after the server forked, and is the pin; what the server writes
// after it is not in the dump. The child writes the server's own RDB file, as any BGSAVE does, and the server sends that. Where
// the user may not PSYNC, or the command is renamed, BGSAVE forks, and its file is read; the server must then be on this host.
//
// Thread safety: one thread. Errors: Error{source}.
#pragma once

#include <exception>
#include <memory>
#include <string>
#include <thread>

#include "base/spool.h"
#include "drivers/driver.h"
#include "drivers/redis_connection.h"

namespace ingot {

class RedisDump {
public:
    // Pins: returns once the server has forked.
    RedisDump(const RedisSettings& settings, const std::string& spool_dir);
    ~RedisDump();

    const PinMoment& moment() const { return moment_; }
    // Empty where PSYNC worked; else why not.
    const std::string& why_saved() const { return why_saved_; }
    // The whole of it. The server may be gone by then.
    const Spool& wait();
    // The users, as ACL LIST prints them, a line each; nothing where this user may not ask.
    const std::optional<std::string>& users() const { return users_; }

private:
    bool ask_as_replica();
    std::string line(int64_t timeout_ms);
    void receive();
    void save();
    void read_saved();
    void run(void (RedisDump::*work)());

    RedisSettings settings_;
    std::unique_ptr<RedisConnection> connection_;
    Spool spool_;
    PinMoment moment_;
    std::string why_saved_;
    std::optional<std::string> users_;
    std::string saved_count_;
    std::exception_ptr failed_;
    std::atomic<bool> stop_{false};
    std::thread thread_;
};

// Waits until no child of the server saves or rewrites anything. Throws Error of the connection's code when that takes longer.
void wait_for_no_child(RedisConnection& connection, int64_t limit_ms);

}  // namespace ingot
