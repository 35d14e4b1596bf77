#include "cli/config_services.h"

#include <gtest/gtest.h>

namespace ingot {
namespace {

// 8 lines; what is added begins at line 9.
const std::string kGood =
    "[repository]\npath = \"/r\"\n[stack]\nname = \"s\"\nroot = \"/opt/s\"\n[sources.docs]\ndriver = \"files\"\npath = "
    "\"docs\"\n";

ConfigReading reading_of(const std::string& more) { return read_config_text(kGood + more, "i.toml", false); }

using Lines = std::vector<std::string>;

TEST(ConfigServices, AreTakenWithTheirDefaults) {
    const ConfigReading reading = reading_of(
        "[sources.docs.hooks]\nafter_swap = \"reload docs\"\ntimeout = \"5s\"\n"
        "[services]\ndrain = \"a\"\nstop = \"b\"\nstart = \"c\"\nundrain = \"d\"\n");
    EXPECT_EQ(reading.lines(), Lines{});
    const Stack stack = make_stack(reading.config, "/state");
    EXPECT_EQ(stack.services.drain, "a");
    EXPECT_EQ(stack.services.stop, "b");
    EXPECT_EQ(stack.services.start, "c");
    EXPECT_EQ(stack.services.undrain, "d");
    EXPECT_EQ(stack.services.checkout, "");
    EXPECT_EQ(stack.services.timeout_ms, 120'000);
    EXPECT_EQ(stack.source_hooks.at("docs").after_swap, "reload docs");
    EXPECT_EQ(stack.source_hooks.at("docs").timeout_ms, 5'000);
    EXPECT_FALSE(make_stack(reading_of("").config, "/state").services.any());
}

TEST(ConfigServices, WhatWouldStayStoppedIsAMistake) {
    EXPECT_EQ(reading_of("[services]\ndrain = \"a\"\nstop = \"b\"\n").lines(),
              (Lines{"i.toml:10: [services] has `drain` without `undrain`: the services would stay drained",
                     "i.toml:11: [services] has `stop` without `start`: the services would stay down"}));
    EXPECT_EQ(reading_of("[services]\nstart = \"a\"\n").lines(), Lines{});
    EXPECT_EQ(reading_of("[services]\ncheckout = \"git checkout\"\n").lines(),
              Lines{"i.toml:10: [services] `checkout` needs [stack] `version`, a command that prints the application's version"});
}

TEST(ConfigServices, MistakesHaveTheirLines) {
    EXPECT_EQ(reading_of("[services]\nstopp = \"a\"\ntimeout = \"0s\"\n").lines(),
              (Lines{"i.toml:10: [services] has no key `stopp`; did you mean `stop`?",
                     "i.toml:11: `timeout` wants to be longer than nothing"}));
    EXPECT_EQ(reading_of("[sources.docs.hooks]\ntimeout = \"1s\"\n").lines(),
              Lines{"i.toml:9: [sources.docs.hooks] has neither `before_swap` nor `after_swap`"});
    EXPECT_EQ(reading_of("[sources.docs.hooks]\nbefore_swap = 3\n").lines(),
              Lines{"i.toml:10: `before_swap` wants text in quotes, not a number"});
}

}  // namespace
}  // namespace ingot
