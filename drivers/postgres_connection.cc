#include "drivers/postgres_connection.h"

#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <pqxx/pqxx>
#include <thread>

#include "base/clock.h"
#include "base/interrupt.h"

namespace ingot {
namespace {

// For the server's answer to a new connection; a busy server forks in milliseconds, one behind a full backlog in a few seconds.
constexpr int kConnectSeconds = 10;
// How often a wait looks whether somebody pressed Ctrl-C.
constexpr std::chrono::milliseconds kInterruptTick{200};
constexpr size_t kMessageBytes = 600;

// While it lives, the socket is shut down at the deadline: a libpq call that waits for it then returns. (Libpq has no time limit
// for the answer to a statement, and the server's statement_timeout is no help against a server that hangs.)
class Deadline {
public:
    Deadline(int socket, int64_t limit_ms, bool interruptible)
        : until_(std::chrono::steady_clock::now() + std::chrono::milliseconds(limit_ms)),
          thread_([this, socket, interruptible] { watch(socket, interruptible); }) {}
    Deadline(const Deadline&) = delete;
    Deadline& operator=(const Deadline&) = delete;
    ~Deadline() { end(); }

    // True where it cut the connection.
    bool end() {
        {
            const std::lock_guard lock(mutex_);
            done_ = true;
        }
        changed_.notify_all();
        if (thread_.joinable()) thread_.join();
        return hit_;
    }

private:
    void watch(int socket, bool interruptible) {
        std::unique_lock lock(mutex_);
        while (!done_) {
            const auto now = std::chrono::steady_clock::now();
            hit_ = now >= until_;
            if (hit_ || (interruptible && interrupted())) {
                ::shutdown(socket, SHUT_RDWR);
                return;
            }
            changed_.wait_until(lock, std::min<std::chrono::steady_clock::time_point>(until_, now + kInterruptTick));
        }
    }

    std::mutex mutex_;
    std::condition_variable changed_;
    bool done_ = false, hit_ = false;
    const std::chrono::steady_clock::time_point until_;
    std::jthread thread_;
};

// The message without "LINE 1: ..." and the caret below it, on one line.
std::string on_one_line(std::string message) {
    message = message.substr(0, message.find("\nLINE "));
    std::string out;
    for (const char c : message) out += c == '\n' ? ' ' : c;
    while (!out.empty() && out.back() == ' ') out.pop_back();
    if (out.starts_with("ERROR:  ")) out.erase(0, 8);
    if (out.starts_with("FATAL:  ")) out.erase(0, 8);
    return printable(out.size() > kMessageBytes ? out.substr(0, kMessageBytes) + "..." : out);
}

std::string hint_for(const std::string& message, const std::string& state) {
    const auto says = [&](const char* text) { return message.find(text) != std::string::npos; };
    if (state == "42501") return "give the role of `url` that right (docs/drivers/postgres.md lists what it needs)";
    if (says("password authentication failed") || says("no password supplied"))
        return "give the password with `password_env`, `password_file` or PGPASSFILE";
    if (says("does not exist")) return "mend what is named: the database, role or table of `url` and `facts`";
    if (says("too many") || says("remaining connection slots"))
        return "raise max_connections, or take the snapshot at another time";
    if (says("out of shared memory")) return "raise max_locks_per_transaction: a pin locks every table once";
    if (state.empty()) return "see that the server runs and answers at that address: pg_isready -d URL";
    return "see the server's log";
}

}  // namespace

struct PgConnection::Session {
    explicit Session(const std::string& conninfo) : connection(conninfo), work(connection) {}

    pqxx::connection connection;
    pqxx::nontransaction work;
};

PgConnection::PgConnection(const PgAddress& address, Code code) : address_(address), code_(code) {
    std::string conninfo = address.conninfo();
    if (conninfo.find(" connect_timeout=") == std::string::npos) conninfo += fmt::format(" connect_timeout={}", kConnectSeconds);
    if (conninfo.find(" application_name=") == std::string::npos) conninfo += " application_name=ingot";
    if (address.has_password()) {
        std::string escaped;
        for (const char c : address.password()) escaped += (c == '\'' || c == '\\' ? std::string("\\") : std::string()) + c;
        conninfo += " password='" + escaped + "'";
    }
    try {
        session_ = std::make_unique<Session>(conninfo);
    } catch (const std::exception& error) {
        const std::string message = on_one_line(address_.masked(error.what()));
        throw Error(code_, fmt::format("connecting to {}: {}", address_.shown(), message), hint_for(message, {}));
    }
    // pqxx reconnects by itself otherwise, and a transaction that is gone would go unnoticed.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
    session_->connection.inhibit_reactivation(true);
#pragma GCC diagnostic pop
    query(
        "SELECT set_config(name, '0', false) FROM pg_settings WHERE name IN ('statement_timeout', 'transaction_timeout', "
        "'idle_in_transaction_session_timeout', 'idle_session_timeout')");
}

PgConnection::~PgConnection() = default;

PgRows PgConnection::query(const std::string& sql, int64_t limit_ms) {
    refused_state_.clear();
    Deadline deadline(session_->connection.sock(), limit_ms, code_ == Code::source);
    try {
        const pqxx::result result = session_->work.exec(sql);
        PgRows out;
        for (const auto& row : result) {
            PgRow& copy = out.emplace_back();
            for (const auto& field : row) {
                copy.push_back(field.is_null() ? std::nullopt
                                               : std::optional<std::string>(std::string(field.c_str(), field.size())));
            }
        }
        return out;
    } catch (const pqxx::sql_error& error) {
        if (deadline.end()) throw error_from({}, true, limit_ms);
        refused_state_ = error.sqlstate();
        // What was sent to end a session also reports a state, but leaves nothing to go on with.
        throw error_from(error.what(), false, limit_ms);
    } catch (const std::exception& error) {
        throw error_from(error.what(), deadline.end(), limit_ms);
    }
}

Error PgConnection::error_from(const std::string& message, bool timed_out, int64_t limit_ms) const {
    if (code_ == Code::source && interrupted()) return {Code::interrupted, "interrupted"};
    if (timed_out) {
        return {code_, fmt::format("{} did not answer within {}", address_.shown(), human_duration(limit_ms)),
                "see whether the server hangs or waits for a lock (pg_stat_activity)"};
    }
    std::string text = on_one_line(address_.masked(message));
    // What libpqxx says of a connection that the server ended within a statement is that it cannot tell its encoding.
    if (text.find("not connected") != std::string::npos) text = "the server ended the connection";
    return {code_, fmt::format("{}: {}", address_.shown(), text), hint_for(text, refused_state_)};
}

std::string PgConnection::value(const std::string& sql, int64_t limit_ms) {
    const PgRows rows = query(sql, limit_ms);
    if (rows.size() != 1 || rows[0].size() != 1) {
        throw Error(code_, fmt::format("{}: a query gave {} rows, where one value is wanted", address_.shown(), rows.size()),
                    "mend the query so that it gives one row of one column");
    }
    return rows[0][0].value_or("");
}

int64_t PgConnection::integer(const std::string& sql, int64_t limit_ms) {
    const std::string text = value(sql, limit_ms);
    return text.empty() ? 0 : std::stoll(text);
}

std::string PgConnection::quoted(const std::string& text) const { return session_->work.quote(text); }
std::string PgConnection::quoted_name(const std::string& name) const { return session_->work.quote_name(name); }
int PgConnection::server_version() const { return session_->connection.server_version(); }

}  // namespace ingot
