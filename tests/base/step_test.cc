#include "base/step.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace ingot {
namespace {

std::vector<std::string> heard;

TEST(Step, IsHeardByTheListenerAndByNobodyWithoutOne) {
    step("nobody listens");
    set_step_listener([](const char* name) { heard.emplace_back(name); });
    step("pack.synced");
    set_step_listener(nullptr);
    step("nobody listens");
    EXPECT_EQ(heard, std::vector<std::string>{"pack.synced"});
}

}  // namespace
}  // namespace ingot
