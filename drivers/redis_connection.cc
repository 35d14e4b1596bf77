#include "drivers/redis_connection.h"

#include <fmt/format.h>
#include <hiredis/hiredis.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/clock.h"
#include "base/interrupt.h"
#include "drivers/redis_tls.h"

namespace ingot {
namespace {

constexpr size_t kSendBytes = 1 << 20;
constexpr size_t kReceiveBytes = 64 << 10;
// How often a wait looks whether it is to be given up.
constexpr int kTickMs = 200;

RedisReply reply_from(const redisReply& from) {
    RedisReply out;
    switch (from.type) {
        case REDIS_REPLY_STRING:
        case REDIS_REPLY_STATUS:
            out.kind = RedisReply::Kind::text;
            out.text.assign(from.str, from.len);
            break;
        case REDIS_REPLY_ERROR:
            out.kind = RedisReply::Kind::error;
            out.text.assign(from.str, from.len);
            break;
        case REDIS_REPLY_INTEGER:
            out.kind = RedisReply::Kind::integer;
            out.integer = from.integer;
            break;
        case REDIS_REPLY_ARRAY:
            out.kind = RedisReply::Kind::array;
            for (size_t i = 0; i < from.elements; ++i) out.items.push_back(reply_from(*from.element[i]));
            break;
        default:
            break;
    }
    return out;
}

}  // namespace

struct RedisConnection::Parts {
    ~Parts() {
        tls.reset();
        if (context != nullptr) redisFree(context);
    }
    redisContext* context = nullptr;
    std::unique_ptr<RedisTls> tls;
};

RedisConnection::RedisConnection(const RedisSettings& settings, Code code)
    : parts_(std::make_unique<Parts>()),
      code_(code),
      shown_(settings.shown()),
      source_(settings.source),
      timeout_ms_(settings.timeout_ms) {
    connect(settings);
    log_in(settings);
}

RedisConnection::~RedisConnection() = default;

Error RedisConnection::error(std::string what, std::string hint) const {
    return {code_, fmt::format("{} ({}): {}", shown_, source_, what), std::move(hint)};
}

void RedisConnection::connect(const RedisSettings& settings) {
    RedisUrl url = settings.url;
    if (!settings.url_env.empty()) url = settings.resolved(code_);
    const timeval limit{settings.timeout_ms / 1000, (settings.timeout_ms % 1000) * 1000};
    parts_->context = url.socket.empty() ? redisConnectWithTimeout(url.host.c_str(), url.port, limit)
                                         : redisConnectUnixWithTimeout(url.socket.c_str(), limit);
    std::string hint = fmt::format("start the server, or mend the url of [sources.{}]", source_);
    if (settings.data_dir.empty()) hint += "; where it does not start, name its folder there: data_dir = \"/var/lib/redis\"";
    if (parts_->context == nullptr) throw error("no memory for a connection");
    if (parts_->context->err != 0) throw error(fmt::format("connecting: {}", parts_->context->errstr), hint);
    redisEnableKeepAlive(parts_->context);
    if (url.tls) parts_->tls = std::make_unique<RedisTls>(parts_->context->fd, settings, url.host, shown_, code_);
}

void RedisConnection::log_in(const RedisSettings& settings) {
    const Secret password = settings.password(code_);
    RedisReply reply;
    if (!password.empty()) {
        Words words{"AUTH"};
        if (!settings.username.empty()) words.push_back(settings.username);
        words.push_back(password.text());
        reply = ask(words);
        if (reply.is_error() && reply.text.find("without any password configured") == std::string::npos) {
            throw error(fmt::format("logging in{}: {}", settings.username.empty() ? "" : " as " + printable(settings.username),
                                    reply.text),
                        fmt::format("mend the password or the user of [sources.{}]", source_));
        }
    }
    reply = ask({"PING"});
    if (!reply.is_error()) return;
    if (reply.text.starts_with("NOAUTH")) {
        throw error("it asks for a password",
                    fmt::format("name where it is: password_env or password_file in [sources.{}]", source_));
    }
    if (reply.text.starts_with("LOADING")) throw error("it is still loading its data", "run the command again when it has");
    // Users without PING are users still; what they may not do is said when it is asked for.
    if (!reply.text.starts_with("NOPERM")) throw error(reply.text);
}

void RedisConnection::wait_for(short events, int64_t deadline_ns) const {
    pollfd ready{parts_->context->fd, events, 0};
    for (;;) {
        if (code_ == Code::source) check_interrupted();
        const int64_t left_ms = (deadline_ns - mono_now_ns()) / 1'000'000;
        if (left_ms <= 0) {
            const bool tls_begins = parts_->tls && !parts_->tls->begun();
            throw error(tls_begins ? "it does not begin TLS" : "it does not answer",
                        tls_begins ? "see that this is its TLS port (tls-port), and whether it hangs"
                                   : "see whether it hangs (redis-cli PING); `timeout` is how long an answer is waited for");
        }
        const int got = ::poll(&ready, 1, static_cast<int>(std::min<int64_t>(left_ms, kTickMs)));
        if (got > 0) return;
        if (got < 0 && errno != EINTR) throw error(fmt::format("waiting: {}", std::strerror(errno)));
    }
}

// As much as goes without waiting; else what is to be waited for.
size_t RedisConnection::send_some(ByteView bytes, short& wait_for) {
    if (parts_->tls) {
        const RedisTls::Done done = parts_->tls->write(bytes);
        if (done.bytes == 0 && done.wait_for == 0) throw error("it closed the connection", "see the server's log");
        wait_for = done.wait_for;
        return done.bytes;
    }
    wait_for = POLLOUT;
    const ssize_t n = ::send(parts_->context->fd, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n >= 0) return static_cast<size_t>(n);
    if (errno != EAGAIN && errno != EINTR) throw error(fmt::format("sending: {}", std::strerror(errno)), "see the server's log");
    return 0;
}

// Nothing where it is to be waited for; 0 at the end.
std::optional<size_t> RedisConnection::receive_some(std::span<uint8_t> out, short& wait_for) {
    if (parts_->tls) {
        const RedisTls::Done done = parts_->tls->read(out);
        wait_for = done.wait_for;
        return wait_for == 0 ? std::optional(done.bytes) : std::nullopt;
    }
    wait_for = POLLIN;
    const ssize_t n = ::recv(parts_->context->fd, out.data(), out.size(), MSG_DONTWAIT);
    if (n >= 0) return static_cast<size_t>(n);
    if (errno != EAGAIN && errno != EINTR)
        throw error(fmt::format("receiving: {}", std::strerror(errno)), "see the server's log");
    return std::nullopt;
}

void RedisConnection::flush() {
    ByteView left = out_;
    int64_t deadline_ns = mono_now_ns() + timeout_ms_ * 1'000'000;
    while (!left.empty()) {
        short events = 0;
        if (const size_t n = send_some(left, events)) {
            left = left.subspan(n);
            deadline_ns = mono_now_ns() + timeout_ms_ * 1'000'000;
            continue;
        }
        wait_for(events, deadline_ns);
    }
    // It may have held a password.
    wipe(out_);
    out_.clear();
}

size_t RedisConnection::receive(std::span<uint8_t> out, int64_t timeout_ms) {
    const int64_t deadline_ns = mono_now_ns() + timeout_ms * 1'000'000;
    for (;;) {
        short events = 0;
        if (const std::optional<size_t> n = receive_some(out, events)) return *n;
        wait_for(events, deadline_ns);
    }
}

void RedisConnection::put(ByteView bytes) {
    if (out_.size() + bytes.size() > kSendBytes) flush();
    // Never let the buffer grow by itself: what it leaves behind is not wiped.
    out_.reserve(std::max(kSendBytes, bytes.size()));
    out_.insert(out_.end(), bytes.begin(), bytes.end());
}

void RedisConnection::put_word(std::string_view word) {
    put(view_of(fmt::format("${}\r\n", word.size())));
    put(view_of(word));
    put(view_of("\r\n"));
}

void RedisConnection::send(const Words& words) {
    put(view_of(fmt::format("*{}\r\n", words.size())));
    for (const std::string_view word : words) put_word(word);
}

void RedisConnection::send_open(size_t all_words, const Words& before, uint64_t bytes) {
    put(view_of(fmt::format("*{}\r\n", all_words)));
    for (const std::string_view word : before) put_word(word);
    put(view_of(fmt::format("${}\r\n", bytes)));
}

void RedisConnection::send_close(const Words& after) {
    put(view_of("\r\n"));
    for (const std::string_view word : after) put_word(word);
}

void RedisConnection::abort() noexcept { ::shutdown(parts_->context->fd, SHUT_RDWR); }

RedisReply RedisConnection::read() {
    flush();
    redisReader* reader = parts_->context->reader;
    Bytes buffer(kReceiveBytes);
    for (;;) {
        void* raw = nullptr;
        if (redisReaderGetReply(reader, &raw) != REDIS_OK) throw error(fmt::format("its answer is no RESP: {}", reader->errstr));
        if (raw != nullptr) {
            const std::unique_ptr<void, void (*)(void*)> owner(raw, freeReplyObject);
            return reply_from(*static_cast<redisReply*>(raw));
        }
        const size_t n = receive(buffer, timeout_ms_);
        if (n == 0) throw error("it closed the connection", "see the server's log");
        if (redisReaderFeed(reader, reinterpret_cast<const char*>(buffer.data()), n) != REDIS_OK) {
            throw error(fmt::format("its answer is no RESP: {}", reader->errstr));
        }
    }
}

RedisReply RedisConnection::ask(const Words& words) {
    send(words);
    return read();
}

RedisReply RedisConnection::call(const Words& words) {
    RedisReply reply = ask(words);
    if (reply.is_error()) {
        throw error(
            fmt::format("{}: {}", words.front(), reply.text),
            reply.text.starts_with("NOPERM") ? fmt::format("allow it to the user: ACL SETUSER NAME +{}", words.front()) : "");
    }
    return reply;
}

std::map<std::string, std::string> RedisConnection::info(std::string_view section) {
    return parse_redis_info(call({"INFO", section}).text);
}

std::string RedisConnection::config(std::string_view name, const std::string& otherwise) {
    const RedisReply reply = ask({"CONFIG", "GET", name});
    return reply.items.size() == 2 ? reply.items[1].text : otherwise;
}

bool redis_is_stopped(const RedisSettings& settings) {
    const RedisUrl url = settings.resolved(Code::source);
    const timeval limit{settings.timeout_ms / 1000, (settings.timeout_ms % 1000) * 1000};
    redisContext* context = url.socket.empty() ? redisConnectWithTimeout(url.host.c_str(), url.port, limit)
                                               : redisConnectUnixWithTimeout(url.socket.c_str(), limit);
    if (context == nullptr) return false;
    const std::string_view why = context->err == REDIS_ERR_IO ? context->errstr : "";
    const bool stopped = why == std::strerror(ECONNREFUSED) || (!url.socket.empty() && why == std::strerror(ENOENT));
    redisFree(context);
    return stopped;
}

std::map<std::string, std::string> parse_redis_info(std::string_view text) {
    std::map<std::string, std::string> out;
    while (!text.empty()) {
        const size_t end = std::min(text.find('\n'), text.size());
        std::string_view line = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        if (line.ends_with('\r')) line.remove_suffix(1);
        const size_t colon = line.find(':');
        if (line.starts_with('#') || colon == std::string_view::npos) continue;
        out.emplace(line.substr(0, colon), line.substr(colon + 1));
    }
    return out;
}

}  // namespace ingot
