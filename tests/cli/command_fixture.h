// Runs commands in this process, as main() does, in a folder of their own: a small stack, a config, a repository with a key file.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "base/interrupt.h"
#include "cli/app.h"
#include "tests/base/temp_dir.h"

namespace ingot {

struct Ran {
    int exit = -1;
    std::string out;
    std::string err;
};

// An environment variable for as long as it lives.
class EnvironmentValue {
public:
    EnvironmentValue(const char* name, const std::string& value) : name_(name) { ::setenv(name, value.c_str(), 1); }
    EnvironmentValue(const EnvironmentValue&) = delete;
    EnvironmentValue& operator=(const EnvironmentValue&) = delete;
    ~EnvironmentValue() { ::unsetenv(name_); }

private:
    const char* name_;
};

class CommandTest : public testing::Test {
protected:
    CommandTest() {
        for (const char* name : {"INGOT_REPOSITORY", "INGOT_PASSWORD", "INGOT_PASSWORD_FILE", "INGOT_PASSWORD_COMMAND",
                                 "INGOT_CONFIG", "CREDENTIALS_DIRECTORY"}) {
            ::unsetenv(name);
        }
        make_dirs(real_filesystem(), dir.at("stack/docs"), 0755);
        dir.write("stack/docs/a.txt", "alpha\n");
        dir.write("stack/docs/b.txt", "beta\n");
        dir.write("stack/.env", "TOKEN=canary-9f3\nMODE=prod\n");
        write_config("");
    }

    void write_config(const std::string& more) {
        dir.write("ingot.toml", "[repository]\npath = \"repo\"\nkey_file = \"key\"\n\n[stack]\nname = \"small\"\nroot = \"" +
                                    dir.at("stack") +
                                    "\"\n\n[sources.docs]\ndriver = \"files\"\npath = \"docs\"\n\n[sources.env]\ndriver = "
                                    "\"env\"\npath = \".env\"\n\n" +
                                    more);
    }

    // Without -c, for what does not need one.
    Ran run_plain(std::vector<std::string> words) {
        words.insert(words.begin(), "ingot");
        std::vector<char*> argv;
        for (std::string& word : words) argv.push_back(word.data());
        argv.push_back(nullptr);
        testing::internal::CaptureStdout();
        testing::internal::CaptureStderr();
        Ran ran;
        set_interrupted(false);
        ran.exit = run_ingot(static_cast<int>(words.size()), argv.data(), real_filesystem());
        ran.out = testing::internal::GetCapturedStdout();
        ran.err = testing::internal::GetCapturedStderr();
        return ran;
    }

    Ran run(std::vector<std::string> words) {
        words.insert(words.end(), {"-c", dir.at("ingot.toml")});
        return run_plain(std::move(words));
    }

    void init() {
        const Ran ran = run({"init"});
        ASSERT_EQ(ran.exit, 0) << ran.err;
    }

    // Takes a snapshot and returns its id's first eight digits.
    std::string snapshot(std::vector<std::string> more = {}) {
        more.insert(more.begin(), "snapshot");
        const Ran ran = run(more);
        EXPECT_EQ(ran.exit, 0) << ran.err;
        const size_t at = ran.out.rfind("snapshot ");
        return at == std::string::npos ? "" : ran.out.substr(at + 9, 8);
    }

    TempDir dir;
    EnvironmentValue state{"INGOT_STATE_DIR", dir.at("state")};
};

inline bool holds(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace ingot
