#include "drivers/faiss_layout.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>

#include "base/error.h"
#include "tests/drivers/faiss_bytes.h"

namespace ingot {
namespace {

using test::FaissBytes;
using test::reader_of;

FaissLayout parse(const Bytes& file, FaissLinks links = FaissLinks::checked) {
    return parse_faiss(reader_of(file), file.size(), links);
}

Code code_of(const Bytes& file, FaissLinks links = FaissLinks::checked) {
    try {
        parse(file, links);
        return Code::interrupted;  // no error at all
    } catch (const Error& error) {
        EXPECT_FALSE(error.hint().empty()) << error.what();
        return error.code();
    }
}

// Where sections begin; fails unless they cover `size` bytes exactly and none is empty.
std::map<uint64_t, Section> covering(FaissSections sections, uint64_t size) {
    std::map<uint64_t, Section> found;
    uint64_t at = 0;
    while (const auto section = sections.next()) {
        EXPECT_GT(section->length_bytes, 0u);
        EXPECT_LE(section->length_bytes, size - at);
        found[at] = *section;
        at += section->length_bytes;
    }
    EXPECT_EQ(at, size);
    return found;
}

std::map<uint64_t, Section> sections_of(const Bytes& file) { return covering(parse(file).sections(), file.size()); }

// Small, and of every kind of structure that holds others or tables of its own.
std::map<std::string, Bytes> small_files() {
    std::map<std::string, Bytes> files;
    files["Flat"] = FaissBytes().flat(4, 5).out;
    files["Flat, L1"] = FaissBytes().flat(4, 5, 2).out;
    files["SQ8"] = FaissBytes().letters("IxSQ").header(4, 5).i32(0).i32(0).f32(0).u64(4).u64(4).table(8, 4).table(20, 1).out;
    files["PQ"] = FaissBytes().letters("IxPq").header(4, 5).product_quantizer(4, 2, 2).table(5, 1).i32(0).u8(0).i32(0).out;
    files["IVFFlat"] = FaissBytes().ivf_flat(4, {2, 0, 3}).out;
    files["IVFPQ"] = FaissBytes().ivf("IwPQ", 4, {2, 3}).u8(1).u64(1).product_quantizer(4, 2, 2).lists({2, 3}, 1).out;
    files["HNSWFlat"] = FaissBytes().hnsw_flat(4, 2, 5).out;
    files["IDMap,Flat"] = FaissBytes().letters("IxMp").header(4, 5).flat(4, 5).table(5, 8).out;
    files["Flat,Refine(Flat)"] = FaissBytes().letters("IxRF").header(4, 5).flat(4, 5).flat(4, 5).f32(1).out;
    files["Normalization,Flat"] =
        FaissBytes().letters("IxPT").header(4, 5).i32(1).letters("VNrm").f32(2).i32(4).i32(4).u8(1).flat(4, 5).out;
    files["BinaryFlat"] = FaissBytes().letters("IBxF").binary_header(64, 5).table(40, 1).out;
    return files;
}

TEST(FaissLayout, FlatHasTheSizesThatFaissWrites) {
    const Bytes file = FaissBytes().flat(8, 100).out;
    ASSERT_EQ(file.size(), 3245u);
    const FaissLayout layout = parse(file);
    EXPECT_TRUE(layout.understood());
    EXPECT_EQ(layout.facts().type, "Flat");
    EXPECT_EQ(layout.facts().ntotal, 100);
    EXPECT_EQ(layout.facts().dimension, 8);
    EXPECT_EQ(layout.facts().metric, "L2");
    const auto sections = sections_of(file);
    ASSERT_EQ(sections.size(), 2u);
    const Section vectors = sections.at(45);
    EXPECT_EQ(vectors.cut, Cut::elements);
    EXPECT_EQ(vectors.element_bytes, 32u);
    EXPECT_EQ(vectors.elements_per_block, 128u);
    EXPECT_EQ(vectors.content, Content::f32);
    EXPECT_EQ(sections_of(FaissBytes().flat(8, 100, 2).out).count(49), 1u);  // behind the metric's argument
}

TEST(FaissLayout, IvfListsBeginWhereTheirTableEnds) {
    const Bytes file = FaissBytes().ivf_flat(8, {30, 20, 25, 25}).out;
    ASSERT_EQ(file.size(), 4299u);
    EXPECT_EQ(sections_of(file).count(299), 1u);
    EXPECT_EQ(parse(file).facts().type, "IVFFlat");
}

TEST(FaissLayout, HnswTablesAreSectionsAndLinksAreCutInSlots) {
    FaissBytes bytes;
    bytes.letters("IHNf").header(8, 100);
    bytes.table(std::vector<double>(10)).table(std::vector<int32_t>{0, 16, 24, 32, 40, 48, 56, 64, 72, 80, 88});
    std::vector<int32_t> levels(100, 1);
    std::vector<uint64_t> offsets{0};
    for (size_t i = 0; i < 18; ++i) levels[i * 5] = 2;  // 18 nodes of 100 on level 1: 1,744 slots
    for (const int32_t level : levels) offsets.push_back(offsets.back() + (level == 2 ? 24u : 16u));
    bytes.table(levels).table(offsets).table(std::vector<int32_t>(1744, -1)).i32(0).i32(1).i32(40).i32(16).i32(1).flat(8, 100);
    const auto sections = sections_of(bytes.out);
    // The levels, 400 bytes, stay with the header before them.
    EXPECT_EQ(sections.at(593).length_bytes, 808u);
    EXPECT_EQ(sections.at(1409).length_bytes, 1744u * 4);
    EXPECT_EQ(sections.at(1409).element_bytes, 8u * 4);  // what 16, 24, 32, ... have in common
    EXPECT_EQ(sections.at(8405 + 45).content, Content::f32);
}

TEST(FaissLayout, ABinaryIndexHasBitsForDimensions) {
    const Bytes file = FaissBytes().letters("IBxF").binary_header(64, 10).table(80, 1).out;
    ASSERT_EQ(file.size(), 113u);
    EXPECT_EQ(parse(file).facts().metric, "hamming");
    EXPECT_EQ(parse(file).facts().dimension, 64);
}

TEST(FaissLayout, EveryKindOfFileIsCoveredAndNamed) {
    for (const auto& [name, file] : small_files()) {
        SCOPED_TRACE(name);
        EXPECT_TRUE(parse(file).understood());
        sections_of(file);
        EXPECT_EQ(parse(file).facts().type, name.substr(0, name.find(", L1")));
    }
}

TEST(FaissLayout, IndexesThatFaissItselfWroteAreUnderstood) {
    namespace fs = std::filesystem;
    const fs::path folder = fs::path(__FILE__).parent_path() / "faiss_samples";
    std::map<std::string, int> versions;
    for (const auto& entry : fs::directory_iterator(folder)) {
        if (entry.path().extension() != ".facts") continue;
        const std::string version = entry.path().stem();
        std::ifstream facts(entry.path());
        std::string name;
        for (int64_t ntotal, dimension; facts >> name >> ntotal >> dimension;) {
            SCOPED_TRACE(version + "." + name);
            std::ifstream in(folder / (version + "." + name + ".faiss"), std::ios::binary);
            const Bytes file{std::istreambuf_iterator<char>(in), {}};
            ASSERT_FALSE(file.empty());
            const FaissLayout layout = parse(file);
            EXPECT_TRUE(layout.understood()) << layout.facts().type;
            EXPECT_EQ(layout.facts().ntotal, ntotal);
            EXPECT_EQ(layout.facts().dimension, dimension);
            covering(layout.sections(), file.size());
            for (uint64_t length = 0; length < file.size(); length += 1 + length / 16) {
                EXPECT_EQ(code_of({file.begin(), file.begin() + static_cast<ptrdiff_t>(length)}), Code::source) << length;
            }
            ++versions[version];
        }
    }
    ASSERT_EQ(versions.size(), 2u);
    for (const auto& [version, count] : versions) {
        EXPECT_GT(count, 50);
        printf("FAISS %s: %d files understood\n", version.c_str(), count);
    }
}

TEST(FaissLayout, ATruncatedOrLongerFileIsAnError) {
    size_t cuts = 0;
    for (const auto& [name, file] : small_files()) {
        for (size_t length = 0; length < file.size(); ++length, ++cuts) {
            ASSERT_EQ(code_of({file.begin(), file.begin() + static_cast<ptrdiff_t>(length)}), Code::source)
                << name << " cut at " << length;
        }
        Bytes longer = file;
        longer.push_back(0);
        EXPECT_EQ(code_of(longer), Code::source) << name;
    }
    printf("%zu truncations\n", cuts);
}

TEST(FaissLayout, DamageIsAnErrorOrHarmlessButTheSectionsAlwaysCover) {
    size_t refused = 0, harmless = 0;
    const auto damaged = [&](const Bytes& file) {
        try {
            covering(parse(file).sections(), file.size());
            ++harmless;
        } catch (const Error& error) {
            ASSERT_EQ(error.code(), Code::source);
            ++refused;
        }
    };
    for (const auto& [name, whole] : small_files()) {
        SCOPED_TRACE(name);
        for (size_t i = 0; i < whole.size(); ++i) {
            Bytes file = whole;
            for (const int flip : {0x01, 0x80, 0xff}) {
                file[i] = static_cast<uint8_t>(whole[i] ^ flip);
                damaged(file);
            }
            for (const uint64_t count : {uint64_t{1} << 40, uint64_t{1} << 61, UINT64_MAX}) {
                file = whole;
                std::memcpy(file.data() + i, &count, std::min<size_t>(8, file.size() - i));
                damaged(file);
            }
        }
    }
    printf("%zu damaged files: %zu refused, %zu harmless (vectors, codes, parameters)\n", refused + harmless, refused, harmless);
    EXPECT_GT(refused, 1000u);
    EXPECT_GT(harmless, 1000u);
}

TEST(FaissLayout, AnNtotalThatItsTablesContradictIsAnError) {
    for (const auto& [name, file] : small_files()) {
        Bytes lying = file;
        const size_t at = name == "BinaryFlat" ? 12 : 8;
        lying[at] = 6;
        const Code expected = name == "Normalization,Flat" ? Code::interrupted : Code::source;  // there it is only said
        EXPECT_EQ(code_of(lying), expected) << name;
    }
}

TEST(FaissLayout, LinksToNodesThatAreNotThereAreAnErrorUnlessTrusted) {
    FaissBytes bytes;
    bytes.hnsw_flat(4, 2, 5);
    for (const int32_t id : {5, -2, INT32_MAX, INT32_MIN}) {
        Bytes file = bytes.out;
        std::memcpy(file.data() + bytes.links_offset, &id, 4);
        EXPECT_EQ(code_of(file), Code::source) << id;
        EXPECT_EQ(code_of(file, FaissLinks::trusted), Code::interrupted) << id;
    }
}

TEST(FaissLayout, UnknownLettersLeaveTheRestToContentDefinedCuts) {
    const Bytes outer = FaissBytes().letters("Ixyz").header(16, 7).zeros(500).out;
    FaissLayout layout = parse(outer);
    ASSERT_TRUE(layout.unknown());
    EXPECT_EQ(layout.unknown()->fourcc, "Ixyz");
    EXPECT_EQ(layout.unknown()->offset, 0u);
    EXPECT_EQ(layout.facts().type, "?Ixyz");
    EXPECT_EQ(layout.facts().ntotal, 7);
    EXPECT_EQ(covering(layout.sections(), outer.size()).at(0).cut, Cut::cdc);

    const Bytes inner = FaissBytes().letters("IxMp").header(16, 7).letters("Ixyz").zeros(500).out;
    layout = parse(inner);
    EXPECT_EQ(layout.unknown()->offset, 37u);
    EXPECT_EQ(layout.facts().type, "IDMap,?Ixyz");
    EXPECT_EQ(layout.facts().dimension, 16);
    covering(layout.sections(), inner.size());

    const Bytes lists = FaissBytes().ivf("IwFl", 8, {50, 50}).letters("ilzz").zeros(900).out;
    layout = parse(lists);
    EXPECT_EQ(layout.facts().type, "IVFFlat,?ilzz");
    EXPECT_EQ(std::prev(covering(layout.sections(), lists.size()).end())->second.cut, Cut::cdc);

    // Letters of a kind whose header is another: the dimension alone is plausible, and nothing is claimed.
    layout = parse(FaissBytes().letters("ISzz").i32(384).zeros(100).out);
    EXPECT_EQ(layout.facts().ntotal, -1);
}

TEST(FaissLayout, OtherFilesAreNoFaissIndex) {
    const std::string text = "Information about this folder: it holds nothing that is an index of vectors.";
    EXPECT_EQ(code_of({text.begin(), text.end()}), Code::source);
    const std::string sqlite("SQLite format 3\0and more", 24);
    EXPECT_EQ(code_of({sqlite.begin(), sqlite.end()}), Code::source);
    EXPECT_EQ(code_of(Bytes(4096)), Code::source);
    EXPECT_EQ(code_of({}), Code::source);
    EXPECT_EQ(code_of(FaissBytes().letters("null").out), Code::source);
    EXPECT_EQ(code_of(FaissBytes().letters("ISzz").zeros(100).out), Code::source);
}

TEST(FaissLayout, NestingEndsAtADepth) {
    FaissBytes bomb;
    for (int i = 0; i < 100'000; ++i) bomb.letters("IRMf").header(4, 0);
    EXPECT_EQ(code_of(bomb.out), Code::source);
}

TEST(FaissLayout, AFileThatShrinksWhileItIsReadIsAnError) {
    const Bytes file = FaissBytes().hnsw_flat(4, 2, 500).out;
    const Bytes half(file.begin(), file.begin() + static_cast<ptrdiff_t>(file.size() / 4));
    try {
        parse_faiss(reader_of(half), file.size());
        FAIL();
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), Code::source);
    }
}

TEST(FaissLayout, AReadersErrorPasses) {
    const ReadAt broken = [](uint64_t, std::span<uint8_t>) -> size_t { throw Error(Code::source, "the disk says no", "ask it"); };
    try {
        parse_faiss(broken, 4096);
        FAIL();
    } catch (const Error& error) {
        EXPECT_STREQ(error.what(), "the disk says no");
    }
}

TEST(FaissLayout, SectionsCanBeGoneOverAgainAndOutliveTheLayout) {
    const Bytes file = FaissBytes().ivf_flat(64, {30, 20}).out;
    FaissSections first = parse(file).sections();
    const FaissSections fresh = first;
    const auto once = covering(first, file.size());
    EXPECT_EQ(once.size(), covering(fresh, file.size()).size());
}

}  // namespace
}  // namespace ingot
