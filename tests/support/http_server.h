// An HTTP server for one test, on a free port of the loopback: every request is answered by a function, which may write any
// bytes.
#pragma once

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <map>
#include <string>
#include <thread>
#include <vector>

namespace ingot::test {

struct SeenRequest {
    std::string method;
    std::string path;                            // with its query
    std::map<std::string, std::string> headers;  // names in lower case
    std::string body;
};

// Writes an answer to the connection. Returns whether that stays open.
using Answer = std::function<bool(const SeenRequest& request, int fd)>;

inline void write_all(int fd, const std::string& bytes) {
    for (size_t at = 0; at < bytes.size();) {
        const ssize_t n = ::send(fd, bytes.data() + at, bytes.size() - at, MSG_NOSIGNAL);
        if (n <= 0) return;
        at += static_cast<size_t>(n);
    }
}

inline bool answer_text(int fd, int status, const std::string& body, const std::string& headers = "") {
    write_all(fd, "HTTP/1.1 " + std::to_string(status) + " Said\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
                      headers + "\r\n" + body);
    return true;
}

class HttpServer {
public:
    explicit HttpServer(Answer answer) : answer_(std::move(answer)) {
        listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        ::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address);
        socklen_t size = sizeof address;
        ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
        port_ = ntohs(address.sin_port);
        ::listen(listener_, 16);
        thread_ = std::jthread([this](const std::stop_token& stop) { accept_all(stop); });
    }
    HttpServer(const HttpServer&) = delete;
    HttpServer& operator=(const HttpServer&) = delete;
    ~HttpServer() {
        thread_.request_stop();
        for (auto& served : serving_) served.request_stop();
        thread_.join();
        serving_.clear();
        ::close(listener_);
    }

    std::string url(const std::string& path = "/") const { return "http://127.0.0.1:" + std::to_string(port_) + path; }
    int port() const { return port_; }
    int connections() const { return connections_; }

private:
    static bool readable(int fd, const std::stop_token& stop) {
        while (!stop.stop_requested()) {
            pollfd wait{fd, POLLIN, 0};
            if (::poll(&wait, 1, 10) > 0) return true;
        }
        return false;
    }

    void accept_all(const std::stop_token& stop) {
        while (readable(listener_, stop)) {
            const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
            if (fd < 0) continue;
            ++connections_;
            serving_.emplace_back([this, fd](const std::stop_token& ended) {
                serve(fd, ended);
                ::close(fd);
            });
        }
    }

    void serve(int fd, const std::stop_token& stop) const {
        std::string input;
        const auto more = [&] {
            char bytes[65536];
            if (!readable(fd, stop)) return false;
            const ssize_t n = ::recv(fd, bytes, sizeof bytes, 0);
            if (n > 0) input.append(bytes, static_cast<size_t>(n));
            return n > 0;
        };
        for (;;) {
            size_t end;
            while ((end = input.find("\r\n\r\n")) == std::string::npos) {
                if (!more()) return;
            }
            SeenRequest request;
            size_t line_end = input.find("\r\n");
            const std::string first = input.substr(0, line_end);
            request.method = first.substr(0, first.find(' '));
            request.path = first.substr(request.method.size() + 1, first.rfind(' ') - request.method.size() - 1);
            while (line_end < end) {
                const size_t start = line_end + 2;
                line_end = input.find("\r\n", start);
                const std::string line = input.substr(start, line_end - start);
                std::string name = line.substr(0, line.find(':'));
                std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
                request.headers[name] = line.substr(std::min(line.size(), name.size() + 2));
            }
            const auto length = request.headers.find("content-length");
            const size_t body = length == request.headers.end() ? 0 : std::stoul(length->second);
            while (input.size() < end + 4 + body) {
                if (!more()) return;
            }
            request.body = input.substr(end + 4, body);
            input.erase(0, end + 4 + body);
            if (!answer_(request, fd)) return;
        }
    }

    Answer answer_;
    int listener_ = -1;
    int port_ = 0;
    std::atomic<int> connections_ = 0;
    std::vector<std::jthread> serving_;  // grown by thread_ alone, until it is joined
    std::jthread thread_;
};

}  // namespace ingot::test
