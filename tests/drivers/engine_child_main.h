// The main() of a test program whose drivers start engines in a process of their own: that process is this program again
// (drivers/registry.h). For one source file of each such program.
#pragma once

#include <gtest/gtest.h>

#include "drivers/registry.h"

int main(int argc, char** argv) {
    if (const std::optional<int> status = ingot::run_engine_child(argc, argv)) return *status;
    testing::InitGoogleTest(&argc, argv);
    return RUN_ALL_TESTS();
}
