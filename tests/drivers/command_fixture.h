// A `command` source in a folder of its own, for the tests of the driver's parts.
#pragma once

#include "drivers/command_settings.h"
#include "test_folder.h"

namespace ingot {

class CommandTestBase : public testing::Test {
protected:
    CommandTestBase() {
        spec_.name = "app";
        spec_.driver = "command";
        spec_.root = scratch_.folder("stack");
        spec_.spool_dir = scratch_.folder("spool");
    }

    CommandSettings settings(const std::string& snapshot) {
        spec_.options["snapshot"] = snapshot;
        return command_settings(spec_);
    }
    std::string in_stack(const std::string& name) const { return spec_.root + "/" + name; }

    TestFolder scratch_;
    SourceSpec spec_;
};

inline void expect_says(const Error& error, const std::string& text) {
    EXPECT_NE(std::string(error.what()).find(text), std::string::npos) << error.what();
}

}  // namespace ingot
