#include "snapshot/listing.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/base/temp_dir.h"

namespace ingot {
namespace {

ListedEntry file(const std::string& path) {
    ListedEntry listed;
    listed.entry.path = path;
    listed.entry.mode = 0640;
    listed.entry.uid = 1000;
    listed.entry.gid = 100;
    listed.entry.mtime_ns = -5;
    listed.root = {1, Digest::from(Bytes(32, 9)), 123456789012};
    listed.entry.size = listed.root.size;
    return listed;
}

std::vector<ListedEntry> one_of_each() {
    std::vector<ListedEntry> out;
    const auto add = [&](const char* path, EntryType type) -> ListedEntry& {
        out.push_back(file(path));
        out.back().entry.type = type;
        out.back().entry.size = 0;
        if (type != EntryType::file) out.back().root = {};
        return out.back();
    };
    add("a", EntryType::directory).entry.xattrs = {{"user.x", std::string("\0\xff", 2)}, {"user.y", ""}};
    ListedEntry& sparse = add("a/\x01\xff\n", EntryType::file);
    sparse.entry.sparse = true;
    sparse.entry.size = sparse.root.size;
    sparse.sha256 = Digest::from(Bytes(32, 3));
    ListedEntry& growing = add("a/log", EntryType::file);
    growing.entry.growing = true;
    growing.entry.size = growing.root.size;
    add("a/z", EntryType::symlink).entry.link = "../somewhere";
    add("a.b", EntryType::hard_link).entry.link = "a/log";
    add("b", EntryType::fifo);
    ListedEntry& device = add("c", EntryType::block_device);
    device.entry.device_major = 8;
    device.entry.device_minor = 17;
    add("d", EntryType::char_device);
    return out;
}

Bytes encoded(const std::vector<ListedEntry>& entries) {
    Bytes out;
    for (const ListedEntry& each : entries) encode_entry(each, out);
    return out;
}

std::vector<ListedEntry> read_all(ByteView bytes) {
    const TempDir dir;
    Spool spool(dir.path());
    spool.append(bytes);
    ListingReader reader(std::move(spool));
    std::vector<ListedEntry> out;
    while (std::optional<ListedEntry> each = reader.next()) out.push_back(std::move(*each));
    return out;
}

Code code_of_reading(ByteView bytes) {
    try {
        read_all(bytes);
    } catch (const Error& error) {
        return error.code();
    }
    return Code::interrupted;  // no error
}

TEST(Listing, ComesBackAsItWas) {
    const std::vector<ListedEntry> entries = one_of_each();
    const std::vector<ListedEntry> back = read_all(encoded(entries));
    ASSERT_EQ(back.size(), entries.size());
    for (size_t i = 0; i < entries.size(); ++i) {
        const Entry &a = entries[i].entry, &b = back[i].entry;
        EXPECT_EQ(a.path, b.path);
        EXPECT_EQ(a.type, b.type);
        EXPECT_EQ(a.sparse, b.sparse);
        EXPECT_EQ(a.growing, b.growing);
        EXPECT_EQ(a.mode, b.mode);
        EXPECT_EQ(a.uid, b.uid);
        EXPECT_EQ(a.gid, b.gid);
        EXPECT_EQ(a.mtime_ns, b.mtime_ns);
        EXPECT_EQ(a.size, b.size);
        EXPECT_EQ(a.link, b.link);
        EXPECT_EQ(a.device_major, b.device_major);
        EXPECT_EQ(a.device_minor, b.device_minor);
        EXPECT_EQ(a.xattrs, b.xattrs);
        EXPECT_EQ(entries[i].root, back[i].root);
        EXPECT_EQ(entries[i].sha256, back[i].sha256);
    }
}

TEST(Listing, ASmallFileHasTheseBytes) {
    ListedEntry listed = file("f");
    listed.root = {0, Digest::from(Bytes(32, 0xab)), 5};
    Bytes out;
    encode_entry(listed, out);
    EXPECT_EQ(to_hex(out),
              "49000000"
              "01"
              "00"
              "a0010000"
              "e8030000"
              "64000000"
              "fbffffffffffffff"
              "01000000"
              "66"
              "00" +
                  to_hex(Bytes(32, 0xab)) +
                  "0500000000000000"
                  "00"
                  "00000000");
}

TEST(Listing, OfNothingIsEmpty) { EXPECT_TRUE(read_all({}).empty()); }

TEST(Listing, LargerThanTheBufferIsReadToItsEnd) {
    std::vector<ListedEntry> entries;
    for (int i = 10'000; i < 20'000; ++i) entries.push_back(file("file" + std::to_string(i)));
    EXPECT_EQ(read_all(encoded(entries)).size(), entries.size());
}

TEST(Listing, EntriesLargerThanTheBufferAreRead) {
    ListedEntry large = file("x");
    for (int i = 10; i < 30; ++i) large.entry.xattrs.emplace_back("user." + std::to_string(i), std::string(65536, 'v'));
    EXPECT_EQ(read_all(encoded({file("a"), large, file("y")})).size(), 3u);
}

TEST(Listing, OutOfOrderOrTwiceIsDamage) {
    EXPECT_EQ(code_of_reading(encoded({file("b"), file("a")})), Code::damaged);
    EXPECT_EQ(code_of_reading(encoded({file("a"), file("a")})), Code::damaged);
    EXPECT_EQ(code_of_reading(encoded({file("a.b"), file("a/b")})), Code::damaged);
    EXPECT_EQ(read_all(encoded({file("a/b"), file("a.b")})).size(), 2u);
}

TEST(Listing, CutAnywhereIsDamageUnlessBetweenEntries) {
    const std::vector<ListedEntry> entries = one_of_each();
    const Bytes whole = encoded(entries);
    std::vector<size_t> ends = {0};
    Bytes so_far;
    for (const ListedEntry& each : entries) {
        encode_entry(each, so_far);
        ends.push_back(so_far.size());
    }
    for (size_t cut = 0; cut < whole.size(); ++cut) {
        const bool between = std::find(ends.begin(), ends.end(), cut) != ends.end();
        EXPECT_EQ(code_of_reading(ByteView(whole).first(cut)), between ? Code::interrupted : Code::damaged) << cut;
    }
}

TEST(Listing, FlippedBitsNeverCrashAndOnlyEverAreDamage) {
    const Bytes whole = encoded(one_of_each());
    size_t noticed = 0;
    for (size_t bit = 0; bit < whole.size() * 8; bit += 3) {
        Bytes flipped = whole;
        flipped[bit / 8] = static_cast<uint8_t>(flipped[bit / 8] ^ (1u << (bit % 8)));
        const Code code = code_of_reading(flipped);
        EXPECT_TRUE(code == Code::damaged || code == Code::interrupted) << bit;
        noticed += code == Code::damaged ? 1 : 0;
    }
    EXPECT_GT(noticed, whole.size() / 3);
}

TEST(Listing, RefusesToWriteWhatNobodyCouldRead) {
    Bytes out;
    for (const std::string& path : {std::string(), std::string(65536, 'x')}) {
        try {
            encode_entry(file(path), out);
            FAIL();
        } catch (const Error& error) {
            EXPECT_EQ(error.code(), Code::source);
        }
    }
    EXPECT_TRUE(out.empty());
}

}  // namespace
}  // namespace ingot
