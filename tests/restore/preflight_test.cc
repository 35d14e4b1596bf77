#include "restore/preflight.h"

#include <sched.h>
#include <sys/mount.h>

#include "tests/restore/restore_test_base.h"

namespace ingot::test {
namespace {

class Preflight : public RestoreTest {
protected:
    Preflight() {
        for (const auto& driver : stack_.sources) {
            ManifestSource source;
            source.name = driver->spec().name;
            source.driver = driver->spec().driver;
            source.listing = StreamRoot{};
            for (const SourceRoot& root : driver->roots()) source.roots.push_back(root.listing_path);
            snapshot_.manifest.sources.push_back(source);
        }
    }
    Snapshot snapshot_;
};

TEST_F(Preflight, WantsAllSourcesOrThoseThatWereNamed) {
    EXPECT_EQ(wanted_sources(snapshot_, {}, true).size(), 3u);
    EXPECT_EQ(wanted_sources(snapshot_, {"env"}, true).at(0)->name, "env");
    const Error error = error_of([&] { (void)wanted_sources(snapshot_, {"vectors"}, true); });
    EXPECT_EQ(error.code(), Code::usage);
    EXPECT_EQ(error.hint(), "it has: docs, env, db");
}

TEST_F(Preflight, RefusesASourceThatTheSnapshotDoesNotHold) {
    snapshot_.manifest.sources[1].listing.reset();
    snapshot_.manifest.sources[1].status = SourceStatus::missing;
    snapshot_.manifest.sources[1].problem = ".env was not there";
    const Error error = error_of([&] { (void)wanted_sources(snapshot_, {}, true); });
    EXPECT_EQ(error.code(), Code::failed);
    EXPECT_NE(std::string(error.what()).find("does not hold env: it was missing then: .env was not there"), std::string::npos)
        << error.what();
    EXPECT_EQ(wanted_sources(snapshot_, {"docs"}, true).size(), 1u);
}

TEST_F(Preflight, PutsASourceStoredInPartBesideButNotInPlace) {
    snapshot_.manifest.sources[0].status = SourceStatus::unreadable;
    EXPECT_EQ(error_of([&] { (void)wanted_sources(snapshot_, {}, true); }).code(), Code::failed);
    EXPECT_EQ(wanted_sources(snapshot_, {}, false).size(), 3u);
}

TEST_F(Preflight, RefusesASourceThatTheConfigDoesNotKnowAsItWas) {
    ManifestSource source = snapshot_.manifest.sources[0];
    EXPECT_EQ(require_driver(stack_, source).spec().name, "docs");
    source.name = "other";
    EXPECT_EQ(error_of([&] { (void)require_driver(stack_, source); }).code(), Code::failed);
    source = snapshot_.manifest.sources[0];
    source.driver = "faiss";
    EXPECT_EQ(error_of([&] { (void)require_driver(stack_, source); }).code(), Code::failed);
    source = snapshot_.manifest.sources[0];
    source.roots.push_back("logs");
    const Error error = error_of([&] { (void)require_driver(stack_, source); });
    EXPECT_EQ(error.code(), Code::failed);
    EXPECT_NE(std::string(error.what()).find("the snapshot holds logs"), std::string::npos);
}

TEST_F(Preflight, CountsWhatIsNeededOnOneFileSystemTogether) {
    const int status = in_child([&] {
        if (::unshare(CLONE_NEWNS) != 0 || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return 77;
        std::filesystem::create_directories(dir_.at("small/a"));
        if (::mount("tmpfs", dir_.at("small").c_str(), "tmpfs", 0, "size=8m") != 0) return 77;
        std::filesystem::create_directories(dir_.at("small/a"));
        require_space({{dir_.at("small"), 3 << 20}, {dir_.at("small/a"), 3 << 20}});
        const Error full = error_of([&] { require_space({{dir_.at("small"), 4 << 20}, {dir_.at("small/a"), 4 << 20}}); });
        if (full.code() != Code::failed || full.hint().find("free some space") == std::string::npos) return 1;
        ::mount("none", dir_.at("small").c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr);
        const Error read_only = error_of([&] { require_space({{dir_.at("small"), 1}}); });
        return std::string(read_only.what()).find("read-only") == std::string::npos ? 2 : 0;
    });
    if (status == 77) GTEST_SKIP() << "no mounts may be made here";
    EXPECT_EQ(status, 0);
}

TEST_F(Preflight, RefusesToWriteBesideIntoWhatIsLive) {
    require_apart(dir_.at("elsewhere"), stack_, "--to");
    EXPECT_EQ(error_of([&] { require_apart(at("docs/out"), stack_, "--to"); }).code(), Code::usage);
    std::filesystem::create_symlink(at("docs"), dir_.at("way"));
    EXPECT_EQ(error_of([&] { require_apart(dir_.at("way/not/there/yet"), stack_, "--to"); }).code(), Code::usage);
}

}  // namespace
}  // namespace ingot::test
