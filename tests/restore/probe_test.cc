#include "restore/probe.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/interrupt.h"
#include "drivers/driver.h"
#include "tests/base/temp_dir.h"

namespace ingot {
namespace {

class ScriptedHttp : public Http {
public:
    HttpResponse send(const HttpRequest& request) override {
        urls.push_back(request.url);
        if (answers.empty()) throw Error(Code::failed, "connection refused");
        HttpResponse answer = answers.front();
        if (answers.size() > 1) answers.erase(answers.begin());
        if (answer.status == 0) throw Error(Code::failed, "connection refused");
        return answer;
    }
    std::vector<HttpResponse> answers;
    std::vector<std::string> urls;
};

HttpResponse answer(int status, const std::string& body) {
    HttpResponse out;
    out.status = status;
    out.body = body;
    return out;
}

SourceSpec spec_of_db() {
    SourceSpec spec;
    spec.name = "db";
    spec.driver = "fake";
    return spec;
}

class AskedDriver : public Driver {
public:
    AskedDriver() : Driver(spec_of_db()) {}
    void prepare() override {}
    std::unique_ptr<Pin> pin() override { return nullptr; }
    std::vector<SourceRoot> roots() const override { return {}; }
    Facts open_artifact(const std::string&) override { return {}; }
    Fact ask_live(const std::string& question) override { return question == "count" ? Fact(int64_t{104}) : Fact("v7"); }
};

class ProbeTest : public testing::Test {
protected:
    ProbeTest() {
        stack.root = dir.path();
        stack.sources.push_back(std::make_unique<AskedDriver>());
    }
    ~ProbeTest() override { set_interrupted(false); }

    ProbeSpec probe(ProbeSpec::Kind kind, const std::string& target) {
        ProbeSpec out;
        out.name = "it";
        out.kind = kind;
        out.target = target;
        out.timeout_ms = 200;
        out.interval_ms = 10;
        return out;
    }
    // "" where it passes, else what it says.
    std::string asked(const ProbeSpec& one) {
        stack.probes = {one};
        steps.clear();
        try {
            Prober(stack, expected, timeline, progress, &http).run();
            return "";
        } catch (const Error& error) {
            code = error.code();
            return error.what();
        }
    }
    static bool holds(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

    class Quiet : public Progress {
        void phase(std::string_view, uint64_t) override {}
        void advance(uint64_t) override {}
        void note(std::string_view) override {}
    };

    TempDir dir;
    Stack stack;
    std::map<std::string, std::string> expected;
    std::vector<RestoreStep> steps;
    Timeline timeline{steps, {}};
    Quiet progress;
    ScriptedHttp http;
    Code code = Code::usage;
};

TEST_F(ProbeTest, HttpLooksAtStatusTextAndJson) {
    ProbeSpec one = probe(ProbeSpec::Kind::http, "http://127.0.0.1:1/health");
    http.answers = {answer(204, "")};
    EXPECT_EQ(asked(one), "");
    http.answers = {answer(500, "")};
    EXPECT_TRUE(holds(asked(one), "answers with status 500"));
    one.status = 503;
    http.answers = {answer(503, "maintenance")};
    EXPECT_EQ(asked(one), "");
    one.status = 0;
    one.contains = "ready";
    http.answers = {answer(200, "not yet")};
    EXPECT_TRUE(holds(asked(one), "does not contain \"ready\": \"not yet\""));
    one.contains.clear();
    one.json = {{"/index/vectors", "7"}, {"/status", "ok"}};
    http.answers = {answer(200, R"({"status":"ok","index":{"vectors":7}})")};
    EXPECT_EQ(asked(one), "");
    http.answers = {answer(200, R"({"status":"ok","index":{"vectors":6}})")};
    EXPECT_TRUE(holds(asked(one), "/index/vectors is \"6\" and not \"7\""));
    http.answers = {answer(200, R"({"status":"ok"})")};
    EXPECT_TRUE(holds(asked(one), "has nothing at /index/vectors"));
    http.answers = {answer(200, "<html>")};
    EXPECT_TRUE(holds(asked(one), "is not JSON"));
}

TEST_F(ProbeTest, ThatFlapsIsAskedAgain) {
    http.answers = {answer(0, ""), answer(502, ""), answer(200, "")};
    EXPECT_EQ(asked(probe(ProbeSpec::Kind::http, "http://x/")), "");
    ASSERT_EQ(steps.size(), 1u);
    EXPECT_EQ(steps[0].name, "probe it");
    EXPECT_EQ(steps[0].detail, "at try 3");
    EXPECT_FALSE(steps[0].failed);
}

TEST_F(ProbeTest, ThatFailsUntilItsTimeIsOverSaysHowOftenItWasAsked) {
    http.answers = {answer(502, "")};
    const std::string said = asked(probe(ProbeSpec::Kind::http, "http://x/"));
    EXPECT_TRUE(said.starts_with("the probe it failed, asked ")) << said;
    EXPECT_TRUE(holds(said, "status 502")) << said;
    EXPECT_GT(http.urls.size(), 2u);
    EXPECT_EQ(code, Code::failed);
    EXPECT_TRUE(steps.at(0).failed);
}

TEST_F(ProbeTest, CommandRunsInTheStackAndGetsWhatIsLeftOfTheTime) {
    dir.write("ready", "");
    EXPECT_EQ(asked(probe(ProbeSpec::Kind::command, "test -e ready")), "");
    EXPECT_TRUE(holds(asked(probe(ProbeSpec::Kind::command, "echo 'recall 0.31' >&2; exit 1")), "recall 0.31"));
    EXPECT_TRUE(holds(asked(probe(ProbeSpec::Kind::command, "sleep 30")), "was ended"));
}

TEST_F(ProbeTest, SqlComparesWithAValueOrWithTheFactOfTheSnapshot) {
    ProbeSpec one = probe(ProbeSpec::Kind::sql, "count");
    one.source = "db";
    one.value = "104";
    EXPECT_EQ(asked(one), "");
    one.value = "100";
    EXPECT_TRUE(holds(asked(one), "db has \"104\" and not \"100\""));
    one.tolerance = 0.05;
    EXPECT_EQ(asked(one), "");
    one.value.clear();
    one.fact = "chunks";
    EXPECT_EQ(asked(one), "") << "of a source that is not restored: not asked";
    EXPECT_TRUE(steps.empty());
    expected = {{"it", "90"}};
    EXPECT_TRUE(holds(asked(one), "not \"90\" within 5 %"));
    one.target = "version";
    expected = {{"it", "v7"}};
    EXPECT_EQ(asked(one), "");
}

TEST_F(ProbeTest, EndsAtASignal) {
    set_interrupted(true);
    EXPECT_NE(asked(probe(ProbeSpec::Kind::command, "true")), "");
    EXPECT_EQ(code, Code::interrupted);
}

TEST_F(ProbeTest, ExpectationsAreFactsOfTheSourcesThatAreRestored) {
    ProbeSpec one = probe(ProbeSpec::Kind::sql, "count");
    one.source = "db";
    one.fact = "chunks";
    stack.probes = {one};
    Manifest manifest;
    ManifestSource source;
    source.name = "db";
    source.facts = {{"chunks", int64_t{104}}};
    manifest.sources = {source};
    EXPECT_EQ(expectations(stack, manifest, {"db"}), (std::map<std::string, std::string>{{"it", "104"}}));
    EXPECT_TRUE(expectations(stack, manifest, {"docs"}).empty());
    manifest.sources[0].facts.clear();
    try {
        (void)expectations(stack, manifest, {"db"});
        FAIL() << "nothing was thrown";
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), Code::failed);
        EXPECT_TRUE(holds(error.what(), "db.chunks")) << error.what();
    }
}

TEST(ValueMatches, ComparesNumbersAsNumbers) {
    EXPECT_TRUE(value_matches("7", "7.0", 0));
    EXPECT_FALSE(value_matches("7", "8", 0));
    EXPECT_TRUE(value_matches("100", "105", 0.05));
    EXPECT_FALSE(value_matches("100", "106", 0.05));
    EXPECT_TRUE(value_matches("-100", "-96", 0.05));
    EXPECT_FALSE(value_matches("ok", "OK", 1));
    EXPECT_FALSE(value_matches("", "0", 1));
}

}  // namespace
}  // namespace ingot
