#include "snapshot/manifest.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"

namespace ingot {
namespace {

Manifest example() {
    Manifest m;
    m.stack = "raggen";
    m.root = "/opt/raggen";
    m.host = "host";
    m.ingot_version = "0.1.0";
    m.application_version = "v1.2-3-gabc";
    m.versions = {{"schema", "42"}};
    m.tags = {"nightly", "before deploy"};
    m.started_ms = 1'795'248'930'123;
    m.moment_ms = m.started_ms + 20;
    m.finished_ms = m.started_ms + 900;
    m.consistency = Consistency::barrier;
    m.skew_ms = 12;
    m.pause_ms = 345;
    m.bytes_read = 1;
    m.chunks = 2;
    m.chunks_new = 3;
    m.bytes_new = 4;
    ManifestSource db;
    db.name = "db";
    db.driver = "sqlite";
    db.consistency = PinConsistency::fuzzy;
    db.moment_first_ms = m.started_ms + 1;
    db.moment_last_ms = m.started_ms + 2;
    db.pause_ms = 6;
    db.roots = {"data/dev.db", "/etc/\xff\n"};
    db.listing = StreamRoot{2, Digest::from(Bytes(32, 0x5a)), 1'000'000'000'000};
    db.entries = 7;
    db.streams = 8;
    db.bytes = UINT64_MAX;
    db.facts = {{"chunks", int64_t{4312}}, {"negative", int64_t{-1}}, {"ratio", 0.25}, {"journal_mode", std::string("wal")}};
    db.notes = {"skipped a socket"};
    ManifestSource gone;
    gone.name = "env";
    gone.driver = "env";
    gone.status = SourceStatus::missing;
    gone.problem = ".env is not there";
    gone.secrets = {{"web/\xff.env", {{"API_KEY", "00112233445566778899aabbccddeeff"}}}};
    m.sources = {db, gone};
    return m;
}

Code code_of_decoding(const std::string& json) {
    try {
        decode_manifest(view_of(json));
    } catch (const Error& error) {
        return error.code();
    }
    return Code::interrupted;  // no error
}

TEST(Manifest, ComesBackAsItWas) {
    const Manifest a = example();
    const Bytes json = encode_manifest(a);
    const Manifest b = decode_manifest(json);
    EXPECT_EQ(encode_manifest(b), json);
    EXPECT_EQ(b.stack, a.stack);
    EXPECT_EQ(b.tags, a.tags);
    EXPECT_EQ(b.started_ms, a.started_ms);
    EXPECT_EQ(b.moment_ms, a.moment_ms);
    EXPECT_EQ(b.consistency, a.consistency);
    EXPECT_EQ(b.pause_ms, a.pause_ms);
    ASSERT_EQ(b.sources.size(), 2u);
    EXPECT_EQ(b.sources[0].roots, a.sources[0].roots);
    EXPECT_EQ(b.sources[0].listing, a.sources[0].listing);
    EXPECT_EQ(b.sources[0].bytes, a.sources[0].bytes);
    EXPECT_EQ(b.sources[0].facts, a.sources[0].facts);
    EXPECT_EQ(b.sources[1].status, SourceStatus::missing);
    EXPECT_EQ(b.sources[1].listing, std::nullopt);
    EXPECT_FALSE(b.complete());
    EXPECT_EQ(b.find("env"), &b.sources[1]);
    EXPECT_EQ(b.find("cache"), nullptr);
}

TEST(Manifest, WithoutAPauseHasNull) {
    Manifest m = example();
    m.pause_ms.reset();
    EXPECT_EQ(decode_manifest(encode_manifest(m)).pause_ms, std::nullopt);
}

TEST(Manifest, MakesWhatIsNotUtf8Printable) {
    Manifest m = example();
    m.sources[0].problem = "reading a\xff: error";
    m.sources[0].notes = {"\xc3(\n"};
    m.sources[0].facts["f\xff"] = std::string("\xfe");
    m.sources[0].facts["none"] = std::nan("");
    m.application_version = "v\x80";
    m.host = "\xff";
    const Manifest back = decode_manifest(encode_manifest(m));
    EXPECT_EQ(back.sources[0].problem, "reading a\\xff: error");
    EXPECT_EQ(back.sources[0].notes[0], "\\xc3(\\x0a");
    EXPECT_EQ(back.sources[0].facts.at("f\\xff"), Fact("\\xfe"));
    EXPECT_EQ(back.sources[0].facts.at("none"), Fact("nan"));
}

TEST(Manifest, IgnoresFieldsItDoesNotKnow) {
    std::string json(text_of(encode_manifest(example())));
    json.insert(1, "\"later\":{\"a\":[1,2]},");
    EXPECT_EQ(code_of_decoding(json), Code::interrupted);
}

TEST(Manifest, EveryLieIsDamage) {
    const std::string json(text_of(encode_manifest(example())));
    EXPECT_EQ(code_of_decoding(""), Code::damaged);
    EXPECT_EQ(code_of_decoding("[]"), Code::damaged);
    EXPECT_EQ(code_of_decoding("{}"), Code::damaged);
    EXPECT_EQ(code_of_decoding(std::string(100'000, '[')), Code::damaged);
    for (size_t cut = 1; cut < json.size(); cut += 7) EXPECT_EQ(code_of_decoding(json.substr(0, cut)), Code::damaged) << cut;
    const auto with = [&](const std::string& from, const std::string& to) {
        std::string changed = json;
        const size_t at = changed.find(from);
        EXPECT_NE(at, std::string::npos) << from;
        return changed.replace(at, from.size(), to);
    };
    EXPECT_EQ(code_of_decoding(with("\"version\":1", "\"version\":2")), Code::damaged);
    EXPECT_EQ(code_of_decoding(with("\"stored\"", "\"excellent\"")), Code::damaged);
    EXPECT_EQ(code_of_decoding(with("\"barrier\"", "7")), Code::damaged);
    EXPECT_EQ(code_of_decoding(with("\"skew_ms\":12", "\"skew_ms\":1.5")), Code::damaged);
    EXPECT_EQ(code_of_decoding(with("\"entries\":7", "\"entries\":-7")), Code::damaged);
    EXPECT_EQ(code_of_decoding(with("\"height\":2", "\"height\":256")), Code::damaged);
    EXPECT_EQ(code_of_decoding(with("5a5a", "5a")), Code::damaged);
    EXPECT_EQ(code_of_decoding(with("5a5a", "zz5a")), Code::damaged);
    EXPECT_EQ(code_of_decoding(with("\"tags\":[\"nightly\"", "\"tags\":[1")), Code::damaged);
    EXPECT_EQ(code_of_decoding(with("2026-11-21T08", "2026-11-21X08")), Code::damaged);
    EXPECT_EQ(code_of_decoding(with("\"pause_ms\":345", "\"pause_ms\":9223372036854775808")), Code::damaged);
    EXPECT_EQ(code_of_decoding(with("{\"hex\":", "{\"hax\":")), Code::damaged);
}

TEST(Attestation, ComesBackAsItWas) {
    Attestation a;
    a.kind = AttestationKind::golden;
    a.manifest = RecordId::from(Bytes(32, 0x11));
    a.time_ms = 1'795'248'930'123;
    a.host = "host";
    a.evidence = {{"read back", {{"bytes", int64_t{5}}}}, {"db", {{"integrity_check", std::string("ok")}}}, {"empty", {}}};
    a.accepted = {"db"};
    const Attestation b = decode_attestation(encode_attestation(a));
    EXPECT_EQ(b.kind, a.kind);
    EXPECT_EQ(b.manifest, a.manifest);
    EXPECT_EQ(b.time_ms, a.time_ms);
    EXPECT_EQ(b.host, a.host);
    EXPECT_EQ(b.evidence, a.evidence);
    EXPECT_EQ(b.accepted, a.accepted);
}

TEST(Attestation, OfAnUnknownKindIsDamage) {
    std::string json(text_of(encode_attestation({})));
    json.replace(json.find("verified"), 8, "praised!");
    EXPECT_THROW(decode_attestation(view_of(json)), Error);
}

}  // namespace
}  // namespace ingot
