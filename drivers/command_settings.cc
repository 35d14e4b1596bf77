#include "drivers/command_settings.h"

#include <fmt/format.h>

#include <string_view>

#include "base/error.h"
#include "drivers/options.h"
#include "drivers/source_paths.h"

namespace ingot {
namespace {

// A dump of tens of GB takes less; a command that takes longer is more likely stuck on a lock, while every night's run waits.
constexpr std::string_view kTimeout = "1h";
// A large table without output for minutes is ordinary (a sort, a slow disk); half a night without a byte is a hang.
constexpr std::string_view kIdleTimeout = "5m";
// What the kernel takes as one name.
constexpr size_t kMostNameBytes = 255;

ShownMoment moment_from(const Options& options) {
    const std::string text = options.text("moment", "end");
    if (text == "start") return ShownMoment::start;
    if (text == "end") return ShownMoment::end;
    if (text == "unknown") return ShownMoment::unknown;
    throw options.wrong("moment", "is none of \"start\", \"end\", \"unknown\"", "docs/drivers/command.md says what each claims");
}

bool keep_old_from(const Options& options) {
    const std::string text = options.text("undo", "snapshot");
    if (text != "snapshot" && text != "none")
        throw options.wrong("undo", "is neither \"snapshot\" nor \"none\"", "leave it out for \"snapshot\"");
    if (options.has("undo") && !options.has("restore"))
        throw options.wrong("undo", "is given without `restore`", "leave it out, or add `restore = \"...\"`");
    return text == "snapshot";
}

// One name and no path: the output is one file, and its place in the listing is the source's own.
void require_name(const Options& options, const std::string& name) {
    const bool plain = !name.empty() && name != "." && name != ".." && name.find('/') == std::string::npos &&
                       name.find('\0') == std::string::npos && name.size() <= kMostNameBytes;
    if (!plain) throw options.wrong("name", "is no file name", "write one name without \"/\": name = \"app.sql\"");
}

}  // namespace

CommandSettings command_settings(const SourceSpec& spec) {
    const Options options(spec);
    CommandSettings out;
    out.snapshot = options.text("snapshot");
    out.restore = options.text("restore");
    out.check = options.text("check");
    out.facts = spec.facts;
    out.name = options.text("name", spec.name + ".out");
    out.directory = live_path_from(spec.root, options.text("directory", "."));
    out.moment = moment_from(options);
    out.timeout_ms = options.duration_ms("timeout", kTimeout);
    out.idle_timeout_ms = options.duration_ms("idle_timeout", kIdleTimeout);
    out.allow_empty = options.flag("allow_empty");
    out.keep_old = keep_old_from(options);
    require_name(options, out.name);
    if (out.snapshot.empty())
        throw options.wrong("snapshot", "names no command", "snapshot = \"docker compose config --no-interpolate\"");
    return out;
}

}  // namespace ingot
