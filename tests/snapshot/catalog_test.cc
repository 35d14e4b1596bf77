#include "snapshot/catalog.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace ingot {
namespace {

// Moments are minutes of 2026-11-21 (UTC).
int64_t minute(int n) { return 1'795'219'200'000 + n * 60'000LL; }

Snapshot snapshot(int n, const std::string& id_prefix, SourceStatus status = SourceStatus::stored, bool golden = false) {
    Snapshot out;
    out.id = RecordId::from_hex(id_prefix + std::string(64 - id_prefix.size(), '0'));
    out.manifest.moment_ms = minute(n);
    ManifestSource vectors;
    vectors.name = "vectors";
    vectors.status = status;
    out.manifest.sources = {vectors};
    if (golden) {
        Attestation attestation;
        attestation.kind = AttestationKind::golden;
        attestation.time_ms = minute(n) + 1;
        out.attestations = {attestation};
    }
    return out;
}

std::vector<Snapshot> example() {
    return {snapshot(1, "aaaa1"), snapshot(2, "aaaa2", SourceStatus::stored, true), snapshot(3, "bbbb", SourceStatus::missing),
            snapshot(4, "cccc"), snapshot(5, "dddd", SourceStatus::shrunk)};
}

std::string id_of(const std::vector<Snapshot>& snapshots, const Choice& choice) {
    const std::string id = choose(snapshots, choice).snapshot->id.hex();
    return id.substr(0, id.find('0'));
}

Error error_of(const std::vector<Snapshot>& snapshots, const Choice& choice) {
    try {
        choose(snapshots, choice);
    } catch (const Error& error) {
        return error;
    }
    return {Code::interrupted, "no error"};
}

TEST(Choose, LatestIsTheNewestCompleteOne) {
    const std::vector<Snapshot> all = example();
    EXPECT_EQ(id_of(all, {"latest", {}}), "cccc");
    EXPECT_EQ(id_of(all, {"latest~0", {}}), "cccc");
    EXPECT_EQ(id_of(all, {"latest~1", {}}), "aaaa2");
    EXPECT_EQ(id_of(all, {"latest~2", {}}), "aaaa1");
    EXPECT_EQ(error_of(all, {"latest~3", {}}).code(), Code::not_found);
    EXPECT_EQ(choose(all, {"latest", {}}).skipped, std::vector<std::string>{"dddd0000 is partial (vectors shrunk)"});
}

TEST(Choose, GoldenIsTheNewestThatIsNotSuspect) {
    std::vector<Snapshot> all = example();
    EXPECT_EQ(id_of(all, {"golden", {}}), "aaaa2");
    EXPECT_EQ(choose(all, {"golden", {}}).skipped.size(), 3u);
    Attestation suspect;
    suspect.kind = AttestationKind::suspect;
    suspect.time_ms = minute(100);
    all[1].attestations.push_back(suspect);
    const Error error = error_of(all, {"golden", {}});
    EXPECT_EQ(error.code(), Code::not_found);
    EXPECT_NE(error.hint().find("cccc0000"), std::string::npos);
    Attestation again = all[1].attestations[0];
    again.time_ms = minute(101);
    all[1].attestations.push_back(again);
    EXPECT_EQ(id_of(all, {"golden", {}}), "aaaa2");
}

TEST(Choose, AtIsTheNewestCompleteOneNotLater) {
    const std::vector<Snapshot> all = example();
    EXPECT_EQ(id_of(all, {"", minute(100)}), "cccc");
    EXPECT_EQ(id_of(all, {"", minute(4)}), "cccc");
    EXPECT_EQ(id_of(all, {"", minute(4) - 1}), "aaaa2");
    EXPECT_EQ(choose(all, {"", minute(3)}).skipped, std::vector<std::string>{"bbbb0000 is partial (vectors missing)"});
    EXPECT_EQ(error_of(all, {"", minute(0)}).code(), Code::not_found);
}

TEST(Choose, AnIdPrefixNamesAnyButOnlyOne) {
    const std::vector<Snapshot> all = example();
    EXPECT_EQ(id_of(all, {"bbbb", {}}), "bbbb");
    EXPECT_EQ(id_of(all, {"aaaa1", {}}), "aaaa1");
    EXPECT_EQ(id_of(all, {all[3].id.hex(), {}}), "cccc");
    EXPECT_EQ(error_of(all, {"aaaa", {}}).code(), Code::usage);
    EXPECT_EQ(error_of(all, {"eeee", {}}).code(), Code::not_found);
}

TEST(Choose, WhatNamesNothingIsAWrongUsage) {
    for (const char* which :
         {"", "aaa", "newest", "latest~", "latest~x", "latest~-1", "golden~1", "zzzz", "latest~99999999999999999999"}) {
        EXPECT_EQ(error_of(example(), {which, {}}).code(), Code::usage) << which;
    }
}

TEST(Choose, SaysHowToBeginWhereThereIsNone) {
    EXPECT_NE(error_of({}, {"latest", {}}).hint().find("ingot snapshot"), std::string::npos);
}

}  // namespace
}  // namespace ingot
