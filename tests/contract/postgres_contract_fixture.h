// The contract's fixture of `postgres`: a database of its own on a real server.
#pragma once

#include <map>
#include <sstream>

#include "driver_contract.h"
#include "tests/drivers/postgres_server.h"

namespace ingot {

class PostgresSourceFixture : public SourceFixture {
public:
    bool available() const override { return PgServer::shared() != nullptr; }
    std::string driver() const override { return "postgres"; }
    void create(const std::string&) override {
        database_ = PgServer::shared()->new_database();
        sql("CREATE TABLE chunks (id int PRIMARY KEY, round int, body text)");
        sql("INSERT INTO chunks SELECT i, 0, repeat(md5(i::text), 8) FROM generate_series(1, 300) i");
    }
    void describe(SourceSpec& spec) const override {
        spec.options["url"] = PgServer::shared()->url(database_);
        spec.facts = {{"rounds", "SELECT max(round) FROM chunks"}};
    }
    bool mutate(int round) override {
        try {
            sql("UPDATE chunks SET round = " + std::to_string(round));
            return true;
        } catch (const Error&) {
            return false;
        }
    }
    void lose() override { PgServer::shared()->sql("postgres", "DROP DATABASE " + database_ + " WITH (FORCE)"); }
    std::string content() override {
        return PgServer::shared()->value(
            database_, "SELECT string_agg(id || E'\\t' || round || E'\\t' || body || E'\\n', '' ORDER BY id) FROM chunks");
    }
    // The rows that pg_restore makes of the dump, by their number.
    std::string artifact_content(const std::string& folder) override {
        Command command;
        command.argv = {PgServer::shared()->bin() + "pg_restore", "--data-only", "--file=-", folder + "/s.dump"};
        const std::string out = run_checked(command, "pg_restore").out;
        const size_t begin = out.find('\n', out.find("\nCOPY public.chunks") + 1) + 1;
        std::istringstream in(out.substr(begin, out.find("\n\\.", begin) + 1 - begin));
        std::map<int, std::string> rows;
        for (std::string line; std::getline(in, line);) rows[std::stoi(line)] = line + "\n";
        std::string sorted;
        for (const auto& [id, line] : rows) sorted += line;
        return sorted;
    }
    std::string left_by_drills() override {
        return PgServer::shared()->value(
            "postgres", "SELECT coalesce(string_agg(datname, ' '), '') FROM pg_database WHERE datname LIKE 'ingot_drill%'");
    }
    void spoil(const std::string& folder) override {
        const std::string bytes = get(folder + "/s.dump");
        put(folder + "/s.dump", bytes.substr(0, bytes.size() - 100));
    }

private:
    void sql(const std::string& text) const { PgServer::shared()->sql(database_, text); }

    std::string database_;
};

}  // namespace ingot
