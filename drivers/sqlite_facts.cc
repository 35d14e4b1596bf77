#include "drivers/sqlite_facts.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "base/interrupt.h"

namespace ingot {
namespace {

constexpr int64_t kFactLimitNs = 30'000'000'000;
// A fact goes into the manifest; a whole text column does not belong there.
constexpr int kFactTextBytes = 4096;
// Instructions of SQLite's machine between two looks at the clock: some tenths of a millisecond.
constexpr int kProgressSteps = 10'000;
// More messages than that tell a person nothing new.
constexpr int kQuotedMessages = 5;

struct Limit {
    int64_t until_ns;
};

int expired(void* limit) { return interrupted() || mono_now_ns() > static_cast<Limit*>(limit)->until_ns ? 1 : 0; }

// While it lives, statements of the connection are ended at the limit or by a signal.
class Watch {
public:
    Watch(sqlite3* handle, int64_t limit_ns) : handle_(handle), limit_{mono_now_ns() + limit_ns} {
        sqlite3_progress_handler(handle_, kProgressSteps, expired, &limit_);
    }
    Watch(const Watch&) = delete;
    Watch& operator=(const Watch&) = delete;
    ~Watch() { sqlite3_progress_handler(handle_, 0, nullptr, nullptr); }

private:
    sqlite3* handle_;
    Limit limit_;
};

int only_reading(void*, int action, const char*, const char*, const char*, const char*) {
    const bool allowed =
        action == SQLITE_SELECT || action == SQLITE_READ || action == SQLITE_FUNCTION || action == SQLITE_RECURSIVE;
    return allowed ? SQLITE_OK : SQLITE_DENY;
}

class ReadOnlyRule {
public:
    explicit ReadOnlyRule(sqlite3* handle) : handle_(handle) { sqlite3_set_authorizer(handle_, only_reading, nullptr); }
    ReadOnlyRule(const ReadOnlyRule&) = delete;
    ReadOnlyRule& operator=(const ReadOnlyRule&) = delete;
    ~ReadOnlyRule() { sqlite3_set_authorizer(handle_, nullptr, nullptr); }

private:
    sqlite3* handle_;
};

using Statement = std::unique_ptr<sqlite3_stmt, int (*)(sqlite3_stmt*)>;

class Query {
public:
    Query(SqliteConnection& connection, const std::string& name, const std::string& sql)
        : connection_(connection), name_(name), rule_(connection.handle()), watch_(connection.handle(), kFactLimitNs) {
        sqlite3_stmt* raw = nullptr;
        const char* tail = nullptr;
        const int result = sqlite3_prepare_v2(connection.handle(), sql.c_str(), -1, &raw, &tail);
        statement_.reset(raw);
        if (result != SQLITE_OK) fail(result);
        while (*tail == ' ' || *tail == '\n' || *tail == '\t' || *tail == '\r' || *tail == ';') ++tail;
        if (raw == nullptr || *tail != '\0') refuse("is not one statement");
        if (sqlite3_stmt_readonly(raw) == 0) refuse("would write");
        if (sqlite3_column_count(raw) != 1) refuse("returns more or less than one column");
    }

    Fact value() {
        sqlite3_stmt* raw = statement_.get();
        int result = sqlite3_step(raw);
        if (result == SQLITE_DONE) refuse("returns no row");
        if (result != SQLITE_ROW) fail(result);
        Fact fact = column(raw);
        result = sqlite3_step(raw);
        if (result == SQLITE_ROW) refuse("returns more than one row");
        if (result != SQLITE_DONE) fail(result);
        return fact;
    }

private:
    Fact column(sqlite3_stmt* raw) {
        switch (sqlite3_column_type(raw, 0)) {
            case SQLITE_INTEGER:
                return sqlite3_column_int64(raw, 0);
            case SQLITE_FLOAT:
                return sqlite3_column_double(raw, 0);
            case SQLITE_TEXT: {
                const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(raw, 0));
                const int bytes = sqlite3_column_bytes(raw, 0);
                if (text == nullptr || bytes > kFactTextBytes) refuse("returns a text of more than 4 KiB");
                return printable({text, static_cast<size_t>(bytes)});
            }
            case SQLITE_NULL:
                return std::string("NULL");  // max() of an empty table
            default:
                refuse("returns a BLOB");
        }
    }

    [[noreturn]] void refuse(std::string_view why) {
        throw Error(connection_.code(), fmt::format("the fact {} of {} {}", name_, printable(connection_.path()), why),
                    "a fact is one SELECT that returns one row of one value: `SELECT count(*) FROM chunks`");
    }

    [[noreturn]] void fail(int result) {
        if ((result & 0xff) == SQLITE_INTERRUPT) {
            check_interrupted();
            throw Error(connection_.code(),
                        fmt::format("the fact {} of {} took longer than 30 s", name_, printable(connection_.path())),
                        "ask something cheaper, or add an index");
        }
        if ((result & 0xff) == SQLITE_AUTH) refuse("does more than read");
        Error error = connection_.error(result, "reading").within(fmt::format("fact {}", name_));
        if (!error.hint().empty()) throw error;
        throw Error(error.code(), error.what(), fmt::format("mend the query of `{}` in `facts`, or in [compatibility]", name_));
    }

    SqliteConnection& connection_;
    const std::string& name_;
    ReadOnlyRule rule_;
    Watch watch_;
    Statement statement_{nullptr, sqlite3_finalize};
};

struct Messages {
    int64_t count = 0;
    std::string quoted;
};

// The rows of a check, as they are; its result code.
int collect(SqliteConnection& connection, const char* sql, Messages& messages) {
    const auto row = [](void* into, int columns, char** values, char**) {
        auto& out = *static_cast<Messages*>(into);
        if (++out.count <= kQuotedMessages) {
            if (!out.quoted.empty()) out.quoted += "; ";
            for (int i = 0; i < columns; ++i) out.quoted += (i ? " " : "") + printable(values[i] ? values[i] : "NULL");
        }
        return 0;
    };
    return sqlite3_exec(connection.handle(), sql, row, &messages, nullptr);
}

int compare_bytes(void*, int a_length, const void* a, int b_length, const void* b) {
    const int order = std::memcmp(a, b, static_cast<size_t>(std::min(a_length, b_length)));
    return order != 0 ? order : a_length - b_length;
}

void stand_in(void*, sqlite3* handle, int encoding, const char* name) {
    sqlite3_create_collation(handle, name, encoding, nullptr, compare_bytes);
}

// A database whose indexes use collations, or whose constraints use functions, that only the application has: everything but the
// order of its indexes and those constraints can be checked without them.
int check_without_application(SqliteConnection& connection, Messages& messages) {
    sqlite3_collation_needed(connection.handle(), nullptr, stand_in);
    const int result = connection.attempt("PRAGMA ignore_check_constraints = ON");
    return result != SQLITE_OK ? result : collect(connection, "PRAGMA quick_check(1000)", messages);
}

}  // namespace

Facts sqlite_facts(SqliteConnection& connection, const std::map<std::string, std::string>& queries) {
    Facts out;
    out["page_count"] = connection.integer("PRAGMA page_count");
    out["page_size"] = connection.integer("PRAGMA page_size");
    out["journal_mode"] = connection.text("PRAGMA journal_mode");
    out["user_version"] = connection.integer("PRAGMA user_version");
    out["application_id"] = connection.integer("PRAGMA application_id");
    out["schema_objects"] = connection.integer("SELECT count(*) FROM sqlite_schema");
    for (const auto& [name, sql] : queries) out[name] = Query(connection, name, sql).value();
    return out;
}

Facts sqlite_check(SqliteConnection& connection) {
    const Watch watch(connection.handle(), INT64_MAX / 2);
    const auto damaged = [&](const std::string& why) {
        return Error(Code::damaged, fmt::format("SQLite rejects {}: {}", printable(connection.path()), why),
                     "this snapshot's database is not usable: choose another one");
    };
    const char* way = "integrity_check";
    Messages messages;
    int result = collect(connection, "PRAGMA integrity_check(1000)", messages);
    if ((result & 0xff) == SQLITE_ERROR) {
        way = "quick_check";
        messages = {};
        result = check_without_application(connection, messages);
    }
    if ((result & 0xff) == SQLITE_INTERRUPT) check_interrupted();
    if (Error error = connection.error(result, "checking"); result != SQLITE_OK && error.code() == Code::failed) throw error;
    if (result != SQLITE_OK) throw damaged(printable(sqlite3_errmsg(connection.handle())));
    if (messages.count != 1 || messages.quoted != "ok") {
        throw damaged(
            fmt::format("{} message{} of {}: {}", messages.count, messages.count == 1 ? "" : "s", way, messages.quoted));
    }
    Facts out;
    out["checked_by"] = std::string(way);
    Messages violations;
    result = collect(connection, "PRAGMA foreign_key_check", violations);
    if ((result & 0xff) == SQLITE_INTERRUPT) check_interrupted();
    // Evidence, no verdict: applications do run with violated keys, and a key onto a missing table is an error of the schema.
    if (result == SQLITE_OK) out["foreign_key_violations"] = violations.count;
    return out;
}

}  // namespace ingot
