#include "drivers/command_facts.h"

#include "command_fixture.h"

namespace ingot {
namespace {

class CommandFactsTest : public CommandTestBase {
protected:
    CommandFactsTest() { put(path_, "CREATE TABLE a\nCREATE TABLE b\nrows\n"); }

    Facts facts(const std::string& text, Code code = Code::source) {
        spec_.facts = {{"fact", text}};
        return command_facts(settings("true"), path_, 35, code);
    }

    std::string path_ = scratch_ / "output";
};

TEST_F(CommandFactsTest, GetTheOutputAndPrintOneValue) {
    EXPECT_EQ(facts("grep -c '^CREATE TABLE'"), (Facts{{"bytes", int64_t{35}}, {"fact", int64_t{2}}}));
    EXPECT_EQ(facts("echo ' 0.5 '").at("fact"), Fact(0.5));
    EXPECT_EQ(facts("echo '8.0.36 of today'").at("fact"), Fact(std::string("8.0.36 of today")));
    EXPECT_EQ(facts("pwd").at("fact"), Fact(spec_.root));
}

TEST_F(CommandFactsTest, ReadTheWholeOutputEachTime) {
    spec_.facts = {{"a", "wc -l"}, {"b", "wc -l"}};
    const Facts out = command_facts(settings("true"), path_, 35, Code::source);
    EXPECT_EQ(out.at("a"), Fact(int64_t{3}));
    EXPECT_EQ(out.at("b"), Fact(int64_t{3}));
}

TEST_F(CommandFactsTest, ACommandThatFailsOrPrintsNoSingleValueIsAnError) {
    for (const std::string text : {"grep -c nothing", "true", "cat", "exit 3", "head -c 3000 /dev/zero | tr '\\0' x"}) {
        const Error error = error_of([&] { facts(text); });
        EXPECT_EQ(error.code(), Code::source) << text;
        EXPECT_FALSE(error.hint().empty()) << text;
        expect_says(error, "the fact fact");
    }
    EXPECT_EQ(error_of([&] { facts("exit 3", Code::damaged); }).code(), Code::damaged);
}

TEST(CommandFact, IsAWholeNumberANumberOrText) {
    EXPECT_EQ(fact_from("-12"), Fact(int64_t{-12}));
    EXPECT_EQ(fact_from("1e3"), Fact(1000.0));
    EXPECT_EQ(fact_from("99999999999999999999"), Fact(1e20));
    EXPECT_EQ(fact_from("12 rows"), Fact(std::string("12 rows")));
    EXPECT_EQ(fact_from("a\x1b[0m"), Fact(std::string("a\\x1b[0m")));
}

}  // namespace
}  // namespace ingot
