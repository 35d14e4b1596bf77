#include "drivers/nginx_files.h"

#include <algorithm>

#include "test_folder.h"

namespace ingot {
namespace {

class NginxFilesTest : public testing::Test {
protected:
    NginxFiles find() {
        places_.conf = etc_ + "/nginx.conf";
        places_.prefix = folder_ / "prefix";
        return nginx_files(OverlaidTree(), places_);
    }
    // Relative to the folder of the config.
    std::vector<std::string> short_names(const std::vector<std::string>& paths) const {
        std::vector<std::string> out;
        for (const std::string& path : paths) out.push_back(path.starts_with(etc_ + "/") ? path.substr(etc_.size() + 1) : path);
        return out;
    }
    using Names = std::vector<std::string>;

    TestFolder folder_;
    std::string etc_ = folder_.folder("etc");
    NginxPlaces places_;
};

TEST_F(NginxFilesTest, FollowsIncludesAsNginxDoes) {
    put(etc_ + "/nginx.conf", "include mime.types; http { include conf.d/*.conf; include sites/*; include " + etc_ + "/last; }");
    put(etc_ + "/mime.types", "types { text/html html; }");
    put(etc_ + "/conf.d/b.conf", "include deep/x;");  // relative to the first file's folder, not to its own
    put(etc_ + "/conf.d/a.conf", "");
    put(etc_ + "/conf.d/no.txt", "");
    put(etc_ + "/deep/x", "include nginx.conf;");  // a circle
    put(etc_ + "/sites/.hidden", "");
    put(etc_ + "/last", "");
    ASSERT_EQ(::symlink("../gone", (etc_ + "/sites/dangling").c_str()), 0);
    const NginxFiles files = find();
    EXPECT_EQ(short_names(files.config), (Names{"nginx.conf", "mime.types", "conf.d/a.conf", "conf.d/b.conf", "deep/x", "last"}));
    EXPECT_EQ(short_names(files.missing), Names{"sites/dangling"});
    EXPECT_EQ(short_names(files.absolute), Names{"last"});
}

TEST_F(NginxFilesTest, FindsWhatTheConfigNamesAndWhatATestWouldMake) {
    put(etc_ + "/nginx.conf",
        "pid run/my.pid; error_log logs/e.log warn; error_log stderr; load_module modules/m.so;\n"
        "http { access_log off; access_log /var/log/x.log main; access_log syslog:server=a; access_log /l/$host.log;\n"
        "  client_body_temp_path tmp/body; proxy_cache_path /c levels=1:2 keys_zone=a:1m;\n"
        "  server { listen unix:/s.sock; ssl_certificate tls/a.crt; ssl_certificate_key tls/a.key; ssl_certificate $dynamic;\n"
        "    proxy_ssl_trusted_certificate tls/ca; auth_basic_user_file users; access_by_lua_file a.lua; ssl_dhparam gone; } }");
    for (const char* name : {"tls/a.crt", "tls/a.key", "tls/ca", "users", "a.lua"}) put(etc_ + "/" + name, "x");
    put(folder_ / "prefix/modules/m.so", "elf");
    const NginxFiles files = find();
    EXPECT_EQ(short_names(files.referenced),
              (Names{folder_ / "prefix/modules/m.so", "tls/a.crt", "tls/a.key", "tls/ca", "users", "a.lua"}));
    EXPECT_EQ(short_names(files.missing), Names{"gone"});
    EXPECT_EQ(files.pid, folder_ / "prefix/run/my.pid");
    EXPECT_EQ(files.error_logs, Names{folder_ / "prefix/logs/e.log"});
    EXPECT_EQ(files.written, (Names{folder_ / "prefix/logs/e.log", "/var/log/x.log", folder_ / "prefix/tmp/body", "/c", "/s.sock",
                                    folder_ / "prefix/run/my.pid"}));
}

TEST_F(NginxFilesTest, ReadsAStagedTreeInThePlaceOfTheLiveOne) {
    put(etc_ + "/nginx.conf", "include live;");
    put(folder_ / "staged/nginx.conf", "include " + etc_ + "/sites/*;");
    put(folder_ / "staged/sites/a", "");
    places_.conf = etc_ + "/nginx.conf";
    const NginxFiles files = nginx_files(OverlaidTree({{etc_, folder_ / "staged"}}), places_);
    EXPECT_EQ(short_names(files.config), (Names{"nginx.conf", "sites/a"}));
    EXPECT_TRUE(files.missing.empty());
}

TEST_F(NginxFilesTest, AMissingOrUnreadableConfigIsNoError) {
    EXPECT_EQ(short_names(find().missing), Names{"nginx.conf"});
    real_filesystem().make_dir(etc_ + "/nginx.conf", 0755);
    EXPECT_EQ(short_names(find().missing), Names{"nginx.conf"});
}

}  // namespace
}  // namespace ingot
