#include "snapshot/audit.h"

#include "base/error.h"
#include "tests/snapshot/snapshot_test_base.h"

namespace ingot {
namespace {

AuditRecord sample() {
    AuditRecord record = new_audit("rollback", "rag");
    record.finished_ms = record.started_ms + 2345;
    record.outcome = "restored";
    record.reason = "error rate above 5 %";
    record.exit = 0;
    record.problems = {"one", "two"};
    record.snapshot = RecordId{};
    record.snapshot_moment_ms = 1'700'000'000'123;
    record.version_before = "v2";
    record.version_snapshot = "v1";
    record.restore_id = "0123456789abcdef";
    record.targets = 3;
    record.bytes_written = 7;
    record.unchanged = 1, record.replaced = 2, record.added = 3, record.removed = 4, record.metadata = 5;
    record.outage_ms = 999;
    record.kept_in = "/kept";
    record.safety = "00ff";
    record.steps = {{"stop", 1'700'000'000'000, 12, false, "line one\nline two"},
                    {"probe health", 1'700'000'001'000, 5, true, "no"}};
    record.sources = {{"db", "sqlite", "live", 1'700'000'000'000, {{"chunks", int64_t{9}}}, {{"chunks", int64_t{7}}}}};
    return record;
}

TEST(Audit, ComesBackAsItWas) {
    const AuditRecord record = sample();
    const AuditRecord back = decode_audit(encode_audit(record));
    EXPECT_EQ(encode_audit(back), encode_audit(record));
    EXPECT_EQ(back.action, "rollback");
    EXPECT_FALSE(back.user.empty());
    EXPECT_EQ(back.host, host_name());
    EXPECT_EQ(back.duration_ms(), 2345);
    EXPECT_EQ(back.steps.at(0).detail, "line one\nline two");
    EXPECT_TRUE(back.steps.at(1).failed);
    EXPECT_EQ(std::get<int64_t>(back.sources.at(0).before.at("chunks")), 9);
    EXPECT_EQ(back.snapshot_moment_ms, 1'700'000'000'123);
    EXPECT_EQ(back.removed, 4u);
    EXPECT_EQ(back.safety, "00ff");
}

TEST(Audit, IsBoundedPrintableAndWithoutPasswordsOfUrls) {
    AuditRecord record = sample();
    record.steps.clear();
    for (int i = 0; i < 1000; ++i) record.steps.push_back({std::to_string(i), 0, 0, false, std::string(100'000, 'x')});
    record.error = "connecting to postgres://rag:hunter2@db/rag failed\x01";
    const AuditRecord back = decode_audit(encode_audit(record));
    ASSERT_EQ(back.steps.size(), AuditRecord::kMostSteps);
    EXPECT_EQ(back.steps.front().name, "0");
    EXPECT_EQ(back.steps.at(99).name, "99");
    EXPECT_EQ(back.steps.at(100).name, "900");
    EXPECT_EQ(back.steps.back().name, "999");
    EXPECT_EQ(back.steps.back().detail.size(), AuditRecord::kTextBytes);
    EXPECT_EQ(back.error, "connecting to postgres://rag:***@db/rag failed\\x01");
}

TEST(Audit, OnlyThePasswordOfAUrlIsLeftOut) {
    EXPECT_EQ(without_passwords("redis://:s3cret@h:1/0 and http://a:b@c/d@e"), "redis://:***@h:1/0 and http://a:***@c/d@e");
    EXPECT_EQ(without_passwords("http://u:p@ss@h/"), "http://u:***@h/");
    EXPECT_EQ(without_passwords("http://h:80/x@y, mail me@h"), "http://h:80/x@y, mail me@h");
    EXPECT_EQ(without_passwords("postgres://rag:s3/cr?et@db/rag, http://[::1]:80/"),
              "postgres://rag:***@db/rag, http://[::1]:80/");
    EXPECT_EQ(without_passwords("http://h:80x/y@z"), "http://h:***@z") << "no port: rather too little than a password";
    EXPECT_EQ(without_passwords("://"), "://");
    EXPECT_EQ(without_passwords(""), "");
}

TEST(Audit, WhatIsNoRecordIsDamage) {
    const Bytes good = encode_audit(sample());
    const std::string text(text_of(good));
    for (const auto& [from, to] : {std::pair<std::string, std::string>{"\"version\":1", "\"version\":2"},
                                   {"\"exit\":0", "\"exit\":-1"},
                                   {"\"failed\":false", "\"failed\":0"},
                                   {"\"reason\"", "\"raeson\""},
                                   {"\"steps\":[", "\"steps\":[7,"}}) {
        std::string bad = text;
        bad.replace(bad.find(from), from.size(), to);
        try {
            (void)decode_audit(view_of(bad));
            ADD_FAILURE() << to;
        } catch (const Error& error) {
            EXPECT_EQ(error.code(), Code::damaged) << to;
        }
    }
}

using AuditFiling = SnapshotTest;

TEST_F(AuditFiling, RecordsAreListedByTimeEachOnce) {
    AuditRecord first = sample(), second = sample();
    second.finished_ms += 1000;
    second.reason = "later";
    file_audit(*repository_, second);
    file_audit(*repository_, first);
    file_audit(*repository_, first);
    open(LockMode::shared);
    const std::vector<AuditRecord> found = load_audits(*repository_, [](const std::string& line) { ADD_FAILURE() << line; });
    ASSERT_EQ(found.size(), 2u);
    EXPECT_EQ(found[0].reason, "error rate above 5 %");
    EXPECT_EQ(found[1].reason, "later");
}

}  // namespace
}  // namespace ingot
