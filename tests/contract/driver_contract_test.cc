#include <thread>

#include "command_fixture.h"
#include "driver_contract_base.h"
#include "faiss_contract_fixture.h"
#include "files_fixture.h"
#include "mongodb_contract_fixture.h"
#include "nginx_contract_fixture.h"
#include "postgres_contract_fixture.h"
#include "qdrant_contract_fixture.h"
#include "redis_contract_fixture.h"
#include "sqlite_contract_fixture.h"

namespace ingot {
namespace {

template <class Fixture>
std::unique_ptr<SourceFixture> make_fixture() {
    return std::make_unique<Fixture>();
}
std::unique_ptr<SourceFixture> wal_database() { return std::make_unique<SqliteSourceFixture>("wal"); }
std::unique_ptr<SourceFixture> command() { return std::make_unique<CommandSourceFixture>("end"); }
std::unique_ptr<SourceFixture> transaction_command() { return std::make_unique<CommandSourceFixture>("start"); }
std::unique_ptr<SourceFixture> qdrant_streams_shards() { return std::make_unique<QdrantSourceFixture>("1.19.0"); }
std::unique_ptr<SourceFixture> qdrant_makes_snapshots() { return std::make_unique<QdrantSourceFixture>("1.11.3"); }
std::unique_ptr<SourceFixture> journal_database() { return std::make_unique<SqliteSourceFixture>("delete"); }

INSTANTIATE_TEST_SUITE_P(Drivers, DriverContract,
                         testing::Values(Named{"files", make_fixture<FilesFixture>}, Named{"env", make_fixture<EnvFixture>},
                                         Named{"nginx", make_fixture<NginxSourceFixture>}, Named{"sqlite_wal", wal_database},
                                         Named{"sqlite_journal", journal_database},
                                         Named{"faiss", make_fixture<FaissSourceFixture>},
                                         Named{"postgres", make_fixture<PostgresSourceFixture>},
                                         Named{"mongodb", make_fixture<MongoSourceFixture>},
                                         Named{"redis", make_fixture<RedisSourceFixture>}, Named{"qdrant", qdrant_streams_shards},
                                         Named{"qdrant_snapshot", qdrant_makes_snapshots}, Named{"command", command},
                                         Named{"command_transaction", transaction_command}),
                         [](const auto& named) { return std::string(named.param.name); });

TEST_P(DriverContract, D1_AQuietSourceIsDeliveredAsItIs) {
    const std::string before = fixture_->content();
    const auto driver = this->driver();
    driver->prepare();
    const Moment began = now();
    const auto pin = driver->pin();
    const Moment ended = now();
    materialise(*pin, scratch_ / "artifact");
    EXPECT_EQ(fixture_->artifact_content(scratch_ / "artifact"), before);
    EXPECT_EQ(pin->consistency(), PinConsistency::pinned);
    EXPECT_LE(began.mono_ns, pin->moment().first.mono_ns);
    EXPECT_LE(pin->moment().first.mono_ns, pin->moment().last.mono_ns);
    EXPECT_LE(pin->moment().last.mono_ns, ended.mono_ns);
}

TEST_P(DriverContract, D1_ChangedAfterThePinItIsThePinnedStateOrSaysFuzzy) {
    const std::string before = fixture_->content();
    const auto driver = this->driver();
    driver->prepare();
    const auto pin = driver->pin();
    ASSERT_TRUE(fixture_->mutate(1)) << "a pin must not keep writers from committing after pin() returned";
    const std::string after = fixture_->content();
    ASSERT_NE(before, after);
    materialise(*pin, scratch_ / "artifact");
    const std::string delivered = fixture_->artifact_content(scratch_ / "artifact");
    if (pin->consistency() == PinConsistency::pinned) {
        EXPECT_EQ(delivered, before);
    } else {
        EXPECT_EQ(delivered, after);
        EXPECT_FALSE(pin->notes().empty());
    }
}

TEST_P(DriverContract, D1_UnderAWriterNothingIsASilentMixture) {
    std::vector<std::string> states{fixture_->content()};
    const auto driver = this->driver();
    driver->prepare();
    for (int round = 1; round <= 5; ++round) {
        std::string delivered;
        std::unique_ptr<Pin> pin;
        {
            std::jthread writer([&](std::stop_token stop) {
                for (int i = 0; i < 20 && !stop.stop_requested(); ++i) fixture_->mutate(round * 100 + i);
            });
            try {
                pin = driver->pin();
                materialise(*pin, scratch_ / ("artifact" + std::to_string(round)));
            } catch (const Error& error) {
                EXPECT_EQ(error.code(), Code::source) << error.what();
                continue;
            }
        }
        if (pin->consistency() == PinConsistency::fuzzy) {
            EXPECT_FALSE(pin->notes().empty());
            continue;
        }
        // The artifact is one of the writer's states: its own engine, at least, finds nothing wrong.
        driver->open_artifact(scratch_ / ("artifact" + std::to_string(round)));
    }
}

TEST_P(DriverContract, D2_EntriesComeInListingOrderOnceEachAndExactlyAsLongAsTheySay) {
    const auto driver = this->driver();
    driver->prepare();
    const auto pin = driver->pin();
    const auto entries = materialise(*pin, scratch_ / "artifact");
    ASSERT_FALSE(entries.empty());
    for (size_t i = 0; i < entries.size(); ++i) {
        if (i > 0) {
            EXPECT_TRUE(listing_less(entries[i - 1].entry.path, entries[i].entry.path)) << entries[i].entry.path;
        }
        EXPECT_EQ(entries[i].entry.size, entries[i].bytes.size()) << entries[i].entry.path;
    }
    EXPECT_FALSE(pin->next());
    for (const SourceRoot& root : driver->roots()) {
        const auto paths = paths_of(entries);
        EXPECT_TRUE(std::find(paths.begin(), paths.end(), root.listing_path) != paths.end()) << root.listing_path;
        if (!root.live_path.empty()) {
            EXPECT_TRUE(real_filesystem().exists(root.live_path));
        }
    }
}

TEST_P(DriverContract, D3_APinReleasesWhatItHoldsWhenItIsDestroyedAtAnyPoint) {
    const auto driver = this->driver();
    for (int point = 0; point < 4; ++point) {
        driver->prepare();
        auto pin = driver->pin();
        std::optional<Entry> entry;
        std::unique_ptr<Stream> stream;
        if (point > 0) entry = pin->next();
        while (point > 1 && entry && entry->type != EntryType::file) entry = pin->next();
        if (point > 1) stream = pin->open(*entry);
        std::vector<uint8_t> some(100);
        if (point > 2 && stream->next_section()) stream->read(some);
        stream.reset();
        pin.reset();
        EXPECT_TRUE(fixture_->mutate(point));
    }
}

TEST_P(DriverContract, D3_APinDiesWithItsProcess) {
    const pid_t child = ::fork();
    if (child == 0) {
        const auto driver = this->driver();
        driver->prepare();
        const auto pin = driver->pin();
        ::kill(::getpid(), SIGKILL);
    }
    ::waitpid(child, nullptr, 0);
    EXPECT_TRUE(fixture_->mutate(1));
    real_filesystem().list(spec_.spool_dir, [](const std::string& name) { ADD_FAILURE() << "left behind: " << name; });
}

TEST_P(DriverContract, D4_ASnapshotNeverChangesItsSource) {
    const std::string before = live_bytes();
    {
        const auto driver = this->driver();
        driver->prepare();
        const auto pin = driver->pin();
        pin->facts();
        materialise(*pin, scratch_ / "artifact");
        driver->open_artifact(scratch_ / "artifact");
    }
    EXPECT_EQ(live_bytes(), before);
}

TEST_P(DriverContract, D5_AMissingSourceIsASourceErrorThatSaysWhatNext) {
    fixture_->lose();
    const Error error = error_of([&] { driver()->prepare(); });
    EXPECT_EQ(error.code(), Code::source);
    EXPECT_FALSE(error.hint().empty());
}

TEST_P(DriverContract, D5_ASourceThatVanishesBetweenPrepareAndPinIsASourceError) {
    const auto driver = this->driver();
    driver->prepare();
    fixture_->lose();
    EXPECT_EQ(error_of([&] { driver->pin(); }).code(), Code::source);
}

TEST_P(DriverContract, D5_ASourceThatVanishesAfterThePinIsDeliveredOrASourceError) {
    const std::string before = fixture_->content();
    const auto driver = this->driver();
    driver->prepare();
    const auto pin = driver->pin();
    fixture_->lose();
    try {
        materialise(*pin, scratch_ / "artifact");
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), Code::source);
        return;
    }
    EXPECT_EQ(fixture_->artifact_content(scratch_ / "artifact"), before);
}

TEST_P(DriverContract, FactsAreOfThePinnedState) {
    const auto driver = this->driver();
    driver->prepare();
    const Facts before = driver->pin()->facts();
    EXPECT_FALSE(before.empty());
    const auto pin = driver->pin();
    EXPECT_EQ(pin->facts(), before);
    materialise(*pin, scratch_ / "artifact");
    // What both report, they report alike: an invariant must hold in a drill as it held at the pin.
    const Facts opened = driver->open_artifact(scratch_ / "artifact");
    for (const auto& [name, fact] : before) {
        if (opened.contains(name)) {
            EXPECT_EQ(opened.at(name), fact) << name;
        }
    }
}

TEST_P(DriverContract, ASpoiledArtifactIsDamaged) {
    const auto driver = this->driver();
    driver->prepare();
    materialise(*driver->pin(), scratch_ / "artifact");
    driver->open_artifact(scratch_ / "artifact");
    fixture_->spoil(scratch_ / "artifact");
    EXPECT_EQ(error_of([&] { driver->open_artifact(scratch_ / "artifact"); }).code(), Code::damaged);
}

TEST_P(DriverContract, WhatItExcludesItDoesNotDeliver) {
    const auto driver = this->driver();
    driver->prepare();
    const auto pin = driver->pin();
    for (const ReadEntry& read : read_pin(*pin)) EXPECT_FALSE(driver->excluded(read.entry.path)) << read.entry.path;
    if (!fixture_->excluded_path().empty()) {
        EXPECT_TRUE(driver->excluded(fixture_->excluded_path()));
    }
}

TEST_P(DriverContract, AnEngineTargetPutsTheSnapshotBackAndTakesItAway) {
    const std::string before = fixture_->content();
    const auto driver = this->driver();
    driver->prepare();
    materialise(*driver->pin(), scratch_ / "staged");
    TargetSpec spec;
    spec.fs = &real_filesystem();
    spec.staged_dir = scratch_ / "staged";
    spec.work_dir = scratch_.folder("work");
    spec.deadline_ms = 2000;
    if (!driver->engine_target(spec)) GTEST_SKIP() << "put back as a tree";
    ASSERT_TRUE(fixture_->mutate(3));
    const std::string mutated = fixture_->content();
    driver->engine_target(spec)->preflight();
    EXPECT_EQ(fixture_->content(), mutated);
    for (int again = 0; again < 2; ++again) driver->engine_target(spec)->prepare_undo();
    for (int again = 0; again < 2; ++again) driver->engine_target(spec)->swap();
    EXPECT_EQ(fixture_->content(), before);
    for (int again = 0; again < 2; ++again) driver->engine_target(spec)->undo();
    EXPECT_EQ(fixture_->content(), mutated);
    ASSERT_TRUE(fixture_->mutate(4));
}

}  // namespace
}  // namespace ingot
