#include "cli/config_sample.h"

#include <gtest/gtest.h>

#include "cli/config.h"
#include "tests/base/temp_dir.h"

namespace ingot {

TEST(ConfigSample, IsAGoodConfigWithOrWithoutAFolder) {
    for (const StackFinds& finds : {StackFinds{}, StackFinds{{"web/dev.db", "x.sqlite"}, {".env", "web/.env"}, {"web"}},
                                    StackFinds{{"a/app.db", "b/app.db", "files.db"}, {}, {}}}) {
        const ConfigReading reading = read_config_text(config_sample("/opt/my stack", finds), "i.toml", false);
        EXPECT_EQ(reading.lines(), std::vector<std::string>{});
        EXPECT_EQ(reading.config.stack_name, "my-stack");
    }
}

TEST(ConfigSample, FindsDatabasesAndEnvFiles) {
    TempDir dir;
    for (const char* folder : {"web/prisma", "node_modules", ".git", "a/b/c/d"})
        make_dirs(real_filesystem(), dir.at(folder), 0755);
    for (const char* file :
         {".env", "web/.env.local", "web/prisma/dev.db", "node_modules/x.db", ".git/y.db", "a/b/c/d/deep.db", "README.md"})
        dir.write(file, "x");
    const StackFinds finds = look_through(real_filesystem(), dir.path());
    EXPECT_EQ(finds.databases, (std::vector<std::string>{"web/prisma/dev.db"}));
    EXPECT_EQ(finds.env_files, (std::vector<std::string>{".env", "web/.env.local"}));
    EXPECT_EQ(finds.folders, (std::vector<std::string>{"a", "web"}));
}

}  // namespace ingot
