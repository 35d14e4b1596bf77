// Making a running nginx take its config anew, and seeing that it really did.
//
// A reload is a signal: `nginx -s reload` has ended long before the master has read its config, and a config that the master
// refuses is a line in its error log while the old workers go on. So the workers are compared: it took the config when there is a
// new worker and each old one has gone, or says that it is shutting down.
//
// Thread safety: any thread. Errors: as said below.
#pragma once

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/process.h"

namespace ingot {

// The master process that the pid file names, where it is alive and is an nginx.
std::optional<pid_t> running_nginx(const std::string& pid_file);

struct NginxReload {
    Command command;                      // `nginx -s reload`, or the config's own
    std::vector<std::string> error_logs;  // where the master writes why it refused
    int64_t limit_ms = 60'000;
};

// Throws Error{failed} where the command fails, or the master does not take the config within the limit; it says what the error
// log says. `master` nothing: the command alone is the judge (nginx runs in another container, say).
void reload_nginx(const NginxReload& reload, std::optional<pid_t> master);

}  // namespace ingot
