#include "drivers/redis_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>

#include "base/filesystem.h"
#include "drivers/rdb_parse.h"

namespace ingot {
namespace {

constexpr const char* kAofFolder = "appendonlydir";
constexpr const char* kOldAof = "appendonly.aof";
constexpr const char* kManifestEnd = ".manifest";
// A manifest has a line for each file, of which there are a handful.
constexpr uint64_t kMostManifestBytes = 1 << 20;

// What the folder of the source does not tell is the source's fault; what a spool has no room for is not.
template <typename Look>
auto in_source(Look look) {
    try {
        return look();
    } catch (const Error& error) {
        throw error.as(Code::source);
    }
}

std::vector<std::string> names_in(const std::string& folder) {
    std::vector<std::string> out;
    real_filesystem().list(folder, [&](const std::string& name) { out.push_back(name); });
    std::sort(out.begin(), out.end());
    return out;
}

// The server's own RDB file. temp-PID.rdb is a save that did not end.
std::string rdb_name(const std::string& data_dir) {
    std::vector<std::string> found;
    for (const std::string& name : names_in(data_dir)) {
        if (name == "dump.rdb") return name;
        if (name.ends_with(".rdb") && !name.starts_with("temp-")) found.push_back(name);
    }
    if (found.size() > 1) {
        throw Error(Code::source, fmt::format("{} has several RDB files: {}", printable(data_dir), fmt::join(found, ", ")),
                    "leave there the one that the server loads (`dbfilename` in its config)");
    }
    return found.empty() ? "" : found.front();
}

class NoHandler : public RdbHandler {
public:
    void aux(const std::string&, const std::string&) override {}
    void function(std::string) override {}
    void module_aux(Bytes, bool) override {}
    void key(const RdbKey&, const RdbInput&) override {}
};

void check_rdb(const std::string& path) {
    const auto file = real_filesystem().open(path);
    const RdbBytes bytes{file->size(), [&](uint64_t offset, std::span<uint8_t> out) { return file->read_at(offset, out); }};
    NoHandler handler;
    try {
        read_rdb(bytes, handler);
    } catch (const Error& error) {
        throw error.within(base_name_of(path));
    }
}

}  // namespace

RedisFiles::RedisFiles(const std::string& data_dir, const std::string& root, const std::string& spool_dir) : set_(spool_dir) {
    try {
        const auto take = [&](const std::string& name) -> LeasedFile& {
            LeasedFile& file = set_.add({fmt::format("{}/files/{}", root, name), join(data_dir, name)});
            if (file.lease() != Lease::busy) return file;
            throw Error(Code::source,
                        fmt::format("{} is open for writing: a server runs on it, and not where the url says",
                                    printable(join(data_dir, name))),
                        "mend the url, so that the running server is asked");
        };
        if (const std::string name = in_source([&] { return rdb_name(data_dir); }); !name.empty()) rdb_ = &take(name);
        const std::string folder = join(data_dir, kAofFolder);
        if (in_source([&] { return real_filesystem().exists(folder); })) {
            for (const std::string& name : in_source([&] { return names_in(folder); })) {
                if (name.starts_with("temp-")) continue;
                take(std::string(kAofFolder) + "/" + name);
                append_only_ = true;
            }
        } else if (in_source([&] { return real_filesystem().exists(join(data_dir, kOldAof)); })) {
            take(kOldAof);
            append_only_ = true;
        }
        set_.fix();
    } catch (const Unsettled& unsettled) {
        throw unsettled.error;
    }
    if (set_.files().empty()) {
        throw Error(Code::source, fmt::format("the server is stopped, and {} holds no data of one", printable(data_dir)),
                    "start the server, or mend `data_dir`: it is the server's `dir`");
    }
}

int64_t RedisFiles::written_ms() const {
    int64_t out = 0;
    for (const LeasedFile* file : set_.files()) {
        out = std::max<int64_t>(out, int64_t{file->stat().st_mtim.tv_sec} * 1000 + file->stat().st_mtim.tv_nsec / 1'000'000);
    }
    return out;
}

// Lines of "file NAME seq N type b|h|i", in which more pairs may follow.
std::vector<std::string> aof_manifest_files(std::string_view text) {
    std::vector<std::string> out;
    std::istringstream lines{std::string(text)};
    for (std::string line; std::getline(lines, line);) {
        if (line.empty() || line.starts_with('#')) continue;
        std::istringstream words(line);
        std::string key;
        std::string value;
        std::string name;
        while (words >> key >> value) {
            if (key == "file") name = value;
        }
        if (name.empty() || name.find('/') != std::string::npos) {
            throw Error(Code::damaged, "the manifest of an append-only file has a line that names no file");
        }
        out.push_back(name);
    }
    return out;
}

size_t check_redis_files(const std::string& folder) {
    size_t files = 0;
    for (const std::string& name : names_in(folder)) {
        if (name == kAofFolder) continue;
        ++files;
        if (name.ends_with(".rdb")) check_rdb(join(folder, name));
    }
    const std::string append_only = join(folder, kAofFolder);
    if (!real_filesystem().exists(append_only)) return files;
    const std::vector<std::string> names = names_in(append_only);
    for (const std::string& name : names) {
        ++files;
        if (name.ends_with(".rdb")) check_rdb(join(append_only, name));
        if (!name.ends_with(kManifestEnd)) continue;
        const Bytes manifest = read_file(real_filesystem(), join(append_only, name), kMostManifestBytes);
        for (const std::string& named : aof_manifest_files(text_of(manifest))) {
            if (std::find(names.begin(), names.end(), named) != names.end()) continue;
            throw Error(Code::damaged, fmt::format("the append-only file lacks {}, which its manifest names", printable(named)),
                        "choose another snapshot");
        }
    }
    return files;
}

}  // namespace ingot
