// A small nginx in a folder of its own: its config, and the real server on a free port of the loopback.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <charconv>
#include <ctime>

#include "drivers/nginx_program.h"
#include "tests/drivers/test_folder.h"

namespace ingot {

// Without nginx a test cannot say anything: an error where CI says that all packages are there, else a skip.
#define REQUIRE_NGINX()                                                                 \
    if (!find_nginx("nginx", 10'000)) {                                                 \
        if (std::getenv("CI") != nullptr) FAIL() << "no nginx; ./dev test installs it"; \
        GTEST_SKIP() << "no nginx on this host; ./dev test installs it";                \
    }

// A socket on the loopback, to find a free port, and to keep one taken.
class LoopbackPort {
public:
    LoopbackPort() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        EXPECT_EQ(::bind(fd_, reinterpret_cast<sockaddr*>(&address), size), 0);
        EXPECT_EQ(::listen(fd_, 1), 0);
        EXPECT_EQ(::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size), 0);
        port_ = ntohs(address.sin_port);
    }
    LoopbackPort(const LoopbackPort&) = delete;
    LoopbackPort& operator=(const LoopbackPort&) = delete;
    ~LoopbackPort() { ::close(fd_); }
    int port() const { return port_; }

private:
    int fd_;
    int port_ = 0;
};

inline int free_port() { return LoopbackPort().port(); }

// Looks every few milliseconds, for at most ten seconds.
inline bool comes_true(const std::function<bool()>& is_so) {
    for (int looks = 0; looks < 2000; ++looks) {
        if (is_so()) return true;
        const timespec pause{.tv_sec = 0, .tv_nsec = 5'000'000};
        ::nanosleep(&pause, nullptr);
    }
    return false;
}

// The body that a GET / gets; "" where nobody answers.
inline std::string served(int port) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<uint16_t>(port));
    std::string answer;
    const std::string request = "GET / HTTP/1.0\r\n\r\n";
    if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 &&
        ::send(fd, request.data(), request.size(), MSG_NOSIGNAL) > 0) {
        char buffer[4096];
        for (ssize_t n; (n = ::recv(fd, buffer, sizeof buffer, 0)) > 0;) answer.append(buffer, static_cast<size_t>(n));
    }
    ::close(fd);
    const size_t body = answer.find("\r\n\r\n");
    return body == std::string::npos ? "" : answer.substr(body + 4);
}

// root/nginx/{nginx.conf,sites-available/rag,sites-enabled/rag -> ../sites-available/rag}, root/htpasswd outside of it; logs,
// pid and temporary folders in root/var.
class NginxTree {
public:
    explicit NginxTree(std::string root) : root_(std::move(root)), port_(free_port()) {
        for (const char* folder : {"/nginx/sites-enabled", "/var"}) make_dirs(real_filesystem(), root_ + folder, 0755);
        put(conf(), "pid " + root_ + "/var/nginx.pid;\nerror_log " + root_ + "/var/error.log;\nworker_processes 1;\n" +
                        (::geteuid() == 0 ? "user root;\n" : "") + "events {}\nhttp {\n  access_log " + root_ +
                        "/var/access.log;\n" + temporary_folders() + "  include sites-enabled/*;\n}\n");
        put(root_ + "/htpasswd", "a:b\n");
        site("one");
        EXPECT_EQ(::symlink("../sites-available/rag", (root_ + "/nginx/sites-enabled/rag").c_str()), 0);
    }

    const std::string& root() const { return root_; }
    std::string conf() const { return root_ + "/nginx/nginx.conf"; }
    std::string site_path() const { return root_ + "/nginx/sites-available/rag"; }
    int port() const { return port_; }
    // In one step, as editors do it: a reader sees the one or the other.
    void site(const std::string& answer, const std::string& more = {}) const {
        put(root_ + "/var/new", "server {\n  listen 127.0.0.1:" + std::to_string(port_) +
                                    ";\n  location /private { auth_basic x; auth_basic_user_file " + root_ +
                                    "/htpasswd; }\n  location / { return 200 " + answer + "; }\n}\n" + more);
        make_dirs(real_filesystem(), parent_of(site_path()), 0755);
        real_filesystem().rename(root_ + "/var/new", site_path(), Rename::replace);
    }
    void describe(SourceSpec& spec) const {
        spec.driver = "nginx";
        spec.options["conf"] = conf();
        spec.options["prefix"] = root_ + "/var";
    }

private:
    std::string temporary_folders() const {
        std::string out;
        for (const std::string name : {"client_body", "proxy", "fastcgi", "scgi", "uwsgi"}) {
            out += "  " + name + "_temp_path " + root_ + "/var/" + name + ";\n";
        }
        return out;
    }

    std::string root_;
    int port_;
};

// The real server of such a tree, ended by its own pid.
class NginxServer {
public:
    explicit NginxServer(const NginxTree& tree) : tree_(tree) {
        const std::string program = find_nginx("nginx", 10'000)->path, prefix = tree.root() + "/var/";
        pid_ = ::fork();
        if (pid_ == 0) {
            ::execl(program.c_str(), program.c_str(), "-c", tree.conf().c_str(), "-p", prefix.c_str(), "-g", "daemon off;",
                    nullptr);
            ::_exit(127);
        }
        EXPECT_TRUE(comes_true([&] { return !served(tree.port()).empty(); })) << get(tree.root() + "/var/error.log");
    }
    NginxServer(const NginxServer&) = delete;
    NginxServer& operator=(const NginxServer&) = delete;
    ~NginxServer() {
        ::kill(pid_, SIGTERM);
        if (!comes_true([&] { return ::waitpid(pid_, nullptr, WNOHANG) != 0; })) ADD_FAILURE() << "nginx did not end";
    }
    pid_t pid() const { return pid_; }

private:
    const NginxTree& tree_;
    pid_t pid_ = -1;
};

}  // namespace ingot
