// The contract's fixture of `redis`: a real server with all types of values.
#pragma once

#include "driver_contract.h"
#include "tests/support/redis_server.h"

namespace ingot {

class RedisSourceFixture : public SourceFixture {
public:
    static bool installed() { return RedisServer::installed(); }

    std::string driver() const override { return "redis"; }
    void create(const std::string&) override {
        server_ = std::make_unique<RedisServer>();
        source_ = server_->source();
        fill_with_all_types(*server_, 150);
    }
    void describe(SourceSpec& spec) const override {
        spec.options = source_.options;
        spec.facts = {{"sessions", "1/session:*"}};
    }
    bool mutate(int round) override {
        try {
            const auto connection = server_->connect();
            const std::string n = std::to_string(round);
            connection->call({"MULTI"});
            connection->call({"SET", "text", n});
            connection->call({"SADD", "set:table", n});
            connection->call({"SELECT", "1"});
            connection->call({"SET", "session:" + n, n});
            connection->call({"EXEC"});
            return true;
        } catch (const Error&) {
            return false;
        }
    }
    void lose() override { server_->kill(SIGKILL); }
    // Databases 10 and above are the spare ones.
    std::string content() override {
        std::string out;
        std::istringstream in(server_->content());
        for (std::string line; std::getline(in, line);) {
            if (std::stoi(line.substr(2)) < 10) out += line + "\n";
        }
        return out;
    }
    // What a server that starts from the dump answers.
    std::string artifact_content(const std::string& folder) override {
        RedisServer server({}, get(folder + "/s.redis/dump.rdb"));
        return server.content();
    }
    void spoil(const std::string& folder) override {
        const std::string path = folder + "/s.redis/dump.rdb";
        std::string bytes = get(path);
        bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
        put(path, bytes);
    }

private:
    std::unique_ptr<RedisServer> server_;
    SourceSpec source_;
};

}  // namespace ingot
