#include "drivers/command.h"

#include "command_fixture.h"

namespace ingot {
namespace {

class CommandTest : public CommandTestBase {
protected:
    std::unique_ptr<CommandDriver> driver(const std::string& snapshot) {
        spec_.options["snapshot"] = snapshot;
        return std::make_unique<CommandDriver>(spec_);
    }
    Error failure(const std::function<void()>& call) {
        const Error error = error_of(call);
        EXPECT_EQ(error.code(), Code::source) << error.what();
        EXPECT_FALSE(error.hint().empty()) << error.what();
        return error;
    }
};

TEST_F(CommandTest, DeliversOneFileOfWhatItPrinted) {
    const auto driver = this->driver("printf 'the dump'");
    driver->prepare();
    const auto pin = driver->pin();
    EXPECT_EQ(pin->facts(), (Facts{{"bytes", int64_t{8}}}));
    const auto entries = read_pin(*pin);
    ASSERT_EQ(entries.size(), 1u);
    EXPECT_EQ(entries[0].entry.path, "app.out");
    EXPECT_EQ(entries[0].entry.mode, 0600u);
    EXPECT_EQ(entries[0].entry.uid, ::geteuid());
    EXPECT_EQ(entries[0].bytes, "the dump");
    EXPECT_TRUE(entries[0].entry.fingerprint.empty());
    EXPECT_EQ(read_all(*pin->open(entries[0].entry)), "the dump");  // again
    EXPECT_TRUE(pin->notes().empty());
}

TEST_F(CommandTest, ByDefaultItEndsBeforeThePinReturns) {
    const auto source = driver("echo begun; sleep 0.2; echo done > finished; cat finished");
    const auto pin = source->pin();
    EXPECT_EQ(get(in_stack("finished")), "done\n");
    EXPECT_GE(pin->moment().last.mono_ns - pin->moment().first.mono_ns, 200'000'000);
    EXPECT_EQ(pin->consistency(), PinConsistency::pinned);
}

TEST_F(CommandTest, ATransactionsStateIsFixedByItsFirstByteAndTheRestMayTakeItsTime) {
    spec_.options["moment"] = "start";
    const auto source = driver("echo begun; sleep 0.3; echo end > finished; cat finished");
    const auto pin = source->pin();
    EXPECT_FALSE(real_filesystem().exists(in_stack("finished")));
    EXPECT_LT(pin->moment().last.mono_ns - pin->moment().first.mono_ns, 300'000'000);
    EXPECT_EQ(read_pin(*pin).at(0).bytes, "begun\nend\n");
    EXPECT_EQ(pin->consistency(), PinConsistency::pinned);
}

TEST_F(CommandTest, WhatMayShowSeveralMomentsIsFuzzyAndSaysSo) {
    spec_.options["moment"] = "unknown";
    const auto source = driver("echo x");
    const auto pin = source->pin();
    EXPECT_EQ(read_pin(*pin).size(), 1u);
    EXPECT_EQ(pin->consistency(), PinConsistency::fuzzy);
    EXPECT_FALSE(pin->notes().empty());
}

TEST_F(CommandTest, NothingIsDeliveredOfACommandThatFailsHalfWay) {
    const auto driver = this->driver("echo half; sleep 0.1; echo broken >&2; exit 2");
    expect_says(failure([&] { driver->pin(); }), "status 2: broken");
    spec_.options["moment"] = "start";
    const auto early = this->driver("echo half; sleep 0.1; echo broken >&2; exit 2");
    const auto pin = early->pin();
    expect_says(failure([&] { pin->facts(); }), "status 2: broken");
    expect_says(failure([&] { pin->next(); }), "status 2: broken");
    EXPECT_FALSE(pin->next());
}

TEST_F(CommandTest, AHangIsToldWhereItsBytesAreAskedForAndNotTriedAgain) {
    spec_.options["idle_timeout"] = "150ms";
    const auto driver = this->driver("echo half; sleep 30");
    const auto pin = driver->pin();
    expect_says(failure([&] { pin->next(); }), "the snapshot command of app: \"echo half; sleep 30\" printed nothing for 150 ms");
}

TEST_F(CommandTest, PrintingNothingIsAFailureUnlessItIsAllowed) {
    expect_says(failure([&] { driver("true")->pin(); }), "printed nothing");
    EXPECT_FALSE(driver("true")->may_be_empty());
    spec_.options["allow_empty"] = "true";
    const auto driver = this->driver("true");
    EXPECT_TRUE(driver->may_be_empty());
    const auto entries = read_pin(*driver->pin());
    ASSERT_EQ(entries.size(), 1u);
    EXPECT_EQ(entries[0].entry.size, 0u);
    put(scratch_ / "artifact/app.out", "");
    EXPECT_EQ(driver->open_artifact(scratch_ / "artifact"), (Facts{{"bytes", int64_t{0}}}));
}

TEST_F(CommandTest, WarningsOfACommandThatEndedWellAreNoted) {
    const auto source = driver("echo data; echo 'Warning: no events' >&2");
    const auto pin = source->pin();
    ASSERT_EQ(pin->notes().size(), 1u);
    EXPECT_NE(pin->notes()[0].find("Warning: no events"), std::string::npos);
}

TEST_F(CommandTest, PreparingFindsWhatIsMissing) {
    expect_says(failure([&] { driver("no-such-dump")->prepare(); }), "the snapshot command of app: the program \"no-such-dump\"");
    spec_.options["check"] = "no-such-check -q";
    expect_says(failure([&] { driver("true")->prepare(); }), "the check command of app: the program \"no-such-check\"");
    spec_.options["directory"] = "gone";
    expect_says(failure([&] { driver("true")->prepare(); }), "/gone is not there");
}

TEST_F(CommandTest, AnArtifactIsOpenedByTheCheckCommandAndTheFacts) {
    EXPECT_FALSE(driver("true")->artifact_needs_files());
    put(scratch_ / "artifact/app.out", "dump\nrow\nrow\n");
    EXPECT_EQ(driver("true")->open_artifact(scratch_ / "artifact"), (Facts{{"bytes", int64_t{13}}}));
    spec_.options["check"] = "head -n 1 | grep -qx dump || { echo 'no dump' >&2; exit 1; }";
    spec_.facts = {{"rows", "grep -c row"}};
    const auto driver = this->driver("true");
    EXPECT_TRUE(driver->artifact_needs_files());
    EXPECT_EQ(driver->open_artifact(scratch_ / "artifact"),
              (Facts{{"bytes", int64_t{13}}, {"rows", int64_t{2}}, {"check", std::string("passed")}}));
    const auto damage = [&](const std::string& content) {
        put(scratch_ / "artifact/app.out", content);
        const Error error = error_of([&] { driver->open_artifact(scratch_ / "artifact"); });
        EXPECT_EQ(error.code(), Code::damaged) << error.what();
        EXPECT_FALSE(error.hint().empty());
        return error;
    };
    expect_says(damage("row\n"), "ended with status 1: no dump");
    expect_says(damage(""), "empty");
    real_filesystem().remove(scratch_ / "artifact/app.out");
    EXPECT_EQ(error_of([&] { driver->open_artifact(scratch_ / "artifact"); }).code(), Code::damaged);
}

TEST_F(CommandTest, WithoutARestoreCommandTheOutputHasAPlaceAsAFile) {
    TargetSpec target;
    target.fs = &real_filesystem();
    spec_.options["name"] = "compose.resolved.yml";
    const auto record = driver("true");
    EXPECT_EQ(record->roots().at(0).listing_path, "compose.resolved.yml");
    EXPECT_EQ(record->roots().at(0).live_path, in_stack("compose.resolved.yml"));
    EXPECT_FALSE(record->lives_at_roots());
    EXPECT_EQ(record->engine_target(target), nullptr);
    spec_.options["restore"] = "cat > state";
    const auto fed = driver("true");
    EXPECT_EQ(fed->roots().at(0).listing_path, "compose.resolved.yml");
    EXPECT_TRUE(fed->roots().at(0).live_path.empty());
    EXPECT_NE(fed->engine_target(target), nullptr);
}

TEST_F(CommandTest, DestroyingThePinEndsTheCommand) {
    spec_.options["moment"] = "start";
    const int64_t before = mono_now_ns();
    driver("echo begun; exec sleep 30")->pin().reset();
    EXPECT_LT(mono_now_ns() - before, 5'000'000'000);
}

}  // namespace
}  // namespace ingot
