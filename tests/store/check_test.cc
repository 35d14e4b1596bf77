// check_repository (store/repository.h): each kind of damage gets its place, its weight and, with repair, its cure.
#include <sys/stat.h>

#include "store/record.h"
#include "tests/store/store_fixture.h"

namespace ingot {
namespace {

namespace fs = std::filesystem;
using test::noise;
using Weight = Finding::Weight;

class Check : public StoreTest {
protected:
    std::vector<Finding> check(bool directories = true, bool repair = false) {
        return check_repository(*open(), directories, repair, silent_);
    }
    static std::string text(const std::vector<Finding>& findings) {
        std::string out;
        for (const Finding& finding : findings)
            out += fmt::format("[{}] {}: {}\n", static_cast<int>(finding.weight), finding.where, finding.what);
        return out;
    }
    static bool has(const std::vector<Finding>& findings, Weight weight, const std::string& where) {
        return std::ranges::any_of(findings, [&](const Finding& finding) {
            return finding.weight == weight && finding.where.find(where) != std::string::npos;
        });
    }
};

TEST_F(Check, FindsNothingInAWholeRepository) {
    for (const bool sealed : {true, false}) {
        path_ = dir_ / (sealed ? "sealed" : "plain");
        init(sealed);
        EXPECT_EQ(text(check()), "");
        store(noise(300'000, 1));
        store(noise(300'000, 2));
        EXPECT_EQ(text(check()), "");
        EXPECT_EQ(text(check(false)), "");
    }
}

TEST_F(Check, FindsAPackThatIsMissingCutOrRotten) {
    init();
    store(noise(300'000, 1));
    const std::string pack = packs(ChunkKind::data).at(0), name = pack.substr(pack.size() - 64);
    const auto repository = open();
    const auto found = [&](bool directories) { return check_repository(*repository, directories, false, silent_); };
    fs::copy_file(pack, dir_ / "good");
    const auto restore = [&] { fs::copy_file(dir_ / "good", pack, fs::copy_options::overwrite_existing); };
    fs::remove(pack);
    EXPECT_TRUE(has(found(false), Weight::damage, name));
    restore();
    fs::resize_file(pack, fs::file_size(pack) - 1);
    EXPECT_TRUE(has(found(false), Weight::damage, name));
    restore();
    flip(pack, fs::file_size(pack) - 100);
    EXPECT_TRUE(has(found(true), Weight::damage, name)) << "the directory";
    EXPECT_EQ(text(found(false)), "") << "without reading directories only sizes are compared";
    restore();
    flip(pack, 20);
    EXPECT_TRUE(has(found(true), Weight::damage, name)) << "the header";
    restore();
    EXPECT_EQ(text(found(true)), "");
}

TEST_F(Check, TellsRecordsThatAreNamedFromThoseThatAreNot) {
    init();
    store(noise(100, 1));
    const std::string live = record_path({RecordKind::manifest, last_record_});
    RecordName unnamed{RecordKind::audit, {}};
    {
        const auto repository = open();
        const RepositoryCore& core = repository->core();
        const EncodedRecord record = encode_record(RecordKind::audit, view_of("{}"), core.keys, core.config.id);
        unnamed = record.name;
        core.blobs->put_new(record_path(record.name), record.file);
    }
    EXPECT_TRUE(has(check(), Weight::note, record_path(unnamed)));
    flip(path_ + "/" + record_path(unnamed), 50);
    EXPECT_TRUE(has(check(), Weight::note, record_path(unnamed)));
    fs::remove(path_ + "/" + record_path(unnamed));
    flip(path_ + "/" + live, 50);
    EXPECT_TRUE(has(check(), Weight::damage, live));
    fs::remove(path_ + "/" + live);
    EXPECT_TRUE(has(check(), Weight::damage, live));
    EXPECT_TRUE(has(check(true, true), Weight::damage, live)) << "mended, and still told";
    EXPECT_EQ(text(check()), "");
}

TEST_F(Check, NamesARecordThatIsLostForGood) {
    init();
    store(noise(100, 1));
    const std::string live = record_path({RecordKind::manifest, last_record_});
    fs::remove(path_ + "/" + live);
    fs::remove_all(path_ + "/index");
    for (const bool repair : {false, true}) EXPECT_TRUE(has(check(true, repair), Weight::damage, live));
    EXPECT_EQ(code_of([&] { open_shared()->read_record({RecordKind::manifest, last_record_}); }), Code::damaged);
}

TEST_F(Check, MendsSecondCopies) {
    init();
    for (const std::string& file :
         {std::string("config"), std::string("config.copy"), files_in("keys").at(0).substr(path_.size() + 1),
          files_in("keys").at(1).substr(path_.size() + 1)}) {
        const Bytes good = read_file(real_filesystem(), path_ + "/" + file, 1 << 20);
        for (const bool gone : {true, false}) {
            if (gone)
                fs::remove(path_ + "/" + file);
            else
                flip(path_ + "/" + file, 30);
            EXPECT_TRUE(has(check(), Weight::note, file)) << file;
            EXPECT_TRUE(has(check(true, true), Weight::note, file)) << file;
            EXPECT_EQ(text(check()), "");
            EXPECT_EQ(read_file(real_filesystem(), path_ + "/" + file, 1 << 20), good);
        }
    }
}

// The lock lies on the config: mending the config must not let a second writer in.
TEST_F(Check, MendingTheConfigKeepsTheLock) {
    init();
    for (const bool gone : {true, false}) {
        if (gone)
            fs::remove(path_ + "/config");
        else
            flip(path_ + "/config", 30);
        const auto repository = open();
        check_repository(*repository, false, true, silent_);
        ASSERT_TRUE(fs::exists(path_ + "/config"));
        EXPECT_EQ(code_of([&] { open(); }), Code::locked);
    }
    EXPECT_NO_THROW(open());
}

TEST_F(Check, NamesAKeySlotOfWhichNothingIsLeft) {
    init();
    const auto repository = open();
    for (const std::string& file : files_in("keys")) flip(file, 40);
    const auto findings = check_repository(*repository, false, false, silent_);
    EXPECT_TRUE(has(findings, Weight::damage, "keys/"));
    EXPECT_TRUE(std::ranges::any_of(findings, [](const Finding& finding) { return finding.where == "keys"; }));
}

TEST_F(Check, NamesDamagedHeads) {
    init();
    store(noise(100, 1));
    store(noise(100, 2));
    flip(files_in("heads").at(0), 100);
    EXPECT_TRUE(has(check_repository(*open_shared(), false, false, silent_), Weight::damage, "heads"));
}

TEST_F(Check, FindsAnIndexThatPointsElsewhereAndRebuildsIt) {
    init();
    const Bytes bytes = noise(300'000, 1);
    const StreamRoot root = store(bytes);
    {
        const auto repository = open();
        RepositoryCore& core = repository->core();
        // The same pack, its chunks at other places: what no checksum of the index's files would tell.
        const IndexedPack pack = core.index->packs().begin()->second;
        std::vector<SegmentEntry> wrong(1);
        const ChunkId id = core.id_of(ChunkKind::meta, root.digest);
        wrong[0].chunks = {{core.id_of(ChunkKind::data, sha256(noise(10, 9))), 77}, {id, 5}};
        const PackContents contents{pack, wrong};
        core.index->add_packs({&contents, 1});
        core.index->flush();
    }
    EXPECT_TRUE(has(check(), Weight::note, "index"));
    EXPECT_TRUE(has(check(true, true), Weight::note, "index"));
    EXPECT_EQ(text(check()), "");
    EXPECT_EQ(read(*open_shared(), root), bytes);
}

// Neither waited for nor followed round: a FIFO in a pack's place, and links that lead nowhere.
TEST_F(Check, NamesWhatIsNoFileAndTakesAPackOfThatNameAsLost) {
    init();
    store(noise(300'000, 1));
    ASSERT_EQ(::mkfifo((path_ + "/packs/fifo").c_str(), 0600), 0);
    fs::create_symlink("itself", path_ + "/packs/itself");
    fs::create_directory_symlink("../packs", path_ + "/packs/round");
    const auto strangers = check();
    for (const char* name : {"packs/fifo", "packs/itself", "packs/round/"})
        EXPECT_TRUE(has(strangers, Weight::note, name)) << name;
    EXPECT_FALSE(has(strangers, Weight::damage, "")) << text(strangers);
    fs::remove(path_ + "/packs/round");
    std::string pack;
    open()->core().blobs->list("packs", [&](const std::string& name, uint64_t) {
        if (pack_id_from_name(name)) pack = name;
    });
    fs::remove(path_ + "/" + pack);
    ASSERT_EQ(::mkfifo((path_ + "/" + pack).c_str(), 0600), 0);
    EXPECT_TRUE(has(check(), Weight::damage, ""));
}

TEST_F(Check, NamesFilesThatAreNoneOfTheFormats) {
    init();
    store(noise(100, 1));
    for (const char* name : {"packs/zz", "packs/ab/short", "records/readme", "records/manifest/nothex", "keys/notes.txt"}) {
        std::ofstream(path_ + "/" + name) << "x";
        EXPECT_TRUE(has(check(), Weight::note, name)) << name;
        fs::remove(path_ + "/" + name);
    }
}

}  // namespace
}  // namespace ingot
