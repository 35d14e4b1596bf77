#include "cli/exit_code.h"

#include <gtest/gtest.h>

#include <utility>

namespace ingot {

TEST(ExitCode, EveryCodeHasTheStatusThatScriptsRelyOn) {
    const std::vector<std::pair<Code, int>> table = {
        {Code::failed, 1},
        {Code::usage, 2},
        {Code::not_found, 1},
        {Code::source, 1},
        {Code::no_repository, 10},
        {Code::locked, 11},
        {Code::wrong_key, 12},
        {Code::damaged, 20},
        {Code::rolled_back, 21},
        {Code::tampered, 25},
        {Code::rollback_incomplete, 22},
        {Code::incompatible, 23},
        {Code::interrupted, 130},
    };
    for (const auto& [code, exit] : table) EXPECT_EQ(exit_code(code), exit) << code_name(code);
}

TEST(ExitCode, OfFindingsIsThatOfTheWorst) {
    using Weight = Finding::Weight;
    EXPECT_EQ(exit_code(std::vector<Finding>{}), 0);
    EXPECT_EQ(exit_code(std::vector<Finding>{{Weight::note, "", ""}}), 0);
    EXPECT_EQ(exit_code(std::vector<Finding>{{Weight::damage, "", ""}, {Weight::note, "", ""}}), 20);
    EXPECT_EQ(exit_code(std::vector<Finding>{{Weight::damage, "", ""}, {Weight::tampering, "", ""}}), 25);
}

}  // namespace ingot
