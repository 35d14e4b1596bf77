#include "drivers/tar_walk.h"

#include <gtest/gtest.h>

#include <random>

#include "tar_bytes.h"
#include "test_folder.h"

namespace ingot {
namespace {

std::vector<TarMember> walked(const std::string& bytes, bool* ended = nullptr) {
    TarWalk walk(tar_bytes_of(bytes));
    std::vector<TarMember> out;
    while (auto member = walk.next(bytes.size())) out.push_back(std::move(*member));
    if (ended != nullptr) *ended = walk.ended();
    return out;
}

std::string data_of(const std::string& bytes, const TarMember& member) {
    return bytes.substr(member.data_offset, member.data_size);
}

TEST(TarWalk, FindsMembersLongNamesFoldersAndTheEnd) {
    const std::string longer(180, 'n');
    const std::string bytes = tar_header("segments/", '5', 0) + tar_member("segments/a.json", "{}") +
                              tar_member(longer, std::string(1000, 'x')) + tar_member("empty", "") + tar_end();
    bool ended = false;
    const auto members = walked(bytes, &ended);
    ASSERT_EQ(members.size(), 4U);
    EXPECT_TRUE(ended);
    EXPECT_EQ(members[0].path, "segments/");
    EXPECT_FALSE(members[0].is_file());
    EXPECT_EQ(members[1].path, "segments/a.json");
    EXPECT_EQ(data_of(bytes, members[1]), "{}");
    EXPECT_EQ(members[2].path, longer);
    EXPECT_EQ(data_of(bytes, members[2]), std::string(1000, 'x'));
    EXPECT_EQ(members[3].data_size, 0U);
    EXPECT_EQ(tar_text(tar_bytes_of(bytes), members[1], 10), "{}");
    EXPECT_EQ(error_of([&] { tar_text(tar_bytes_of(bytes), members[2], 10); }).code(), Code::damaged);
}

TEST(TarWalk, KnowsSparseFilesOfAnyNumberOfRuns) {
    for (const size_t count : {0, 1, 4, 5, 25, 26, 200}) {
        std::vector<std::pair<uint64_t, std::string>> runs;
        for (size_t i = 0; i < count; ++i) runs.emplace_back(i * 10'000, std::string(512, 'r'));
        const std::string bytes = tar_sparse("page_0.dat", 33'554'432, runs) + tar_member("next", "n") + tar_end();
        const auto members = walked(bytes);
        ASSERT_EQ(members.size(), 2U);
        EXPECT_TRUE(members[0].is_file());
        EXPECT_EQ(members[0].runs.size(), count);
        EXPECT_EQ(members[0].file_size, 33'554'432U);
        EXPECT_EQ(members[0].data_size, count * 512);
        EXPECT_EQ(data_of(bytes, members[1]), "n");
    }
}

TEST(TarWalk, KnowsPaxPathsAndSizesAndNumbersInBase256) {
    const std::string line = "19 path=from/a/pax\n";
    std::string bytes = tar_header("pax", 'x', line.size() + 10) + tar_padded(line + "10 size=5\n") +
                        tar_header("short", '0', 0) + tar_padded("12345");
    std::string large = tar_header("large", '0', 0);
    large.replace(124, 12, std::string("\x80\0\0\0\0\0\0\0\0\0\x02\x01", 12));
    tar_sum(large);
    bytes += large + tar_padded(std::string(513, 'l')) + tar_end();
    const auto members = walked(bytes);
    ASSERT_EQ(members.size(), 2U);
    EXPECT_EQ(members[0].path, "from/a/pax");
    EXPECT_EQ(data_of(bytes, members[0]), "12345");
    EXPECT_EQ(members[1].data_size, 513U);
}

TEST(TarWalk, WaitsForBytesThatAreStillArriving) {
    const std::string bytes = tar_member(std::string(150, 'p') + "/segments", "data") +
                              tar_sparse("s", 9000, {{0, std::string(600, 's')}}) + tar_member("last", "") + tar_end();
    const auto whole = walked(bytes);
    TarWalk walk(tar_bytes_of(bytes));
    std::vector<TarMember> found;
    for (uint64_t available = 0; available <= bytes.size(); available += 64) {
        while (auto member = walk.next(available)) {
            EXPECT_LE(member->data_offset, available);
            found.push_back(std::move(*member));
        }
    }
    ASSERT_EQ(found.size(), whole.size());
    for (size_t i = 0; i < whole.size(); ++i) EXPECT_EQ(found[i].data_offset, whole[i].data_offset);
    EXPECT_TRUE(walk.ended());
    EXPECT_EQ(walk.end(), bytes.size());
}

TEST(TarWalk, ATarCutAnywhereNeverEnds) {
    const std::string bytes = tar_member("a", std::string(700, 'a')) + tar_member("b", "b") + tar_end();
    size_t cuts = 0;
    for (size_t size = 0; size < bytes.size(); ++size, ++cuts) {
        bool ended = true;
        walked(bytes.substr(0, size), &ended);
        EXPECT_FALSE(ended) << size;
    }
    EXPECT_EQ(cuts, bytes.size());
}

TEST(TarWalk, WhatIsNoTarIsDamaged) {
    const std::string good = tar_member("a", "a") + tar_end();
    for (size_t at = 0; at < 500; ++at) {
        if (at == 154 || at == 155) continue;  // what ends the checksum
        std::string bytes = good;
        bytes[at] = static_cast<char>(bytes[at] ^ 1);
        EXPECT_EQ(error_of([&] { walked(bytes); }).code(), Code::damaged) << at;
    }
    EXPECT_EQ(error_of([] { walked(std::string(2000, 'x')); }).code(), Code::damaged);
    std::string one_zero = tar_member("a", "a") + std::string(kTarBlock, '\0') + tar_member("b", "b");
    EXPECT_EQ(error_of([&] { walked(one_zero); }).code(), Code::damaged);
}

// Nothing may be allocated, read or looped over by what a header says without its being there.
TEST(TarWalk, LiesInHeadersEndTheWalk) {
    std::mt19937 random(7);
    std::vector<std::pair<uint64_t, std::string>> runs;
    for (size_t i = 0; i < 30; ++i) runs.emplace_back(i * 10'000, "r");
    const std::string good = tar_member(std::string(150, 'p'), "data") + tar_sparse("s", 1'000'000, runs) + tar_end();
    size_t walks = 0, damaged = 0;
    for (int round = 0; round < 20'000; ++round, ++walks) {
        std::string bytes = good;
        const size_t block = random() % (bytes.size() / kTarBlock) * kTarBlock;
        for (int i = 0; i < 3; ++i) bytes[block + random() % kTarBlock] = static_cast<char>(random());
        std::string header = bytes.substr(block, kTarBlock);
        tar_sum(header);  // so that the checksum lets it pass
        bytes.replace(block, kTarBlock, header);
        try {
            walked(bytes);
        } catch (const Error& error) {
            EXPECT_EQ(error.code(), Code::damaged);
            ++damaged;
        }
    }
    std::printf("%zu walks of tars with lies, %zu damaged\n", walks, damaged);
    EXPECT_GT(damaged, walks / 10);
}

// As GNU tar itself writes them.
TEST(TarWalk, ReadsWhatGnuTarWrites) {
    const TestFolder folder;
    const std::string name(120, 'l');
    put(folder / name, "long");
    { std::ofstream(folder / "sparse") << "begin"; }
    ASSERT_EQ(::truncate((folder / "sparse").c_str(), 3 << 20), 0);
    for (const char* format : {"gnu", "posix", "ustar"}) {
        const std::string options = std::string(format) == "ustar" ? " " : " --sparse ";
        const std::string command = "cd " + folder.path() + " && tar --create --format=" + format +
                                    (std::string(format) == "posix" ? " " : options) + "--file=a.tar sparse" +
                                    (std::string(format) == "ustar" ? "" : " " + name);
        ASSERT_EQ(std::system(command.c_str()), 0) << command;
        const std::string bytes = get(folder / "a.tar");
        bool ended = false;
        const auto members = walked(bytes, &ended);
        EXPECT_TRUE(ended) << format;
        ASSERT_GE(members.size(), 1U);
        EXPECT_EQ(members[0].path, "sparse");
        EXPECT_EQ(members[0].file_size, 3U << 20);
        if (members.size() > 1) {
            EXPECT_EQ(members[1].path, name);
            EXPECT_EQ(data_of(bytes, members[1]), "long");
        }
        if (std::string(format) == "gnu") {
            EXPECT_EQ(members[0].type, 'S');
            EXPECT_LT(members[0].data_size, 100'000U);
        }
    }
}

}  // namespace
}  // namespace ingot
