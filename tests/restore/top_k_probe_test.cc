#include "restore/top_k_probe.h"

#include "base/error.h"
#include "restore/probe.h"
#include "tests/restore/restore_test_base.h"

namespace ingot::test {
namespace {

// A file of lines "id score": the neighbours of any query.
class IndexDriver : public FakeEngineDriver {
public:
    using FakeEngineDriver::FakeEngineDriver;
    bool artifact_needs_files() const override { return true; }
    std::vector<TopKQuery> top_k_live(const TopKRequest& request) override {
        std::vector<TopKQuery> out;
        for (const Bytes& query : request.queries) out.push_back({query, neighbours(roots().front().live_path)});
        return out;
    }
    std::optional<std::vector<TopKQuery>> top_k_artifact(const std::string& dir, const TopKRequest& request) override {
        const std::string path = join(dir, roots().front().listing_path);
        if (request.queries.empty()) return std::vector<TopKQuery>{{Bytes{1}, neighbours(path)}};
        std::vector<TopKQuery> out;
        for (const Bytes& query : request.queries) out.push_back({query, neighbours(path)});
        return out;
    }

private:
    static std::vector<Neighbour> neighbours(const std::string& path) {
        std::vector<Neighbour> out;
        for (const char id : read_whole(path)) out.push_back({std::string(1, id), static_cast<double>(out.size())});
        return out;
    }
};

class TopKProbes : public RestoreTest {
protected:
    TopKProbes() {
        stack_.sources.pop_back();
        add<IndexDriver>("db", "fake", {"fake.db"});
        stack_.make_driver = [](SourceSpec spec) { return std::make_unique<IndexDriver>(std::move(spec)); };
        write_file(at("fake.db"), "abcd");
        ProbeSpec probe;
        probe.name = "top-k";
        probe.kind = ProbeSpec::Kind::top_k;
        probe.source = "db";
        probe.tolerance = 0.05;
        probe.timeout_ms = 1;
        stack_.probes = {probe};
    }
    Snapshot take_golden() {
        TakeOptions options;
        options.golden = true;
        const TakeResult taken = take_snapshot(*repository_, stack_, options, progress_);
        EXPECT_TRUE(taken.golden) << taken.why_not_golden;
        return listed(taken.id);
    }
    LastNotes notes_;
};

TEST_F(TopKProbes, TheRestoredIndexIsAskedWhatTheGoldenOneWas) {
    const Snapshot snapshot = take_golden();
    write_file(at("fake.db"), "wxyz");
    const RestoreResult result = restore(*repository_, snapshot, stack_, fs_, {}, notes_);
    EXPECT_EQ(result.outcome, "restored");
    EXPECT_TRUE(notes_.notes.empty());
    std::map<std::string, std::string> expected;
    EXPECT_TRUE(expect_top_k(stack_, snapshot, {"db"}, expected).empty());
    ASSERT_EQ(expected.size(), 1u);
    EXPECT_NO_THROW(ask_top_k(stack_.probes[0], *stack_.sources.back(), expected.at("top-k")));
    write_file(at("fake.db"), "abcx");
    try {
        ask_top_k(stack_.probes[0], *stack_.sources.back(), expected.at("top-k"));
        ADD_FAILURE() << "another index passed";
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), Code::failed);
        EXPECT_STREQ(error.what(), "db: 3 of 4 recorded neighbours are found again, and 4 are wanted");
        EXPECT_FALSE(error.hint().empty());
    }
    expected.clear();
    EXPECT_TRUE(expect_top_k(stack_, snapshot, {"docs"}, expected).empty());
    EXPECT_TRUE(expected.empty()) << "a source that is not restored is not asked";
}

TEST_F(TopKProbes, AnIndexThatAnswersOtherwiseTakesTheRestoreBack) {
    const Snapshot snapshot = take_golden();
    write_file(at("fake.db"), "wxyz");
    // What starts after the swap spoils it.
    stack_.services.stop = "true";
    stack_.services.start = "grep -q wxyz " + at("fake.db") + " || echo -n abxx > " + at("fake.db");
    try {
        restore(*repository_, snapshot, stack_, fs_, {}, progress_);
        ADD_FAILURE() << "restored";
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), Code::rolled_back) << error.what();
        EXPECT_NE(std::string(error.what()).find("2 of 4 recorded neighbours"), std::string::npos) << error.what();
    }
    EXPECT_EQ(read_whole(at("fake.db")), "wxyz");
}

TEST_F(TopKProbes, OfASnapshotWithoutARecordItIsNotAskedAndThatIsSaid) {
    const Snapshot snapshot = take();
    write_file(at("fake.db"), "wxyz");
    EXPECT_EQ(restore(*repository_, snapshot, stack_, fs_, {}, notes_).outcome, "restored");
    ASSERT_EQ(notes_.notes.size(), 1u);
    EXPECT_NE(notes_.notes[0].find("the probe top-k is not asked"), std::string::npos) << notes_.notes[0];
    EXPECT_NE(notes_.notes[0].find("it is not golden"), std::string::npos) << notes_.notes[0];
}

}  // namespace
}  // namespace ingot::test
