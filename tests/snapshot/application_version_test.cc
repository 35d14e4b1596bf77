#include "snapshot/application_version.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace ingot {
namespace {

std::string version_of(const std::string& command) {
    Stack stack;
    stack.root = "/";
    stack.version_command = command;
    return application_version(stack);
}

TEST(ApplicationVersion, IsTheFirstLineWithoutBlanks) {
    EXPECT_EQ(version_of("echo '  v1.2.3 '; echo more"), "v1.2.3");
    EXPECT_EQ(version_of("true"), "");
    EXPECT_EQ(version_of(""), "");
    EXPECT_EQ(version_of("pwd"), "/");
}

TEST(ApplicationVersion, OfACommandThatFailsIsAnError) {
    try {
        version_of("echo 'not a git repository' >&2; exit 128");
        FAIL() << "nothing was thrown";
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), Code::failed);
        EXPECT_NE(std::string(error.what()).find("not a git repository"), std::string::npos) << error.what();
    }
}

}  // namespace
}  // namespace ingot
