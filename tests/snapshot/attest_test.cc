#include "snapshot/attest.h"

#include <algorithm>
#include <cstdio>
#include <set>

#include "tests/snapshot/snapshot_test_base.h"

namespace ingot {
namespace {

class Attest : public SnapshotTest {
protected:
    Attest() {
        std::string noise;
        uint32_t state = 1;
        for (int i = 0; i < 200'000; ++i) noise += static_cast<char>((state = state * 1664525 + 1013904223) >> 24);
        source_.add("a.bin", noise);
        source_.add("b.bin", "small");
        source_.needs_files = false;
        add("models", source_);
        id_ = take().id;
    }
    Snapshot snapshot() {
        for (Snapshot& each : all_ = snapshots()) {
            if (each.id == id_) return each;
        }
        throw Error(Code::not_found, "no snapshot");
    }
    std::set<std::string> data_packs() {
        std::set<std::string> out;
        for (const PackInfo& pack : repository_->packs()) {
            if (pack.kind == ChunkKind::data) out.insert(pack.id.hex());
        }
        return out;
    }
    // Flips a byte in the middle.
    void damage_pack(const std::string& hex) {
        const std::string path = dir_.at("repo/packs/" + hex.substr(0, 2) + "/" + hex);
        std::FILE* file = std::fopen(path.c_str(), "r+b");
        ASSERT_NE(file, nullptr) << path;
        std::fseek(file, 0, SEEK_END);
        const long middle = std::ftell(file) / 2;
        std::fseek(file, middle, SEEK_SET);
        const int byte = std::fgetc(file);
        std::fseek(file, middle, SEEK_SET);
        std::fputc(byte ^ 1, file);
        std::fclose(file);
    }
    void damage_data() {
        for (const std::string& each : data_packs()) damage_pack(each);
    }

    FakeSource source_;
    RecordId id_;
    std::vector<Snapshot> all_;
};

TEST_F(Attest, VerifiesWhatIsThere) {
    const Snapshot one = snapshot();
    const VerifyReport report = verify_snapshots(*repository_, {&one}, 0, 1.0, progress_);
    EXPECT_TRUE(report.clean());
    EXPECT_GE(report.bytes, 200'005u);
    const Attestation attestation = verified_attestation(one, report);
    EXPECT_EQ(attestation.kind, AttestationKind::verified);
    file_attestation(*repository_, attestation);
    EXPECT_TRUE(snapshot().last(AttestationKind::verified).has_value());
    EXPECT_FALSE(snapshot().golden());
}

TEST_F(Attest, DamageIsFoundNamedAndKeepsItFromBeingGolden) {
    damage_data();
    const Snapshot one = snapshot();
    const VerifyReport report = verify_snapshots(*repository_, {&one}, 0, 1.0, progress_);
    EXPECT_FALSE(report.clean());
    EXPECT_EQ(verified_attestation(one, report).kind, AttestationKind::suspect);
    stack_.golden_max_age_ms = 0;
    const GoldenVerdict verdict = prove_golden(*repository_, one, stack_, {}, progress_);
    EXPECT_FALSE(verdict.golden);
    EXPECT_FALSE(verdict.reasons.empty());
    EXPECT_FALSE(verdict.verified.clean());
}

TEST_F(Attest, OfSeveralSnapshotsOnlyThoseThatNeedWhatIsDamagedAreConcerned) {
    // Each stores one file more; the third also changes what the first holds, so that only two need the damaged bytes.
    const auto noise = [](uint32_t state) {
        std::string out;
        for (int i = 0; i < 100'000; ++i) out += static_cast<char>((state = state * 1664525 + 1013904223) >> 24);
        return out;
    };
    const std::set<std::string> before = data_packs();
    source_.add("b.bin", noise(77));
    take();
    std::set<std::string> of_second = data_packs();
    for (const std::string& each : before) of_second.erase(each);
    ASSERT_EQ(of_second.size(), 1u);
    source_.add("c.bin", "small too");
    take();
    source_.add("b.bin", noise(99));
    take();
    all_ = snapshots();
    ASSERT_EQ(all_.size(), 4u);
    std::vector<const Snapshot*> chosen;
    for (const Snapshot& each : all_) chosen.push_back(&each);
    const VerifyReport whole = verify_snapshots(*repository_, chosen, 0, 1.0, progress_);
    EXPECT_TRUE(whole.clean());
    EXPECT_TRUE(concerned_by(*repository_, chosen, whole).empty());

    damage_pack(*of_second.begin());
    const VerifyReport report = verify_snapshots(*repository_, chosen, 0, 1.0, progress_);
    EXPECT_FALSE(report.clean());
    const std::string label = all_[1].short_id() + " models/b.bin";
    EXPECT_TRUE(std::any_of(report.findings.begin(), report.findings.end(), [&](const Finding& f) { return f.where == label; }));
    EXPECT_EQ(concerned_by(*repository_, chosen, report), (std::vector<const Snapshot*>{chosen[1], chosen[2]}));
    std::reverse(chosen.begin(), chosen.end());
    const VerifyReport backwards = verify_snapshots(*repository_, chosen, 0, 1.0, progress_);
    EXPECT_EQ(concerned_by(*repository_, chosen, backwards), (std::vector<const Snapshot*>{chosen[1], chosen[2]}));
}

TEST_F(Attest, ASnapshotWithASharedListingIsConcernedToo) {
    take();  // the same listing
    damage_data();
    all_ = snapshots();
    ASSERT_EQ(all_.size(), 2u);
    const std::vector<const Snapshot*> chosen = {&all_[0], &all_[1]};
    const VerifyReport report = verify_snapshots(*repository_, chosen, 0, 1.0, progress_);
    EXPECT_EQ(concerned_by(*repository_, chosen, report), chosen);
    const Attestation attestation = verified_attestation(all_[1], report);
    EXPECT_EQ(attestation.kind, AttestationKind::suspect);
    file_attestation(*repository_, attestation);
    EXPECT_TRUE(snapshots()[1].suspect());
    EXPECT_FALSE(snapshots()[0].suspect());
}

TEST_F(Attest, AManyTimesDamagedRepositoryMakesAShortRecord) {
    VerifyReport report;
    for (int i = 0; i < 1000; ++i) report.findings.push_back({Finding::Weight::damage, "models/" + std::to_string(i), "lost"});
    const Facts findings = verified_attestation(snapshot(), report).evidence.at("findings");
    EXPECT_EQ(findings.size(), 21u);
    EXPECT_EQ(findings.at("all in all"), Fact(int64_t{1000}));
}

TEST_F(Attest, ASuspectSnapshotThatIsReadBackWholeIsSuspectNoMore) {
    Snapshot one = snapshot();
    const auto attest = [&](AttestationKind kind, int64_t time_ms) {
        Attestation each;
        each.kind = kind;
        each.time_ms = time_ms;
        one.attestations.push_back(each);
    };
    EXPECT_FALSE(one.suspect());
    attest(AttestationKind::golden, 10);
    attest(AttestationKind::suspect, 20);
    EXPECT_TRUE(one.suspect());
    EXPECT_FALSE(one.golden());
    attest(AttestationKind::verified, 30);
    EXPECT_FALSE(one.suspect());
    EXPECT_FALSE(one.golden());  // only a new proof makes it so again
    attest(AttestationKind::golden, 40);
    EXPECT_TRUE(one.golden());
}

TEST_F(Attest, WhatCouldNotBeReadIsNoSizeToAccept) {
    source_.add("c.bin", "x").unreadable = true;
    take();
    const Snapshot partial = snapshots().back();
    ASSERT_EQ(partial.manifest.find("models")->status, SourceStatus::unreadable);
    ASSERT_TRUE(partial.manifest.find("models")->listing.has_value());
    const GoldenVerdict verdict = prove_golden(*repository_, partial, stack_, {"models"}, progress_);
    EXPECT_FALSE(verdict.golden);
    EXPECT_NE(verdict.reasons.at(0).find("models is unreadable"), std::string::npos);
}

TEST_F(Attest, ASuspectSnapshotIsNoLongerGoldenUntilItIsProvenAgain) {
    const Snapshot one = snapshot();
    const GoldenVerdict verdict = prove_golden(*repository_, one, stack_, {}, progress_);
    ASSERT_TRUE(verdict.golden);
    file_attestation(*repository_, verdict.attestation);
    EXPECT_TRUE(snapshot().golden());
    Attestation suspect;
    suspect.kind = AttestationKind::suspect;
    suspect.manifest = id_;
    suspect.time_ms = wall_now_ms() + 1;
    file_attestation(*repository_, suspect);
    EXPECT_FALSE(snapshot().golden());
}

TEST_F(Attest, ASourceThatLeftTheConfigCannotBeOpened) {
    stack_.sources.clear();
    const GoldenVerdict verdict = prove_golden(*repository_, snapshot(), stack_, {}, progress_);
    EXPECT_FALSE(verdict.golden);
    EXPECT_EQ(verdict.reasons.at(0), "models is no longer in the config, so nothing can open it");
}

TEST_F(Attest, AcceptingASourceThatIsNotThereIsAWrongUsage) {
    try {
        prove_golden(*repository_, snapshot(), stack_, {"vectors"}, progress_);
        FAIL();
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), Code::usage);
    }
}

}  // namespace
}  // namespace ingot
