// A Qdrant server for one test: tests/support/qdrant_stand_in.py on a free port of the loopback, in a temporary folder, gone with
// it.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "base/http.h"
#include "drivers/qdrant_api.h"
#include "tests/drivers/test_folder.h"

namespace ingot {

class QdrantServer {
public:
    explicit QdrantServer(std::string version = "1.19.0", std::vector<std::string> options = {})
        : version_(std::move(version)), options_(std::move(options)) {
        start();
    }
    QdrantServer(const QdrantServer&) = delete;
    QdrantServer& operator=(const QdrantServer&) = delete;
    ~QdrantServer() {
        kill(SIGCONT);
        kill(SIGKILL);
    }

    void start() {
        int out[2];
        if (::pipe2(out, O_CLOEXEC) != 0) std::abort();
        const std::string file(__FILE__);
        std::vector<std::string> words{"/usr/bin/python3", file.substr(0, file.rfind('/')) + "/qdrant_stand_in.py",
                                       "--folder",         folder_.path(),
                                       "--port",           std::to_string(port_),
                                       "--version",        version_};
        words.insert(words.end(), options_.begin(), options_.end());
        pid_ = ::fork();
        if (pid_ == 0) {
            ::dup2(out[1], 1);
            std::vector<char*> argv;
            for (std::string& word : words) argv.push_back(word.data());
            argv.push_back(nullptr);
            ::execv(argv[0], argv.data());
            ::_exit(127);
        }
        ::close(out[1]);
        std::string line;
        for (char c = 0; c != '\n' && ::read(out[0], &c, 1) == 1;) line += c;
        ::close(out[0]);
        if (line.empty()) ADD_FAILURE() << "the stand-in did not start";
        port_ = std::atoi(line.c_str());
    }
    void kill(int signal) {
        if (pid_ <= 0) return;
        ::kill(pid_, signal);
        if (signal == SIGSTOP || signal == SIGCONT) return;
        ::waitpid(pid_, nullptr, 0);
        pid_ = -1;
    }
    void restart(const std::string& version = "") {
        kill(SIGKILL);
        if (!version.empty()) version_ = version;
        start();
    }

    std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
    SourceSpec source() const {
        SourceSpec spec;
        spec.name = "s";
        spec.driver = "qdrant";
        spec.options["url"] = url();
        spec.options["timeout"] = "2s";
        spec.options["idle_timeout"] = "1s";
        spec.options["snapshot_timeout"] = "5s";
        return spec;
    }

    // The answer's body; a status that is not 2xx is a failure of the test.
    std::string ask(const std::string& method, const std::string& path, const std::string& body = "") const {
        HttpRequest request;
        request.method = method;
        request.url = url() + path;
        request.headers = {{"Content-Type", "application/json"}};
        if (!api_key.empty()) request.headers.emplace_back("api-key", api_key);
        request.body = body;
        request.body_limit = 256 << 20;
        request.deadlines = {.connect_ms = 5000, .total_ms = 20'000, .idle_ms = 10'000};
        const HttpResponse response = make_http()->send(request);
        EXPECT_TRUE(response.ok()) << method << " " << path << ": " << response.status << " " << response.body;
        return response.body;
    }
    void create(const std::string& name, int shards = 2, int dimensions = 8) const {
        ask("PUT", "/collections/" + name,
            R"({"vectors":{"size":)" + std::to_string(dimensions) + R"(,"distance":"Cosine"},"shard_number":)" +
                std::to_string(shards) + "}");
        ask("PUT", "/collections/" + name + "/index?wait=true", R"({"field_name":"city","field_schema":"keyword"})");
    }
    // Points [first, last), whose vectors and payloads follow from their number and `seed`.
    void upsert(const std::string& name, int first, int last, int seed = 0, int dimensions = 8, bool wait = true) const {
        std::string points;
        for (int id = first; id < last; ++id) {
            std::string vector;
            for (int i = 0; i < dimensions; ++i)
                vector += (i == 0 ? "" : ",") + std::to_string((id * 31 + i * 7 + seed) % 101) + ".5";
            points += std::string(points.empty() ? "" : ",") + "{\"id\":" + std::to_string(id) + ",\"vector\":[" + vector +
                      "],\"payload\":{\"city\":\"" + (id % 2 == 0 ? "Bern" : "Rom") + "\",\"text\":\"chunk " +
                      std::to_string(id + seed) + "\"}}";
        }
        ask("PUT", "/collections/" + name + "/points?wait=" + (wait ? "true" : "false"), "{\"points\":[" + points + "]}");
    }
    void alias(const std::string& name, const std::string& collection) const {
        ask("POST", "/collections/aliases",
            R"({"actions":[{"create_alias":{"alias_name":")" + name + R"(","collection_name":")" + collection + R"("}}]})");
    }
    // `what` as tests/support/qdrant_stand_in.py takes it; one fault, once.
    void fault(const std::string& match, const std::string& what, int times = 1) const {
        ask("POST", "/stand-in/faults",
            R"([{"match":")" + match + R"(","do":")" + what + R"(","times":)" + std::to_string(times) + "}]");
    }
    void set_status(const std::string& collection, const std::string& status) const {
        ask("POST", "/stand-in/status", R"({"collection":")" + collection + R"(","status":")" + status + R"("})");
    }
    std::string log() const { return ask("GET", "/stand-in/log"); }
    // Every point with vector and payload, and the indexed fields; by name or alias.
    std::string content(const std::string& name) const {
        const auto part = [](const std::string& text, const std::string& from, const std::string& to) {
            const size_t begin = text.find(from);
            return begin == std::string::npos ? text : text.substr(begin, text.find(to, begin) - begin);
        };
        const std::string points =
            ask("POST", "/collections/" + name + "/points/scroll", R"({"limit":100000,"with_vector":true,"with_payload":true})");
        return part(ask("GET", "/collections/" + name), "\"payload_schema\"", ", \"update_queue\"").substr(0, 100) + "\n" +
               part(points, "\"points\"", "\"next_page_offset\"");
    }
    size_t snapshots(const std::string& collection) const {
        const std::string list = ask("GET", "/collections/" + collection + "/snapshots");
        size_t out = 0;
        for (size_t at = 0; (at = list.find("\"name\"", at)) != std::string::npos; ++at) ++out;
        return out;
    }

    std::string api_key;  // that ask() sends

private:
    TestFolder folder_;
    std::string version_;
    std::vector<std::string> options_;
    int port_ = 0;
    pid_t pid_ = -1;
};

}  // namespace ingot
