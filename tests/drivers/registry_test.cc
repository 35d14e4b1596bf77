#include "drivers/registry.h"

#include <algorithm>
#include <set>

#include "tests/drivers/test_folder.h"

namespace ingot {
namespace {

TEST(Registry, HoldsEachDriverOnceWithItsKeys) {
    std::set<std::string_view> names;
    for (const DriverInfo& info : all_drivers()) {
        EXPECT_TRUE(names.insert(info.name).second);
        EXPECT_FALSE(info.summary.empty());
        std::set<std::string_view> keys;
        for (const DriverKey& key : info.keys) {
            EXPECT_TRUE(keys.insert(key.name).second) << key.name;
            EXPECT_FALSE(key.help.empty());
        }
        EXPECT_EQ(find_driver(info.name), &info);
    }
    EXPECT_TRUE(names.contains("files") && names.contains("env") && names.contains("sqlite"));
    EXPECT_EQ(find_driver("sqlit"), nullptr);
}

TEST(Registry, MakesDriversOfASpec) {
    for (const DriverInfo& info : all_drivers()) {
        SourceSpec spec;
        spec.name = "s";
        spec.driver = info.name;
        spec.root = "/opt/rag";
        spec.paths = {"x"};
        const bool has_path = std::ranges::any_of(info.keys, [](const DriverKey& key) { return key.name == "path"; });
        if (!has_path) continue;  // commands and servers: their own tests
        EXPECT_EQ(info.make(spec)->roots().at(0).live_path, "/opt/rag/x");
        spec.paths = {};
        if (info.name == "nginx") continue;  // then takes what its config reads: nginx_test.cc
        EXPECT_EQ(error_of([&] { info.make(spec); }).code(), Code::usage);
    }
}

}  // namespace
}  // namespace ingot
