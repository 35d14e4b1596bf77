#include "store/repository.h"

#include "base/error.h"
#include "store/record.h"
#include "tests/store/store_fixture.h"

namespace ingot {
namespace {

namespace fs = std::filesystem;
using test::MemoryFeed;
using test::noise;
using test::prose;

class RepositoryTest : public StoreTest {};

TEST_F(RepositoryTest, GivesBackWhatWasPut) {
    for (const bool sealed : {true, false}) {
        path_ = dir_ / (sealed ? "sealed" : "plain");
        init(sealed);
        std::vector<Bytes> contents;
        for (const size_t size : {0, 1, 4095, 4096, 4097, 65536, 1 << 20, (5 << 20) + 3}) {
            contents.push_back(noise(size, size));
            contents.push_back(prose(size, size));
        }
        std::vector<StreamRoot> roots;
        {
            const auto repository = open();
            const auto session = repository->begin();
            MemoryFeed feed;
            for (size_t i = 0; i < contents.size(); ++i) {
                feed.add(contents[i], i % 3 == 0 ? Section::blocks(contents[i].size(), 4096, 1) : Section::cdc());
            }
            session->put(ChunkKind::data, feed, silent_);
            session->commit();
            ASSERT_EQ(feed.results.size(), contents.size());
            for (size_t i = 0; i < contents.size(); ++i) {
                EXPECT_EQ(feed.results[i].root.size, contents[i].size());
                EXPECT_EQ(feed.results[i].sha256, sha256(contents[i]));
                roots.push_back(feed.results[i].root);
            }
        }
        for (const LockMode mode : {LockMode::shared, LockMode::append}) {
            const auto repository = open(mode);
            for (size_t i = 0; i < contents.size(); ++i) EXPECT_EQ(read(*repository, roots[i]), contents[i]);
        }
    }
}

TEST_F(RepositoryTest, StoresTheSameBytesOnce) {
    init();
    SessionTotals first, second;
    const Bytes bytes = noise(8 << 20, 7);
    const StreamRoot a = store(bytes, {}, &first);
    const StreamRoot b = store(bytes, {}, &second);
    EXPECT_EQ(a, b);
    EXPECT_EQ(first.bytes_new, bytes.size());
    EXPECT_EQ(second.bytes_new, 0U);
    EXPECT_EQ(second.chunks, first.chunks);
    EXPECT_LT(second.bytes_stored, 2000U);
}

TEST_F(RepositoryTest, AChangedPageCostsOnePageAndItsTreePath) {
    init();
    Bytes bytes = prose(16 << 20, 3);
    SessionTotals first, second;
    store(bytes, Section::blocks(bytes.size(), 4096, 1), &first);
    bytes[5'000'000] ^= 1;
    store(bytes, Section::blocks(bytes.size(), 4096, 1), &second);
    EXPECT_EQ(second.chunks_new, 1U);
    EXPECT_EQ(second.bytes_new, 4096U);
    EXPECT_LT(second.bytes_meta, 16'000U);
}

TEST_F(RepositoryTest, AnInsertedByteCostsFewChunksOfACdcStream) {
    init();
    Bytes bytes = noise(16 << 20, 3);
    SessionTotals second;
    store(bytes);
    bytes.insert(bytes.begin() + 7'000'000, 0x55);
    store(bytes, {}, &second);
    EXPECT_LE(second.bytes_new, 3 * 65536U);
}

TEST_F(RepositoryTest, RecordsAreLiveOnceTheirHeadIsPublished) {
    init();
    store(noise(1000, 1));
    const auto repository = open(LockMode::shared);
    ASSERT_EQ(repository->records(RecordKind::manifest).size(), 1U);
    EXPECT_EQ(text_of(repository->read_record({RecordKind::manifest, last_record_})), "{\"n\":1}");
}

TEST_F(RepositoryTest, AnAbortedSessionLeavesNothingThatCounts) {
    init();
    {
        const auto repository = open();
        const auto session = repository->begin();
        MemoryFeed feed;
        feed.add(noise(3 << 20, 5));
        session->put(ChunkKind::data, feed, silent_);
        session->add_record(RecordKind::manifest, view_of("{}"));
    }
    const auto repository = open();
    EXPECT_TRUE(repository->records(RecordKind::manifest).empty());
    EXPECT_TRUE(fs::is_empty(path_ + "/tmp"));
}

TEST_F(RepositoryTest, RefusesAWrongKeyWithItsOwnCode) {
    init();
    Credentials wrong;
    wrong.key_file = Secret::copy_of(ByteView(noise(32, 2)));
    OpenOptions options;
    options.state_dir = state_;
    EXPECT_EQ(code_of([&] { Repository::open(real_filesystem(), path_, wrong, options); }), Code::wrong_key);
    EXPECT_EQ(code_of([&] { Repository::open(real_filesystem(), path_, {}, options); }), Code::wrong_key);
    EXPECT_EQ(code_of([&] { Repository::open(real_filesystem(), dir_ / "nowhere", wrong, options); }), Code::no_repository);
}

TEST_F(RepositoryTest, InitNeverTouchesWhatIsThere) {
    init();
    EXPECT_EQ(code_of([&] { init(); }), Code::failed);
    path_ = dir_ / "full";
    fs::create_directory(path_);
    std::ofstream(path_ + "/mine") << "x";
    EXPECT_EQ(code_of([&] { init(); }), Code::failed);
    EXPECT_TRUE(fs::exists(path_ + "/mine"));
    path_ = dir_ / "empty";
    fs::create_directory(path_);
    init();
    EXPECT_NO_THROW(open());
}

TEST_F(RepositoryTest, InitRefusesAFolderThatLostItsConfigButHoldsPacks) {
    init();
    store(noise(100, 1));
    fs::remove(path_ + "/config");
    fs::remove(path_ + "/config.copy");
    EXPECT_EQ(code_of([&] { init(); }), Code::failed);
    EXPECT_EQ(packs().size(), 1U);
}

TEST_F(RepositoryTest, AFlippedBitOfAPackIsFoundAndNeverReturnedAsData) {
    init();
    const Bytes bytes = prose(200'000, 2);
    const StreamRoot root = store(bytes);
    size_t flips = 0;
    for (const std::string& pack : packs()) {
        const size_t size = fs::file_size(pack);
        for (size_t byte = 0; byte < size; byte += 1 + size / 60) {
            flip(pack, byte, byte % 8);
            ++flips;
            const auto repository = open();
            const auto verifier = Verifier::over(*repository);
            verifier->add(ChunkKind::data, root, "the stream");
            EXPECT_FALSE(verifier->run(0, 1, silent_).clean()) << pack << " byte " << byte;
            try {
                EXPECT_EQ(read(*repository, root), bytes);
            } catch (const Error& error) {
                EXPECT_EQ(error.code(), Code::damaged);
            }
            flip(pack, byte, byte % 8);
            fs::remove_all(path_ + "/index");
        }
    }
    fmt::print("pack bits flipped: {}\n", flips);
}

TEST_F(RepositoryTest, VerifyNamesTheStreamThatLostBytes) {
    init();
    const StreamRoot root = store(noise(5 << 20, 2));
    std::string largest;
    for (const std::string& pack : packs()) {
        if (largest.empty() || fs::file_size(pack) > fs::file_size(largest)) largest = pack;
    }
    flip(largest, 1'000'000);
    const auto repository = open();
    const auto verifier = Verifier::over(*repository);
    verifier->add(ChunkKind::data, root, "vectors/index.faiss");
    const VerifyReport report = verifier->run(0, 1, silent_);
    bool named = false;
    for (const Finding& finding : report.findings) named |= finding.where == "vectors/index.faiss";
    EXPECT_TRUE(named);
}

TEST_F(RepositoryTest, PacksVerifiedAShortWhileAgoAreNotReadAgain) {
    init();
    const StreamRoot root = store(noise(1 << 20, 2));
    const auto verify = [&](int64_t max_age_ms) {
        const auto repository = open();
        const auto verifier = Verifier::over(*repository);
        verifier->add(ChunkKind::data, root, "s");
        return verifier->run(max_age_ms, 1, silent_);
    };
    EXPECT_EQ(verify(1'000'000).packs, 2U);
    EXPECT_EQ(verify(1'000'000).packs, 0U);
    EXPECT_EQ(verify(1'000'000).packs_recent, 2U);
    EXPECT_EQ(verify(0).packs, 2U);
}

TEST_F(RepositoryTest, AnOlderRepositoryThanTheOneSeenIsReported) {
    init();
    store(noise(1000, 1));
    fs::copy(path_, dir_ / "copy", fs::copy_options::recursive);
    store(noise(1000, 2));
    fs::remove_all(path_);
    fs::copy(dir_ / "copy", path_, fs::copy_options::recursive);
    EXPECT_EQ(code_of([&] { open(LockMode::shared); }), Code::tampered);
    EXPECT_EQ(code_of([&] { open(LockMode::append); }), Code::tampered);
    { open(LockMode::append, true); }
    EXPECT_NO_THROW(open(LockMode::shared));
    store(noise(1000, 3));
    EXPECT_EQ(open(LockMode::shared)->records(RecordKind::manifest).size(), 2U);
}

TEST_F(RepositoryTest, EveryBitOfEveryHeadIsDetectedAndTheSnapshotsStayReadable) {
    init();
    const Bytes bytes = noise(1000, 1);
    const StreamRoot root = store(bytes);
    store(noise(1000, 2));
    size_t flips = 0;
    for (const auto& entry : fs::recursive_directory_iterator(path_ + "/heads")) {
        if (!entry.is_regular_file()) continue;
        const std::string head = entry.path().string();
        for (size_t bit = 0; bit < fs::file_size(head) * 8; bit += 31) {
            flip(head, bit / 8, bit % 8);
            ++flips;
            EXPECT_EQ(code_of([&] { open(LockMode::append); }), Code::damaged);
            {
                const auto repository = open(LockMode::shared);
                EXPECT_EQ(repository->records(RecordKind::manifest).size(), 2U);
                EXPECT_EQ(read(*repository, root), bytes);
            }
            flip(head, bit / 8, bit % 8);
        }
    }
    fmt::print("head bits flipped: {}\n", flips);
    EXPECT_NO_THROW(open(LockMode::append));
}

TEST_F(RepositoryTest, AConfigThatWasForgedToSayNotEncryptedIsReported) {
    init();
    store(test::noise(1000, 1));
    DirectoryStore blobs(real_filesystem(), path_);
    RepositoryConfig config = load_config(blobs, {});
    config.sealed = false;
    const Bytes forged = encode_config(config);
    for (const char* name : {"config", "config.copy"}) {
        blobs.remove(name);
        blobs.put_new(name, forged);
    }
    EXPECT_EQ(code_of([&] { open(LockMode::shared); }), Code::tampered);
    sealed_ = false;  // without a key: this machine saw another config
    EXPECT_EQ(code_of([&] { open(LockMode::shared); }), Code::tampered);
}

TEST_F(RepositoryTest, AcceptingHeadsMakesADamagedChainUsableAgain) {
    init();
    store(noise(1000, 1));
    store(noise(1000, 2));
    const std::string head = path_ + "/" + head_path(open(LockMode::shared)->writer(), 1);
    flip(head, 100);
    EXPECT_EQ(code_of([&] { open(LockMode::append); }), Code::damaged);
    { open(LockMode::append, true); }
    store(noise(1000, 3));
    EXPECT_EQ(open(LockMode::shared)->records(RecordKind::manifest).size(), 3U);
}

TEST_F(RepositoryTest, AnOldDamagedHeadBeforeAFullOneIsNotNeeded) {
    init();
    std::set<RecordId> all;
    {
        const auto repository = open();
        for (int i = 0; i < 260; ++i) {
            const auto session = repository->begin();
            all.insert(session->add_record(RecordKind::audit, view_of(fmt::format("{}", i))));
            session->commit();
        }
    }
    flip(path_ + "/" + head_path(open(LockMode::shared)->writer(), 77), 60);
    const auto repository = open(LockMode::append);
    const std::vector<RecordId> live = repository->records(RecordKind::audit);
    EXPECT_EQ(std::set<RecordId>(live.begin(), live.end()), all);
}

TEST_F(RepositoryTest, OneOfTwoCopiesOfConfigAndKeysIsEnough) {
    init();
    store(noise(1000, 1));
    std::vector<std::string> files = {path_ + "/config", path_ + "/config.copy"};
    for (const auto& entry : fs::directory_iterator(path_ + "/keys")) files.push_back(entry.path().string());
    ASSERT_EQ(files.size(), 4U);
    for (const std::string& file : files) {
        // Every single bit: config_file_test and keys_test; here that the rest of the repository copes.
        for (size_t bit = 0; bit < fs::file_size(file) * 8; bit += 131) {
            flip(file, bit / 8, bit % 8);
            const auto repository = open(LockMode::shared);
            EXPECT_EQ(repository->records(RecordKind::manifest).size(), 1U);
            EXPECT_FALSE(check_repository(*repository, false, false, silent_).empty()) << file << " bit " << bit;
            flip(file, bit / 8, bit % 8);
        }
        fs::remove(file);
        EXPECT_EQ(open(LockMode::shared)->records(RecordKind::manifest).size(), 1U);
        check_repository(*open(LockMode::append), false, true, silent_);
        EXPECT_TRUE(fs::exists(file));
        EXPECT_TRUE(check_repository(*open(LockMode::append), true, false, silent_).empty());
    }
}

TEST_F(RepositoryTest, ARecordThatRottedIsMendedFromTheCatalog) {
    init();
    store(noise(1000, 1));
    const std::string record = path_ + "/" + record_path({RecordKind::manifest, last_record_});
    flip(record, 70);
    {
        const auto findings = check_repository(*open(LockMode::append), false, true, silent_);
        ASSERT_EQ(findings.size(), 1U);
        EXPECT_EQ(findings[0].weight, Finding::Weight::damage);
    }
    fs::remove_all(path_ + "/index");
    EXPECT_EQ(text_of(open(LockMode::shared)->read_record({RecordKind::manifest, last_record_})), "{\"n\":1}");
}

TEST_F(RepositoryTest, KeysCanBeAddedAndRemovedButNeverTheLast) {
    init();
    const auto repository = open();
    InitOptions cheap;
    cheap.kdf_passes = 1;
    cheap.kdf_memory_kib = 8 << 10;
    Credentials passphrase;
    passphrase.passphrase = Secret::copy_of("correct horse");
    const std::string first = repository->key_slots().at(0).name;
    const std::string second = repository->add_key(passphrase, "night", cheap);
    EXPECT_EQ(repository->key_slots().size(), 2U);
    repository->remove_key(first);
    EXPECT_EQ(code_of([&] { repository->remove_key(second); }), Code::usage);
    OpenOptions options;
    options.state_dir = state_;
    options.mode = LockMode::shared;
    EXPECT_EQ(code_of([&] { Repository::open(real_filesystem(), path_, key(), options); }), Code::wrong_key);
    EXPECT_NO_THROW(Repository::open(real_filesystem(), path_, passphrase, options));
}

TEST_F(RepositoryTest, ASecondAppenderIsToldWhoHoldsTheLock) {
    init();
    const auto first = open(LockMode::append);
    EXPECT_NO_THROW(open(LockMode::shared));
    EXPECT_EQ(code_of([&] { open(LockMode::append); }), Code::locked);
    EXPECT_EQ(code_of([&] { open(LockMode::exclusive); }), Code::locked);
}

}  // namespace
}  // namespace ingot
