// A real redis-server for one test: on a free port of the loopback, in a temporary folder, gone with it.
//
// Without redis-server on the host tests are skipped; where the environment variable CI is set they fail.
#pragma once

#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <memory>
#include <sstream>
#include <thread>

#include "drivers/redis_connection.h"
#include "tests/drivers/test_folder.h"

namespace ingot {

class RedisServer {
public:
    // `dump`: an RDB file that it starts from.
    explicit RedisServer(std::vector<std::string> options = {}, const std::string& dump = "")
        : options_(std::move(options)), port_(free_port()) {
        if (!dump.empty()) put(folder_ / "dump.rdb", dump);
        start();
    }
    RedisServer(const RedisServer&) = delete;
    RedisServer& operator=(const RedisServer&) = delete;
    ~RedisServer() { kill(SIGKILL); }

    static bool installed() { return ::access("/usr/bin/redis-server", X_OK) == 0; }

    void start() {
        std::vector<std::string> words{"/usr/bin/redis-server",
                                       "--port",
                                       std::to_string(port_),
                                       "--bind",
                                       "127.0.0.1",
                                       "--dir",
                                       folder_.path(),
                                       "--save",
                                       "",
                                       "--unixsocket",
                                       folder_ / "redis.sock",
                                       "--logfile",
                                       folder_ / "log"};
        words.insert(words.end(), options_.begin(), options_.end());
        pid_ = ::fork();
        if (pid_ == 0) {
            std::vector<char*> argv;
            for (std::string& word : words) argv.push_back(word.data());
            argv.push_back(nullptr);
            ::execv(argv[0], argv.data());
            ::_exit(127);
        }
        SourceSpec spec = source();
        for (int i = 0; i < 500; ++i) {
            try {
                RedisConnection(redis_settings(spec), Code::failed);
                return;
            } catch (const Error&) {
                std::this_thread::sleep_for(std::chrono::milliseconds(10));
            }
        }
        ADD_FAILURE() << "redis-server did not answer:\n" << get(folder_ / "log");
    }
    void kill(int signal) {
        if (pid_ <= 0) return;
        ::kill(pid_, signal);
        if (signal == SIGSTOP || signal == SIGCONT) return;
        ::waitpid(pid_, nullptr, 0);
        pid_ = -1;
    }
    void restart() {
        kill(SIGKILL);
        start();
    }
    // After this it wants this password.
    void set_password(const std::string& password) {
        command({"CONFIG", "SET", "requirepass", password});
        password_ = password;
        options_.insert(options_.end(), {"--requirepass", password});
    }

    SourceSpec source() const {
        SourceSpec spec;
        spec.name = "s";
        spec.driver = "redis";
        const std::string login = password_.empty() ? "" : ":" + password_ + "@";
        spec.options["url"] = "redis://" + login + "127.0.0.1:" + std::to_string(port_);
        spec.options["timeout"] = "2s";
        return spec;
    }
    std::unique_ptr<RedisConnection> connect() const {
        return std::make_unique<RedisConnection>(redis_settings(source()), Code::failed);
    }
    RedisReply command(const RedisConnection::Words& words, int db = 0) const {
        const auto connection = connect();
        connection->call({"SELECT", std::to_string(db)});
        return connection->call(words);
    }

    // Everything it holds, a line for each key: where it is, when it expires, and its value, long ones as length and hash.
    std::string content() const {
        const auto connection = connect();
        std::string out;
        for (const auto& [name, counts] : connection->info("keyspace")) {
            connection->call({"SELECT", name.substr(2)});
            std::vector<std::string> keys;
            for (const RedisReply& key : connection->call({"KEYS", "*"}).items) keys.push_back(key.text);
            std::sort(keys.begin(), keys.end());
            for (const std::string& key : keys) {
                out += name + " " + printable(key) + " " + std::to_string(connection->call({"PEXPIRETIME", key}).integer) + " " +
                       shortened(value(*connection, key)) + "\n";
            }
        }
        return out;
    }

    const std::string& folder() const { return folder_.path(); }
    int port() const { return port_; }
    pid_t pid() const { return pid_; }

    static int free_port() {
        const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        ::bind(fd, reinterpret_cast<sockaddr*>(&address), size);
        ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
        ::close(fd);
        return ntohs(address.sin_port);
    }

private:
    static std::string shortened(const std::string& text) {
        if (text.size() <= 40) return printable(text);
        return std::to_string(text.size()) + " bytes " + std::to_string(std::hash<std::string>()(text));
    }
    static std::string flat(const RedisReply& reply, bool sorted) {
        if (reply.kind == RedisReply::Kind::integer) return std::to_string(reply.integer);
        if (reply.kind != RedisReply::Kind::array) return reply.text;
        std::vector<std::string> parts;
        for (const RedisReply& item : reply.items) parts.push_back(flat(item, false));
        if (sorted) std::sort(parts.begin(), parts.end());
        std::string out = "[";
        for (const std::string& part : parts) out += part + ",";
        return out + "]";
    }
    // Name, consumers, pending entries, last id. What follows (entries read, lag) a server forgets when it loads an AOF.
    static std::string groups(const RedisReply& reply) {
        std::string out;
        for (const RedisReply& group : reply.items) {
            for (size_t i = 0; i < 8 && i < group.items.size(); ++i) out += flat(group.items[i], false) + ",";
        }
        return out;
    }
    static std::string value(RedisConnection& connection, const std::string& key) {
        const std::string type = connection.call({"TYPE", key}).text;
        if (type == "string") return connection.call({"GET", key}).text;
        if (type == "list") return "list" + flat(connection.call({"LRANGE", key, "0", "-1"}), false);
        if (type == "set") return "set" + flat(connection.call({"SMEMBERS", key}), true);
        if (type == "zset") return "zset" + flat(connection.call({"ZRANGE", key, "0", "-1", "WITHSCORES"}), false);
        if (type == "stream") {
            return "stream" + flat(connection.call({"XRANGE", key, "-", "+"}), false) +
                   groups(connection.call({"XINFO", "GROUPS", key}));
        }
        std::string out = "hash[";
        std::vector<std::string> pairs;
        const RedisReply all = connection.call({"HGETALL", key});
        for (size_t i = 0; i + 1 < all.items.size(); i += 2) pairs.push_back(all.items[i].text + "=" + all.items[i + 1].text);
        std::sort(pairs.begin(), pairs.end());
        for (const std::string& pair : pairs) out += pair + ",";
        return out + "]";
    }

    TestFolder folder_;
    std::vector<std::string> options_;
    std::string password_;
    int port_;
    pid_t pid_ = -1;
};

// One of every type, in every encoding of Redis 7.0, in three databases.
inline void fill_with_all_types(const RedisServer& server, int many = 600) {
    const auto connection = server.connect();
    const auto ask = [&](const std::vector<std::string>& words) {
        connection->send({words.begin(), words.end()});
        return connection->read();
    };
    const auto run = [&](const std::vector<std::string>& words) {
        const RedisReply reply = ask(words);
        EXPECT_FALSE(reply.is_error()) << words[0] << ": " << reply.text;
    };
    for (const char* number : {"1", "-3", "30000", "2000000000", "9000000000"})
        run({"SET", std::string("int:") + number, number});
    run({"SET", "text", "short"});
    run({"SET", "packed", std::string(5000, 'x')});
    run({"SET", "a key that is long and says the same the same the same the same the same", "x"});
    run({"SET", std::string("binary\0key\xff\n", 13), std::string("\0\x01\xff", 3)});
    run({"SET", "large", std::string(300'000, 'L') + std::string(10, 'M')});
    run({"SET", "expires", "later", "EX", "100000"});
    for (int i = 0; i < many; ++i) {
        const std::string n = std::to_string(i);
        run({"RPUSH", "list:long", "element " + n, std::string(static_cast<size_t>(i % 50), 'e')});
        run({"SADD", "set:ints:many", n});
        run({"SADD", "set:table", "member " + n});
        run({"HSET", "hash:table", "field " + n, "value " + n});
        run({"ZADD", "zset:skip", n + ".5", "member " + n});
        run({"XADD", "stream", "1-" + std::to_string(i + 1), "field", n, "other", "value"});
    }
    run({"RPUSH", "list:short", "a", "b", "c"});
    run({"RPUSH", "list:plain", std::string(70'000, 'p'), "b"});
    run({"SADD", "set:ints", "1", "2", "3"});
    run({"HSET", "hash:small", "a", "1", "b", "2"});
    run({"ZADD", "zset:small", "1", "a", "-inf", "low", "+inf", "high"});
    run({"XGROUP", "CREATE", "stream", "group", "0"});
    run({"XREADGROUP", "GROUP", "group", "consumer", "COUNT", "5", "STREAMS", "stream", ">"});
    run({"XACK", "stream", "group", "1-1"});
    run({"XDEL", "stream", "1-7"});
    run({"SELECT", "1"});
    for (int i = 0; i < many; ++i) run({"SET", "session:" + std::to_string(i), "user " + std::to_string(i)});
    run({"SELECT", "9"});
    run({"SET", "nine", "9"});
    ask({"FUNCTION", "LOAD", "#!lua name=shared\nredis.register_function('answer', function() return 42 end)"});
}

#define REQUIRE_REDIS()                                                                     \
    if (!RedisServer::installed()) {                                                        \
        ASSERT_EQ(std::getenv("CI"), nullptr) << "no redis-server; ./dev test installs it"; \
        GTEST_SKIP() << "no redis-server on this host; ./dev test installs it";             \
    }                                                                                       \
    static_assert(true)

}  // namespace ingot
