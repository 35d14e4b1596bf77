#include "drivers/redis_dump.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>

#include <atomic>

#include "tests/drivers/test_folder.h"

namespace ingot {
namespace {

// A server that answers PSYNC with these bytes, and all else as Redis does. Real servers are met in redis_test.cc.
class FakeServer {
public:
    // `hang`: the connection stays open afterwards.
    explicit FakeServer(std::string answer, bool hang = false) : answer_(std::move(answer)), hang_(hang) {
        listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        EXPECT_EQ(::bind(listener_, reinterpret_cast<sockaddr*>(&address), size), 0);
        EXPECT_EQ(::listen(listener_, 4), 0);
        ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
        port_ = ntohs(address.sin_port);
        thread_ = std::thread([this] { serve(); });
    }
    FakeServer(const FakeServer&) = delete;
    FakeServer& operator=(const FakeServer&) = delete;
    ~FakeServer() {
        stop_ = true;
        thread_.join();
        ::close(listener_);
    }

    RedisSettings settings() const {
        SourceSpec spec;
        spec.name = "s";
        spec.options = {{"url", "redis://127.0.0.1:" + std::to_string(port_)}, {"timeout", "300ms"}};
        return redis_settings(spec);
    }

private:
    bool ready(int fd) const {
        pollfd wait{fd, POLLIN, 0};
        while (!stop_) {
            if (::poll(&wait, 1, 10) > 0) return true;
        }
        return false;
    }
    void serve() {
        while (ready(listener_)) {
            const int fd = ::accept(listener_, nullptr, nullptr);
            while (answer(fd)) {
            }
            ::close(fd);
        }
    }
    // One command comes in one piece: the client waits for each answer.
    bool answer(int fd) const {
        char buffer[4096];
        if (!ready(fd)) return false;
        const ssize_t n = ::recv(fd, buffer, sizeof buffer, 0);
        if (n <= 0) return false;
        const std::string asked(buffer, static_cast<size_t>(n));
        const auto say = [&](const std::string& text) { (void)::send(fd, text.data(), text.size(), MSG_NOSIGNAL); };
        if (asked.find("PSYNC") != std::string::npos) {
            say(answer_);
            while (hang_ && !stop_) std::this_thread::sleep_for(std::chrono::milliseconds(5));
            return false;
        }
        const bool info = asked.find("INFO") != std::string::npos;
        say(info                                     ? "$26\r\nrdb_bgsave_in_progress:0\r\n\r\n"
            : asked.find("ACL") != std::string::npos ? "-NOPERM\r\n"
                                                     : "+OK\r\n");
        return true;
    }

    std::string answer_;
    bool hang_;
    int listener_ = -1;
    int port_ = 0;
    std::atomic<bool> stop_{false};
    std::thread thread_;
};

TEST(RedisDump, TakesWhatComesAfterEmptyLines) {
    const TestFolder folder;
    const FakeServer server("\n\n+FULLRESYNC 0123 1\r\n\n\n\n$9\r\nREDIS0010");
    const int64_t before = mono_now_ns();
    RedisDump dump(server.settings(), folder.path());
    EXPECT_LE(before, dump.moment().first.mono_ns);
    EXPECT_LE(dump.moment().first.mono_ns, dump.moment().last.mono_ns);
    EXPECT_EQ(dump.wait().size(), 9u);
    EXPECT_TRUE(dump.why_saved().empty());
    EXPECT_FALSE(dump.users());
}

TEST(RedisDump, WhatIsNoPinIsAnError) {
    const TestFolder folder;
    const std::vector<std::pair<std::string, std::string>> answers = {
        {"", "closed the connection"},
        {"+CONTINUE\r\n", "+CONTINUE"},
        {"-NOMASTERLINK Can't SYNC while not connected with my master\r\n", "NOMASTERLINK"},
        {"-LOADING Redis is loading the dataset in memory\r\n", "LOADING"},
        {std::string(5000, 'x'), "is none"},
    };
    for (const auto& [answer, words] : answers) {
        const FakeServer server(answer);
        const Error error = error_of([&] { RedisDump(server.settings(), folder.path()); });
        EXPECT_EQ(error.code(), Code::source) << words;
        EXPECT_NE(std::string(error.what()).find(words), std::string::npos) << error.what();
    }
}

TEST(RedisDump, WhatIsNoDumpIsAnErrorOnceItIsWaitedFor) {
    const TestFolder folder;
    const std::string pin = "+FULLRESYNC 0123 1\r\n";
    const std::vector<std::pair<std::string, std::string>> answers = {
        {pin, "closed the connection"},
        {pin + "$100\r\nREDIS0010", "91 B before the end"},
        {pin + "$EOF:0123456789012345678901234567890123456789\r\n", "sends no dump"},
        {pin + "$99999999999999999999999999\r\n", "sends no dump"},
        {pin + "-ERR its disk is full\r\n", "its disk is full"},
    };
    for (const auto& [answer, words] : answers) {
        const FakeServer server(answer);
        RedisDump dump(server.settings(), folder.path());
        for (int again = 0; again < 2; ++again) {
            const Error error = error_of([&] { dump.wait(); });
            EXPECT_EQ(error.code(), Code::source) << words;
            EXPECT_NE(std::string(error.what()).find(words), std::string::npos) << error.what();
        }
    }
}

TEST(RedisDump, AServerThatHangsIsGivenUpInTime) {
    const TestFolder folder;
    for (const std::string& answer :
         std::vector<std::string>{"", "+FULLRESYNC 0123 1\r\n", "+FULLRESYNC 0123 1\r\n$100\r\nREDIS"}) {
        const FakeServer server(answer, true);
        const int64_t before = mono_now_ns();
        const Error error = error_of([&] { RedisDump(server.settings(), folder.path()).wait(); });
        EXPECT_NE(std::string(error.what()).find("does not answer"), std::string::npos) << error.what();
        EXPECT_LT(mono_now_ns() - before, 2'000'000'000);
    }
}

TEST(RedisDump, APinThatIsDroppedDoesNotWaitForItsDump) {
    const TestFolder folder;
    const FakeServer server("+FULLRESYNC 0123 1\r\n", true);
    RedisSettings patient = server.settings();
    patient.timeout_ms = 60'000;
    const int64_t before = mono_now_ns();
    { RedisDump dump(patient, folder.path()); }
    EXPECT_LT(mono_now_ns() - before, 2'000'000'000);
}

}  // namespace
}  // namespace ingot
