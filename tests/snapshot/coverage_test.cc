#include "snapshot/coverage.h"

#include <gtest/gtest.h>

namespace ingot {
namespace {

ManifestSource source(const std::string& name, uint64_t bytes, uint64_t streams = 1) {
    ManifestSource out;
    out.name = name;
    out.bytes = bytes;
    out.streams = streams;
    out.listing = StreamRoot{};
    return out;
}

Snapshot snapshot(int64_t moment_ms, uint64_t bytes, std::vector<Attestation> attestations) {
    Snapshot out;
    out.id = RecordId::from(Bytes(32, static_cast<uint8_t>(moment_ms)));
    out.manifest.moment_ms = moment_ms;
    out.manifest.sources = {source("db", bytes)};
    out.attestations = std::move(attestations);
    return out;
}

Attestation attested(AttestationKind kind, int64_t time_ms, std::vector<std::string> accepted = {}) {
    Attestation out;
    out.kind = kind;
    out.time_ms = time_ms;
    out.accepted = std::move(accepted);
    return out;
}

SourceStatus status_of(ManifestSource now, bool only_roots, const std::vector<Snapshot>& before = {}, double ratio = 0.5) {
    check_coverage(now, only_roots, before, ratio);
    EXPECT_EQ(now.problem.empty(), now.status == SourceStatus::stored);
    return now.status;
}

TEST(Coverage, ASourceWithBytesIsStored) { EXPECT_EQ(status_of(source("db", 1), true), SourceStatus::stored); }

TEST(Coverage, AFileOfNoBytesAndATreeOfNoFilesAreEmpty) {
    EXPECT_EQ(status_of(source("db", 0, 1), true), SourceStatus::empty);
    EXPECT_EQ(status_of(source("tree", 0, 0), false), SourceStatus::empty);
    EXPECT_EQ(status_of(source("tree", 0, 3), false), SourceStatus::stored) << "a tree of empty files is what it is";
}

TEST(Coverage, ShrunkIsMeasuredAgainstTheLastGolden) {
    const std::vector<Snapshot> before = {
        snapshot(1, 10, {attested(AttestationKind::golden, 1)}),
        snapshot(2, 1000, {attested(AttestationKind::golden, 2)}),
        snapshot(3, 10, {}),
    };
    EXPECT_EQ(status_of(source("db", 499), false, before), SourceStatus::shrunk);
    EXPECT_EQ(status_of(source("db", 500), false, before), SourceStatus::stored);
    EXPECT_EQ(status_of(source("db", 499), false, before, 0.4), SourceStatus::stored);
    EXPECT_EQ(status_of(source("other", 1), false, before), SourceStatus::stored);
}

TEST(Coverage, ASuspectSnapshotIsNoMeasure) {
    const std::vector<Snapshot> before = {
        snapshot(2, 1000, {attested(AttestationKind::golden, 2), attested(AttestationKind::suspect, 3)})};
    EXPECT_EQ(status_of(source("db", 1), false, before), SourceStatus::stored);
}

TEST(Coverage, AnAcceptedSizeIsTheNewMeasure) {
    const std::vector<Snapshot> before = {snapshot(1, 1000, {attested(AttestationKind::golden, 1)}),
                                          snapshot(2, 100, {attested(AttestationKind::accepted, 2, {"db"})})};
    EXPECT_EQ(status_of(source("db", 60), false, before), SourceStatus::stored);
    EXPECT_EQ(status_of(source("db", 40), false, before), SourceStatus::shrunk);
}

TEST(Coverage, AShrunkSourceOfAnAcceptedSnapshotMakesItComplete) {
    Snapshot shrunk = snapshot(1, 10, {});
    shrunk.manifest.sources[0].status = SourceStatus::shrunk;
    EXPECT_FALSE(shrunk.complete());
    shrunk.attestations = {attested(AttestationKind::golden, 2, {"db"})};
    EXPECT_TRUE(shrunk.complete());
    shrunk.manifest.sources[0].listing.reset();
    EXPECT_FALSE(shrunk.complete()) << "what was not stored cannot be accepted";
}

}  // namespace
}  // namespace ingot
