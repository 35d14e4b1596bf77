#include "cli/notify.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <cstdlib>
#include <mutex>
#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "base/interrupt.h"
#include "tests/base/temp_dir.h"
#include "tests/support/http_server.h"

namespace ingot {
namespace {

using Json = nlohmann::json;

Event restored() {
    Event event;
    event.command = "rollback";
    event.stack = "rag";
    event.host = "box";
    event.outcome = "restored";
    event.snapshot_id = std::string(64, 'a');
    event.restore_id = "0123";
    event.reason = "a \"quoted\" reason\nof two lines";
    event.outage_ms = 1500;
    event.duration_ms = 2500;
    event.changes_live = true;
    return event;
}

Event snapshot(int exit) {
    Event event;
    event.command = "snapshot";
    event.stack = "rag";
    event.exit = exit;
    event.outcome = exit == 0 ? "golden" : "partial";
    return event;
}

// A receiver of webhooks and pings, which remembers what it was sent.
class Receiver {
public:
    explicit Receiver(int status = 200)
        : server_([this, status](const test::SeenRequest& request, int fd) {
              const std::lock_guard lock(mutex_);
              seen_.push_back(request);
              return test::answer_text(fd, status, "ok");
          }) {}
    std::string url(const std::string& path) const { return "http://127.0.0.1:" + std::to_string(server_.port()) + path; }
    std::vector<test::SeenRequest> seen() {
        const std::lock_guard lock(mutex_);
        return seen_;
    }

private:
    std::mutex mutex_;
    std::vector<test::SeenRequest> seen_;
    test::HttpServer server_;
};

class NotifyTest : public testing::Test {
protected:
    void tell(const Event& event, int64_t limit_ms = kNotifyLimitMs, bool begin = false) {
        Notifier notifier(
            real_filesystem(), spec_, dir_.path(),
            [this](const std::string& line) {
                const std::lock_guard lock(mutex_);
                warnings_ += line + "\n";
            },
            make_http, limit_ms);
        if (begin) notifier.began();
        notifier.ended(event);
    }
    void TearDown() override { ::unsetenv("A_HOOK"); }

    TempDir dir_;
    NotifySpec spec_;
    std::mutex mutex_;
    std::string warnings_;
};

TEST(NotifyText, SaysWhatHappenedInOneLine) {
    EXPECT_EQ(event_text(restored()),
              "ingot: rollback of rag on box: restored, snapshot aaaaaaaa, services out for 1.5 s, 2.5 s in all; reason: a "
              "\"quoted\" reason\\x0aof two lines");
    const Json json = Json::parse(event_json(restored()));
    EXPECT_EQ(json["event"], "restore");
    EXPECT_EQ(json["text"], event_text(restored()));
    EXPECT_EQ(Json::parse(event_json(snapshot(3)))["event"], "failure");
}

TEST(NotifyTemplate, IsFilledAndStaysJson) {
    const std::string filled =
        filled_template(R"({"blocks": [{"a": "{{ outcome }}: {{reason}}", "exit": {{exit}}}]})", restored());
    EXPECT_EQ(Json::parse(filled)["blocks"][0]["a"], "restored: a \"quoted\" reason\nof two lines") << filled;
    EXPECT_EQ(Json::parse(filled)["blocks"][0]["exit"], 0);
    EXPECT_EQ(Json::parse(filled_template("", restored()))["text"], event_text(restored()));
    EXPECT_EQ(template_problem(R"({"t": "{{text}}", "n": {{exit}}})"), "");
    EXPECT_NE(template_problem(R"({"t": "{{txet}}"})").find("there is no {{txet}}"), std::string::npos);
    EXPECT_NE(template_problem(R"({"t": {{text}} x})").find("not JSON"), std::string::npos);
}

TEST_F(NotifyTest, TheWebhookGetsWhatItIsMeantToHearOf) {
    Receiver receiver;
    ::setenv("A_HOOK", receiver.url("/hook/s3cret").c_str(), 1);
    spec_.webhook_env = "A_HOOK";
    tell(restored());
    tell(snapshot(0));
    tell(snapshot(3));
    Event folder = restored();
    folder.changes_live = false;
    tell(folder);
    const auto seen = receiver.seen();
    ASSERT_EQ(seen.size(), 2u) << warnings_;
    EXPECT_EQ(seen[0].method, "POST");
    EXPECT_EQ(seen[0].path, "/hook/s3cret");
    EXPECT_EQ(seen[0].headers.at("content-type"), "application/json");
    EXPECT_EQ(Json::parse(seen[0].body)["text"], event_text(restored()));
    EXPECT_EQ(Json::parse(seen[1].body)["text"], event_text(snapshot(3)));
    spec_.on = {"snapshot"};
    tell(snapshot(0));
    EXPECT_EQ(receiver.seen().size(), 3u);
    EXPECT_EQ(warnings_, "");
}

TEST_F(NotifyTest, HealthchecksHearOfTheStartAndTheEndOfSnapshots) {
    Receiver receiver;
    spec_.healthchecks = receiver.url("/ping/uuid/?create=1");
    tell(snapshot(0), kNotifyLimitMs, true);
    tell(snapshot(3), kNotifyLimitMs, true);
    tell(restored());
    std::vector<std::string> paths;
    for (const auto& each : receiver.seen()) paths.push_back(each.method + " " + each.path);
    EXPECT_EQ(paths, (std::vector<std::string>{"GET /ping/uuid/start?create=1", "POST /ping/uuid?create=1",
                                               "GET /ping/uuid/start?create=1", "POST /ping/uuid/fail?create=1"}));
    EXPECT_EQ(receiver.seen()[3].body, event_text(snapshot(3)));
}

TEST_F(NotifyTest, WhoeverRefusesHangsOrIsGoneIsAWarningWithoutTheUrl) {
    Receiver refusing(500);
    test::HttpServer hanging([](const test::SeenRequest&, int) {
        ::usleep(600'000);
        return false;
    });
    spec_.webhook_env = "A_HOOK";
    for (const std::string& url : {refusing.url("/s3cret"), "http://127.0.0.1:" + std::to_string(hanging.port()) + "/s3cret",
                                   std::string("http://127.0.0.1:1/s3cret"), std::string("no url s3cret"), std::string()}) {
        warnings_.clear();
        ::setenv("A_HOOK", url.c_str(), 1);
        spec_.healthchecks = url;
        spec_.command = "cat > /dev/null; sleep 30";
        const int64_t began_ns = mono_now_ns();
        Event event = snapshot(3);
        tell(event, 300, true);
        EXPECT_LT((mono_now_ns() - began_ns) / 1'000'000, 300 + 1500) << url;
        EXPECT_NE(warnings_.find("the webhook was not told"), std::string::npos) << url << warnings_;
        EXPECT_EQ(warnings_.find("s3cret"), std::string::npos) << warnings_;
        EXPECT_NE(warnings_.find("`command` of [notify]"), std::string::npos) << warnings_;
    }
}

TEST_F(NotifyTest, TheCommandGetsTheEventAndAnInterruptIsToldToo) {
    spec_.command = "cat > event.json";
    set_interrupted(true);
    Receiver receiver;
    ::setenv("A_HOOK", receiver.url("/").c_str(), 1);
    spec_.webhook_env = "A_HOOK";
    tell(snapshot(130));
    set_interrupted(false);
    EXPECT_EQ(receiver.seen().size(), 1u) << warnings_;
    EXPECT_EQ(Json::parse(dir_.read("event.json"))["exit"], 130);
    spec_.command = "echo database is locked >&2; exit 3";
    tell(restored());
    EXPECT_NE(warnings_.find("ended with status 3: database is locked"), std::string::npos) << warnings_;
}

}  // namespace
}  // namespace ingot
