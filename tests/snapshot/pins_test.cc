#include "snapshot/pins.h"

#include <gtest/gtest.h>

#include <atomic>

#include "base/error.h"
#include "tests/base/temp_dir.h"
#include "tests/snapshot/fake_source.h"

namespace ingot {
namespace {

class Pins : public testing::Test {
protected:
    void add(const std::string& name, FakeSource& source) {
        stack_.sources.push_back(std::make_unique<FakeDriver>(source, name));
    }
    void make_runs() {
        runs_.reserve(stack_.sources.size());
        for (auto& driver : stack_.sources) runs_.emplace_back(*driver);
    }
    std::optional<PauseReport> pin() {
        return pin_all(stack_, runs_, [this](int64_t ms) { waits_.push_back(ms); });
    }
    void pause() { stack_.barrier = {"echo pause >> log", "echo resume >> log", 10'000}; }
    Stack make_stack() {
        Stack stack;
        stack.root = dir_.path();
        return stack;
    }

    TempDir dir_;
    Stack stack_ = make_stack();
    FakeSource db_, vectors_;
    std::vector<SourceRun> runs_;
    std::vector<int64_t> waits_;
};

TEST_F(Pins, AreMadeInParallel) {
    std::atomic<int> there = 0;
    const auto meet = [&] {
        ++there;
        for (int i = 0; i < 5000 && there < 2; ++i) wait_for_ms(1);
        if (there < 2) fail_source("the other one never came");
    };
    db_.on_pin = vectors_.on_pin = meet;
    add("db", db_);
    add("vectors", vectors_);
    make_runs();
    EXPECT_FALSE(pin().has_value());
    EXPECT_FALSE(runs_[0].failed);
    EXPECT_FALSE(runs_[1].failed);
    EXPECT_EQ(consistency_of(runs_, {}), Consistency::pinned);
}

TEST_F(Pins, InsideThePauseAreABarrier) {
    pause();
    add("db", db_);
    add("vectors", vectors_);
    make_runs();
    db_.on_pin = [&] { EXPECT_EQ(dir_.read("log"), "pause\n"); };
    const std::optional<PauseReport> report = pin();
    EXPECT_EQ(dir_.read("log"), "pause\nresume\n");
    EXPECT_EQ(consistency_of(runs_, report), Consistency::barrier);
    EXPECT_GE(skew_ms_of(runs_), 0);
}

TEST_F(Pins, OutlastingTheDeadlineAreNoBarrier) {
    pause();
    stack_.barrier.max_pause_ms = 1000;
    add("db", db_);
    make_runs();
    db_.on_pin = [this] {
        for (int i = 0; i < 1000 && dir_.read("log") != "pause\nresume\n"; ++i) wait_for_ms(10);
    };
    const std::optional<PauseReport> report = pin();
    EXPECT_TRUE(report->by_deadline);
    EXPECT_EQ(consistency_of(runs_, report), Consistency::pinned);
}

TEST_F(Pins, OneFuzzySourceMakesAllFuzzy) {
    pause();
    add("db", db_);
    add("vectors", vectors_);
    make_runs();
    const std::optional<PauseReport> report = pin();
    runs_[1].record.consistency = PinConsistency::fuzzy;
    EXPECT_EQ(consistency_of(runs_, report), Consistency::fuzzy);
}

TEST_F(Pins, ABusySourceIsTriedAgainInAPauseOfItsOwn) {
    pause();
    db_.on_pin = [this] {
        if (db_.pins == 1) fail_source("the database is locked");
        EXPECT_EQ(vectors_.live_pins <= 1, true);
    };
    add("db", db_);
    add("vectors", vectors_);
    make_runs();
    const std::optional<PauseReport> report = pin();
    EXPECT_EQ(db_.pins, 2);
    EXPECT_EQ(vectors_.pins, 2);
    EXPECT_EQ(vectors_.live_pins, 1);
    EXPECT_EQ(waits_, std::vector<int64_t>{500});
    EXPECT_EQ(dir_.read("log"), "pause\nresume\npause\nresume\n");
    EXPECT_FALSE(runs_[0].failed);
    EXPECT_EQ(runs_[0].record.problem, "");
    EXPECT_EQ(consistency_of(runs_, report), Consistency::barrier);
}

TEST_F(Pins, ASourceThatStaysBusyIsOutAndTheOthersGoOn) {
    db_.on_pin = [] { fail_source("the database is locked"); };
    add("db", db_);
    add("vectors", vectors_);
    make_runs();
    pin();
    EXPECT_EQ(db_.pins, 3);
    EXPECT_EQ(waits_, (std::vector<int64_t>{500, 1000}));
    EXPECT_TRUE(runs_[0].failed);
    EXPECT_EQ(runs_[0].record.status, SourceStatus::unreadable);
    EXPECT_EQ(runs_[0].record.problem, "the database is locked");
    EXPECT_FALSE(runs_[1].failed);
    EXPECT_NE(runs_[1].pin, nullptr);
}

TEST_F(Pins, OfASourceThatIsGoneSayMissing) {
    db_.roots = {{"dev.db", dir_.at("dev.db")}};
    db_.on_prepare = [] { fail_source("dev.db: No such file or directory"); };
    add("db", db_);
    make_runs();
    for_each_source(runs_, [](SourceRun& run) { run.driver.prepare(); });
    EXPECT_EQ(runs_[0].record.status, SourceStatus::missing);
    pin();
    EXPECT_EQ(db_.pins, 0);
    EXPECT_EQ(consistency_of(runs_, {}), Consistency::fuzzy);
}

TEST_F(Pins, ErrorsThatAreNotTheSourcesAbortAndStillResume) {
    pause();
    db_.on_pin = [] { throw Error(Code::failed, "no memory"); };
    add("db", db_);
    make_runs();
    EXPECT_THROW(pin(), Error);
    EXPECT_EQ(dir_.read("log"), "pause\nresume\n");
}

TEST_F(Pins, ErrorsOnTheWayOutShoutWhenTheWritersStayPaused) {
    pause();
    stack_.barrier.resume = "exit 1";
    db_.on_pin = [] { throw Error(Code::failed, "no memory"); };
    add("db", db_);
    make_runs();
    try {
        pin();
        FAIL();
    } catch (const Error& error) {
        EXPECT_NE(error.hint().find("THE WRITERS MAY STILL BE PAUSED"), std::string::npos);
    }
}

TEST_F(Pins, AreNotTriedAgainWhenResumingFailed) {
    pause();
    stack_.barrier.resume = "exit 1";
    db_.on_pin = [] { fail_source("busy"); };
    add("db", db_);
    make_runs();
    const std::optional<PauseReport> report = pin();
    EXPECT_EQ(db_.pins, 1);
    EXPECT_EQ(report->resume_status, 1);
}

}  // namespace
}  // namespace ingot
