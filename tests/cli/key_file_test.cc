#include "cli/key_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/error.h"
#include "tests/base/temp_dir.h"

namespace ingot {

static const std::string kDigits = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1eFF";

static Code code_of(const std::string& text) {
    try {
        decode_key(text, "key");
    } catch (const Error& error) {
        EXPECT_EQ(std::string(error.what()).find("0a0b0c"), std::string::npos) << "the key is in the error";
        EXPECT_FALSE(error.hint().empty());
        return error.code();
    }
    return Code::failed;
}

TEST(KeyFile, ReadsOneLineOfThatForm) {
    for (const char* end : {"", "\n", "\r\n"}) {
        const Secret key = decode_key("ingot-key-1 " + kDigits + end, "key");
        ASSERT_EQ(key.size(), 32u);
        EXPECT_EQ(key.view()[10], 10);
        EXPECT_EQ(key.view()[31], 255);
    }
}

TEST(KeyFile, RefusesEverythingElseAsAWrongKeyWithoutRepeatingIt) {
    const std::string good = "ingot-key-1 " + kDigits;
    for (const std::string& bad :
         {std::string(), std::string("\n"), kDigits, "ingot-key-2 " + kDigits, good + "00", good.substr(0, good.size() - 1),
          good + "\n\n", " " + good, "ingot-key-1 " + std::string(64, 'g'), good + " # comment"}) {
        EXPECT_EQ(code_of(bad), Code::wrong_key) << bad.size();
    }
}

TEST(KeyFile, IsMadeForItsOwnerOnlyAndNeverOverSomethingElse) {
    TempDir dir;
    const Secret made = make_key_file(real_filesystem(), dir.at("keys/key"));
    struct stat st {};
    ASSERT_EQ(::stat(dir.at("keys/key").c_str(), &st), 0);
    EXPECT_EQ(st.st_mode & 0777, 0600u);
    std::vector<std::string> warnings;
    const auto warn = [&](const std::string& line) { warnings.push_back(line); };
    EXPECT_EQ(read_key_file(real_filesystem(), dir.at("keys/key"), warn).text(), made.text());
    EXPECT_TRUE(warnings.empty());
    EXPECT_THROW(make_key_file(real_filesystem(), dir.at("keys/key")), Error);
    EXPECT_NE(make_key_file(real_filesystem(), dir.at("keys/other")).text(), made.text());
}

TEST(KeyFile, OthersWhoMayReadItAreAWarning) {
    TempDir dir;
    make_key_file(real_filesystem(), dir.at("key"));
    ::chmod(dir.at("key").c_str(), 0640);
    std::vector<std::string> warnings;
    read_key_file(real_filesystem(), dir.at("key"), [&](const std::string& line) { warnings.push_back(line); });
    ASSERT_EQ(warnings.size(), 1u);
    EXPECT_NE(warnings[0].find("chmod 600"), std::string::npos);
}

TEST(KeyFile, OneThatIsNotThereOrMuchTooLongIsAWrongKey) {
    TempDir dir;
    dir.write("long", std::string(1 << 20, 'a'));
    for (const char* name : {"missing", "long"}) {
        try {
            read_key_file(real_filesystem(), dir.at(name), [](const std::string&) {});
            ADD_FAILURE();
        } catch (const Error& error) {
            EXPECT_EQ(error.code(), Code::wrong_key);
        }
    }
}

}  // namespace ingot
