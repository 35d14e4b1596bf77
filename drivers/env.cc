#include "drivers/env.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>

#include "base/error.h"
#include "base/metadata.h"
#include "drivers/env_parse.h"
#include "drivers/file_stream.h"
#include "drivers/source_paths.h"
#include "drivers/tree_pin.h"

namespace ingot {
namespace {

// Environments are a few KiB: the kernel takes 128 KiB for one variable. What is larger is stored, but its keys are not counted.
constexpr uint64_t kCountedBytes = 16 << 20;

void require_regular(const std::string& live, const struct stat& st) {
    if (S_ISREG(st.st_mode)) return;
    throw Error(Code::source, fmt::format("{} is {}", printable(live), S_ISLNK(st.st_mode) ? "a symlink" : "not a regular file"),
                S_ISLNK(st.st_mode) ? "declare the file that it points to" : "declare the .env files themselves, one by one");
}

// A declared file that is gone is named by the pin; its siblings count all the same.
bool there(const SourceRoot& root) { return real_filesystem().exists(root.live_path); }

// Of one moment, or Error{source}.
std::string contents(const std::string& live) {
    auto file = std::make_unique<SourceFile>(-1, live, live);
    const PinnedStat stat = pinned_stat(file->stat());
    FileStream::Opened opened{.live_path = live,
                              .shown = live,
                              .length = std::min(stat.size, kCountedBytes),
                              .growing = false,
                              .stat = stat,
                              .skip_holes = false};
    std::string out(opened.length, '\0');
    FileStream stream(std::move(file), opened, [] {});
    for (size_t done = 0; done < out.size();) {
        done += stream.read({reinterpret_cast<uint8_t*>(out.data()) + done, out.size() - done});
    }
    return out;
}

class EnvPin : public TreePin {
public:
    using TreePin::TreePin;

    Facts facts() override {
        Facts out;
        int64_t all = 0;
        int64_t files = 0;
        for (const SourceRoot& root : rules().roots) {
            if (!there(root)) continue;
            ++files;
            SourceFile file(-1, root.live_path, root.live_path);
            require_regular(root.live_path, file.stat());
            const std::string text = contents(root.live_path);
            const auto keys = static_cast<int64_t>(parse_env(view_of(text)).size());
            out["keys:" + printable(root.listing_path)] = keys;
            all += keys;
        }
        out["keys"] = all;
        out["files"] = files;
        return out;
    }
};

}  // namespace

void EnvDriver::prepare() {
    FilesDriver::prepare();
    for (const SourceRoot& root : rules().roots) {
        if (there(root)) require_regular(root.live_path, stat_of(root.live_path));
    }
}

std::unique_ptr<Pin> EnvDriver::pin() { return std::make_unique<EnvPin>(spec(), rules()); }

Facts EnvDriver::open_artifact(const std::string& dir) {
    Facts out = FilesDriver::open_artifact(dir);
    int64_t all = 0;
    for (const SourceRoot& root : rules().roots) {
        const std::string path = path_in_artifact(dir, root.listing_path);
        if (!real_filesystem().exists(path)) continue;  // this snapshot is older than the declaration of the file
        const Bytes bytes = read_file(real_filesystem(), path, kCountedBytes);
        const auto keys = static_cast<int64_t>(parse_env(bytes).size());
        out["keys:" + printable(root.listing_path)] = keys;
        all += keys;
    }
    out["keys"] = all;
    return out;
}

std::vector<LiveSecret> EnvDriver::secrets() {
    std::vector<LiveSecret> out;
    for (const SourceRoot& root : rules().roots) {
        if (!there(root)) continue;
        SourceFile file(-1, root.live_path, root.live_path);
        require_regular(root.live_path, file.stat());
        std::string text = contents(root.live_path);
        for (auto& [key, value] : parse_env(view_of(text))) {
            out.push_back({root.listing_path, key, Secret::copy_of(std::string_view(value))});
            wipe({reinterpret_cast<uint8_t*>(value.data()), value.size()});
        }
        wipe({reinterpret_cast<uint8_t*>(text.data()), text.size()});
    }
    return out;
}

}  // namespace ingot
