// One session with a PostgreSQL server. Every wait has a deadline, also for a server that accepted a statement and then hangs:
// at the deadline the socket is shut down, and the session is over.
//
// A session that broke stays broken: a state inside it (a pin's locks, a snapshot) is never taken up by a new one in silence.
// Thread safety: one thread at a time. Lifetime: the session ends with the object.
// Errors: Error{code} as given to the constructor, with the server's message and without any password; Error{interrupted} while
// a snapshot is taken (code source), never while a restore is under way.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "drivers/postgres_address.h"

namespace ingot {

// Nothing stands for NULL.
using PgRow = std::vector<std::optional<std::string>>;
using PgRows = std::vector<PgRow>;

class PgConnection {
public:
    // Session settings that could end it while it waits (idle_in_transaction_session_timeout, statement_timeout) are put off.
    PgConnection(const PgAddress& address, Code code);
    PgConnection(const PgConnection&) = delete;
    PgConnection& operator=(const PgConnection&) = delete;
    ~PgConnection();

    // One statement; outside of BEGIN ... COMMIT it is its own transaction.
    PgRows query(const std::string& sql, int64_t limit_ms = kStatementMs);
    void execute(const std::string& sql, int64_t limit_ms = kStatementMs) { query(sql, limit_ms); }
    // The one value of one row; empty for NULL.
    std::string value(const std::string& sql, int64_t limit_ms = kStatementMs);
    int64_t integer(const std::string& sql, int64_t limit_ms = kStatementMs);

    // As a literal, and as a name, of SQL.
    std::string quoted(const std::string& text) const;
    std::string quoted_name(const std::string& name) const;
    // 150018
    int server_version() const;
    // SQLSTATE of the last statement that the server refused; empty where the session broke.
    const std::string& refused_state() const { return refused_state_; }

    // Catalog queries answer in milliseconds; a server that does not answer for so long hangs.
    static constexpr int64_t kStatementMs = 10'000;

private:
    struct Session;
    Error error_from(const std::string& message, bool timed_out, int64_t limit_ms) const;

    PgAddress address_;
    Code code_;
    std::string refused_state_;
    std::unique_ptr<Session> session_;
};

}  // namespace ingot
