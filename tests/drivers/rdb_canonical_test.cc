#include "drivers/rdb_canonical.h"

#include "rdb_bytes.h"

namespace ingot {
namespace {

std::string text_of_spool(const Spool& spool) {
    Bytes out(static_cast<size_t>(spool.size()));
    EXPECT_EQ(spool.read_at(0, out), out.size());
    return std::string(text_of(out));
}

class RdbCanonical : public testing::Test {
protected:
    CanonicalRdb canonical(const std::string& file, std::map<uint32_t, uint32_t> dbs = {}) {
        const RdbBytes bytes = rdb_bytes(file);
        CanonicalOptions options;
        options.spool_dir = folder_.path();
        options.dbs = std::move(dbs);
        options.without = "marker";
        return canonical_rdb(bytes, options);
    }
    std::string dump(const std::string& file) { return text_of_spool(*canonical(file).dump); }

    TestFolder folder_;
};

std::string aux(const std::string& name, const std::string& value) { return b(0xfa) + rdb_text(name) + rdb_text(value); }
std::string db(int number, int keys, int expires) { return b(0xfe, number, 0xfb, keys, expires); }
std::string key(const std::string& name, const std::string& value) { return b(0) + rdb_text(name) + rdb_text(value); }
std::string set(const std::string& name, const std::vector<std::string>& members) {
    std::string out = b(2) + rdb_text(name) + b(members.size());
    for (const std::string& member : members) out += rdb_text(member);
    return out;
}

TEST_F(RdbCanonical, OneStateIsOneDumpWhateverItsOrder) {
    const std::string a = rdb_file(aux("redis-ver", "7.0.15") + aux("ctime", "1") + b(0xf5) + rdb_text("lib b") + b(0xf5) +
                                   rdb_text("lib a") + db(0, 2, 1) + b(0xfc, 1, 0, 0, 0, 0, 0, 0, 0) + key("z", "1") +
                                   set("s", {"y", "x"}) + db(3, 1, 0) + key("k", "3"));
    const std::string b_ = rdb_file(aux("redis-ver", "7.0.15") + aux("ctime", "2") + aux("used-mem", "77") + b(0xf5) +
                                    rdb_text("lib a") + b(0xf5) + rdb_text("lib b") + db(3, 1, 0) + key("k", "3") + db(0, 2, 1) +
                                    set("s", {"x", "y"}) + b(0xfc, 1, 0, 0, 0, 0, 0, 0, 0) + key("z", "1"));
    const std::string wanted =
        rdb_file(aux("redis-ver", "7.0.15") + b(0xf5) + rdb_text("lib a") + b(0xf5) + rdb_text("lib b") + db(0, 2, 1) +
                 set("s", {"x", "y"}) + b(0xfc, 1, 0, 0, 0, 0, 0, 0, 0) + key("z", "1") + db(3, 1, 0) + key("k", "3"));
    EXPECT_EQ(printable(dump(a)), printable(wanted));
    EXPECT_EQ(printable(dump(b_)), printable(wanted));
    EXPECT_EQ(dump(wanted), wanted);
    const CanonicalRdb read = canonical(b_);
    EXPECT_EQ(read.functions, 2u);
    EXPECT_EQ(read.dbs.at(0).keys, 2u);
    EXPECT_EQ(read.dbs.at(0).expires, 1u);
    EXPECT_EQ(decode_rdb_aux(read.aux),
              (std::map<std::string, std::string>{{"redis-ver", "7.0.15"}, {"ctime", "2"}, {"used-mem", "77"}}));
}

TEST_F(RdbCanonical, LargeValuesAndLargeSetsComeThrough) {
    std::vector<std::string> members;
    for (int i = 0; i < 60; ++i) members.push_back(std::string(1000, static_cast<char>('A' + i)));
    std::vector<std::string> reversed(members.rbegin(), members.rend());
    const std::string large(3'000'000, 'v');
    EXPECT_EQ(dump(rdb_file(db(0, 2, 0) + set("s", reversed) + key("large", large))),
              rdb_file(db(0, 2, 0) + key("large", large) + set("s", members)));
}

TEST_F(RdbCanonical, WhatAnEvictionPolicyKnowsIsKeptApart) {
    const std::string idle = rdb_file(db(0, 2, 0) + b(0xf8, 5) + key("b", "1") + b(0xf8, 9) + key("a", "1"));
    const CanonicalRdb read = canonical(idle);
    EXPECT_EQ(text_of_spool(*read.dump), rdb_file(db(0, 2, 0) + key("a", "1") + key("b", "1")));
    EXPECT_EQ(text_of_spool(*read.eviction), "ingot-redis-eviction 1\n" + b(1, 9, 0, 0, 0, 5, 0, 0, 0));
    const CanonicalRdb frequency = canonical(rdb_file(b(0xf9, 200) + key("a", "1")));
    EXPECT_EQ(text_of_spool(*frequency.eviction), "ingot-redis-eviction 1\n" + b(2, 200));
    EXPECT_EQ(canonical(rdb_file(key("a", "1"))).eviction, nullptr);
}

TEST_F(RdbCanonical, SomeDatabasesUnderOtherNumbersAndWithoutTheMarker) {
    const std::string file = rdb_file(b(0xf5) + rdb_text("lib") + db(0, 1, 0) + key("live", "1") + db(15, 2, 0) +
                                      key("old", "1") + key("marker", "old"));
    EXPECT_EQ(text_of_spool(*canonical(file, {{15, 0}}).dump), rdb_file(db(0, 1, 0) + key("old", "1")));
}

TEST_F(RdbCanonical, WhatIsNotKnownIsKeptAsItCame) {
    const std::string file = rdb_file(key("a", "1") + b(77) + rdb_text("k") + "?");
    const CanonicalRdb read = canonical(file);
    EXPECT_TRUE(read.raw());
    EXPECT_EQ(text_of_spool(*read.dump), file);
}

TEST_F(RdbCanonical, ModuleDataStaysOnItsSideOfTheKeys) {
    const std::string before = b(0xf7, 5, 2, 1, 0);
    const std::string after = b(0xf7, 6, 2, 2, 0);
    EXPECT_EQ(dump(rdb_file(before + db(0, 1, 0) + key("a", "1") + after)),
              rdb_file(before + db(0, 1, 0) + key("a", "1") + after));
}

}  // namespace
}  // namespace ingot
