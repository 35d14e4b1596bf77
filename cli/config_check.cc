#include "cli/config_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "cli/config_compatibility.h"
#include "cli/config_invariants.h"
#include "cli/config_notify.h"
#include "cli/config_probes.h"
#include "cli/config_services.h"
#include "cli/config_sources.h"
#include "cli/config_values.h"
#include "cli/nearest.h"
#include "cli/paths.h"

namespace ingot {

static constexpr std::array<std::string_view, 11> kTables = {"repository", "stack",    "barrier", "sources",
                                                             "invariants", "services", "probes",  "compatibility",
                                                             "notify",     "metrics",  "state"};
// Silence about these would promise what this version does not do.
static constexpr std::array<std::string_view, 1> kLaterTables = {"retention"};

static bool is_later_table(std::string_view name) {
    return std::find(kLaterTables.begin(), kLaterTables.end(), name) != kLaterTables.end();
}

namespace {

class Checker {
public:
    Checker(ConfigReading& reading, bool repository_given)
        : config_(reading.config), mistakes_(reading.mistakes), repository_given_(repository_given) {}

    void run() {
        top_level();
        repository();
        stack();
        barrier();
        check_sources(config_, mistakes_);
        check_compatibility(config_, mistakes_);  // adds facts, which invariants may name
        check_invariants(config_, mistakes_);
        check_services(config_, mistakes_);
        check_probes(config_, mistakes_);
        check_notify(config_, mistakes_);
        check_metrics(config_, mistakes_);
        state();
        golden_can_be_reached();
    }

private:
    TableReader table(std::string_view name) {
        return TableReader(mistakes_, config_.document.find(name), fmt::format("[{}]", name));
    }

    void top_level() {
        std::vector<std::string> known(kTables.begin(), kTables.end());
        for (const auto& [name, node] : config_.document.members) {
            if (is_later_table(name)) {
                mistakes_.push_back({node.line, fmt::format("[{}] is not supported by this version of ingot", name), false});
            } else if (std::find(known.begin(), known.end(), name) == known.end()) {
                const bool is_table = node.kind == ConfigNode::Kind::table;
                mistakes_.push_back(
                    {node.line,
                     fmt::format("there is no {} `{}`{}", is_table ? "table" : "key", printable(name), did_you_mean(name, known)),
                     false});
            }
        }
    }

    ConfigText path_of(TableReader& reader, std::string_view key) {
        ConfigText out;
        const std::optional<std::string> text = reader.text(key);
        if (text && text->find("://") != std::string::npos) {
            reader.mistake(reader.line_of(key),
                           fmt::format("`{}`: object storage is not supported by this version of ingot; name a folder", key));
        } else if (text) {
            out.text = absolute_path(absolute_path(parent_of(config_.file)), *text);
            out.line = reader.line_of(key);
        }
        return out;
    }

    void repository() {
        TableReader reader = table("repository");
        config_.repository = path_of(reader, "path");
        config_.key_file = path_of(reader, "key_file");
        if (!reader.has("path") && !repository_given_) reader.missing("path", "path = \"/var/lib/ingot/repo\"");
        reader.finish();
    }

    void stack() {
        TableReader reader = table("stack");
        config_.stack_name = reader.text("name").value_or("");
        if (!reader.has("name")) {
            reader.missing("name", "name = \"raggen\"");
        } else if (!config_.stack_name.empty() && !is_plain_name(config_.stack_name)) {
            reader.mistake(reader.line_of("name"), "`name` may hold letters, digits, _ and - only, at most 64 of them");
        }
        config_.root = reader.text("root").value_or("");
        if (!reader.has("root")) {
            reader.missing("root", "root = \"/opt/raggen\"");
        } else if (!config_.root.empty() && !config_.root.starts_with('/')) {
            reader.mistake(reader.line_of("root"),
                           fmt::format("`root` wants an absolute path, and \"{}\" is relative", printable(config_.root)));
        } else if (!config_.root.empty()) {
            config_.root = absolute_path("/", config_.root);
        }
        config_.version_command = reader.text("version").value_or("");
        if (const auto text = reader.text("golden_requires")) {
            const std::vector<std::string> classes = {"fuzzy", "pinned", "barrier"};
            if (std::find(classes.begin(), classes.end(), *text) == classes.end()) {
                reader.mistake(
                    reader.line_of("golden_requires"),
                    fmt::format("`golden_requires` wants \"fuzzy\", \"pinned\" or \"barrier\"{}", did_you_mean(*text, classes)));
            } else {
                config_.golden_requires = consistency_from(*text);
            }
        }
        if (const auto tries = reader.number("tries", 1, 100)) config_.tries = static_cast<int>(*tries);
        if (const auto age_ms = reader.duration_ms("golden_max_age")) config_.golden_max_age_ms = *age_ms;
        reader.finish();
    }

    void barrier() {
        TableReader reader = table("barrier");
        config_.barrier.pause = reader.text("pause").value_or("");
        config_.barrier.resume = reader.text("resume").value_or("");
        if (const auto limit_ms = reader.duration_ms("max_pause")) {
            config_.barrier.max_pause_ms = *limit_ms;
            if (*limit_ms == 0) reader.mistake(reader.line_of("max_pause"), "`max_pause` wants to be longer than nothing");
        }
        if (reader.has("pause") && !reader.has("resume")) {
            reader.mistake(reader.line_of("pause"), "[barrier] has `pause` without `resume`: the writers would stay paused");
        } else if (reader.has("resume") && !reader.has("pause")) {
            reader.mistake(reader.line_of("resume"), "[barrier] has `resume` without `pause`");
        } else if (reader.present() && !reader.has("pause")) {
            reader.missing("pause", "");
        }
        reader.finish();
    }

    void state() {
        TableReader reader = table("state");
        config_.state_dir = path_of(reader, "dir");
        reader.finish();
    }

    void golden_can_be_reached() {
        if (config_.golden_requires != Consistency::barrier || !config_.barrier.pause.empty()) return;
        const TableReader reader = table("stack");
        mistakes_.push_back(
            {reader.line_of("golden_requires"), "`golden_requires` = \"barrier\" needs [barrier] `pause` and `resume`", false});
    }

    Config& config_;
    std::vector<Mistake>& mistakes_;
    bool repository_given_;
};

}  // namespace

void check_config(ConfigReading& reading, bool repository_given) { Checker(reading, repository_given).run(); }

}  // namespace ingot
