#include "drivers/redis_scratch.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <fstream>
#include <utility>

#include "base/clock.h"
#include "base/error.h"
#include "base/interrupt.h"
#include "base/running_command.h"
#include "base/step.h"
#include "drivers/redis_connection.h"
#include "drivers/source_paths.h"

namespace ingot {
namespace {

// Loading some GB takes a minute; indexes and lists are built while it is read.
constexpr int64_t kStartMs = 60'000;
constexpr uint64_t kLoadedBytesPerMs = 20'000;
constexpr std::chrono::milliseconds kTick{10};
// What a dump takes in memory, as often measured: twice its size and more; below that it is not even tried.
constexpr uint64_t kMemoryFactor = 2;
// More databases than anybody numbers; an empty one costs a few hundred bytes.
constexpr int kDatabases = 1024;

std::string installed_server() {
    const std::string redis = find_program("redis-server");
    return redis.empty() ? find_program("valkey-server") : redis;
}

// MemAvailable of /proc/meminfo, in bytes; nothing where it does not say.
std::optional<uint64_t> available_memory() {
    std::ifstream in("/proc/meminfo");
    std::string word;
    uint64_t kilobytes = 0;
    while (in >> word) {
        if (word == "MemAvailable:" && in >> kilobytes) return kilobytes * 1024;
    }
    return std::nullopt;
}

class RedisScratch : public ScratchTarget {
public:
    RedisScratch(const ScratchSpec& scratch, const RedisSettings& settings, SourceSpec spec, std::string dump)
        : folder_(join(scratch.work_dir, "redis-" + scratch.id)),
          settings_(settings),
          spec_(std::move(spec)),
          dump_(std::move(dump)) {
        own_.source = settings.source;
        own_.timeout_ms = settings.timeout_ms;
        own_.save_timeout_ms = settings.save_timeout_ms;
    }

    RedisScratch(const RedisScratch&) = delete;
    RedisScratch& operator=(const RedisScratch&) = delete;
    ~RedisScratch() override {
        if (folder_fd_ >= 0) ::close(folder_fd_);
    }

    std::string shown() const override { return "a temporary server of Redis"; }

    Facts load() override {
        const uint64_t size = real_filesystem().file_size(dump_).value_or(0);
        if (const auto memory = available_memory(); memory && *memory < size * kMemoryFactor) {
            throw Error(Code::failed,
                        fmt::format("a temporary server for {} takes more than {} of memory, and {} are available", spec_.name,
                                    human_bytes(size * kMemoryFactor), human_bytes(*memory)),
                        "drill on a larger machine, or say scratch = \"files\" in the config");
        }
        real_filesystem().make_dir(folder_, 0700);
        // The address of a socket is a path of at most 107 bytes: this one is short wherever the folder lies.
        folder_fd_ = ::open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (folder_fd_ < 0) throw Error::from_errno("opening", folder_, errno);
        own_.url.socket = fmt::format("/proc/self/fd/{}/s", folder_fd_);
        if (::symlink(dump_.c_str(), join(folder_, "dump.rdb").c_str()) != 0)
            throw Error::from_errno("making a link in", folder_, errno);
        start(size);
        step("drill.redis.started");
        RedisConnection connection(own_, Code::failed);
        return facts(connection);
    }

    SourceSpec source() const override {
        SourceSpec out = spec_;
        out.options = {{"url", "unix://" + own_.url.socket}};
        return out;
    }

    void remove() override {
        server_.reset();
        if (folder_fd_ >= 0) ::close(std::exchange(folder_fd_, -1));
        if (real_filesystem().exists(folder_)) remove_tree(real_filesystem(), folder_);
    }

private:
    void start(uint64_t size) {
        Command command;
        // Should the machine run out of memory all the same, this server goes first, and no database.
        command.argv = {"/bin/sh", "-c", "echo 1000 > /proc/self/oom_score_adj; exec \"$0\" \"$@\"", installed_server()};
        for (const char* word :
             {"--port", "0", "--unixsocketperm", "700", "--save", "", "--appendonly", "no", "--dbfilename", "dump.rdb",
              "--replicaof", "127.0.0.1", "1", "--repl-diskless-load", "disabled", "--daemonize", "no", "--logfile", ""})
            command.argv.emplace_back(word);
        for (const std::string& word : {std::string("--databases"), std::to_string(kDatabases), std::string("--unixsocket"),
                                        std::string("s"), std::string("--dir"), folder_})
            command.argv.push_back(word);
        command.folder = folder_;
        command.output_limit_bytes = 4096;
        server_ = std::make_unique<RunningCommand>(command);
        const int64_t until_ns = mono_now_ns() + (kStartMs + static_cast<int64_t>(size / kLoadedBytesPerMs)) * 1'000'000;
        for (;;) {
            check_interrupted();
            if (server_->ended()) ended();
            if (real_filesystem().exists(own_.url.socket)) {
                try {
                    RedisConnection connection(own_, Code::failed);
                    if (connection.info("persistence")["loading"] == "0") return;
                } catch (const Error& error) {
                    ignore_error(error, "it is asked again until its time is over");
                }
            }
            if (mono_now_ns() >= until_ns) {
                throw Error(Code::failed, fmt::format("a temporary server for {} is still loading", spec_.name),
                            "the machine is too slow or too small for it: say scratch = \"files\" in the config");
            }
            std::this_thread::sleep_for(kTick);
        }
    }

    [[noreturn]] void ended() const {
        const std::string words = server_->words();
        // The dump was read to its CRC before this: another version's is no damage.
        const bool other = words.find("RDB format version") != std::string::npos || words.find("module") != std::string::npos;
        const bool dump = words.find("RDB") != std::string::npos || words.find("loading") != std::string::npos;
        throw Error(other || !dump ? Code::failed : Code::damaged,
                    fmt::format("a temporary server for {} ended: {}", spec_.name, words),
                    other ? "install a server that is as new as the live one, with its modules, or say scratch = \"files\""
                          : "choose another snapshot");
    }

    Facts facts(RedisConnection& connection) const {
        int64_t keys = 0, expires = 0, databases = 0;
        for (const auto& [name, value] : connection.info("keyspace")) {
            long in_db = 0, expiring = 0;
            if (!name.starts_with("db") || std::sscanf(value.c_str(), "keys=%ld,expires=%ld", &in_db, &expiring) != 2) continue;
            keys += in_db;
            expires += expiring;
            ++databases;
        }
        return {{"scratch", shown()}, {"keys", keys}, {"expires", expires}, {"databases", databases}};
    }

    const std::string folder_;
    const RedisSettings& settings_;
    const SourceSpec spec_;
    const std::string dump_;
    RedisSettings own_;
    std::unique_ptr<RunningCommand> server_;
    int folder_fd_ = -1;
};

}  // namespace

std::unique_ptr<ScratchTarget> make_redis_scratch(const ScratchSpec& scratch, const RedisSettings& settings,
                                                  const SourceSpec& spec, const std::string& root) {
    const std::string dump = path_in_artifact(scratch.artifact_dir, root + "/dump.rdb");
    // What a process that died left is its folder, which goes with its scratch folder.
    if (installed_server().empty() || !real_filesystem().file_size(dump)) return nullptr;
    return std::make_unique<RedisScratch>(scratch, settings, spec, dump);
}

}  // namespace ingot
