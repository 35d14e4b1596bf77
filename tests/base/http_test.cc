#include "base/http.h"

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fstream>

#include "base/clock.h"
#include "base/interrupt.h"
#include "tests/support/http_server.h"
#include "tests/support/temp_dir.h"

namespace ingot {
namespace {

using test::answer_text;
using test::HttpServer;
using test::SeenRequest;
using test::write_all;

HttpRequest request_of(const std::string& url, const std::string& method = "GET") {
    HttpRequest request;
    request.method = method;
    request.url = url;
    request.deadlines = {.connect_ms = 1000, .total_ms = 5000, .idle_ms = 2000};
    return request;
}

Error error_of(const HttpRequest& request) {
    try {
        const HttpResponse response = make_http()->send(request);
        ADD_FAILURE() << "answered with " << response.status;
    } catch (const Error& error) {
        return error;
    }
    return Error(Code::failed, "");
}

// A request whose answer is what it was.
bool echo(const SeenRequest& request, int fd) {
    std::string text = request.method + " " + request.path + "\n";
    for (const auto& [name, value] : request.headers) text += name + "=" + value + "\n";
    return answer_text(fd, 200, text + "\n" + request.body, "X-Said: a: b \r\n");
}

TEST(Http, SendsMethodHeadersAndBodyAndReadsTheAnswer) {
    HttpServer server(echo);
    HttpRequest request = request_of(server.url("/collections/c?wait=true"), "PUT");
    request.headers = {{"api-key", "K"}, {"content-type", "application/json"}};
    request.body = "{\"a\":1}";
    const HttpResponse response = make_http()->send(request);
    EXPECT_EQ(response.status, 200);
    EXPECT_TRUE(response.ok());
    EXPECT_EQ(response.header("x-said"), "a: b");
    EXPECT_EQ(response.header("x-other"), "");
    EXPECT_NE(response.body.find("PUT /collections/c?wait=true\n"), std::string::npos) << response.body;
    EXPECT_NE(response.body.find("api-key=K\n"), std::string::npos) << response.body;
    EXPECT_NE(response.body.find("content-type=application/json\n"), std::string::npos) << response.body;
    EXPECT_EQ(response.body.find("expect="), std::string::npos) << response.body;
    EXPECT_TRUE(response.body.ends_with("\n\n{\"a\":1}")) << response.body;
}

TEST(Http, KnowsEveryMethod) {
    HttpServer server(echo);
    const auto http = make_http();
    for (const char* method : {"GET", "POST", "PUT", "DELETE", "PATCH"}) {
        const HttpResponse response = http->send(request_of(server.url(), method));
        EXPECT_TRUE(response.body.starts_with(std::string(method) + " /\n")) << response.body;
    }
    EXPECT_EQ(server.connections(), 1) << "a connection is kept open";
}

TEST(Http, AStatusIsAnAnswer) {
    HttpServer server([](const SeenRequest& request, int fd) {
        return answer_text(fd, std::stoi(request.path.substr(1)), "why: " + request.path);
    });
    const auto http = make_http();
    for (const int status : {200, 201, 202, 304, 400, 401, 404, 409, 500, 503}) {
        const HttpResponse response = http->send(request_of(server.url("/" + std::to_string(status))));
        EXPECT_EQ(response.status, status);
        EXPECT_EQ(response.ok(), status < 300);
        if (status != 304) {
            EXPECT_EQ(response.body, "why: /" + std::to_string(status));
        }
    }
}

TEST(Http, AnAnswerGoesToASinkUnlessItIsARefusal) {
    const std::string large(3'000'000, 'x');
    HttpServer server([&](const SeenRequest& request, int fd) {
        return request.path == "/no" ? answer_text(fd, 404, "not here") : answer_text(fd, 200, large);
    });
    std::string got;
    HttpRequest request = request_of(server.url("/yes"));
    request.body_to = [&](ByteView bytes) { got += text_of(bytes); };
    request.body_limit = 10;  // of answers in memory
    EXPECT_EQ(make_http()->send(request).body, "");
    EXPECT_EQ(got, large);
    got.clear();
    request.url = server.url("/no");
    EXPECT_EQ(make_http()->send(request).body, "not here");
    EXPECT_EQ(got, "");
}

TEST(Http, WhatASinkThrowsEndsTheRequest) {
    HttpServer server([](const SeenRequest&, int fd) { return answer_text(fd, 200, std::string(1'000'000, 'x')); });
    HttpRequest request = request_of(server.url());
    request.body_to = [](ByteView) { throw Error(Code::damaged, "this is no tar"); };
    const Error error = error_of(request);
    EXPECT_EQ(error.code(), Code::damaged);
    EXPECT_STREQ(error.what(), "this is no tar");
}

TEST(Http, ALargerAnswerThanAllowedIsAnError) {
    HttpServer server([](const SeenRequest& request, int fd) {
        return answer_text(fd, request.path == "/no" ? 500 : 200, std::string(200'000, 'x'));
    });
    HttpRequest request = request_of(server.url());
    request.body_limit = 199'999;
    EXPECT_NE(std::string(error_of(request).what()).find("is larger than"), std::string::npos);
    request.body_limit = 200'000;
    EXPECT_EQ(make_http()->send(request).body.size(), 200'000U);
    request.url = server.url("/no");
    EXPECT_EQ(make_http()->send(request).body.size(), 65'536U) << "the beginning of a refusal is enough";
}

TEST(Http, ABodyIsSentFromWhereItLies) {
    HttpServer server(echo);
    const std::string bytes = std::string(5'000'000, 'a') + "end";
    HttpRequest request = request_of(server.url(), "POST");
    request.upload = HttpUpload{bytes.size(),
                                [&](uint64_t offset, std::span<uint8_t> out) {
                                    const size_t n =
                                        std::min<size_t>(std::min<size_t>(out.size(), 100'000), bytes.size() - offset);
                                    std::copy_n(bytes.begin() + static_cast<ptrdiff_t>(offset), n, out.begin());
                                    return n;
                                },
                                "", ""};
    EXPECT_TRUE(make_http()->send(request).body.ends_with("\n\n" + bytes));
    request.upload->field = "snapshot";
    request.upload->file_name = "a.snapshot";
    const std::string form = make_http()->send(request).body;
    EXPECT_NE(form.find("content-type=multipart/form-data; boundary="), std::string::npos);
    EXPECT_NE(form.find("Content-Disposition: form-data; name=\"snapshot\"; filename=\"a.snapshot\"\r\n"), std::string::npos);
    EXPECT_NE(form.find("\r\n\r\n" + bytes + "\r\n--"), std::string::npos);
    EXPECT_EQ(form.find("transfer-encoding"), std::string::npos) << "its length is known";
}

TEST(Http, AnUploadThatEndsTooEarlyOrThrowsIsAnError) {
    HttpServer server(echo);
    HttpRequest request = request_of(server.url(), "POST");
    request.upload =
        HttpUpload{1000, [](uint64_t offset, std::span<uint8_t>) { return offset == 0 ? size_t{10} : size_t{0}; }, "", ""};
    EXPECT_NE(std::string(error_of(request).what()).find("ended too early"), std::string::npos);
    request.upload->read_at = [](uint64_t, std::span<uint8_t>) -> size_t { throw Error(Code::source, "gone"); };
    EXPECT_STREQ(error_of(request).what(), "gone");
}

TEST(Http, AnAnswerCutInTheMiddleIsAnError) {
    HttpServer server([](const SeenRequest& request, int fd) {
        if (request.path == "/length") write_all(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this");
        if (request.path == "/chunked") write_all(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nonly\r\n");
        if (request.path == "/head") write_all(fd, "HTTP/1.1 200 OK\r\nContent-");
        return false;
    });
    for (const char* path : {"/length", "/chunked", "/head", "/nothing"}) {
        HttpRequest request = request_of(server.url(path));
        request.code = Code::source;
        EXPECT_EQ(error_of(request).code(), Code::source) << path;
    }
}

TEST(Http, EveryWaitEnds) {
    HttpServer server([](const SeenRequest& request, int fd) {
        if (request.path == "/half") write_all(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
        if (request.path != "/drip") {
            std::this_thread::sleep_for(std::chrono::milliseconds(600));
            return false;
        }
        write_all(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n");
        for (int i = 0; i < 12; ++i) {
            std::this_thread::sleep_for(std::chrono::milliseconds(50));
            write_all(fd, "x");
        }
        return false;
    });
    for (const char* path : {"/hang", "/half", "/drip"}) {
        HttpRequest request = request_of(server.url(path));
        // What drips is never idle, and ended by the limit of the whole.
        request.deadlines = {.connect_ms = 1000, .total_ms = 400, .idle_ms = 200};
        if (std::string(path) != "/drip") request.deadlines.total_ms = 0;
        const int64_t began_ns = mono_now_ns();
        const Error error = error_of(request);
        EXPECT_FALSE(error.hint().empty()) << error.what();
        EXPECT_LT((mono_now_ns() - began_ns) / 1'000'000, 590) << path;
    }
}

TEST(Http, AnInterruptEndsAWait) {
    HttpServer server([](const SeenRequest&, int) {
        std::this_thread::sleep_for(std::chrono::milliseconds(300));
        return false;
    });
    set_interrupted(true);
    EXPECT_EQ(error_of(request_of(server.url())).code(), Code::interrupted);
    HttpRequest request = request_of(server.url());
    request.despite_interrupt = true;
    EXPECT_EQ(error_of(request).code(), Code::failed) << "it waits for the server, which ends the connection";
    set_interrupted(false);
    int asked = 0;
    request.stop_when = [&] { return ++asked > 2; };
    EXPECT_EQ(error_of(request).code(), Code::interrupted);
}

TEST(Http, NobodyThereIsAnErrorWithAHint) {
    int port = 0;
    { port = HttpServer(echo).port(); }
    HttpRequest request = request_of("http://user:hidden@127.0.0.1:" + std::to_string(port) + "/path?token=hidden");
    request.headers = {{"api-key", "hidden"}};
    const Error error = error_of(request);
    EXPECT_EQ(error.code(), Code::failed);
    EXPECT_NE(std::string(error.what()).find("127.0.0.1"), std::string::npos) << error.what();
    EXPECT_EQ(std::string(error.what()).find("hidden"), std::string::npos) << error.what();
    EXPECT_FALSE(error.hint().empty());
    request.shown = "the webhook";
    EXPECT_EQ(std::string(error_of(request).what()).find("/path"), std::string::npos);
}

TEST(Http, AUserOfTheUrlIsSentAndNotShown) {
    HttpServer server(echo);
    const std::string url = "http://u:p@127.0.0.1:" + std::to_string(server.port()) + "/";
    EXPECT_NE(make_http()->send(request_of(url)).body.find("authorization=Basic dTpw"), std::string::npos);
    EXPECT_EQ(shown_url("https://u:p@host:9/a/b?token=x#y"), "https://host:9/a/b");
    EXPECT_EQ(shown_url("not a url"), "(not a url)");
}

TEST(Http, NeitherOtherSchemesNorLineEndsInHeaders) {
    EXPECT_EQ(error_of(request_of("file:///etc/passwd")).code(), Code::usage);
    EXPECT_EQ(error_of(request_of("127.0.0.1:6333")).code(), Code::usage);
    EXPECT_EQ(error_of(request_of("")).code(), Code::usage);
    HttpServer server(echo);
    HttpRequest request = request_of(server.url());
    request.headers = {{"api-key", "K\r\nX-Other: 1"}};
    EXPECT_EQ(error_of(request).code(), Code::usage);
}

TEST(Http, RedirectsAreFollowedOnlyWhereAsked) {
    HttpServer server([](const SeenRequest& request, int fd) {
        return request.path == "/" ? answer_text(fd, 302, "", "Location: /there\r\n") : answer_text(fd, 200, request.path);
    });
    HttpRequest request = request_of(server.url());
    EXPECT_EQ(make_http()->send(request).status, 302);
    request.redirects = 2;
    const HttpResponse response = make_http()->send(request);
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.body, "/there");
    EXPECT_EQ(response.header("location"), "") << "headers are those of the last answer";
}

TEST(Http, TheLoopbackIsAskedWithoutAProxy) {
    HttpServer server(echo);
    ::setenv("http_proxy", "http://127.0.0.1:1", 1);
    EXPECT_EQ(make_http()->send(request_of(server.url())).status, 200);
    HttpRequest elsewhere = request_of("http://ingot.invalid/");
    elsewhere.deadlines.total_ms = 1000;
    const Error error = error_of(elsewhere);
    ::unsetenv("http_proxy");
    EXPECT_NE(std::string(error.what()).find("127.0.0.1"), std::string::npos) << "the proxy is asked: " << error.what();
}

TEST(Http, PercentEncodesAllButPlainLetters) {
    EXPECT_EQ(percent_encoded("rag_main-1.0~"), "rag_main-1.0~");
    EXPECT_EQ(percent_encoded("a b/c?\xc3\xa9"), "a%20b%2Fc%3F%C3%A9");
}

// A certificate of nobody is refused, and taken with `ca_file`.
TEST(Http, CertificatesAreVerified) {
    if (std::system("openssl version >/dev/null 2>&1") != 0) {
        if (std::getenv("CI") != nullptr) FAIL() << "no openssl program on this host";
        GTEST_SKIP() << "no openssl program on this host";
    }
    const test::TempDir folder;
    const std::string make =
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost "
        "-addext subjectAltName=IP:127.0.0.1 -keyout " +
        folder / "key" + " -out " + folder / "cert" + " >/dev/null 2>&1";
    ASSERT_EQ(std::system(make.c_str()), 0);
    int port = 0;
    { port = HttpServer(echo).port(); }
    const pid_t server = ::fork();
    if (server == 0) {
        const std::string run = "exec openssl s_server -quiet -www -accept 127.0.0.1:" + std::to_string(port) + " -key " +
                                folder / "key" + " -cert " + folder / "cert" + " >/dev/null 2>&1";
        ::execl("/bin/sh", "sh", "-c", run.c_str(), nullptr);
        ::_exit(127);
    }
    HttpRequest request = request_of("https://127.0.0.1:" + std::to_string(port) + "/");
    std::string refusal;
    for (int i = 0; i < 200 && refusal.find("ertificate") == std::string::npos; ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
        const Error error = error_of(request);
        refusal = std::string(error.what()) + error.hint();
    }
    EXPECT_NE(refusal.find("`ca_file`"), std::string::npos) << refusal;
    request.ca_file = folder / "cert";
    EXPECT_EQ(make_http()->send(request).status, 200);
    ::kill(server, SIGKILL);
    ::waitpid(server, nullptr, 0);
}

}  // namespace
}  // namespace ingot
