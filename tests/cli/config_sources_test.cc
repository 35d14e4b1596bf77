#include "cli/config_sources.h"

#include <gtest/gtest.h>

#include "drivers/registry.h"

namespace ingot {

static const std::string kHead = "[repository]\npath = \"/r\"\n[stack]\nname = \"s\"\nroot = \"/opt/s\"\n";  // lines 1-5

static std::vector<std::string> mistakes_of(const std::string& sources) {
    return read_config_text(kHead + sources, "i.toml", false).lines();
}

static std::string driver_names() {
    std::string out;
    for (const DriverInfo& info : all_drivers()) out += (out.empty() ? "" : ", ") + std::string(info.name);
    return out;
}

TEST(ConfigSources, TakesEveryKeyOfADriver) {
    const ConfigReading reading =
        read_config_text(kHead +
                             "[sources.files]\ndriver = \"files\"\npaths = [\"a\", \"b\"]\nexclude = [\"*.tmp\"]\n"
                             "growing = [\"a/*.log\"]\nmin_ratio = 0.25\n[sources.db]\ndriver = \"sqlite\"\npath = \"x.db\"\n"
                             "facts = { chunks = \"SELECT 1\" }\n",
                         "i.toml", false);
    ASSERT_EQ(reading.lines(), std::vector<std::string>{});
    ASSERT_EQ(reading.config.sources.size(), 2u);
    const SourceSpec& files = reading.config.sources[0].spec;
    EXPECT_EQ(files.name, "files") << "in the order of the file";
    EXPECT_EQ(files.root, "/opt/s");
    EXPECT_EQ(files.paths, (std::vector<std::string>{"a", "b"}));
    EXPECT_EQ(files.exclude, (std::vector<std::string>{"*.tmp"}));
    EXPECT_EQ(files.growing, (std::vector<std::string>{"a/*.log"}));
    EXPECT_EQ(files.min_ratio, 0.25);
    EXPECT_EQ(reading.config.sources[1].spec.facts.at("chunks"), "SELECT 1");
}

TEST(ConfigSources, ReportsWrongTypesNamesAndDrivers) {
    EXPECT_EQ(mistakes_of("[sources.\"a b\"]\ndriver = \"files\"\npath = \"x\"\n"),
              (std::vector<std::string>{
                  "i.toml:6: [sources.a b]: the name of a source may hold letters, digits, _ and - only, at most 64 of them"}));
    EXPECT_EQ(mistakes_of("[sources.a]\npath = \"x\"\n"),
              (std::vector<std::string>{"i.toml:6: [sources.a] needs `driver`, one of: " + driver_names()}));
    EXPECT_EQ(mistakes_of("[sources.a]\ndriver = \"files\"\npaths = \"x\"\n"),
              (std::vector<std::string>{"i.toml:8: `paths` wants a list of texts, such as [\"a\", \"b\"], not text"}));
    EXPECT_EQ(mistakes_of("[sources.a]\ndriver = \"files\"\npaths = [\"x\", 7]\n"),
              (std::vector<std::string>{"i.toml:8: `paths` wants texts in its list, not a number"}));
    EXPECT_EQ(mistakes_of("[sources.a]\ndriver = \"files\"\npaths = []\n"),
              (std::vector<std::string>{"i.toml:8: `paths` is empty: name what is to be protected"}));
    EXPECT_EQ(mistakes_of("[sources.a]\ndriver = \"sqlite\"\npath = \"x\"\nfacts = { n = 7 }\n"),
              (std::vector<std::string>{"i.toml:9: `facts.n` wants text in quotes, not a number"}));
    EXPECT_EQ(read_config_text("sources = 7\n" + kHead, "i.toml", false).lines(),
              (std::vector<std::string>{"i.toml:1: `sources` wants to be tables: [sources.NAME]"}));
}

TEST(ConfigSources, NginxNeedsNoPathAndMayBeToldNotToReload) {
    const ConfigReading reading = read_config_text(
        kHead + "[sources.web]\ndriver = \"nginx\"\ntest = false\nreload = \"\"\ntime_limit = \"5s\"\n", "i.toml", false);
    ASSERT_EQ(reading.lines(), std::vector<std::string>{});
    const auto& options = reading.config.sources[0].spec.options;
    EXPECT_EQ(options, (std::map<std::string, std::string>{{"test", "false"}, {"reload", ""}, {"time_limit", "5s"}}));
    EXPECT_EQ(mistakes_of("[sources.web]\ndriver = \"nginx\"\nconf = \"\"\ntest = \"no\"\n"),
              (std::vector<std::string>{"i.toml:8: `conf` is empty",
                                        "i.toml:9: `test` wants true or false, without quotes, not text"}));
    EXPECT_EQ(mistakes_of("[sources.web]\ndriver = \"nginx\"\nconf = \"nginx.conf\"\n").size(), 1U)
        << "the stack's root as a whole";
}

TEST(ConfigSources, APathListedTwiceIsAWarning) {
    EXPECT_EQ(
        mistakes_of("[sources.a]\ndriver = \"files\"\npath = \"x\"\n[sources.b]\ndriver = \"files\"\npath = \"/opt/s/./x/\"\n"),
        (std::vector<std::string>{"i.toml:9: warning: [sources.b] lists /opt/s/x, as [sources.a] in line 6 does"}));
}

}  // namespace ingot
