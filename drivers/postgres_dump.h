// pg_dump in the background, for a snapshot that another session exported, into a nameless spool; read back in sections.
//
// Spooled and not streamed: nothing of a dump is delivered before it ended well, and the session that holds the snapshot and its
// locks ends as early as it can.
// Thread safety: one thread, beside its own. Errors: Error{source}, Error{interrupted}.
#pragma once

#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>

#include "base/clock.h"
#include "base/process.h"
#include "base/spool.h"
#include "base/stream.h"
#include "drivers/postgres_archive.h"
#include "drivers/postgres_tools.h"

namespace ingot {

class PgDump {
public:
    // Runs `command`, whose output is the dump.
    PgDump(const PgTools& tools, Command command, std::string what, const std::string& spool_dir);
    PgDump(const PgDump&) = delete;
    PgDump& operator=(const PgDump&) = delete;
    ~PgDump() = default;  // ends it where it still runs

    // pg_dump prints nothing before it has locked every table. Returns at its end, too, where that comes first.
    void wait_for_first_byte();
    // Throws unless it ended well and its output is a whole archive.
    const PgArchive& wait_for_archive();
    uint64_t size() const { return spool_.size(); }
    std::unique_ptr<Stream> stream() const;

private:
    void work(const std::stop_token& stop);

    const PgTools& tools_;
    Command command_;
    const std::string what_;
    Spool spool_;
    std::mutex mutex_;
    std::condition_variable changed_;
    bool first_byte_ = false, ended_ = false;
    CommandResult result_;
    std::exception_ptr error_;
    std::optional<PgArchive> archive_;
    std::jthread thread_;  // the last: joined before the rest goes
};

}  // namespace ingot
