#include "restore/old_pin.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/base/temp_dir.h"
#include "tests/support/tree_model.h"

namespace ingot::test {
namespace {

std::string all_of(Stream& stream) {
    std::string out;
    while (stream.next_section()) {
        Bytes buffer(7);
        while (const size_t n = stream.read(buffer)) out += std::string(text_of(ByteView(buffer).first(n)));
    }
    return out;
}

TEST(RawFiles, AreGivenInListingOrderWithTheirBytes) {
    TempDir dir;
    write_file(dir.at("saved"), "the database", 0640);
    write_file(dir.at("saved-wal"), "its log");
    RawFilesPin pin(real_filesystem(), {{dir.at("saved-wal"), "data/app.db-wal"}, {dir.at("saved"), "data/app.db"}});
    std::optional<Entry> entry = pin.next();
    ASSERT_TRUE(entry);
    EXPECT_EQ(entry->path, "data/app.db");
    EXPECT_EQ(entry->mode, 0640u);
    EXPECT_EQ(entry->size, 12u);
    auto stream = pin.open(*entry);
    EXPECT_EQ(all_of(*stream), "the database");
    EXPECT_TRUE(stream->settled());
    entry = pin.next();
    EXPECT_EQ(entry->path, "data/app.db-wal");
    stream = pin.open(*entry);
    EXPECT_EQ(all_of(*stream), "its log");
    EXPECT_FALSE(pin.next());
}

TEST(RawFiles, AreNotSettledWhereSomebodyStillWrites) {
    TempDir dir;
    write_file(dir.at("saved"), "the database");
    RawFilesPin pin(real_filesystem(), {{dir.at("saved"), "app.db"}});
    const std::optional<Entry> entry = pin.next();
    const auto stream = pin.open(*entry);
    (void)all_of(*stream);
    write_file(dir.at("saved"), "the database, and more");
    EXPECT_FALSE(stream->settled());
}

TEST(RawFiles, ThatAreGoneAreAnErrorOfTheSource) {
    TempDir dir;
    RawFilesPin pin(real_filesystem(), {{dir.at("saved"), "app.db"}});
    try {
        (void)pin.next();
        FAIL() << "a file that is not there was given";
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), Code::source);
    }
}

// Three entries below "app__old", the last a hard link.
class OldEntries : public Pin {
public:
    PinMoment moment() const override { return {}; }
    std::optional<Entry> next() override {
        static const std::vector<std::string> kPaths = {"app__old", "app__old/a", "app__old/b"};
        if (at_ == kPaths.size()) return std::nullopt;
        Entry entry;
        entry.path = kPaths[at_++];
        entry.type = at_ == 1 ? EntryType::directory : at_ == 2 ? EntryType::file : EntryType::hard_link;
        if (at_ == 3) entry.link = "app__old/a";
        entry.fingerprint = {1, 2, 3};
        return entry;
    }
    std::unique_ptr<Stream> open(const Entry& entry) override {
        opened = entry.path;
        return nullptr;
    }
    PinConsistency consistency() const override { return PinConsistency::fuzzy; }
    std::string opened;

private:
    size_t at_ = 0;
};

TEST(RenamedPins, ShowTheInnerEntriesUnderTheSourcesOwnPaths) {
    auto inner = std::make_unique<OldEntries>();
    OldEntries& old = *inner;
    RenamedPin pin(std::move(inner), {{"app__old", ""}}, {{"app", ""}});
    EXPECT_EQ(pin.next()->path, "app");
    std::optional<Entry> entry = pin.next();
    EXPECT_EQ(entry->path, "app/a");
    EXPECT_TRUE(entry->fingerprint.empty());  // it must not be taken for what the live source remembers
    (void)pin.open(*entry);
    EXPECT_EQ(old.opened, "app__old/a");
    EXPECT_EQ(pin.described(*entry).path, "app/a");
    entry = pin.next();
    EXPECT_EQ(entry->path, "app/b");
    EXPECT_EQ(entry->link, "app/a");
    EXPECT_FALSE(pin.next());
    EXPECT_EQ(pin.consistency(), PinConsistency::fuzzy);
}

}  // namespace
}  // namespace ingot::test
