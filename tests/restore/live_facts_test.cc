#include "restore/live_facts.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/clock.h"
#include "drivers/files.h"

namespace ingot {
namespace {

// Answers questions as an engine would; some of them badly.
class AskedDriver : public FilesDriver {
public:
    using FilesDriver::FilesDriver;
    Fact ask_live(const std::string& question) override {
        if (question == "number") return int64_t{42};
        if (question == "text") return std::string("wal\n\"\xff");
        if (question == "hang") ::sleep(60);
        if (question == "die") ::_exit(9);
        throw Error(Code::failed, "no such table");
    }
};

Stack stack_of(std::map<std::string, std::string> facts, const std::string& version = "") {
    Stack stack;
    stack.name = "s";
    stack.root = "/tmp";
    stack.version_command = version;
    SourceSpec spec;
    spec.name = "db";
    spec.driver = "files";
    spec.root = "/tmp";
    spec.paths = {"x"};
    spec.facts = std::move(facts);
    stack.sources.push_back(std::make_unique<AskedDriver>(spec));
    return stack;
}

TEST(LiveFacts, AreWhatTheEnginesAnswer) {
    const Stack stack = stack_of({{"a", "number"}, {"b", "missing"}, {"c", "text"}}, "echo v7");
    const LiveState state = LiveFacts(stack).collect();
    ASSERT_EQ(state.facts.size(), 1u);
    const Facts& facts = state.facts.at("db");
    EXPECT_EQ(facts.size(), 2u);
    EXPECT_EQ(std::get<int64_t>(facts.at("a")), 42);
    EXPECT_EQ(std::get<std::string>(facts.at("c")), "wal\\x0a\"\\xff");
    EXPECT_EQ(state.version, "v7");
    EXPECT_GT(state.at_ms, 0);
}

TEST(LiveFacts, AnEngineThatHangsDelaysNobodyForLong) {
    const Stack stack = stack_of({{"a", "number"}, {"b", "hang"}}, "echo never");
    const int64_t began_ns = mono_now_ns();
    const LiveState state = LiveFacts(stack, 200).collect();
    const int64_t took_ms = (mono_now_ns() - began_ns) / 1'000'000;
    EXPECT_EQ(std::get<int64_t>(state.facts.at("db").at("a")), 42);
    EXPECT_FALSE(state.facts.at("db").contains("b"));
    EXPECT_GE(took_ms, 150);
    EXPECT_LT(took_ms, 2000);
}

TEST(LiveFacts, AVersionCommandThatHangsIsEndedInTimeForTheFacts) {
    const Stack stack = stack_of({{"a", "number"}}, "sleep 60");
    const LiveState state = LiveFacts(stack, 600).collect();
    EXPECT_EQ(state.version, "");
    EXPECT_EQ(std::get<int64_t>(state.facts.at("db").at("a")), 42);
}

TEST(LiveFacts, AnEngineThatCrashesTakesNobodyAlong) {
    const Stack stack = stack_of({{"a", "number"}, {"b", "die"}, {"c", "number"}});
    const LiveState state = LiveFacts(stack).collect();
    EXPECT_EQ(state.facts.at("db").size(), 1u);
    { const LiveFacts never_collected(stack_of({{"a", "hang"}})); }
}

}  // namespace
}  // namespace ingot
