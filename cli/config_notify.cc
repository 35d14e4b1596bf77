#include "cli/config_notify.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/config_values.h"
#include "cli/nearest.h"
#include "cli/notify.h"
#include "cli/paths.h"

namespace ingot {
namespace {

// A name of a variable; a url in its place is a secret in a file.
void check_variable(TableReader& reader, std::string_view key, const std::string& name) {
    const bool good = std::ranges::all_of(
        name, [](char c) { return c == '_' || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); });
    if (good) return;
    reader.mistake(reader.line_of(key), fmt::format("`{}` wants the name of an environment variable, such as \"SLACK_WEBHOOK\", "
                                                    "which holds the url; not the url itself",
                                                    key));
}

}  // namespace

void check_notify(Config& config, std::vector<Mistake>& mistakes) {
    TableReader reader(mistakes, config.document.find("notify"), "[notify]");
    NotifySpec& spec = config.notify;
    spec.webhook_env = reader.text("webhook_env").value_or("");
    check_variable(reader, "webhook_env", spec.webhook_env);
    spec.webhook_template = reader.text("webhook_template").value_or("");
    if (!spec.webhook_template.empty()) {
        if (const std::string problem = template_problem(spec.webhook_template); !problem.empty()) {
            reader.mistake(reader.line_of("webhook_template"), fmt::format("`webhook_template`: {}", problem));
        }
        if (!reader.has("webhook_env")) {
            reader.mistake(reader.line_of("webhook_template"),
                           "[notify] has `webhook_template` without `webhook_env`: where would it go?");
        }
    }
    spec.healthchecks = reader.text("healthchecks").value_or("");
    if (!spec.healthchecks.empty() && !spec.healthchecks.starts_with("http://") && !spec.healthchecks.starts_with("https://")) {
        reader.mistake(reader.line_of("healthchecks"), "`healthchecks` wants a url that begins with http:// or https://");
    }
    spec.healthchecks_env = reader.text("healthchecks_env").value_or("");
    check_variable(reader, "healthchecks_env", spec.healthchecks_env);
    if (reader.has("healthchecks") && reader.has("healthchecks_env")) {
        reader.mistake(reader.line_of("healthchecks_env"),
                       "[notify] has `healthchecks` and `healthchecks_env`: one of them is enough");
    }
    spec.command = reader.text("command").value_or("");
    if (const auto on = reader.text_list("on")) {
        spec.on = {on->begin(), on->end()};
        const std::vector<std::string> known(kNotifyEvents.begin(), kNotifyEvents.end());
        for (const std::string& name : *on) {
            if (std::ranges::find(known, name) != known.end()) continue;
            reader.mistake(reader.line_of("on"), fmt::format("`on`: there is no event \"{}\"{}; there are: {}", printable(name),
                                                             did_you_mean(name, known), fmt::join(known, ", ")));
        }
    }
    if (reader.present() && !spec.any() && !reader.has("webhook_env") && !reader.has("healthchecks")) {
        reader.mistake(reader.line(), "[notify] names nobody: `webhook_env`, `healthchecks`, `healthchecks_env` or `command`");
    }
    reader.finish();
}

void check_metrics(Config& config, std::vector<Mistake>& mistakes) {
    TableReader reader(mistakes, config.document.find("metrics"), "[metrics]");
    if (const auto path = reader.text("textfile")) {
        config.metrics_textfile = absolute_path(absolute_path(parent_of(config.file)), *path);
        if (!path->ends_with(".prom")) {
            reader.mistake(reader.line_of("textfile"),
                           "`textfile` wants a name that ends in .prom: node_exporter reads no other");
        }
    } else if (reader.present() && !reader.has("textfile")) {
        reader.missing("textfile", "textfile = \"/var/lib/node_exporter/ingot.prom\"");
    }
    reader.finish();
}

}  // namespace ingot
