// A PostgreSQL server for tests: Debian's programs, in a folder of its own, on a free loopback port, run by another user than
// root. One for all tests of a program; each test makes a database of its own. Ends by its own pid, also when the tests are
// killed.
//
// Without the programs tests are skipped; where the variable CI is set, they fail.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <chrono>
#include <cstdlib>
#include <thread>

#include "base/process.h"
#include "drivers/postgres_connection.h"
#include "test_folder.h"

namespace ingot {

class PgServer {
public:
    // Null where the server's programs are not installed.
    static PgServer* shared() {
        static const std::string bin = programs();
        if (bin.empty()) return nullptr;
        static PgServer server(bin);
        return &server;
    }

    std::string url(const std::string& database, const std::string& user = "postgres") const {
        return "postgresql://" + user + "@127.0.0.1:" + std::to_string(port_) + "/" + database;
    }
    std::unique_ptr<PgConnection> session(const std::string& database) const {
        return std::make_unique<PgConnection>(PgAddress::parse(encoded_url(database), "the test's url", Code::failed),
                                              Code::failed);
    }
    void sql(const std::string& database, const std::string& text) const { session(database)->execute(text); }
    std::string value(const std::string& database, const std::string& text) const { return session(database)->value(text); }
    // A name that no other test has.
    std::string new_database(const std::string& end = {}) {
        const std::string name = "t" + std::to_string(++made_) + end;
        auto admin = session("postgres");
        admin->execute("CREATE DATABASE " + admin->quoted_name(name));
        return name;
    }
    // As "host=... dbname='...'", which takes any name.
    std::string encoded_url(const std::string& database, const std::string& user = "postgres") const {
        std::string out = "host=127.0.0.1 port=" + std::to_string(port_) + " user='" + user + "' dbname='";
        for (const char c : database) out += (c == '\'' || c == '\\' ? std::string("\\") : std::string()) + c;
        return out + "'";
    }
    int port() const { return port_; }
    pid_t pid() const { return pid_; }
    const std::string& bin() const { return bin_; }

    PgServer(const PgServer&) = delete;
    PgServer& operator=(const PgServer&) = delete;
    ~PgServer() {
        if (owner_ == ::getpid()) stop(SIGINT);
    }

    // Started anew where it ends at once: after a kill -9 its old sessions may hold the shared memory for a moment.
    void start() {
        spawn();
        for (int i = 0; i < 600; ++i) {
            try {
                session("postgres");
                return;
            } catch (const Error&) {
                std::this_thread::sleep_for(std::chrono::milliseconds(20));
                if (::waitpid(pid_, nullptr, WNOHANG) == pid_) spawn();
            }
        }
        throw Error(Code::failed, "PostgreSQL does not start: " + get(folder_ / "server/log"));
    }
    void stop(int signal) {
        ::kill(pid_, signal);
        ::waitpid(pid_, nullptr, 0);
    }

private:
    void spawn() {
        std::vector<std::string> words = {bin_ + "postgres",  "-D", folder_ / "server/data", "-k",
                                          folder_ / "server", "-p", std::to_string(port_)};
        for (const char* setting : {"listen_addresses=127.0.0.1", "shared_buffers=16MB", "max_prepared_transactions=4",
                                    "max_connections=40", "autovacuum=off", "fsync=off"}) {
            words.insert(words.end(), {"-c", setting});
        }
        words = as_user(words);
        std::vector<char*> arguments;
        for (std::string& word : words) arguments.push_back(word.data());
        arguments.push_back(nullptr);
        const std::string log = folder_ / "server/log";
        owner_ = ::getpid();
        pid_ = ::fork();
        if (pid_ != 0) return;
        const int out = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
        ::dup2(out, STDOUT_FILENO);
        ::dup2(out, STDERR_FILENO);
        ::prctl(PR_SET_PDEATHSIG, SIGQUIT);
        ::execvp(arguments[0], arguments.data());
        ::_exit(127);
    }

    explicit PgServer(const std::string& bin) : bin_(bin), port_(free_port()) {
        ::chmod(folder_.path().c_str(), 0711);
        folder_.folder("server");
        if (::geteuid() == 0 && ::chown((folder_ / "server").c_str(), kNobody, kNobody) != 0) std::abort();
        Command command;
        command.argv = as_user({bin_ + "initdb", "-D", folder_ / "server/data", "-U", "postgres", "--auth=trust", "-N", "-E",
                                "UTF8", "--locale=C.UTF-8"});
        command.folder = "/";
        run_checked(command, "initdb");
        // The role `secret` must give its password.
        const std::string hba = folder_ / "server/data/pg_hba.conf";
        put(hba, "host all secret 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\nlocal all all trust\n");
        start();
    }

    static std::string programs() {
        for (int major = 17; major >= 12; --major) {
            const std::string bin = "/usr/lib/postgresql/" + std::to_string(major) + "/bin/";
            if (::access((bin + "initdb").c_str(), X_OK) == 0) return bin;
        }
        return {};
    }
    static int free_port() {
        const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        ::bind(fd, reinterpret_cast<sockaddr*>(&address), size);
        ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
        ::close(fd);
        return ntohs(address.sin_port);
    }
    static std::vector<std::string> as_user(std::vector<std::string> words) {
        if (::geteuid() != 0) return words;
        const std::string id = std::to_string(kNobody);
        words.insert(words.begin(), {"setpriv", "--reuid=" + id, "--regid=" + id, "--clear-groups", "--pdeathsig=QUIT", "--"});
        return words;
    }

    static constexpr uid_t kNobody = 65534;
    TestFolder folder_;
    std::string bin_;
    int port_;
    pid_t pid_ = -1, owner_ = -1;
    int made_ = 0;
};

}  // namespace ingot

// In a test: skipped without the server's programs, failed where CI is set.
#define INGOT_NEED_POSTGRES()                                                                         \
    if (PgServer::shared() == nullptr) {                                                              \
        if (std::getenv("CI") != nullptr) FAIL() << "no PostgreSQL server under /usr/lib/postgresql"; \
        GTEST_SKIP() << "no PostgreSQL server under /usr/lib/postgresql";                             \
    }                                                                                                 \
    static_assert(true)
