#include <algorithm>

#include "nginx_fixture.h"

namespace ingot {
namespace {

using Verdict = NginxTrial::Verdict;

TEST(NginxProgram, ReadsHowItWasBuilt) {
    NginxProgram program;
    read_build_options(
        "nginx version: nginx/1.22.1\nbuilt with OpenSSL\nconfigure arguments: --with-cc-opt='-g -O2 --param=x -fPIE' "
        "--prefix=/usr/share/nginx "
        "--conf-path=/etc/nginx/nginx.conf --http-log-path=/var/log/nginx/access.log --error-log-path=stderr "
        "--lock-path=/var/lock/nginx.lock --pid-path=/run/nginx.pid --http-proxy-temp-path=/var/lib/nginx/proxy --with-debug",
        program);
    EXPECT_EQ(program.version, "nginx/1.22.1");
    EXPECT_EQ(program.places.prefix, "/usr/share/nginx");
    EXPECT_EQ(program.places.pid, "/run/nginx.pid");
    EXPECT_EQ(program.places.written,
              (std::vector<std::string>{"/var/log/nginx/access.log", "/var/lock/nginx.lock", "/var/lib/nginx/proxy"}));
    read_build_options("nginx version: openresty/1.21.4\nconfigure arguments:", program);
    EXPECT_EQ(program.version, "openresty/1.21.4");
    EXPECT_EQ(program.places.prefix, "/usr/local/nginx");
}

TEST(NginxProgram, QuotesItsFirstMessagesWithoutStamps) {
    EXPECT_EQ(nginx_message("2026/11/21 04:25:12 [emerg] 14213#14213: open() \"/x\" failed (2: No such file or directory)\n"
                            "nginx: configuration file /x test failed\n",
                            1),
              "[emerg] open() \"/x\" failed (2: No such file or directory)");
    EXPECT_EQ(nginx_message("nginx: [warn] a\nnginx: [emerg] b in /x:3\n", 1), "[emerg] b in /x:3");
    EXPECT_EQ(nginx_message("nginx: [warn] a\n", 1), "[warn] a");
    EXPECT_EQ(nginx_message("", 9), "nginx ended with status 9 and said nothing");
    EXPECT_LT(nginx_message(std::string(5000, 'x') + "\x1b[2J", 1).size(), 620U);
    EXPECT_EQ(nginx_message("a\x1b[2J\n", 1), "a\\x1b[2J");
}

TEST(NginxProgram, OneThatIsNotThereIsNothingAndOneThatFailsIsAnError) {
    EXPECT_FALSE(find_nginx("no-such-nginx", 1000));
    EXPECT_FALSE(find_nginx("/nowhere/nginx", 1000));
    EXPECT_EQ(error_of([] { find_nginx("/bin/false", 1000); }).code(), Code::failed);
}

class NginxTrialTest : public testing::Test {
protected:
    void SetUp() override { REQUIRE_NGINX(); }

    NginxTrial trial(const OverlaidTree& tree, bool list_files = false) {
        NginxTrialInput input;
        input.tree = &tree;
        input.places = find_nginx("nginx", 10'000)->places;
        input.places.conf = tree_.conf();
        input.places.prefix = tree_.root() + "/var";
        input.list_files = list_files;
        input.scratch_dir = scratch_;
        return try_config(*find_nginx("nginx", 10'000), input);
    }
    // A copy of the config to be spoiled.
    OverlaidTree staged() {
        put(stage_ + "/nginx.conf", get(tree_.conf()));
        put(stage_ + "/sites-enabled/rag", get(tree_.site_path()));
        return OverlaidTree({{tree_.root() + "/nginx", stage_}});
    }
    std::string rejection(const OverlaidTree& tree) {
        const NginxTrial got = trial(tree);
        EXPECT_EQ(got.verdict, Verdict::rejected) << got.message;
        return got.message;
    }
    std::string everything() const {
        std::string out;
        for (const std::string folder : {"/var", "/nginx", "/nginx/sites-enabled"}) {
            real_filesystem().list(tree_.root() + folder, [&](const std::string& name) { out += folder + "/" + name + "\n"; });
        }
        return out;
    }

    TestFolder folder_;
    NginxTree tree_{folder_.folder("root")};
    std::string stage_ = folder_.folder("stage"), scratch_ = folder_.folder("scratch");
};

TEST_F(NginxTrialTest, AcceptsAndListsTheLiveConfigAndLeavesNothingBehind) {
    const std::string before = everything();
    const NginxTrial got = trial(OverlaidTree(), true);
    ASSERT_EQ(got.verdict, Verdict::accepted) << got.message;
    EXPECT_EQ(got.read, (std::vector<std::string>{tree_.conf(), tree_.root() + "/nginx/sites-enabled/rag"}));
    EXPECT_EQ(everything(), before);  // no logs, no pid file, no temporary folders
    EXPECT_EQ(error_of([&] {
                  real_filesystem().list(scratch_, [](auto&) { throw Error(Code::failed, "scratch is left"); });
                  throw Error(Code::usage, "empty");
              }).code(),
              Code::usage);
}

TEST_F(NginxTrialTest, TestsTheStagedFilesAndNotTheLiveOnes) {
    const OverlaidTree tree = staged();
    EXPECT_EQ(trial(tree).verdict, Verdict::accepted);
    put(stage_ + "/nginx.conf", "events {} http { include " + tree_.root() + "/nginx/sites-enabled/*; }");  // by absolute path
    put(stage_ + "/sites-enabled/rag", "server { nonsense on; }");
    EXPECT_NE(rejection(tree).find("unknown directive \"nonsense\" in " + tree_.root() + "/nginx/sites-enabled/rag:1"),
              std::string::npos);
    EXPECT_EQ(trial(OverlaidTree()).verdict, Verdict::accepted);
    // And the other way round: the live one is bad, the staged one good.
    put(stage_ + "/sites-enabled/rag", "");
    put(tree_.conf(), "broken {");
    EXPECT_EQ(trial(tree).verdict, Verdict::accepted);
}

TEST_F(NginxTrialTest, SaysWhatNginxSaysOfBadInput) {
    const OverlaidTree tree = staged();
    ASSERT_EQ(::symlink("../sites-available/gone", (stage_ + "/sites-enabled/dangling").c_str()), 0);
    EXPECT_NE(rejection(tree).find("sites-enabled/dangling\" failed (2: No such file or directory)"), std::string::npos);
    real_filesystem().remove(stage_ + "/sites-enabled/dangling");
    put(stage_ + "/sites-enabled/rag", "server { listen 127.0.0.1:1 ssl; ssl_certificate gone.pem; ssl_certificate_key k.pem; }");
    EXPECT_NE(rejection(tree).find("cannot load certificate"), std::string::npos);
    put(stage_ + "/sites-enabled/rag", "server { location / { proxy_pass http://no-such-host.invalid; } }");
    EXPECT_NE(rejection(tree).find("host not found in upstream \"no-such-host.invalid\""), std::string::npos);
    put(stage_ + "/nginx.conf", "");
    EXPECT_NE(rejection(tree).find("no \"events\" section"), std::string::npos);
}

TEST_F(NginxTrialTest, CountsWarnings) {
    const OverlaidTree tree = staged();
    put(stage_ + "/sites-enabled/rag.bak", get(tree_.site_path()));  // an editor's copy: the same server twice
    const NginxTrial got = trial(tree);
    EXPECT_EQ(got.verdict, Verdict::accepted) << got.message;
    EXPECT_GE(got.warnings, 1);
}

TEST_F(NginxTrialTest, ARestoredConfigIsTestedWhereNothingIsLive) {
    const OverlaidTree tree = staged();
    remove_tree(real_filesystem(), tree_.root() + "/nginx");
    EXPECT_EQ(trial(tree).verdict, Verdict::accepted);
    EXPECT_FALSE(real_filesystem().exists(tree_.root() + "/nginx"));
}

}  // namespace
}  // namespace ingot
