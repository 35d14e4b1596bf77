// A PostgreSQL server of one's own, for a drill: started from the installed programs, on a unix socket only, with nothing in it.
//
// Root runs it as the user `postgres` (else `nobody`), because it refuses root. Its folder lies in the work folder where that
// user can reach it, else in /var/tmp; its name comes from the id. No fsync, no archive, no TCP: nothing in it is to last. Thread
// safety: one thread. Lifetime: the server ends with the object, and with the process. Errors: Error{failed}.
#pragma once

#include <optional>
#include <string>

#include "base/running_command.h"
#include "drivers/postgres_settings.h"

namespace ingot {

class PgTemporary {
public:
    // The lowest major version of an installed server that is at least this one; nothing where there is none.
    static std::optional<int> installed(int at_least);

    PgTemporary(const std::string& work_dir, const std::string& id) : work_dir_(work_dir), id_(id) {}
    PgTemporary(const PgTemporary&) = delete;
    PgTemporary& operator=(const PgTemporary&) = delete;
    ~PgTemporary();

    // Made, started, and answering. `source` is for messages.
    void start(int major, const std::string& source);
    bool running() const { return server_ != nullptr; }
    // "host='...' port='5432' user='postgres' dbname='postgres'"
    std::string conninfo() const;
    // Stopped, and its folder gone. Idempotent; also of what a process with this id left. Throws Error{failed}.
    void remove();

private:
    std::vector<std::string> folders() const;
    void stop() noexcept;

    const std::string work_dir_, id_;
    std::string folder_, programs_;
    std::optional<Account> account_;
    std::unique_ptr<RunningCommand> server_;
};

}  // namespace ingot
