// The nginx program: where it is, what it was built with, and what it says of a config.
//
// Thread safety: any thread. Errors: Error{failed} where it cannot be started or outlives its limit.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "drivers/nginx_files.h"

namespace ingot {

struct NginxProgram {
    std::string path;     // absolute
    std::string version;  // "nginx/1.22.1"
    NginxPlaces places;   // as it was built; a config's `conf` and `prefix` replace two of them
};

// Looks for `name` on PATH, and in the folders for system programs that the PATH of an ordinary user lacks; asks it for its
// version (`nginx -V`). Nothing where there is none.
std::optional<NginxProgram> find_nginx(const std::string& name, int64_t limit_ms);
// What `nginx -V` printed.
void read_build_options(std::string_view text, NginxProgram& program);

struct NginxTrial {
    enum class Verdict { accepted, rejected, untested } verdict = Verdict::untested;
    std::string message;  // nginx's own, or why it was not tested: one line, at most 600 bytes
    int64_t warnings = 0;
    // Of `list_files`, when accepted: every config file that nginx read.
    std::vector<std::string> read;
};

struct NginxTrialInput {
    const OverlaidTree* tree = nullptr;
    NginxPlaces places;
    bool list_files = false;
    std::string scratch_dir;  // a folder for what nginx writes; it is left empty
    int64_t limit_ms = 60'000;
};

// `nginx -t`, or -T, of the config as it is in `tree`, in mounts of its own: nginx opens logs, makes its pid file and temporary
// folders while it tests, and none of that shows outside. Where no mounts are to be had, a tree that is all in one place is
// tested there if that makes nothing new; else it stays untested. As every test by nginx it resolves the names of upstreams, and
// opens the sockets to be listened on for a moment.
NginxTrial try_config(const NginxProgram& program, const NginxTrialInput& input);

// The first lines of nginx's messages without times and pids; the last resort is "ended with status N".
std::string nginx_message(const std::string& err, int status);

}  // namespace ingot
