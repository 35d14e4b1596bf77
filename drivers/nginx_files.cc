#include "drivers/nginx_files.h"

#include <fnmatch.h>

#include <algorithm>
#include <array>
#include <set>
#include <string_view>

#include "base/error.h"
#include "base/filesystem.h"
#include "drivers/nginx_conf.h"
#include "drivers/source_paths.h"

namespace ingot {
namespace {

// The largest config files in the wild are generated maps and address lists of a few MiB. A larger one is stored as any file is.
constexpr uint64_t kParsedBytes = 16 << 20;
// Hosts of many customers have a few thousand site files. The limit is against a pattern that runs away.
constexpr size_t kConfigFiles = 50'000;

// Directives whose first argument is a file that nginx reads, beside those that match kReadEndings.
constexpr std::array<std::string_view, 13> kRead = {
    "auth_basic_user_file",   "auth_jwt_key_file", "geoip_city",    "geoip_country",   "geoip_org",    "geoip2",
    "modsecurity_rules_file", "perl_require",      "quic_host_key", "xslt_stylesheet", "xml_entities", "ssl_ech_file",
    "ssl_session_ticket_key"};
// With these the same directives of proxy_, grpc_, uwsgi_ and others are meant as well.
constexpr std::array<std::string_view, 9> kReadEndings = {"ssl_certificate",
                                                          "ssl_certificate_key",
                                                          "ssl_client_certificate",
                                                          "ssl_trusted_certificate",
                                                          "ssl_crl",
                                                          "ssl_password_file",
                                                          "ssl_dhparam",
                                                          "ssl_stapling_file",
                                                          "_by_lua_file"};
constexpr std::array<std::string_view, 3> kWrittenFiles = {"access_log", "error_log", "lock_file"};
constexpr std::array<std::string_view, 2> kWrittenEndings = {"_temp_path", "_cache_path"};
// First arguments of logs that name no file.
constexpr std::array<std::string_view, 5> kNoFiles = {"off", "stderr", "syslog:", "memory:", "|"};

template <size_t N>
bool is_one_of(const std::array<std::string_view, N>& names, std::string_view name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

template <size_t N>
bool ends_like(const std::array<std::string_view, N>& endings, std::string_view name) {
    return std::any_of(endings.begin(), endings.end(), [&](std::string_view each) { return name.ends_with(each); });
}

bool has_wildcards(std::string_view path) { return path.find_first_of("*?[") != std::string_view::npos; }

class FileFinder {
public:
    FileFinder(const OverlaidTree& tree, const NginxPlaces& places)
        : tree_(tree), prefix_(places.prefix), folder_(parent_of(places.conf)) {
        out_.pid = live_path_from(prefix_, places.pid);
        waiting_.push_back(places.conf);
        for (const std::string& path : places.written) written(path);
    }

    NginxFiles find() {
        // Depth first and in order, as nginx reads them.
        while (!waiting_.empty()) {
            const std::string path = std::move(waiting_.back());
            waiting_.pop_back();
            if (seen_.insert(path).second) read(path);
        }
        written(out_.pid);
        return std::move(out_);
    }

private:
    void read(const std::string& path) {
        const std::optional<std::string> resolved = tree_.resolve(path);
        const std::optional<struct stat> st = resolved ? tree_.look(*resolved) : std::nullopt;
        if (!st || !S_ISREG(st->st_mode)) {
            out_.missing.push_back(path);
            return;
        }
        out_.config.push_back(path);
        if (static_cast<uint64_t>(st->st_size) > kParsedBytes || out_.config.size() > kConfigFiles) {
            out_.unparsed.push_back(path);
            return;
        }
        std::vector<NginxDirective> directives;
        try {
            const Bytes bytes = read_file(real_filesystem(), tree_.place(*resolved), kParsedBytes);
            directives = parse_nginx({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
        } catch (const Error& error) {
            ignore_error(error, "nginx will not be able to read it either, and says so");
            out_.config.pop_back();
            out_.missing.push_back(path);
            return;
        }
        const size_t before = waiting_.size();
        for (const NginxDirective& each : directives) take(each);
        std::reverse(waiting_.begin() + static_cast<std::ptrdiff_t>(before), waiting_.end());
    }

    void take(const NginxDirective& directive) {
        if (directive.arguments.empty()) return;
        const std::string& name = directive.name;
        const std::string& first = directive.arguments.front();
        if (name == "listen" && first.starts_with("unix:")) written(first.substr(5));
        if (name == "js_import" || name == "js_include") return referenced(folder_, directive.arguments.back());
        if (!is_literal_path(first)) return;
        if (name == "include") return include(first);
        if (name == "load_module") return referenced(prefix_, first);
        if (is_one_of(kRead, name) || ends_like(kReadEndings, name)) return referenced(folder_, first);
        if (name == "pid" && directive.depth == 0) out_.pid = live_path_from(prefix_, first);
        if (is_one_of(kWrittenFiles, name)) {
            const bool file = std::none_of(kNoFiles.begin(), kNoFiles.end(), [&](auto each) { return first.starts_with(each); });
            if (!file) return;
            written(first);
            if (name == "error_log") out_.error_logs.push_back(live_path_from(prefix_, first));
        }
        if (ends_like(kWrittenEndings, name)) written(first);
    }

    void include(const std::string& named) {
        if (named.starts_with('/')) out_.absolute.push_back(named);
        const std::string pattern = live_path_from(folder_, named);
        if (!has_wildcards(pattern)) return waiting_.push_back(pattern);
        std::vector<std::string> found{""};
        for (size_t at = 1; at <= pattern.size() && !found.empty();) {
            const size_t slash = std::min(pattern.find('/', at), pattern.size());
            const std::string name = pattern.substr(at, slash - at);
            at = slash + 1;
            std::vector<std::string> deeper;
            for (const std::string& folder : found) expand(folder, name, deeper);
            found = std::move(deeper);
        }
        waiting_.insert(waiting_.end(), found.begin(), found.end());
    }

    // As glob(3) does it: sorted, and hidden names only where the pattern has the dot.
    void expand(const std::string& folder, const std::string& name, std::vector<std::string>& out) {
        if (!has_wildcards(name)) {
            if (tree_.look(folder + "/" + name)) out.push_back(folder + "/" + name);
            return;
        }
        const std::optional<std::string> resolved = tree_.resolve(folder.empty() ? "/" : folder);
        if (!resolved) return;
        for (const std::string& each : tree_.names(*resolved)) {
            if (out.size() > kConfigFiles) return;
            if (::fnmatch(name.c_str(), each.c_str(), FNM_PERIOD) == 0) out.push_back(folder + "/" + each);
        }
    }

    void referenced(const std::string& folder, const std::string& path) {
        if (!is_literal_path(path)) return;
        if (path.starts_with('/')) out_.absolute.push_back(path);
        const std::string live = live_path_from(folder, path);
        if (!seen_references_.insert(live).second) return;
        (tree_.resolve(live) ? out_.referenced : out_.missing).push_back(live);
    }

    void written(const std::string& path) {
        const std::string live = live_path_from(prefix_, path);
        if (seen_written_.insert(live).second) out_.written.push_back(live);
    }

    const OverlaidTree& tree_;
    std::string prefix_;
    std::string folder_;
    std::vector<std::string> waiting_;  // the next one last
    std::set<std::string> seen_, seen_references_, seen_written_;
    NginxFiles out_;
};

}  // namespace

NginxFiles nginx_files(const OverlaidTree& tree, const NginxPlaces& places) { return FileFinder(tree, places).find(); }

}  // namespace ingot
