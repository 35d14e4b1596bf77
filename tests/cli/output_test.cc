#include "cli/output.h"

#include <gtest/gtest.h>

#include <cstdio>

namespace ingot {

TEST(Table, AlignsByWhatIsSeenNotByBytes) {
    Table table({"Name", ">Size"});
    table.add({"Größe", "1 B"});
    table.add({"x", "1.5 GiB"});
    EXPECT_EQ(table.text(), "Name      Size\nGröße      1 B\nx      1.5 GiB\n");
}

TEST(Output, ErrorsSayWhatToDoNextAndHaveTheirStatus) {
    Output out;
    testing::internal::CaptureStderr();
    EXPECT_EQ(out.error(Error(Code::locked, "it is locked", "wait")), 11);
    EXPECT_EQ(testing::internal::GetCapturedStderr(), "ingot: it is locked\n  hint: wait\n");
    out.json = true;
    testing::internal::CaptureStderr();
    EXPECT_EQ(out.error(Error(Code::wrong_key, "no \"key\"", "")), 12);
    EXPECT_EQ(testing::internal::GetCapturedStderr(),
              "{\"message_type\":\"error\",\"code\":\"wrong_key\",\"what\":\"no \\\"key\\\"\",\"hint\":\"\",\"exit\":12}\n");
}

TEST(Output, JsonAndTextNeverMix) {
    Output out;
    testing::internal::CaptureStdout();
    out.line("for people");
    out.object(JsonObject("thing"));
    out.json = true;
    out.line("for people");
    out.object(JsonObject("thing"));
    out.finish();
    EXPECT_EQ(testing::internal::GetCapturedStdout(), "for people\n{\"message_type\":\"thing\"}\n");
}

TEST(Output, CountsInWords) {
    EXPECT_EQ(counted(1, "pack"), "1 pack");
    EXPECT_EQ(counted(0, "mistake"), "0 mistakes");
    EXPECT_EQ(counted(2, "entry"), "2 entries");
}

}  // namespace ingot
