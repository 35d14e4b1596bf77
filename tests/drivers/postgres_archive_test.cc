// The custom format by archives made here, byte for byte; what pg_dump itself writes is parsed in postgres_test.cc.
#include "drivers/postgres_archive.h"

#include "test_folder.h"

namespace ingot {
namespace {

class Writer {
public:
    explicit Writer(int minor = 14) : minor_(minor) {
        out_ = "PGDMP";
        out_ += static_cast<char>(1);
        out_ += static_cast<char>(minor);
        for (const char c : {'\0', '\4', '\10', '\1'}) out_ += c;
        if (minor >= 15) {
            out_ += '\0';
        } else {
            integer(0);
        }
    }
    Writer& integer(int32_t value) {
        out_ += static_cast<char>(value < 0 ? 1 : 0);
        const auto magnitude = static_cast<uint32_t>(value < 0 ? -value : value);
        for (int i = 0; i < 4; ++i) out_ += static_cast<char>(magnitude >> (8 * i) & 0xff);
        return *this;
    }
    Writer& text(const std::string& value) {
        integer(static_cast<int32_t>(value.size()));
        out_ += value;
        return *this;
    }
    Writer& head(int entries, int second = 7) {
        integer(second);
        for (int i = 0; i < 6; ++i) integer(1);
        return text("ragdb").text("15.18 (Debian)").text("15.18 (Debian)").integer(entries);
    }
    Writer& entry(int id, bool data) {
        integer(id).integer(data ? 1 : 0).text("0").text("0").text("chunks").text("TABLE").integer(3);
        text("CREATE TABLE").text("").integer(-1).text("public").text("");
        if (minor_ >= 14) text("heap");
        if (minor_ >= 16) integer('r');
        text("rag").text("false").text("5").integer(-1);
        out_ += '\1';
        out_ += std::string(8, '\0');
        return *this;
    }
    Writer& block(int id, const std::vector<std::string>& rows) {
        out_ += '\1';
        integer(id);
        for (const std::string& row : rows) text(row);
        return text("\\.\n").integer(0);
    }
    Writer& large_objects(int id) {
        out_ += '\3';
        return integer(id).integer(1000).text("abc").text("de").integer(0).integer(1001).integer(0).integer(0);
    }
    const std::string& bytes() const { return out_; }

private:
    int minor_;
    std::string out_;
};

PgArchive parsed(const std::string& bytes) {
    return parse_pg_archive(
        [&](uint64_t at, std::span<uint8_t> out) {
            return at < bytes.size() ? bytes.copy(reinterpret_cast<char*>(out.data()), out.size(), at) : 0;
        },
        bytes.size());
}

std::string sample(int minor = 14, int second = 7) {
    return Writer(minor)
        .head(3, second)
        .entry(1, false)
        .entry(2, true)
        .entry(3, true)
        .block(2, {"1\ta\n", "2\tb\n"})
        .large_objects(3)
        .bytes();
}

TEST(PgArchive, EachVersionIsReadToItsEnd) {
    for (const int minor : {12, 13, 14, 15, 16}) {
        const PgArchive archive = parsed(sample(minor));
        EXPECT_TRUE(archive.understood);
        EXPECT_EQ(archive.version, 1000 + minor);
        EXPECT_EQ(archive.entries, 3u);
        EXPECT_EQ(archive.rows, 2u);
        ASSERT_EQ(archive.blocks.size(), 2u);
        EXPECT_EQ(archive.blocks[0].frames, 3u);
        EXPECT_EQ(archive.blocks[1].frames, 2u);
        EXPECT_EQ(pg_major_of(archive.dumped_by), 15);
    }
}

TEST(PgArchive, ItsStampIsWhatDiffersBetweenTwoDumps) {
    const std::string one = sample(14, 7), other = sample(14, 8);
    const PgArchive archive = parsed(one);
    EXPECT_EQ(archive.stamp_bytes, 35u);
    const size_t end = archive.stamp_offset + archive.stamp_bytes;
    EXPECT_NE(one, other);
    EXPECT_EQ(one.substr(0, archive.stamp_offset) + one.substr(end), other.substr(0, archive.stamp_offset) + other.substr(end));
}

TEST(PgArchive, SectionsCoverItAndBeginAfterTheStampAndAtEachTable) {
    const std::string bytes = sample();
    const PgArchive archive = parsed(bytes);
    const std::vector<Section> sections = pg_archive_sections(archive, bytes.size());
    ASSERT_EQ(sections.size(), 4u);
    uint64_t at = 0;
    std::vector<uint64_t> begins;
    for (const Section& section : sections) {
        begins.push_back(at);
        at += section.length_bytes;
    }
    EXPECT_EQ(at, bytes.size());
    EXPECT_EQ(begins, (std::vector<uint64_t>{0, archive.stamp_offset + 35, archive.blocks[0].offset, archive.blocks[1].offset}));
    EXPECT_EQ(sections[0].cut, Cut::whole);
    EXPECT_EQ(sections[2].cut, Cut::elements);
}

TEST(PgArchive, OneOfANewerVersionIsCutByContentAlone) {
    std::string bytes = sample();
    bytes[6] = 99;
    const PgArchive archive = parsed(bytes);
    EXPECT_FALSE(archive.understood);
    const std::vector<Section> sections = pg_archive_sections(archive, bytes.size());
    ASSERT_EQ(sections.size(), 1u);
    EXPECT_EQ(sections[0].length_bytes, bytes.size());
}

TEST(PgArchive, CutOffAnywhereItIsDamaged) {
    const std::string bytes = sample();
    for (size_t size = 0; size < bytes.size(); ++size) {
        EXPECT_EQ(error_of([&] { parsed(bytes.substr(0, size)); }).code(), Code::damaged) << size;
    }
    EXPECT_EQ(error_of([&] { parsed(bytes + "x"); }).code(), Code::damaged);
}

TEST(PgArchive, EveryByteChangedIsDamagedOrReadAndNeverMore) {
    const std::string bytes = sample();
    size_t refused = 0, read = 0;
    for (size_t i = 0; i < bytes.size(); ++i) {
        for (const int flip : {0x01, 0x80, 0xff}) {
            std::string other = bytes;
            other[i] = static_cast<char>(other[i] ^ flip);
            try {
                parsed(other);
                ++read;
            } catch (const Error& error) {
                EXPECT_EQ(error.code(), Code::damaged);
                ++refused;
            }
        }
    }
    std::printf("%zu changed bytes: %zu refused, %zu read\n", refused + read, refused, read);
    EXPECT_GT(refused, read / 4);
}

}  // namespace
}  // namespace ingot
