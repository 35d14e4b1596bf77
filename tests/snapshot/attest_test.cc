#include "snapshot/attest.h"

#include <cstdio>

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
    // Flips a byte in the middle of every data pack.
    void damage_data() {
        for (const PackInfo& pack : repository_->packs()) {
            if (pack.kind != ChunkKind::data) continue;
            const std::string hex = pack.id.hex();
            const std::string path = dir_.at("repo/packs/" + hex.substr(0, 2) + "/" + hex);
            std::FILE* file = std::fopen(path.c_str(), "r+b");
            ASSERT_NE(file, nullptr) << path;
            std::fseek(file, static_cast<long>(pack.size / 2), SEEK_SET);
            const int byte = std::fgetc(file);
            std::fseek(file, -1, SEEK_CUR);
            std::fputc(byte ^ 1, file);
            std::fclose(file);
        }
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
