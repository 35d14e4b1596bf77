#include "store/write_session.h"

#include "base/step.h"
#include "store/record.h"
#include "tests/store/scripted_stream.h"
#include "tests/store/store_fixture.h"

namespace ingot {
namespace {

using test::noise;
using test::ScriptedFeed;
using test::ScriptedStream;

std::vector<std::string>& steps() {
    static std::vector<std::string> names;
    return names;
}

class WriteSessionTest : public StoreTest {
protected:
    std::set<RecordId> manifests(Repository& repository) {
        const auto ids = repository.records(RecordKind::manifest);
        return {ids.begin(), ids.end()};
    }
};

// docs/format.md, "Commit".
TEST_F(WriteSessionTest, CommitsInThePromisedOrder) {
    init();
    const auto repository = open();
    const auto session = repository->begin();
    put(*session, noise(4'000, 1));  // less than the least chunk: one chunk, one pack
    session->add_record(RecordKind::manifest, view_of("{}"));
    steps().clear();
    static std::mutex mutex;
    set_step_listener([](const char* name) {
        const std::lock_guard lock(mutex);
        steps().push_back(name);
    });
    session->commit();
    set_step_listener(nullptr);
    EXPECT_EQ(steps(), (std::vector<std::string>{"pack.synced", "pack.published", "commit.index-flushed", "commit.packs-checked",
                                                 "commit.records-published", "commit.head-published", "commit.remembered"}));
}

TEST_F(WriteSessionTest, ShowsNothingBeforeTheCommit) {
    init();
    store(noise(100, 1));
    const auto repository = open();
    const auto session = repository->begin();
    put(*session, noise(3 << 20, 2));
    const RecordId id = session->add_record(RecordKind::manifest, view_of("{}"));
    session->flush();
    EXPECT_EQ(manifests(*open_shared()).size(), 1U);
    EXPECT_EQ(manifests(*repository).size(), 1U);
    EXPECT_EQ(files_in("records").size(), 1U) << "records are written by commit alone";
    EXPECT_EQ(files_in("heads").size(), 1U);
    session->commit();
    EXPECT_TRUE(manifests(*open_shared()).contains(id));
    EXPECT_TRUE(manifests(*repository).contains(id));
}

TEST_F(WriteSessionTest, CommitsAgainAndAgain) {
    init();
    std::set<RecordId> ids;
    const auto repository = open();
    const auto session = repository->begin();
    std::vector<StreamRoot> roots;
    for (uint64_t i = 0; i < 5; ++i) {
        roots.push_back(put(*session, noise(50'000, i)).root);
        ids.insert(session->add_record(RecordKind::manifest, view_of(std::to_string(i))));
        session->commit();
    }
    session->commit();  // of nothing at all
    const auto reader = open_shared();
    EXPECT_EQ(manifests(*reader), ids);
    for (uint64_t i = 0; i < 5; ++i) EXPECT_EQ(read(*reader, roots[i]), noise(50'000, i));
}

TEST_F(WriteSessionTest, RefusesWorkAfterAnError) {
    init();
    const auto repository = open();
    const auto session = repository->begin();
    session->add_record(RecordKind::manifest, view_of("{}"));
    ScriptedFeed feed;
    feed.add(ScriptedStream({{Section::cdc(), noise(1000, 1)}}).fail_at(10));
    feed.gives_up = true;
    EXPECT_EQ(code_of([&] { session->put(ChunkKind::data, feed, silent_); }), Code::source);
    std::string message;
    EXPECT_EQ(code_of([&] { session->commit(); }, &message), Code::failed);
    EXPECT_NE(message.find("failed before"), std::string::npos) << message;
    EXPECT_EQ(code_of([&] { put(*session, noise(10, 1)); }), Code::failed);
    EXPECT_EQ(code_of([&] { session->flush(); }), Code::failed);
    EXPECT_TRUE(manifests(*repository).empty());
    EXPECT_TRUE(files_in("heads").empty());
}

TEST_F(WriteSessionTest, GoesOnAfterAStreamThatItsFeedForgives) {
    init();
    const auto repository = open();
    const auto session = repository->begin();
    ScriptedFeed feed;
    feed.add(ScriptedStream({{Section::cdc(), noise(1000, 1)}}).fail_at(10));
    feed.add(Section::cdc(), noise(1000, 2));
    session->put(ChunkKind::data, feed, silent_);
    session->commit();
    ASSERT_EQ(feed.results.size(), 1U);
    EXPECT_EQ(read(*repository, feed.results[0].root), noise(1000, 2));
}

// restic #4523 and kin: a pack that somebody removed or changed meanwhile must not be named by the new snapshot.
TEST_F(WriteSessionTest, RefusesToCommitWhereAPackIsGoneOrOther) {
    for (const bool gone : {true, false}) {
        path_ = dir_ / (gone ? "gone" : "other");
        state_ = path_ + "-state";
        init();
        store(noise(100'000, 1));
        const auto repository = open();
        const auto session = repository->begin();
        put(*session, noise(100'000, 1));
        session->add_record(RecordKind::manifest, view_of("{}"));
        const std::string pack = packs(ChunkKind::data).at(0);
        if (gone)
            std::filesystem::remove(pack);
        else
            std::filesystem::resize_file(pack, 100);
        std::string message;
        EXPECT_EQ(code_of([&] { session->commit(); }, &message), Code::failed);
        EXPECT_NE(message.find("nothing was committed"), std::string::npos) << message;
        EXPECT_EQ(files_in("heads").size(), 1U);
        EXPECT_EQ(manifests(*repository).size(), 1U);
    }
}

TEST_F(WriteSessionTest, RemovesARecordWithItsHead) {
    init();
    store(noise(100, 1));
    const RecordName first{RecordKind::manifest, last_record_};
    store(noise(100, 2));
    {
        const auto repository = open();
        const auto session = repository->begin();
        session->remove_record(first);
        EXPECT_EQ(manifests(*repository).size(), 2U);
        session->commit();
        EXPECT_EQ(manifests(*repository), std::set<RecordId>{last_record_});
        EXPECT_FALSE(std::filesystem::exists(path_ + "/" + record_path(first)));
    }
    const auto repository = open_shared();
    EXPECT_EQ(manifests(*repository), std::set<RecordId>{last_record_});
    EXPECT_EQ(code_of([&] { repository->read_record(first); }), Code::not_found);
}

// Two machines from one image share their writer id: the second finds its head's name taken and becomes another writer.
TEST_F(WriteSessionTest, ACloneOfThisClientBecomesAWriterOfItsOwn) {
    init();
    store(noise(100, 1));
    std::filesystem::copy(state_, dir_ / "clone", std::filesystem::copy_options::recursive);
    const WriterId shared = open_shared()->writer();
    const auto slow = open();  // opened before the clone commits, as over a network file system without locks
    {
        Repository& repository = *slow;
        const std::string head = path_ + "/" + head_path(shared, 2);
        std::ofstream(head) << "the clone's";
        const auto session = repository.begin();
        put(*session, noise(100, 2));
        session->add_record(RecordKind::manifest, view_of("{}"));
        session->commit();
        EXPECT_NE(repository.writer(), shared);
        std::filesystem::remove(head);
    }
    EXPECT_EQ(manifests(*open_shared()).size(), 2U);
}

TEST_F(WriteSessionTest, CountsWhatItStored) {
    init();
    SessionTotals totals;
    const Bytes bytes = noise(1 << 20, 1);
    store(bytes, {}, &totals);
    EXPECT_EQ(totals.bytes_read, bytes.size());
    EXPECT_EQ(totals.bytes_new, bytes.size());
    EXPECT_EQ(totals.chunks, totals.chunks_new);
    EXPECT_GT(totals.bytes_meta, 0U);
    uint64_t on_disk = 0;
    for (const char* folder : {"packs", "records", "heads"}) {
        for (const std::string& file : files_in(folder)) on_disk += std::filesystem::file_size(file);
    }
    EXPECT_EQ(totals.bytes_stored, on_disk);
}

}  // namespace
}  // namespace ingot
