#include "cli/config_sample.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <set>

#include "base/error.h"
#include "cli/config_toml.h"
#include "cli/paths.h"

namespace ingot {
namespace {

// Dependencies and caches are installed again, not restored.
const std::set<std::string> kNotLookedThrough = {"node_modules", "venv", "__pycache__", "target", "build", "dist"};

bool is_folder(const std::string& path) {
    struct stat st {};
    return ::lstat(path.c_str(), &st) == 0 && S_ISDIR(st.st_mode);
}

bool looks_like_database(const std::string& name) {
    return name.ends_with(".db") || name.ends_with(".sqlite") || name.ends_with(".sqlite3");
}

void look(FileSystem& fs, const std::string& folder, const std::string& prefix, int depth, StackFinds& finds) {
    std::vector<std::string> names;
    fs.list(folder, [&](const std::string& name) { names.push_back(name); });
    std::sort(names.begin(), names.end());
    for (const std::string& name : names) {
        const std::string path = join(folder, name);
        const std::string shown = prefix + name;
        if (is_folder(path)) {
            if (name.starts_with('.') || kNotLookedThrough.contains(name)) continue;
            if (depth == 0) finds.folders.push_back(shown);
            if (depth < 2) look(fs, path, shown + "/", depth + 1, finds);
        } else if (!fs.file_size(path)) {
            continue;
        } else if (looks_like_database(name)) {
            finds.databases.push_back(shown);
        } else if (name == ".env" || name.starts_with(".env.")) {
            finds.env_files.push_back(shown);
        }
    }
}

std::string text_list(const std::vector<std::string>& texts) {
    std::string out;
    for (const std::string& text : texts) out += (out.empty() ? "" : ", ") + toml_text(text);
    return "[" + out + "]";
}

std::string plain_name(const std::string& text, const std::string& otherwise) {
    std::string out;
    for (const char c : text) out += is_plain_name(std::string(1, c)) ? c : '-';
    out = out.substr(0, 64);
    return out.empty() || out.find_first_not_of('-') == std::string::npos ? otherwise : out;
}

constexpr const char* kHead = R"([repository]
path = "/var/lib/ingot/repo"
key_file = "/etc/ingot/key"             # made by `ingot init`; keep a copy of it elsewhere

[stack]
name = {}
root = {}   # relative paths of sources start here
# version = "git describe --tags --always"   # a command; what it prints is recorded
# golden_requires = "pinned"            # fuzzy, pinned or barrier; default barrier where a pause is configured, else pinned
# golden_max_age = "7d"                 # golden re-reads what was not read back for this long
# tries = 3                             # of a source that is busy

# Stops all writers for the milliseconds in which the sources are pinned, so that they show one moment.
# [barrier]
# pause = "curl -fsS -X POST localhost:8001/ingest/pause"   # returns when no unit of work is half done
# resume = "curl -fsS -X POST localhost:8001/ingest/resume"
# max_pause = "10s"                     # a guard resumes the writers then, whatever happens

)";

constexpr const char* kTail =
    R"(# Around a restore. Every command must be safe to run twice: after a crash nobody knows how far it got.
# [services]
# drain = "make traffic:0"
# stop = "docker compose stop web embed"    # the writers, not the engines
# start = "docker compose start embed web"  # runs whenever stop did, whatever happens
# undrain = "make traffic:100"

# What must hold after a restore; else it is taken back.
# [[probes]]
# name = "health"
# http = "http://127.0.0.1:8001/health"     # or: tcp = "127.0.0.1:6333"; command = "make eval.quick"
# timeout = "30s"
# [[probes]]
# name = "top-k"
# source = "vectors"                    # faiss or qdrant: known queries find what they found when the snapshot was made golden
# k = 10                                # or queries = "ops/probe.fvecs"; tolerance = 0.05

# What goes together; a restore that would not is refused. A Markdown table with columns such as App, Schema, Status.
# [compatibility]
# matrix = "ops/compat/matrix.md"
# schema = { source = "db", sql = "SELECT max(version) FROM schema_migrations" }   # or: { command = "..." }

# Who is told. A webhook that does not answer delays nothing for longer than five seconds, and fails nothing.
# [notify]
# webhook_env = "SLACK_WEBHOOK"         # the environment variable, or systemd credential, that holds the url
# healthchecks = "https://hc.example/ping/uuid"   # told when a snapshot begins and how it ended; or healthchecks_env
# command = "ops/record-event.sh"       # gets the event as JSON on its standard input
# on = ["failure", "restore"]           # also snapshot, promote, verify, drill

# For node_exporter's textfile collector.
# [metrics]
# textfile = "/var/lib/node_exporter/ingot.prom"

# [state]
# dir = "/var/lib/ingot"                # journal, memory of what was seen, spools; default for root, else ~/.local/state/ingot
)";

}  // namespace

StackFinds look_through(FileSystem& fs, const std::string& folder) {
    StackFinds finds;
    look(fs, folder, "", 0, finds);
    return finds;
}

std::string config_sample(const std::string& root, const StackFinds& finds) {
    std::string out = "# Ingot's config. Check it with `ingot config validate`, then: ingot init && ingot snapshot --golden\n\n";
    out += fmt::format(fmt::runtime(kHead), toml_text(plain_name(base_name_of(root), "stack")), toml_text(root));
    std::set<std::string> used = {"env", "files"};
    const bool found = !finds.databases.empty() || !finds.env_files.empty() || !finds.folders.empty();
    for (const std::string& database :
         finds.databases.empty() && !found ? std::vector<std::string>{"data/app.db"} : finds.databases) {
        const std::string base = base_name_of(database);
        std::string name = plain_name(base.substr(0, base.find('.')), "db");
        for (int n = 2; !used.insert(name).second; ++n)
            name = fmt::format("{}{}", plain_name(base.substr(0, base.find('.')), "db"), n);
        out += fmt::format("[sources.{}]\ndriver = \"sqlite\"\npath = {}\n", name, toml_text(database));
        out += "# facts = { chunks = \"SELECT count(*) FROM chunks\" }   # read from inside the snapshot, kept as evidence\n";
        out += "# min_ratio = 0.5                     # smaller than this share of its last golden size: partial\n\n";
    }
    if (!finds.env_files.empty() || !found) {
        const std::vector<std::string> paths = found ? finds.env_files : std::vector<std::string>{".env"};
        out += fmt::format("[sources.env]\ndriver = \"env\"                          # values are never shown\npaths = {}\n\n",
                           text_list(paths));
    }
    if (!finds.folders.empty() || !found) {
        const std::vector<std::string> paths = found ? finds.folders : std::vector<std::string>{"data", "logs"};
        std::vector<std::string> exclude = {"*.tmp"};
        for (const std::string& database : finds.databases) exclude.push_back(database + "*");
        for (const std::string& env : finds.env_files) {
            if (env.find('/') != std::string::npos) exclude.push_back(env);
        }
        out += fmt::format("[sources.files]\ndriver = \"files\"\npaths = {}\nexclude = {}", text_list(paths), text_list(exclude));
        out += "\n# growing = [\"logs/*.log\"]            # pinned at their size\n\n";
    }
    return out + kTail;
}

}  // namespace ingot
