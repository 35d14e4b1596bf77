// A program that runs beside this one, until it is stopped: a temporary server.
//
// It is Command's child (base/process.h), with the same limits but that of time, and ends with this object; and with this
// process, also one that is killed: the kernel sends it a signal then. Thread safety: one thread. Errors: Error{failed} where it
// cannot be started.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/process.h"

namespace ingot {

// A user that root runs a program as, without any other group.
struct Account {
    uint32_t uid = 0, gid = 0;
    // Nothing where there is no such user.
    static std::optional<Account> named(const std::string& user);
};

class RunningCommand {
public:
    // Started through setpriv, of util-linux. `limit_ms` of the command is not used.
    explicit RunningCommand(Command command, const std::optional<Account>& account = {});
    RunningCommand(const RunningCommand&) = delete;
    RunningCommand& operator=(const RunningCommand&) = delete;
    // Ends it: SIGTERM to its group, and SIGKILL after a second.
    ~RunningCommand();

    // Did it end by itself? What it said last is in words() then.
    bool ended() const;
    // Of both outputs, the last lines.
    std::string words() const;
    void stop();

private:
    struct State;
    std::unique_ptr<State> state_;
    std::jthread thread_;
};

// A command line that runs as another user; as it stands where there is none.
std::vector<std::string> as_user(const std::optional<Account>& account, std::vector<std::string> argv);
// The program's path, by PATH; empty where there is none.
std::string find_program(const std::string& name);

}  // namespace ingot
