// The contract of scratch targets (drivers/driver.h, ScratchTarget), checked on each driver that has one.
#include <fmt/format.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "driver_contract_base.h"

namespace ingot {

TEST_P(DriverContract, AScratchTargetHoldsTheSnapshotAnswersForItAndNeverTouchesWhatIsLive) {
    const auto driver = this->driver();
    driver->prepare();
    Facts pinned;
    {
        const auto pin = driver->pin();
        pinned = pin->facts();
        materialise(*pin, scratch_ / "artifact");
    }
    driver->open_artifact(scratch_ / "artifact");
    ScratchSpec spec;
    spec.fs = &real_filesystem();
    spec.artifact_dir = scratch_ / "artifact";
    spec.work_dir = scratch_.folder("work");
    spec.id = fmt::format("{:016x}", ::getpid());  // names of temporary servers are the machine's
    const auto scratch = driver->scratch_target(spec);
    if (!scratch) GTEST_SKIP() << "its files are opened, and nothing more";
    ASSERT_TRUE(fixture_->mutate(3));
    const std::string mutated = fixture_->content();
    const Facts loaded = scratch->load();
    EXPECT_TRUE(loaded.contains("scratch"));
    size_t compared = 0, asked = 0;
    for (const auto& [name, fact] : loaded) {
        if (!pinned.contains(name)) continue;
        EXPECT_EQ(pinned.at(name), fact) << name;
        ++compared;
    }
    EXPECT_GT(compared, 0U);
    const auto answering = find_driver(fixture_->driver())->make(scratch->source());
    for (const auto& [name, question] : spec_.facts) {
        try {
            EXPECT_EQ(answering->ask_live(question), pinned.at(name)) << name;
            ++asked;
        } catch (const Error& error) {
            EXPECT_EQ(error.code(), Code::usage) << error.what();  // a kind that answers no questions
        }
    }
    std::printf("%s: %zu facts compared, %zu questions answered\n", GetParam().name, compared, asked);
    EXPECT_EQ(fixture_->content(), mutated);
    ASSERT_TRUE(fixture_->mutate(4));
    const std::string later = fixture_->content();
    for (int again = 0; again < 2; ++again) scratch->remove();
    EXPECT_EQ(fixture_->content(), later);
    EXPECT_EQ(fixture_->left_by_drills(), "");
    real_filesystem().list(spec.work_dir, [](const std::string& name) { ADD_FAILURE() << "left behind: " << name; });
}

TEST_P(DriverContract, WhatADrillThatDiedLeftInAScratchTargetIsRemovedByItsId) {
    const auto driver = this->driver();
    driver->prepare();
    materialise(*driver->pin(), scratch_ / "artifact");
    ScratchSpec spec;
    spec.fs = &real_filesystem();
    spec.artifact_dir = scratch_ / "artifact";
    spec.work_dir = scratch_.folder("work");
    spec.id = "fedcba9876543210";
    if (!driver->scratch_target(spec)) GTEST_SKIP() << "its files are opened, and nothing more";
    const pid_t child = ::fork();
    if (child == 0) {
        try {
            this->driver()->scratch_target(spec)->load();
            ::kill(::getpid(), SIGKILL);
        } catch (const Error& error) {
            std::fprintf(stderr, "%s\n", error.what());
        }
        ::_exit(1);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_TRUE(WIFSIGNALED(status)) << "it was not loaded";
    const std::string before = fixture_->content();
    this->driver()->scratch_target(spec)->remove();
    EXPECT_EQ(fixture_->left_by_drills(), "");
    EXPECT_EQ(fixture_->content(), before);
}

}  // namespace ingot
