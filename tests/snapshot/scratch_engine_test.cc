#include "snapshot/scratch_engine.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <set>

#include "base/error.h"
#include "tests/base/temp_dir.h"

namespace ingot {
namespace {

// A server of which everybody has the same: what is in it outlives the objects.
std::set<std::string> g_server;
bool g_breaks = false, g_stuck = false;

class FakeScratch : public ScratchTarget {
public:
    FakeScratch(ScratchSpec scratch, SourceSpec spec) : scratch_(std::move(scratch)), spec_(std::move(spec)) {}
    std::string shown() const override { return "the fake " + scratch_.id; }
    Facts load() override {
        g_server.insert(scratch_.id);
        if (g_breaks) throw Error(Code::failed, "no room");
        return {{"rows", int64_t{7}}};
    }
    SourceSpec source() const override { return spec_; }
    void remove() override {
        if (g_stuck) throw Error(Code::failed, "it stays");
        g_server.erase(scratch_.id);
    }

private:
    ScratchSpec scratch_;
    SourceSpec spec_;
};

class LoadedDriver : public Driver {
public:
    explicit LoadedDriver(SourceSpec spec) : Driver(std::move(spec)) {}
    void prepare() override {}
    std::unique_ptr<Pin> pin() override { return nullptr; }
    std::vector<SourceRoot> roots() const override { return {}; }
    Facts open_artifact(const std::string&) override { return {}; }
    Fact ask_live(const std::string& question) override { return "answer to " + question; }
    std::unique_ptr<ScratchTarget> scratch_target(const ScratchSpec& scratch) override {
        return std::make_unique<FakeScratch>(scratch, spec());
    }
};

class ScratchEngineTest : public testing::Test {
protected:
    ScratchEngineTest() {
        g_server.clear();
        g_breaks = g_stuck = false;
        stack_.name = "rag";
        stack_.state_dir = dir_.at("state");
        make_dirs(real_filesystem(), stack_.state_dir, 0700);
        make_dirs(real_filesystem(), dir_.at("work"), 0700);
        SourceSpec spec;
        spec.name = "db";
        stack_.sources.push_back(std::make_unique<LoadedDriver>(spec));
        stack_.make_driver = [](SourceSpec each) { return std::make_unique<LoadedDriver>(std::move(each)); };
    }
    ScratchEngine engine() { return {stack_, *stack_.sources[0], dir_.at("artifact"), dir_.at("work")}; }
    size_t notes() const {
        size_t out = 0;
        for (const auto& entry : std::filesystem::directory_iterator(stack_.state_dir))
            out += entry.path().filename().string().starts_with("drill-") ? 1u : 0u;
        return out;
    }

    TempDir dir_;
    Stack stack_;
};

TEST_F(ScratchEngineTest, IsLoadedAskedAndRemoved) {
    {
        ScratchEngine engine = this->engine();
        ASSERT_TRUE(engine.possible());
        EXPECT_EQ(notes(), 0u) << "nothing was made yet";
        EXPECT_EQ(std::get<int64_t>(engine.load().at("rows")), 7);
        EXPECT_EQ(notes(), 1u);
        EXPECT_EQ(g_server.size(), 1u);
        EXPECT_EQ(std::get<std::string>(engine.driver().ask_live("q")), "answer to q");
        EXPECT_TRUE(sweep_scratch_engines(stack_).empty());
        EXPECT_EQ(g_server.size(), 1u) << "one that is in use was swept up";
        engine.remove();
        engine.remove();
    }
    EXPECT_TRUE(g_server.empty());
    EXPECT_EQ(notes(), 0u);
    EXPECT_TRUE(std::filesystem::is_empty(dir_.at("work")));
    EXPECT_EQ(engine().use([](Driver& driver) { return std::get<std::string>(driver.ask_live("x")); }), "answer to x");
    EXPECT_TRUE(g_server.empty());
}

TEST_F(ScratchEngineTest, IsRemovedOnEveryWayOut) {
    g_breaks = true;
    EXPECT_THROW(engine().load(), Error);
    EXPECT_TRUE(g_server.empty());
    EXPECT_EQ(notes(), 0u);
    g_breaks = false;
    EXPECT_THROW(engine().use([](Driver&) -> int { throw Error(Code::interrupted, "a signal"); }), Error);
    EXPECT_TRUE(g_server.empty());
}

TEST_F(ScratchEngineTest, WhatStaysIsNotedAndTheNextSweepRemovesIt) {
    g_stuck = true;
    {
        ScratchEngine engine = this->engine();
        engine.load();
        EXPECT_THROW(engine.remove(), Error);
    }
    EXPECT_EQ(notes(), 1u);
    ASSERT_EQ(sweep_scratch_engines(stack_).size(), 1u);
    EXPECT_NE(sweep_scratch_engines(stack_)[0].find("it stays"), std::string::npos);
    stack_.name = "another";
    g_stuck = false;
    EXPECT_TRUE(sweep_scratch_engines(stack_).empty());
    EXPECT_EQ(g_server.size(), 1u) << "another stack's was swept up";
    stack_.name = "rag";
    EXPECT_TRUE(sweep_scratch_engines(stack_).empty());
    EXPECT_TRUE(g_server.empty());
    EXPECT_EQ(notes(), 0u);
}

TEST_F(ScratchEngineTest, NotesThatAreNoneAreLeftAlone) {
    dir_.write("state/drill-0123456789abcdef", "no such line");
    dir_.write("state/drill-x", "rag\ndb\n");
    EXPECT_TRUE(sweep_scratch_engines(stack_).empty());
    EXPECT_EQ(notes(), 2u);
    stack_.state_dir = dir_.at("none");
    EXPECT_TRUE(sweep_scratch_engines(stack_).empty());
}

}  // namespace
}  // namespace ingot
