// A connection to a Redis or Valkey server, with a deadline for every wait. RESP is read by hiredis; it appears nowhere else.
//
// An interrupt ends a wait where the code is Code::source; what changes a server is not left half way by one.
//
// Thread safety: one thread, but for abort(). Errors: Error of the code given at the start, for a server that is not there, does
// not answer in time, or says no; the password is in none.
#pragma once

#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "drivers/redis_settings.h"

namespace ingot {

struct RedisReply {
    enum class Kind : uint8_t { text, integer, array, nil, error };
    Kind kind = Kind::nil;
    std::string text;  // of texts and errors
    int64_t integer = 0;
    std::vector<RedisReply> items;

    bool is_error() const { return kind == Kind::error; }
    bool is_text(std::string_view wanted) const { return kind == Kind::text && text == wanted; }
};

class RedisConnection {
public:
    // Connects and logs in.
    RedisConnection(const RedisSettings& settings, Code code);
    ~RedisConnection();

    using Words = std::vector<std::string_view>;
    // Whatever it answers, an error too.
    RedisReply ask(const Words& words);
    // Throws where it answers with an error.
    RedisReply call(const Words& words);

    // Without waiting for the answer, which read() gets later. Sent at flush(), or when a megabyte is waiting.
    void send(const Words& words);
    // One command of which a word comes piece by piece: the words before it and its length, then its bytes, then the words after.
    void send_open(size_t all_words, const Words& before, uint64_t bytes);
    void send_raw(ByteView bytes) { put(bytes); }
    void send_close(const Words& after);
    void flush();
    RedisReply read();

    // The stream itself, for replication: what comes, as it comes; 0 at its end.
    size_t receive(std::span<uint8_t> out, int64_t timeout_ms);
    // Ends a wait in another thread.
    void abort() noexcept;

    // Sections of INFO: field -> value.
    std::map<std::string, std::string> info(std::string_view section);
    std::string config(std::string_view name, const std::string& otherwise);

    Error error(std::string what, std::string hint = {}) const;
    const std::string& shown() const { return shown_; }

private:
    struct Parts;
    void connect(const RedisSettings& settings);
    void log_in(const RedisSettings& settings);
    void put(ByteView bytes);
    void put_word(std::string_view word);
    void wait_for(short events, int64_t deadline_ns) const;
    size_t send_some(ByteView bytes, short& wait_for);
    std::optional<size_t> receive_some(std::span<uint8_t> out, short& wait_for);

    std::unique_ptr<Parts> parts_;
    Bytes out_;
    Code code_;
    std::string shown_;
    std::string source_;
    int64_t timeout_ms_;
};

// Nobody listens where the server should be. False where it hangs, refuses the password, or its name is not known.
bool redis_is_stopped(const RedisSettings& settings);

// As INFO prints it.
std::map<std::string, std::string> parse_redis_info(std::string_view text);

}  // namespace ingot
