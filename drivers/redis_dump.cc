#include "drivers/redis_dump.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "base/error.h"
#include "base/interrupt.h"

namespace ingot {
namespace {

constexpr size_t kReceiveBytes = 1 << 20;
// Longest first line of an answer to PSYNC, and of the length before the file.
constexpr size_t kMostLineBytes = 4096;
constexpr std::chrono::milliseconds kTick{50};
// Writers are paused while a pin waits for a save that began before it.
constexpr int64_t kPinWaitMs = 2000;

bool is_refusal(const std::string& text) {
    return text.starts_with("NOPERM") || text.find("unknown command") != std::string::npos ||
           text.find("Unrecognized REPLCONF") != std::string::npos;
}

std::string field(const std::map<std::string, std::string>& info, const std::string& name) {
    const auto found = info.find(name);
    return found == info.end() ? "" : found->second;
}

bool has_child(const std::map<std::string, std::string>& info) {
    return field(info, "rdb_bgsave_in_progress") == "1" || field(info, "aof_rewrite_in_progress") == "1" ||
           field(info, "aof_rewrite_scheduled") == "1";
}

}  // namespace

void wait_for_no_child(RedisConnection& connection, int64_t limit_ms) {
    const int64_t until_ns = mono_now_ns() + limit_ms * 1'000'000;
    while (has_child(connection.info("persistence"))) {
        if (mono_now_ns() >= until_ns) {
            throw connection.error(fmt::format("it is saving its data, for more than {}", human_duration(limit_ms)),
                                   "run the command again when it has; `redis-cli INFO persistence` tells");
        }
        std::this_thread::sleep_for(kTick);
    }
}

RedisDump::RedisDump(const RedisSettings& settings, const std::string& spool_dir)
    : settings_(settings), connection_(std::make_unique<RedisConnection>(settings, Code::source)), spool_(spool_dir) {
    wait_for_no_child(*connection_, std::min(kPinWaitMs, settings_.timeout_ms));
    if (const RedisReply users = connection_->ask({"ACL", "LIST"}); users.kind == RedisReply::Kind::array) {
        std::string text;
        for (const RedisReply& user : users.items) text += user.text + "\n";
        users_ = std::move(text);
    }
    if (ask_as_replica()) {
        run(&RedisDump::receive);
    } else {
        connection_ = std::make_unique<RedisConnection>(settings_, Code::source);
        save();
        run(&RedisDump::read_saved);
    }
}

RedisDump::~RedisDump() {
    stop_ = true;
    if (connection_) connection_->abort();
    if (thread_.joinable()) thread_.join();
}

void RedisDump::run(void (RedisDump::*work)()) {
    thread_ = std::thread([this, work] {
        try {
            (this->*work)();
        } catch (...) {
            failed_ = std::current_exception();
        }
    });
}

const Spool& RedisDump::wait() {
    if (thread_.joinable()) thread_.join();
    if (failed_) std::rethrow_exception(failed_);
    return spool_;
}

// A line without its end. Empty lines before it keep the connection alive.
std::string RedisDump::line(int64_t timeout_ms) {
    std::string out;
    // Byte by byte: what follows the line is not to be taken with it.
    for (uint8_t byte = 0;;) {
        if (connection_->receive({&byte, 1}, timeout_ms) == 0)
            throw connection_->error("it closed the connection", "see the server's log");
        if (byte == '\n') {
            if (out.ends_with('\r')) out.pop_back();
            if (!out.empty()) return out;
            continue;
        }
        out += static_cast<char>(byte);
        if (out.size() > kMostLineBytes) throw connection_->error("its answer to PSYNC is none");
    }
}

bool RedisDump::ask_as_replica() {
    const RedisReply only = connection_->ask({"REPLCONF", "rdb-only", "1"});
    if (only.is_error()) {
        if (!is_refusal(only.text)) throw connection_->error(fmt::format("REPLCONF: {}", only.text));
        why_saved_ = only.text;
        return false;
    }
    moment_.first = now();
    connection_->send({"PSYNC", "?", "-1"});
    connection_->flush();
    const std::string answer = line(settings_.timeout_ms);
    moment_.last = now();
    if (answer.starts_with("+FULLRESYNC ")) return true;
    if (!answer.starts_with('-')) throw connection_->error(fmt::format("it answers PSYNC with {}", printable(answer)));
    if (!is_refusal(answer.substr(1)))
        throw connection_->error(fmt::format("PSYNC: {}", printable(answer.substr(1))), "run the command again later");
    why_saved_ = answer.substr(1);
    return false;
}

void RedisDump::receive() {
    // While the child writes, the server sends an empty line each second.
    const std::string head = line(settings_.timeout_ms);
    const bool digits = head.size() > 1 && head.size() < 20 && head[0] == '$' &&
                        std::all_of(head.begin() + 1, head.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (!digits)
        throw connection_->error(fmt::format("it sends no dump: {}", printable(head)),
                                 "see the server's log: its save may have failed");
    uint64_t left = std::stoull(head.substr(1));
    Bytes buffer(kReceiveBytes);
    while (left > 0) {
        const auto wanted = static_cast<size_t>(std::min<uint64_t>(left, buffer.size()));
        const size_t n = connection_->receive(std::span(buffer).first(wanted), settings_.timeout_ms);
        if (n == 0)
            throw connection_->error(fmt::format("it closed the connection {} before the end of its dump", human_bytes(left)),
                                     "see the server's log");
        spool_.append(ByteView(buffer).first(n));
        left -= n;
    }
}

void RedisDump::save() {
    saved_count_ = field(connection_->info("persistence"), "rdb_saves");
    moment_.first = now();
    connection_->call({"BGSAVE"});
    // The answer comes after the fork.
    moment_.last = now();
}

void RedisDump::read_saved() {
    const int64_t until_ns = mono_now_ns() + settings_.save_timeout_ms * 1'000'000;
    std::map<std::string, std::string> info;
    for (;;) {
        info = connection_->info("persistence");
        if (field(info, "rdb_bgsave_in_progress") != "1") break;
        if (stop_) return;
        if (mono_now_ns() >= until_ns)
            throw connection_->error("its BGSAVE takes too long", "`save_timeout` is how long it may take");
        std::this_thread::sleep_for(kTick);
    }
    if (field(info, "rdb_last_bgsave_status") != "ok") throw connection_->error("its BGSAVE failed", "see the server's log");
    const std::string path = join(connection_->config("dir", ""), connection_->config("dbfilename", "dump.rdb"));
    if (!path.starts_with('/')) {
        throw connection_->error(fmt::format("this user may neither PSYNC ({}) nor ask where the server saves", why_saved_),
                                 "allow it: ACL SETUSER NAME +psync +replconf");
    }
    // The file is the source's; a spool that is full is not its fault.
    const auto of_the_source = [&](auto&& read) {
        try {
            return read();
        } catch (const Error& error) {
            throw error.within(fmt::format("the file that {} saved", connection_->shown())).as(Code::source);
        }
    };
    const auto file = of_the_source([&] { return real_filesystem().open(path); });
    Bytes buffer(kReceiveBytes);
    for (uint64_t at = 0;;) {
        const size_t n = of_the_source([&] { return file->read_at(at, buffer); });
        if (n == 0 || stop_) break;
        spool_.append(ByteView(buffer).first(n));
        at += n;
    }
    const std::string saves = field(connection_->info("persistence"), "rdb_saves");
    if (!saved_count_.empty() && std::stoll(saves) != std::stoll(saved_count_) + 1) {
        throw connection_->error("it saved once more while its file was read", "run the command again");
    }
}

}  // namespace ingot
