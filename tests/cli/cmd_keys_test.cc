#include "cli/commands.h"
#include "tests/cli/command_fixture.h"

namespace ingot {

using KeysTest = CommandTest;

TEST_F(KeysTest, AddedKeysOpenAndRemovedOnesDoNot) {
    init();
    const Ran added = run({"key", "add", "--new-key-file", dir.at("spare"), "--label", "spare"});
    EXPECT_EQ(added.exit, 0) << added.err;
    EXPECT_TRUE(holds(added.err, "keep a copy"));
    EXPECT_EQ(run({"list", "--key-file", dir.at("spare")}).exit, 0);
    EXPECT_TRUE(holds(run({"key", "list"}).out, "spare"));
    const std::string slot = added.out.substr(4, 8);
    EXPECT_EQ(run({"key", "remove", slot}).exit, 0);
    EXPECT_EQ(run({"list", "--key-file", dir.at("spare")}).exit, 12);
    EXPECT_EQ(run({"key", "remove", slot}).exit, 1);
}

TEST_F(KeysTest, ThePassphraseIsChangedOnlyOnceTheNewOneIsThere) {
    init();
    dir.write("first", "first passphrase\n");
    dir.write("second", "second passphrase\n");
    EXPECT_EQ(run({"key", "passwd", "--new-passphrase-file", dir.at("second")}).exit, 1) << "there is none to change";
    EXPECT_EQ(run({"key", "add", "--new-passphrase-file", dir.at("first")}).exit, 0);
    {
        const EnvironmentValue file("INGOT_PASSWORD_FILE", dir.at("first"));
        EXPECT_EQ(run({"key", "passwd", "--new-passphrase-file", dir.at("second")}).exit, 0);
        EXPECT_EQ(run({"list"}).exit, 12);
    }
    const EnvironmentValue file("INGOT_PASSWORD_FILE", dir.at("second"));
    EXPECT_EQ(run({"list"}).exit, 0);
}

TEST_F(KeysTest, ARepositoryWithoutEncryptionHasNone) {
    EXPECT_EQ(run({"init", "--no-encryption"}).exit, 0);
    EXPECT_EQ(run({"key", "list"}).exit, 2);
}

TEST_F(KeysTest, WithoutAKeyNobodyIsAskedWhereThereIsNoTerminal) {
    init();
    const Ran ran = run_plain({"-r", dir.at("repo"), "list"});
    EXPECT_EQ(ran.exit, 2);
    EXPECT_TRUE(holds(ran.err, "INGOT_PASSWORD_FILE")) << ran.err;
}

}  // namespace ingot
