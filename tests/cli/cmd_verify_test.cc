#include "cli/commands.h"
#include "store/lock.h"
#include "tests/cli/command_fixture.h"

namespace ingot {

using VerifyTest = CommandTest;

// Flips one bit in the middle of the largest file below a folder.
static void damage_largest(const std::string& folder) {
    FileSystem& fs = real_filesystem();
    std::string largest;
    uint64_t size = 0;
    fs.list(folder, [&](const std::string& shard) {
        fs.list(join(folder, shard), [&](const std::string& name) {
            const std::string path = join(join(folder, shard), name);
            const uint64_t bytes = fs.file_size(path).value_or(0);
            if (bytes <= size) return;
            largest = path;
            size = bytes;
        });
    });
    Bytes bytes = read_file(fs, largest, 1 << 30);
    bytes[bytes.size() / 2] ^= 1;
    replace_file(fs, largest, bytes);
}

TEST_F(VerifyTest, AttestsWhatWasReadBack) {
    init();
    const std::string id = snapshot();
    const Ran ran = run({"verify"});
    EXPECT_EQ(ran.exit, 0) << ran.err;
    EXPECT_TRUE(ran.out.starts_with("verified: ")) << ran.out;
    EXPECT_TRUE(holds(run({"list"}).out, "verified"));
    EXPECT_TRUE(holds(run({"verify", "--all", "--json"}).out, "\"attested\":true,"));
}

TEST_F(VerifyTest, DamageIsStatusTwentyAndMakesTheSnapshotSuspect) {
    init();
    std::string noise;
    for (uint32_t i = 0, x = 1; i < 300'000; ++i) noise += static_cast<char>((x = x * 1664525 + 1013904223) >> 24);
    dir.write("stack/docs/noise", noise);
    snapshot({"--golden"});
    damage_largest(dir.at("repo/packs"));
    const Ran ran = run({"verify"});
    EXPECT_EQ(ran.exit, 20) << ran.out << ran.err;
    EXPECT_TRUE(holds(ran.out, "damage: ")) << ran.out;
    const Ran list = run({"list"});
    EXPECT_TRUE(holds(list.out, "suspect")) << list.out << list.err;
    EXPECT_EQ(run({"restore", "golden", "--dry-run"}).exit, 1);
}

TEST_F(VerifyTest, TheRecordWaitsWhereTheLockIsNotFree) {
    init();
    snapshot();
    {
        const Lock lock(dir.at("repo/config"), LockMode::append, 0);
        const Ran ran = run({"verify", "--lock-wait", "0s", "--json"});
        EXPECT_EQ(ran.exit, 0) << ran.err;
        EXPECT_TRUE(holds(ran.out, "\"attested\":false,"));
    }
    EXPECT_FALSE(holds(run({"list"}).out, "verified"));
    snapshot();  // the next command that writes files it
    EXPECT_TRUE(holds(run({"list"}).out, "verified"));
    uint64_t waiting = 0;
    real_filesystem().list(dir.at("state/pending"), [&](const std::string&) { ++waiting; });
    EXPECT_EQ(waiting, 0u);
}

TEST_F(VerifyTest, ASampleProvesNoSnapshot) {
    init();
    snapshot();
    const Ran ran = run({"verify", "--sample", "50%"});
    EXPECT_EQ(ran.exit, 0) << ran.err;
    EXPECT_FALSE(holds(run({"list"}).out, "verified"));
    EXPECT_EQ(run({"verify", "--sample", "0%"}).exit, 2);
}

}  // namespace ingot
