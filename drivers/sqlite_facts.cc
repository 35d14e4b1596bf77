#include "drivers/sqlite_facts.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <memory>
#include <vector>

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
            throw Error(connection_.code(), fmt::format("the fact {} of {} took longer than 30 s", name_, printable(connection_.path())),
                        "ask something cheaper, or add an index");
        }
        if ((result & 0xff) == SQLITE_AUTH) refuse("does more than read");
        Error error = connection_.error(result, "reading").within(fmt::format("fact {}", name_));
        if (!error.hint().empty()) throw error;
        throw Error(error.code(), error.what(), fmt::format("mend the query of `{}` in `facts`", name_));
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

// Where an index is sorted by a collation that only the application has, SQLite cannot check the database as a whole. Then: every table
// by itself, and where that fails too, its rows without the index.
int check_each_table(SqliteConnection& connection, Messages& messages) {
    std::vector<std::string> tables;
    const auto name = [](void* into, int, char** values, char**) {
        static_cast<std::vector<std::string>*>(into)->emplace_back(values[0]);
        return 0;
    };
    int result = sqlite3_exec(connection.handle(), "SELECT replace(name, '\"', '\"\"') FROM sqlite_schema WHERE type = 'table' AND rootpage > 0",
                              name, &tables, nullptr);
    Messages all;
    for (const std::string& table : tables) {
        if (result != SQLITE_OK) break;
        Messages one;
        result = collect(connection, fmt::format("PRAGMA integrity_check(\"{}\")", table).c_str(), one);
        if (result == SQLITE_ERROR) {
            one = {.count = 1, .quoted = "ok"};
            result = connection.attempt(fmt::format("SELECT count(*) FROM \"{}\" NOT INDEXED", table).c_str());
        }
        if (one.count == 1 && one.quoted == "ok") continue;
        all.count += one.count;
        all.quoted += (all.quoted.empty() ? "" : "; ") + one.quoted;
    }
    messages = all.count == 0 ? Messages{.count = 1, .quoted = "ok"} : all;
    return result;
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
    if (result == SQLITE_ERROR) {
        way = "integrity_check of each table that SQLite alone can check";
        result = check_each_table(connection, messages);
    }
    if ((result & 0xff) == SQLITE_INTERRUPT) check_interrupted();
    if (result != SQLITE_OK) throw damaged(printable(sqlite3_errmsg(connection.handle())));
    if (messages.count != 1 || messages.quoted != "ok") {
        throw damaged(fmt::format("{} message{} of {}: {}", messages.count, messages.count == 1 ? "" : "s", way, messages.quoted));
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
