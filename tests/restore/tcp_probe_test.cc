#include "restore/tcp_probe.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"

namespace ingot {
namespace {

// A socket of the loopback, bound to a free port.
class Port {
public:
    Port() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in place{};
        place.sin_family = AF_INET;
        place.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof place;
        EXPECT_EQ(::bind(fd_, reinterpret_cast<sockaddr*>(&place), size), 0);
        EXPECT_EQ(::getsockname(fd_, reinterpret_cast<sockaddr*>(&place), &size), 0);
        address_ = "127.0.0.1:" + std::to_string(ntohs(place.sin_port));
    }
    Port(const Port&) = delete;
    Port& operator=(const Port&) = delete;
    ~Port() { ::close(fd_); }
    void listen() const { EXPECT_EQ(::listen(fd_, 1), 0); }
    const std::string& address() const { return address_; }

private:
    int fd_;
    std::string address_;
};

Code code_of(const std::string& address) {
    try {
        connect_tcp(address, 1000);
    } catch (const Error& error) {
        return error.code();
    }
    ADD_FAILURE() << "nothing was thrown for " << address;
    return Code::damaged;
}

TEST(TcpProbe, ConnectsWhereSomebodyListensOnly) {
    const Port port;
    EXPECT_EQ(code_of(port.address()), Code::failed);
    port.listen();
    EXPECT_NO_THROW(connect_tcp(port.address(), 1000));
    EXPECT_EQ(code_of("no-such-host.invalid:80"), Code::failed);
}

TEST(TcpProbe, WantsAHostAndAPort) {
    using Pair = std::pair<std::string, std::string>;
    EXPECT_EQ(host_and_port("db.internal:5432"), Pair("db.internal", "5432"));
    EXPECT_EQ(host_and_port("[::1]:80"), Pair("::1", "80"));
    for (const char* bad : {"", "localhost", ":80", "host:", "host:0", "host:65536", "host:80x", "::1:80", "host:-1"}) {
        EXPECT_EQ(code_of(bad), Code::usage) << bad;
    }
}

}  // namespace
}  // namespace ingot
