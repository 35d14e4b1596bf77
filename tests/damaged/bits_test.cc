// One bit at a time: every bit of heads and records, 4,000 random bits of packs, of a small repository. Each is either harmless
// and listed, or reported as damage (exit 20) or tampering (exit 25); wrong bytes are never returned.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <random>

#include "base/error.h"
#include "store/record.h"
#include "tests/store/store_fixture.h"

namespace ingot {
namespace {

struct Stored {
    StreamRoot root;
    Bytes bytes;
};

class Bits : public StoreTest {
protected:
    void SetUp() override {
        init();
        for (const uint64_t seed : {1, 2, 3}) {
            const Bytes bytes = seed == 2 ? test::noise(60'000, seed) : test::prose(90'000, seed);
            stored_.push_back({store(bytes, seed == 3 ? Section::blocks(bytes.size(), 4096, 1) : Section::cdc()), bytes});
        }
    }

    // What reading says of all streams: the right bytes, or damage. Anything else fails the test.
    size_t read_all(Repository& repository, const std::string& what) {
        size_t refused = 0;
        for (const Stored& one : stored_) {
            try {
                EXPECT_EQ(read(repository, one.root), one.bytes) << what;
            } catch (const Error& error) {
                EXPECT_EQ(error.code(), Code::damaged) << what;
                ++refused;
            }
        }
        return refused;
    }

    static size_t rounds(size_t ordinary, size_t nightly) { return std::getenv("INGOT_NIGHTLY") != nullptr ? nightly : ordinary; }

    std::vector<Stored> stored_;
};

TEST_F(Bits, FourThousandOfPacksAreAllReportedAndNeverReturnedAsData) {
    std::vector<std::pair<std::string, size_t>> files;
    size_t total = 0;
    for (const std::string& pack : packs()) {
        files.emplace_back(pack, std::filesystem::file_size(pack));
        total += files.back().second;
    }
    std::mt19937_64 random(20261121);
    const size_t flips = rounds(4000, 100'000);
    size_t refused = 0;
    const auto repository = open();
    for (size_t i = 0; i < flips; ++i) {
        size_t byte = random() % total;
        size_t file = 0;
        while (byte >= files[file].second) byte -= files[file++].second;
        const size_t bit = random() % 8;
        const std::string what = fmt::format("{} byte {} bit {}", files[file].first, byte, bit);
        flip(files[file].first, byte, bit);
        const auto verifier = Verifier::over(*repository);
        verifier->add_all_packs();
        EXPECT_FALSE(verifier->run(0, 1, silent_).clean()) << what;
        refused += read_all(*repository, what) > 0 ? 1 : 0;
        flip(files[file].first, byte, bit);
    }
    EXPECT_EQ(read_all(*repository, "all bits as they were"), 0U);
    fmt::print("pack bits flipped: {}, reported: {}, of them needed by a read and refused: {}, wrong bytes returned: 0\n", flips,
               flips, refused);
}

TEST_F(Bits, EveryOneOfRecordsIsReported) {
    size_t flips = 0;
    const auto repository = open();
    RepositoryCore& core = repository->core();
    for (const std::string& file : files_in("records")) {
        const std::string path = file.substr(path_.size() + 1);
        const RecordName name = record_from_path(path).value();
        for (size_t bit = 0; bit < std::filesystem::file_size(file) * 8; ++bit) {
            flip(file, bit / 8, bit % 8);
            EXPECT_EQ(code_of([&] { decode_record(name, core.blobs->get(path, kRecordLimitBytes), core.keys, core.config.id); }),
                      Code::damaged);
            if (bit % 61 == 0) {
                const auto findings = check_repository(*repository, false, false, silent_);
                ASSERT_EQ(findings.size(), 1U) << path << " bit " << bit;
                EXPECT_EQ(findings[0].where, path);
                EXPECT_EQ(findings[0].weight, Finding::Weight::damage);
                EXPECT_NO_THROW(repository->read_record(name)) << "the catalog has a good copy";
            }
            flip(file, bit / 8, bit % 8);
            ++flips;
        }
    }
    EXPECT_TRUE(check_repository(*repository, true, false, silent_).empty());
    fmt::print("record bits flipped: {}, reported: {}\n", flips, flips);
}

TEST_F(Bits, EveryOneOfHeadsIsReportedAndNoSnapshotIsLost) {
    size_t flips = 0, opened = 0;
    RepositoryId id;
    std::vector<std::string> heads = files_in("heads");
    {
        const auto repository = open_shared();
        RepositoryCore& core = repository->core();
        id = core.config.id;
        for (const std::string& file : heads) {
            const Bytes good = core.blobs->get(file.substr(path_.size() + 1), 1 << 20);
            for (size_t bit = 0; bit < good.size() * 8; ++bit) {
                Bytes bad = good;
                bad[bit / 8] = static_cast<uint8_t>(bad[bit / 8] ^ (1 << (bit % 8)));
                EXPECT_EQ(code_of([&] { decode_head(bad, id, core.keys.head_key()); }), Code::damaged);
                ++flips;
            }
        }
    }
    for (const std::string& file : heads) {
        for (size_t bit = 0; bit < std::filesystem::file_size(file) * 8; bit += rounds(37, 1)) {
            flip(file, bit / 8, bit % 8);
            const auto code = code_of([&] { open(LockMode::append); });
            EXPECT_TRUE(code == Code::damaged || code == Code::tampered) << file << " bit " << bit;
            {
                const auto repository = open_shared();
                EXPECT_EQ(repository->records(RecordKind::manifest).size(), stored_.size());
                EXPECT_EQ(read_all(*repository, file), 0U);
                EXPECT_FALSE(check_repository(*repository, false, false, silent_).empty());
            }
            flip(file, bit / 8, bit % 8);
            ++opened;
        }
    }
    fmt::print("head bits flipped: {}, reported: {}; repositories opened so: {}, snapshots lost: 0\n", flips, flips, opened);
}

// Truncated, emptied, deleted, swapped with its neighbour: every file, one at a time.
TEST_F(Bits, EveryFileMayBeCutEmptiedDeletedOrSwapped) {
    namespace fs = std::filesystem;
    std::vector<std::string> files = {path_ + "/config", path_ + "/config.copy"};
    for (const char* folder : {"keys", "heads", "records", "packs"}) {
        for (const std::string& file : files_in(folder)) files.push_back(file);
    }
    const std::string saved = dir_ / "saved", saved_state = dir_ / "saved-state";
    fs::copy(path_, saved, fs::copy_options::recursive);
    fs::copy(state_, saved_state, fs::copy_options::recursive);
    const auto swap_with_neighbour = [&](size_t i) {
        const std::string& other = files[(i + 1) % files.size()];
        fs::rename(files[i], dir_ / "x");
        fs::rename(other, files[i]);
        fs::rename(dir_ / "x", other);
    };
    const std::vector<std::pair<std::string, std::function<void(size_t)>>> harms = {
        {"cut by a byte", [&](size_t i) { fs::resize_file(files[i], fs::file_size(files[i]) - 1); }},
        {"cut in half", [&](size_t i) { fs::resize_file(files[i], fs::file_size(files[i]) / 2); }},
        {"emptied", [&](size_t i) { fs::resize_file(files[i], 0); }},
        {"deleted", [&](size_t i) { fs::remove(files[i]); }},
        {"extended", [&](size_t i) { fs::resize_file(files[i], fs::file_size(files[i]) + 7); }},
        {"swapped with its neighbour", swap_with_neighbour},
    };
    std::map<std::string, size_t> outcomes;
    for (const auto& [harm, apply] : harms) {
        for (size_t i = 0; i < files.size(); ++i) {
            apply(i);
            const std::string what = files[i].substr(path_.size() + 1) + " " + harm;
            try {
                const auto repository = open_shared();
                const size_t refused = read_all(*repository, what);
                const auto verifier = Verifier::over(*repository);
                for (const Stored& one : stored_) verifier->add(ChunkKind::data, one.root, "stream");
                auto findings = verifier->run(0, 1, silent_).findings;
                for (const Finding& one : check_repository(*repository, true, false, silent_)) findings.push_back(one);
                const bool same_bytes =
                    harm.starts_with("swapped") && findings.empty() && refused == 0;  // two copies of one slot or config
                EXPECT_TRUE(!findings.empty() || same_bytes) << what;
                ++outcomes[refused > 0 ? "data refused and reported" : same_bytes ? "the same bytes" : "harmless and listed"];
            } catch (const Error& error) {
                EXPECT_TRUE(error.code() == Code::damaged || error.code() == Code::tampered) << what << ": " << error.what();
                ++outcomes["not opened, reported"];
            }
            fs::remove_all(path_);
            fs::copy(saved, path_, fs::copy_options::recursive);
            fs::remove_all(state_);
            fs::copy(saved_state, state_, fs::copy_options::recursive);
        }
    }
    for (const auto& [outcome, count] : outcomes) fmt::print("{}: {}\n", outcome, count);
}

}  // namespace
}  // namespace ingot
