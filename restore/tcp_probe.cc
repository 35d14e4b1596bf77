#include "restore/tcp_probe.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>

#include "base/clock.h"
#include "base/error.h"
#include "base/interrupt.h"

namespace ingot {
namespace {

constexpr int kTickMs = 50;  // how soon a signal is noticed

// 0, or the errno of the failure.
int connect_to(const addrinfo& place, int64_t until_ns) {
    const int fd = ::socket(place.ai_family, place.ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, place.ai_protocol);
    if (fd < 0) return errno;
    const std::unique_ptr<const int, void (*)(const int*)> closer(&fd, [](const int* open) { ::close(*open); });
    if (::connect(fd, place.ai_addr, place.ai_addrlen) == 0) return 0;
    if (errno != EINPROGRESS) return errno;
    for (;;) {
        check_interrupted();
        const int64_t left_ms = (until_ns - mono_now_ns()) / 1'000'000;
        if (left_ms <= 0) return ETIMEDOUT;
        pollfd waiting = {fd, POLLOUT, 0};
        if (::poll(&waiting, 1, static_cast<int>(std::min<int64_t>(left_ms, kTickMs))) <= 0) continue;
        int error = 0;
        socklen_t size = sizeof error;
        ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
        return error;
    }
}

}  // namespace

std::pair<std::string, std::string> host_and_port(const std::string& address) {
    const size_t colon = address.rfind(':');
    std::string host = colon == std::string::npos ? "" : address.substr(0, colon);
    if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
        host = host.substr(1, host.size() - 2);
    } else if (host.find(':') != std::string::npos) {
        host.clear();  // an IPv6 address without brackets: which colon is the port's?
    }
    int port = 0;
    const char* const end = address.data() + address.size();
    const bool number = colon != std::string::npos && std::from_chars(address.data() + colon + 1, end, port).ptr == end;
    if (host.empty() || !number || port < 1 || port > 65535) {
        throw Error(Code::usage, fmt::format("\"{}\" is no host and port", printable(address)),
                    "write 127.0.0.1:5432, name:5432 or [::1]:5432");
    }
    return {host, std::to_string(port)};
}

void connect_tcp(const std::string& address, int64_t limit_ms) {
    const int64_t until_ns = mono_now_ns() + limit_ms * 1'000'000;
    const auto [host, port] = host_and_port(address);
    addrinfo wanted{};
    wanted.ai_socktype = SOCK_STREAM;
    wanted.ai_flags = AI_NUMERICSERV;
    addrinfo* raw = nullptr;
    if (const int failed = ::getaddrinfo(host.c_str(), port.c_str(), &wanted, &raw); failed != 0) {
        throw Error(Code::failed, fmt::format("{}: {}", printable(address), ::gai_strerror(failed)));
    }
    const std::unique_ptr<addrinfo, void (*)(addrinfo*)> places(raw, ::freeaddrinfo);
    int error = 0;
    for (const addrinfo* place = raw; place != nullptr; place = place->ai_next) {
        error = connect_to(*place, until_ns);
        if (error == 0) return;
    }
    throw Error(Code::failed, fmt::format("connecting to {}: {}", printable(address), std::strerror(error)));
}

}  // namespace ingot
