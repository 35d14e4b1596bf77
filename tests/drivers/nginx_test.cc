#include "drivers/nginx.h"

#include <algorithm>

#include "nginx_fixture.h"

namespace ingot {
namespace {

class NginxTest : public testing::Test {
protected:
    void SetUp() override { REQUIRE_NGINX(); }

    NginxDriver driver(const std::function<void(SourceSpec&)>& change = {}) const {
        SourceSpec spec;
        spec.name = "web";
        spec.root = tree_.root();
        spec.spool_dir = spool_;
        tree_.describe(spec);
        if (change) change(spec);
        return NginxDriver(spec);
    }
    static std::vector<std::string> listing_roots(const Driver& driver) {
        std::vector<std::string> out;
        for (const SourceRoot& root : driver.roots()) out.push_back(root.listing_path);
        return out;
    }
    // What a snapshot holds, and the artifact of it.
    std::vector<std::string> snapshot(NginxDriver& driver, const std::string& artifact) {
        driver.prepare();
        const auto pin = driver.pin();
        facts_ = pin->facts();
        const std::vector<ReadEntry> entries = read_pin(*pin);
        notes_ = pin->notes();
        EXPECT_EQ(pin->consistency(), PinConsistency::pinned);
        for (const ReadEntry& read : entries) {
            const std::string path = join(artifact, read.entry.path);
            make_dirs(real_filesystem(), parent_of(path), 0755);
            if (read.entry.type == EntryType::directory) real_filesystem().make_dir(path, 0755);
            if (read.entry.type == EntryType::file) put(path, read.bytes);
            if (read.entry.type == EntryType::symlink) {
                EXPECT_EQ(::symlink(read.entry.link.c_str(), path.c_str()), 0);
            }
        }
        return paths_of(entries);
    }
    bool has_note(const std::string& text) const {
        return std::any_of(notes_.begin(), notes_.end(), [&](const auto& note) { return note.find(text) != std::string::npos; });
    }
    // A program in place of nginx that knows its version and then does `what`.
    std::string fake(const std::string& what) const {
        put(folder_ / "fake-nginx", "#!/bin/sh\n[ \"$1\" = -V ] && { echo 'nginx version: nginx/0.fake' >&2; exit 0; }\n" + what);
        EXPECT_EQ(::chmod((folder_ / "fake-nginx").c_str(), 0755), 0);
        return folder_ / "fake-nginx";
    }

    TestFolder folder_;
    NginxTree tree_{folder_.folder("stack")};
    std::string spool_ = folder_.folder("spool"), artifact_ = folder_.folder("artifact");
    std::vector<std::string> notes_;
    Facts facts_;
};

using Names = std::vector<std::string>;

TEST_F(NginxTest, TakesTheConfigsFolderAndWhatItNamesOutsideOfIt) {
    put(tree_.root() + "/archive/cert1.pem", "c");
    put(tree_.root() + "/tls/key.pem", "k");
    ASSERT_EQ(::symlink("../archive/cert1.pem", (tree_.root() + "/tls/cert.pem").c_str()), 0);
    tree_.site("one", "ssl_certificate " + tree_.root() + "/tls/cert.pem; ssl_certificate_key " + tree_.root() +
                          "/tls/key.pem; ssl_dhparam " + tree_.root() + "/gone.pem; ssl_trusted_certificate /usr/bin/env;\n");
    EXPECT_EQ(listing_roots(driver([](SourceSpec& spec) { spec.root = "/opt"; })).size(), 5U);
    EXPECT_EQ(listing_roots(driver()), (Names{"archive/cert1.pem", "htpasswd", "nginx", "tls/cert.pem", "tls/key.pem"}));
    EXPECT_EQ(listing_roots(driver([](SourceSpec& spec) { spec.exclude = {"key.pem"}; })),
              (Names{"archive/cert1.pem", "htpasswd", "nginx", "tls/cert.pem"}));
    EXPECT_EQ(listing_roots(driver([](SourceSpec& spec) { spec.paths = {"nginx/sites-available/rag"}; })),
              Names{"nginx/sites-available/rag"});
}

TEST_F(NginxTest, StoresLinksAsLinksAndLeavesOutWhatNginxWrites) {
    const std::string home = tree_.root() + "/nginx";
    put(tree_.conf(),
        "pid nginx.pid; error_log logs/error.log; events {}\nhttp { access_log off; include sites-enabled/*; "
        "client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fcgi; scgi_temp_path scgi; "
        "uwsgi_temp_path uwsgi; }\n");
    put(home + "/logs/error.log", "much");
    put(home + "/nginx.pid", "1");
    put(home + "/body/1", "upload");
    ASSERT_EQ(::symlink("../sites-available/gone", (home + "/sites-enabled/dangling").c_str()), 0);
    NginxDriver nginx = driver([&](SourceSpec& spec) { spec.options["prefix"] = home; });
    EXPECT_EQ(snapshot(nginx, artifact_),
              (Names{"htpasswd", "nginx", "nginx/logs", "nginx/nginx.conf", "nginx/sites-available", "nginx/sites-available/rag",
                     "nginx/sites-enabled", "nginx/sites-enabled/dangling", "nginx/sites-enabled/rag"}));
    EXPECT_TRUE(nginx.excluded("nginx/body"));
    EXPECT_TRUE(has_note("nginx/sites-enabled/dangling is named and is not there"));
    EXPECT_TRUE(has_note("nginx rejects the live config: [emerg] open()"));
    EXPECT_EQ(std::get<int64_t>(facts_.at("config_files")), 2);
    EXPECT_EQ(std::get<int64_t>(facts_.at("referenced_files")), 1);
    EXPECT_NE(std::get<std::string>(facts_.at("nginx")).find("nginx/"), std::string::npos);
    EXPECT_EQ(std::get<int64_t>(facts_.at("symlinks")), 2);
}

TEST_F(NginxTest, AFolderThatIsALinkIsStoredWithWhatItLeadsTo) {
    ASSERT_EQ(::symlink("nginx", (tree_.root() + "/current").c_str()), 0);
    NginxDriver nginx = driver([&](SourceSpec& spec) { spec.options["conf"] = "current/nginx.conf"; });
    EXPECT_EQ(listing_roots(nginx), (Names{"current", "htpasswd", "nginx"}));
    snapshot(nginx, artifact_);
    EXPECT_NE(std::get<std::string>(nginx.open_artifact(artifact_).at("tested_by")).find("nginx/"), std::string::npos);
}

TEST_F(NginxTest, KeepsTheRootsOfASnapshotThatTodaysConfigDoesNotName) {
    put(tree_.conf(), "cut sh");
    NginxDriver nginx = driver();
    EXPECT_EQ(listing_roots(nginx), Names{"nginx"});
    nginx.adopt_roots({"htpasswd", "nginx", "/etc/elsewhere.pem"});
    EXPECT_EQ(listing_roots(nginx), (Names{"/etc/elsewhere.pem", "htpasswd", "nginx"}));
}

TEST_F(NginxTest, RefusesConfigsThatCannotWork) {
    EXPECT_EQ(error_of([&] { driver([](SourceSpec& spec) { spec.options["conf"] = "nginx.conf"; }); }).code(), Code::usage);
    EXPECT_EQ(error_of([&] { driver([](SourceSpec& spec) { spec.options["time_limit"] = "soon"; }); }).code(), Code::usage);
    EXPECT_EQ(error_of([&] { driver([](SourceSpec& spec) { spec.exclude = {"nginx.conf"}; }).prepare(); }).code(), Code::usage);
    NginxDriver lost = driver();
    lost.prepare();
    real_filesystem().remove(tree_.conf());
    EXPECT_EQ(error_of([&] { lost.pin(); }).code(), Code::source);
    EXPECT_EQ(error_of([&] { lost.prepare(); }).code(), Code::source);
}

TEST_F(NginxTest, AnArtifactIsTestedByNginxInThePlaceOfTheLiveFiles) {
    NginxDriver nginx = driver();
    snapshot(nginx, artifact_);
    put(tree_.conf(), "cut sh");
    real_filesystem().remove(tree_.root() + "/htpasswd");
    const Facts facts = nginx.open_artifact(artifact_);
    EXPECT_EQ(facts.at("tested_by"), facts_.at("nginx"));
    EXPECT_EQ(facts.at("warnings"), Fact(int64_t{0}));
    put(artifact_ + "/nginx/sites-available/rag", "nonsense;");
    const Error error = error_of([&] { nginx.open_artifact(artifact_); });
    EXPECT_EQ(error.code(), Code::damaged);
    EXPECT_NE(std::string(error.what()).find("unknown directive \"nonsense\""), std::string::npos);
    EXPECT_EQ(get(tree_.conf()), "cut sh");
}

TEST_F(NginxTest, OneSiteFileIsTestedWithTheRestOfTheLiveConfig) {
    NginxDriver nginx = driver([](SourceSpec& spec) { spec.paths = {"nginx/sites-available/rag"}; });
    snapshot(nginx, artifact_);
    tree_.site("two", "broken");
    EXPECT_TRUE(nginx.open_artifact(artifact_).contains("warnings"));
    put(tree_.conf(), "cut sh");
    EXPECT_EQ(error_of([&] { nginx.open_artifact(artifact_); }).code(), Code::damaged);
    real_filesystem().remove(tree_.conf());
    EXPECT_NE(std::get<std::string>(nginx.open_artifact(artifact_).at("tested_by")).find("nothing: "), std::string::npos);
}

TEST_F(NginxTest, WithoutNginxTheFilesAreKeptAndTheEvidenceSaysSo) {
    NginxDriver nginx = driver([](SourceSpec& spec) { spec.options["nginx"] = "no-such-nginx"; });
    snapshot(nginx, artifact_);
    EXPECT_FALSE(facts_.contains("nginx"));
    EXPECT_EQ(nginx.open_artifact(artifact_).at("tested_by"), Fact("nothing: there is no program no-such-nginx on this host"));
    nginx.activate();
    NginxDriver untested = driver([](SourceSpec& spec) { spec.options["test"] = "false"; });
    EXPECT_EQ(untested.open_artifact(artifact_).at("tested_by"), Fact("nothing: `test` is false in the config"));
}

TEST_F(NginxTest, ATestThatHangsIsEndedAndNoPass) {
    const std::string program = fake("sleep 100\n");
    NginxDriver nginx = driver([&](SourceSpec& spec) {
        spec.options["nginx"] = program;
        spec.options["time_limit"] = "300ms";
    });
    snapshot(nginx, artifact_);
    EXPECT_TRUE(has_note("ran longer than 300 ms"));
    const Error error = error_of([&] { nginx.open_artifact(artifact_); });
    EXPECT_EQ(error.code(), Code::damaged);
    EXPECT_NE(std::string(error.what()).find("ran longer than 300 ms"), std::string::npos) << error.what();
    EXPECT_EQ(error_of([&] { nginx.activate(); }).code(), Code::failed);
}

TEST_F(NginxTest, ActivateReloadsARunningNginxAndLeavesAStoppedOneAlone) {
    NginxDriver nginx = driver();
    nginx.activate();
    EXPECT_FALSE(real_filesystem().exists(tree_.root() + "/var/nginx.pid"));
    const NginxServer server(tree_);
    tree_.site("two");
    nginx.activate();
    EXPECT_EQ(served(tree_.port()), "two");
    nginx.activate();
    EXPECT_EQ(served(tree_.port()), "two");
    tree_.site("three", "nonsense;\n");
    const Error error = error_of([&] { nginx.activate(); });
    EXPECT_EQ(error.code(), Code::failed);
    EXPECT_NE(std::string(error.what()).find("unknown directive \"nonsense\""), std::string::npos);
    EXPECT_EQ(served(tree_.port()), "two");
}

TEST_F(NginxTest, ReloadsAsTheConfigSays) {
    const NginxServer server(tree_);
    tree_.site("two");
    driver([](SourceSpec& spec) { spec.options["reload"] = ""; }).activate();
    EXPECT_EQ(served(tree_.port()), "one");
    driver([&](SourceSpec& spec) { spec.options["reload"] = "kill -HUP $(cat var/nginx.pid)"; }).activate();
    EXPECT_EQ(served(tree_.port()), "two");
    const NginxDriver failing = driver();
    EXPECT_EQ(error_of([&] { driver([](SourceSpec& spec) { spec.options["reload"] = "exit 3"; }).activate(); }).code(),
              Code::failed);
}

}  // namespace
}  // namespace ingot
