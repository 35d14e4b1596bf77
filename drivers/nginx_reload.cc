#include "drivers/nginx_reload.h"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <climits>
#include <ctime>
#include <fstream>
#include <map>

#include "base/clock.h"
#include "base/error.h"
#include "base/filesystem.h"
#include "drivers/nginx_program.h"

namespace ingot {
namespace {

// Pid files hold a number and a newline.
constexpr size_t kPidBytes = 64;
// Between two looks at the workers. A reload takes some 50 ms and up.
constexpr int64_t kLookMs = 50;
// After a failed bind() the master tries again five times, 500 ms apart, and then gives up.
constexpr std::string_view kBindGivenUp = "still could not bind";
// Of one error log, from one look to the next.
constexpr size_t kLogBytes = 1 << 20;

std::string first_bytes(const std::string& path, size_t limit) {
    std::ifstream in(path, std::ios::binary);
    std::string out(limit, '\0');
    in.read(out.data(), static_cast<std::streamsize>(limit));
    out.resize(static_cast<size_t>(in.gcount()));
    return out;
}

// The title of a process: nginx writes "nginx: worker process is shutting down" there.
std::string title_of(pid_t pid) {
    std::string title = first_bytes(fmt::format("/proc/{}/cmdline", pid), 4096);
    return title.substr(0, title.find('\0'));
}

pid_t parent_pid_of(pid_t pid) {
    const std::string stat = first_bytes(fmt::format("/proc/{}/stat", pid), 4096);
    const size_t name_end = stat.rfind(") ");  // a name may hold anything
    if (name_end == std::string::npos || name_end + 4 >= stat.size()) return 0;
    pid_t parent = 0;
    std::from_chars(stat.data() + name_end + 4, stat.data() + stat.size(), parent);
    return parent;
}

bool is_working(const std::string& title) {
    return title.find("worker process") != std::string::npos && title.find("shutting down") == std::string::npos;
}

std::vector<pid_t> workers_of(pid_t master) {
    std::vector<pid_t> out;
    real_filesystem().list("/proc", [&](const std::string& name) {
        pid_t pid = 0;
        const auto end = std::from_chars(name.data(), name.data() + name.size(), pid).ptr;
        if (end != name.data() + name.size() || pid <= 0 || parent_pid_of(pid) != master) return;
        if (is_working(title_of(pid))) out.push_back(pid);
    });
    return out;
}

// What the master writes to its error logs from now on.
class ErrorLogs {
public:
    ErrorLogs(std::vector<std::string> paths, pid_t master) : stamp_(fmt::format("[emerg] {}#", master)) {
        // Where it writes now: its config may have named another log when it last read it.
        char target[PATH_MAX];
        const ssize_t n = ::readlink(fmt::format("/proc/{}/fd/2", master).c_str(), target, sizeof target);
        if (n > 0 && target[0] == '/') paths.emplace_back(target, static_cast<size_t>(n));
        for (const std::string& path : paths) read_to_[path] = size_of(path);
    }

    // The master's [emerg] lines that were not seen yet.
    std::vector<std::string> next() {
        std::vector<std::string> found;
        for (auto& [path, offset] : read_to_) {
            const uint64_t size = size_of(path);
            if (size <= offset) continue;
            std::ifstream in(path, std::ios::binary);
            in.seekg(static_cast<std::streamoff>(offset));
            std::string text(std::min<uint64_t>(size - offset, kLogBytes), '\0');
            in.read(text.data(), static_cast<std::streamsize>(text.size()));
            text.resize(static_cast<size_t>(in.gcount()));
            if (text.size() < kLogBytes) text.resize(text.rfind('\n') + 1);  // whole lines; npos + 1 is 0
            offset += text.size();
            for (size_t at = 0; at < text.size();) {
                const size_t end = std::min(text.find('\n', at), text.size());
                const std::string line = text.substr(at, end - at);
                at = end + 1;
                if (line.find(stamp_) != std::string::npos) found.push_back(line);
            }
        }
        return found;
    }

private:
    // Regular files only: a log may be a terminal or a pipe.
    static uint64_t size_of(const std::string& path) {
        try {
            return real_filesystem().file_size(path).value_or(0);
        } catch (const Error& error) {
            ignore_error(error, "without this log the workers alone tell whether the reload succeeded");
            return 0;
        }
    }

    std::string stamp_;
    std::map<std::string, uint64_t> read_to_;
};

[[noreturn]] void refused(const std::string& why) {
    throw Error(Code::failed, fmt::format("nginx did not take the config: {}", why),
                "nginx goes on with the config it had; its error log says more");
}

void await_new_workers(pid_t master, const std::vector<pid_t>& before, ErrorLogs& logs, int64_t limit_ms) {
    const int64_t deadline = mono_now_ns() + limit_ms * 1'000'000;
    std::string last;
    for (;;) {
        const std::vector<pid_t> workers = workers_of(master);
        const auto is_old = [&](pid_t pid) { return std::find(before.begin(), before.end(), pid) != before.end(); };
        if (!workers.empty() && std::none_of(workers.begin(), workers.end(), is_old)) return;
        for (const std::string& line : logs.next()) {
            const bool bind_failed = line.find(" bind() to ") != std::string::npos;
            const bool gave_up = line.find(kBindGivenUp) != std::string::npos;
            if (!gave_up || last.empty()) last = nginx_message(line, 0);
            if (!bind_failed) refused(last);
        }
        if (title_of(master).empty()) refused("its master process has ended");
        if (mono_now_ns() >= deadline) {
            refused(last.empty() ? fmt::format("no new worker process after {}", human_duration(limit_ms)) : last);
        }
        const timespec pause{.tv_sec = 0, .tv_nsec = kLookMs * 1'000'000};
        ::nanosleep(&pause, nullptr);
    }
}

}  // namespace

std::optional<pid_t> running_nginx(const std::string& pid_file) {
    const std::string text = first_bytes(pid_file, kPidBytes);
    pid_t pid = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), pid);
    if (error != std::errc() || pid <= 1 || !std::all_of(end, text.data() + text.size(), [](char c) { return std::isspace(c); }))
        return std::nullopt;
    // A file that a crash left may name a process of another program by now.
    if (title_of(pid).find("nginx: master process") == std::string::npos) return std::nullopt;
    return pid;
}

void reload_nginx(const NginxReload& reload, std::optional<pid_t> master) {
    const std::vector<pid_t> before = master ? workers_of(*master) : std::vector<pid_t>();
    ErrorLogs logs(reload.error_logs, master.value_or(0));
    const CommandResult result = run(reload.command);
    if (result.status != 0) {
        throw Error(Code::failed, fmt::format("reloading nginx: {}", nginx_message(result.err, result.status)),
                    "nginx goes on with the config it had");
    }
    if (master) await_new_workers(*master, before, logs, reload.limit_ms);
}

}  // namespace ingot
