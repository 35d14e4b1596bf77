#include "drivers/rdb_values.h"

#include "rdb_bytes.h"

namespace ingot {
namespace {

// One value of each type, put together from its grammar.
std::vector<std::pair<uint8_t, std::string>> values() {
    const std::string a = rdb_text("a");
    const std::string number = b(0xc0, 5);
    const std::string eight(8, '\x01');
    const std::string id(16, '\x02');
    const std::string group = a + b(1, 2) + b(1) + id + eight + b(3) + b(1) + a + eight + b(1) + id;
    const std::string group2 = a + b(1, 2, 3) + b(1) + id + eight + b(3) + b(1) + a + eight + b(1) + id;
    const std::string group3 = a + b(1, 2, 3) + b(1) + id + eight + b(3) + b(1) + a + eight + eight + b(1) + id;
    const std::string packs = b(1) + rdb_text(id) + a;
    std::vector<std::pair<uint8_t, std::string>> out = {
        {kRdbString, a},
        {kRdbList, b(2) + a + number},
        {kRdbSet, b(3) + a + number + rdb_text("c")},
        {kRdbZset, b(4) + a + b(3) + "1.5" + a + b(253) + a + b(254) + a + b(255)},
        {kRdbHash, b(1) + a + number},
        {kRdbZset2, b(1) + a + eight},
        {kRdbModule2, b(5, 1, 7, 2, 7, 3) + "four" + b(4) + eight + b(5) + a + b(0)},
        {kRdbListQuicklist, b(1) + a},
        {kRdbListQuicklist2, b(2, 1) + a + b(2) + a},
        {kRdbStream, packs + b(1, 2, 3) + b(1) + group},
        {kRdbStream2, packs + b(1, 2, 3) + b(1, 2, 3, 4, 5) + b(1) + group2},
        {kRdbStream3, packs + b(1, 2, 3) + b(1, 2, 3, 4, 5) + b(1) + group3},
        {kRdbHashMetadata, eight + b(2) + b(0) + a + a + b(7) + number + a},
        {kRdbHashListpackExpire, eight + a},
    };
    for (const uint8_t type : {kRdbHashZipmap, kRdbListZiplist, kRdbSetIntset, kRdbZsetZiplist, kRdbHashZiplist, kRdbHashListpack,
                               kRdbZsetListpack, kRdbSetListpack}) {
        out.emplace_back(type, a);
    }
    return out;
}

TEST(RdbValues, EveryTypeEndsWhereItsGrammarSays) {
    size_t cuts = 0;
    for (const auto& [type, value] : values()) {
        const std::string text = value + "next";
        const RdbBytes bytes = rdb_bytes(text);
        RdbInput in(bytes, 0, bytes.size);
        ASSERT_TRUE(skip_rdb_value(in, type)) << int{type};
        EXPECT_EQ(in.offset(), value.size()) << int{type};
        for (size_t length = 0; length < value.size(); ++length, ++cuts) {
            RdbInput cut(bytes, 0, length);
            EXPECT_EQ(error_of([&] { skip_rdb_value(cut, type); }).code(), Code::damaged) << int{type} << " cut at " << length;
        }
    }
    std::printf("%zu types, %zu cuts\n", values().size(), cuts);
}

TEST(RdbValues, WhatIsNotKnownIsSaid) {
    const std::string text(100, '\0');
    const RdbBytes bytes = rdb_bytes(text);
    RdbInput in(bytes, 0, bytes.size);
    for (const int type : {6, 8, 22, 23, 26, 200}) EXPECT_FALSE(skip_rdb_value(in, static_cast<uint8_t>(type)));
    EXPECT_EQ(in.offset(), 0u);
}

TEST(RdbValues, ModulesThatHoldNoValueAreDamaged) {
    const std::string text = b(5, 9, 0);
    const RdbBytes bytes = rdb_bytes(text);
    RdbInput in(bytes, 0, bytes.size);
    EXPECT_EQ(error_of([&] { skip_rdb_module(in, false); }).code(), Code::damaged);
}

std::string sorted(const std::string& value, uint8_t type, size_t memory) {
    const TestFolder folder;
    const RdbBytes bytes = rdb_bytes(value);
    std::string out;
    write_sorted_value(bytes, 0, value.size(), type, folder.path(), memory, [&](ByteView part) { out += text_of(part); });
    return out;
}

TEST(RdbValues, MembersAreSortedInMemoryAndThroughASpoolAlike) {
    std::vector<std::string> members;
    for (int i = 0; i < 500; ++i) members.push_back(rdb_text("m" + std::to_string(i * 7919 % 500)) + rdb_text(std::to_string(i)));
    std::string value = b(0x41, 0xf4);
    for (const std::string& member : members) value += member;
    std::sort(members.begin(), members.end());
    std::string wanted = b(0x41, 0xf4);
    for (const std::string& member : members) wanted += member;
    EXPECT_EQ(sorted(value, kRdbHash, 1 << 20), wanted);
    EXPECT_EQ(sorted(value, kRdbHash, 2000), wanted);
    EXPECT_EQ(sorted(b(2) + rdb_text("b") + rdb_text("a"), kRdbSet, 100), b(2) + rdb_text("a") + rdb_text("b"));
    EXPECT_EQ(sorted("12345678" + b(2, 0) + rdb_text("b") + rdb_text("x") + b(9) + rdb_text("a") + rdb_text("y"),
                     kRdbHashMetadata, 100),
              "12345678" + b(2, 0) + rdb_text("b") + rdb_text("x") + b(9) + rdb_text("a") + rdb_text("y"));
}

}  // namespace
}  // namespace ingot
