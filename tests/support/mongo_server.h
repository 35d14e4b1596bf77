// The stand-in for MongoDB (mongo_server.py) for one test: on a free port of the loopback, in a temporary folder, gone with it.
//
// It needs Debian's python3-bson. Without it tests are skipped; where the environment variable CI is set they fail.
#pragma once

#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <memory>
#include <thread>

#include "drivers/mongodb_connection.h"
#include "tests/drivers/test_folder.h"

namespace ingot {

class MongoStandIn {
public:
    explicit MongoStandIn(std::vector<std::string> options = {}) : options_(std::move(options)), port_(free_port()) { start(); }
    MongoStandIn(const MongoStandIn&) = delete;
    MongoStandIn& operator=(const MongoStandIn&) = delete;
    ~MongoStandIn() { kill(SIGKILL); }

    static bool installed() { return std::system("/usr/bin/python3 -c 'import bson.raw_bson' 2>/dev/null") == 0; }

    void start() {
        const std::string script = (std::filesystem::path(__FILE__).parent_path() / "mongo_server.py").string();
        std::vector<std::string> words{"/usr/bin/python3", script, "--port", std::to_string(port_), "--dir", folder_.path()};
        words.insert(words.end(), options_.begin(), options_.end());
        pid_ = ::fork();
        if (pid_ == 0) {
            std::vector<char*> argv;
            for (std::string& word : words) argv.push_back(word.data());
            argv.push_back(nullptr);
            ::execv(argv[0], argv.data());
            ::_exit(127);
        }
        for (int i = 0; i < 1000; ++i) {
            if (listens()) return;
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
        }
        ADD_FAILURE() << "the stand-in for MongoDB does not listen";
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
    void restart_with(std::vector<std::string> options) {
        options_ = std::move(options);
        restart();
    }

    SourceSpec source(const std::string& login = "") const {
        SourceSpec spec;
        spec.name = "s";
        spec.driver = "mongodb";
        spec.options["uri"] =
            "mongodb://" + login + "127.0.0.1:" + std::to_string(port_) + "/app" + (login.empty() ? "" : "?authSource=admin");
        spec.options["timeout"] = "2s";
        return spec;
    }
    MongoConnection& connect() const {
        if (connection_ == nullptr || connected_ != pid_)
            connection_ = std::make_unique<MongoConnection>(mongo_settings(source()), Code::failed);
        connected_ = pid_;
        return *connection_;
    }
    Bson command(const std::string& json, const std::string& database = "app") const {
        return connect().command(database, Bson::from_json(json, "a command of a test"));
    }
    void insert(const std::string& collection, const std::vector<std::string>& jsons, const std::string& database = "app") const {
        Bytes documents;
        for (const std::string& json : jsons) {
            const Bson document = Bson::from_json(json, "a document of a test");
            documents.insert(documents.end(), document.bytes().begin(), document.bytes().end());
        }
        connect().insert(database, collection, documents, true);
    }
    // `n` documents, from `from`.
    void insert_many(const std::string& collection, int n, int from = 0, const std::string& text = "text") const {
        std::vector<std::string> jsons;
        for (int i = from; i < from + n; ++i) {
            jsons.push_back(R"({"_id": )" + std::to_string(i) + R"(, "text": ")" + text + " " +
                            std::string(static_cast<size_t>(i % 90), 'x') + R"("})");
        }
        insert(collection, jsons);
    }
    void fail(const std::string& command, int after, int code = 8000) const {
        this->command(R"({"standInFaults": [{"command": ")" + command + R"(", "after": )" + std::to_string(after) +
                      R"(, "code": )" + std::to_string(code) + "}]}");
    }
    void fail_nothing() const { command(R"({"standInFaults": []})"); }

    // Everything of a database: kinds, options, indexes and documents. `restores` also what a restore made beside it.
    std::string content(const std::string& database = "app", bool restores = false) const {
        std::string out;
        MongoConnection& server = connect();
        for (const MongoNamespace& one : server.namespaces(database)) {
            if (!restores && one.name.find("__ingot_") != std::string::npos) continue;
            out += one.name + " " + std::to_string(static_cast<int>(one.kind)) + " " + one.options.json() + "\n";
            if (one.kind != MongoNamespace::Kind::collection) continue;
            for (const Bson& index : server.indexes(database, one.name)) out += "  index " + index.json() + "\n";
            server.read(database, one.name, {.by_id = !one.capped()},
                        [&](ByteView document) { out += "  " + Bson(document, "a document").json() + "\n"; });
        }
        return out;
    }
    std::string commands() const { return get(folder_ / "commands"); }
    pid_t pid() const { return pid_; }

private:
    bool listens() const {
        const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
        sockaddr_in address = loopback(port_);
        const bool done = ::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
        ::close(fd);
        return done;
    }
    static sockaddr_in loopback(int port) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        address.sin_port = htons(static_cast<uint16_t>(port));
        return address;
    }
    static int free_port() {
        const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
        sockaddr_in address = loopback(0);
        socklen_t size = sizeof address;
        ::bind(fd, reinterpret_cast<sockaddr*>(&address), size);
        ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
        ::close(fd);
        return ntohs(address.sin_port);
    }

    TestFolder folder_;
    std::vector<std::string> options_;
    int port_;
    pid_t pid_ = -1;
    mutable std::unique_ptr<MongoConnection> connection_;
    mutable pid_t connected_ = -1;
};

// What an application has: a few kinds of collections, indexes, a view, a validator that old documents break.
inline void fill_with_all_kinds(const MongoStandIn& server, int many = 300) {
    server.insert_many("chunks", many);
    server.command(R"({"createIndexes": "chunks", "indexes": [{"v": 2, "key": {"text": 1}, "name": "text_1"},
        {"v": 2, "key": {"a": 1, "b": -1}, "name": "a_b", "unique": true, "sparse": true}]})");
    server.insert(
        "types",
        {R"({"_id": "text"})", R"({"_id": {"$oid": "65f000000000000000000001"}, "d": {"$date": "2026-01-01T00:00:00Z"}})",
         R"({"_id": 7, "n": {"$numberDecimal": "1.5"}, "b": {"$binary": {"base64": "AAH/", "subType": "00"}}, "e": [],
                                "r": {"$regularExpression": {"pattern": "a", "options": "i"}}, "l": {"$numberLong": "9000000000"}})",
         R"({"_id": {"a": 1, "b": 2}, "nested": {"deep": [1, 2, {"x": null}]}})"});
    server.command(R"({"create": "log", "capped": true, "size": 1048576, "max": 1000})");
    server.insert_many("log", 20);
    server.command(R"({"create": "strict", "validator": {"$jsonSchema": {"required": ["text"]}}, "validationLevel": "strict"})");
    server.insert("strict", {R"({"_id": 1})", R"({"_id": 2, "text": "ok"})"});
    server.command(R"({"create": "empty", "collation": {"locale": "de"}})");
    server.command(R"({"create": "recent", "viewOn": "chunks", "pipeline": [{"$match": {"_id": {"$gte": 100}}}]})");
    server.insert("fs.files", {R"({"_id": 1, "length": 3, "filename": "a/b %.pdf"})"});
    server.insert("odd/name %", {R"({"_id": 1})"});
}

#define REQUIRE_MONGO()                                                                     \
    if (!MongoStandIn::installed()) {                                                       \
        ASSERT_EQ(std::getenv("CI"), nullptr) << "no python3-bson; ./dev test installs it"; \
        GTEST_SKIP() << "no python3-bson on this host; ./dev test installs it";             \
    }                                                                                       \
    static_assert(true)

}  // namespace ingot
