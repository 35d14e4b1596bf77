// What an nginx config reads, and what testing it would write.
//
// The config's files are followed from the first one through every `include`, as nginx does it: relative to the folder of the
// first file, with patterns. Certificates, keys, password files and the like are relative to that folder too; logs, the pid file,
// temporary folders and modules to the prefix.
//
// Thread safety: pure functions. Errors: none thrown; what cannot be read is missing.
#pragma once

#include <string>
#include <vector>

#include "drivers/overlaid_tree.h"

namespace ingot {

// Where nginx looks, before any config says otherwise. The defaults are those of Debian's packages.
struct NginxPlaces {
    std::string conf = "/etc/nginx/nginx.conf";
    std::string prefix = "/usr/share/nginx";
    std::string pid = "/run/nginx.pid";
    // Logs and temporary folders that nginx makes where the config names none.
    std::vector<std::string> written;
};

struct NginxFiles {
    std::vector<std::string> config;      // the first file and all that are included, each once
    std::vector<std::string> referenced;  // certificates, keys, password files, modules, ...
    std::vector<std::string> missing;     // of both: named and not there, or not to be read
    std::vector<std::string> absolute;    // what is named by an absolute path, patterns as they stand
    std::vector<std::string> unparsed;    // config files too large or too many to be looked into
    std::vector<std::string> written;     // logs, pid, lock, sockets, temporary and cache folders: what a test makes or opens
    std::string pid;
    std::vector<std::string> error_logs;
};

NginxFiles nginx_files(const OverlaidTree& tree, const NginxPlaces& places);

}  // namespace ingot
