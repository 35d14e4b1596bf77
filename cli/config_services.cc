#include "cli/config_services.h"

#include <fmt/format.h>

#include "cli/config_values.h"

namespace ingot {
namespace {

int64_t timeout_of(TableReader& reader) {
    const std::optional<int64_t> timeout_ms = reader.duration_ms("timeout");
    if (timeout_ms && *timeout_ms == 0) reader.mistake(reader.line_of("timeout"), "`timeout` wants to be longer than nothing");
    return timeout_ms.value_or(kHookTimeoutMs);
}

// What stops something without what starts it again would leave it so.
void needs(TableReader& reader, std::string_view key, std::string_view other, std::string_view otherwise) {
    if (!reader.has(key) || reader.has(other)) return;
    reader.mistake(reader.line_of(key), fmt::format("[services] has `{}` without `{}`: {}", key, other, otherwise));
}

}  // namespace

void check_services(Config& config, std::vector<Mistake>& mistakes) {
    TableReader reader(mistakes, config.document.find("services"), "[services]");
    ServicesSpec& services = config.services;
    services.drain = reader.text("drain").value_or("");
    services.stop = reader.text("stop").value_or("");
    services.checkout = reader.text("checkout").value_or("");
    services.start = reader.text("start").value_or("");
    services.undrain = reader.text("undrain").value_or("");
    services.timeout_ms = timeout_of(reader);
    needs(reader, "drain", "undrain", "the services would stay drained");
    needs(reader, "undrain", "drain", "there would be nothing to undo");
    needs(reader, "stop", "start", "the services would stay down");
    if (reader.has("checkout") && config.version_command.empty()) {
        reader.mistake(reader.line_of("checkout"),
                       "[services] `checkout` needs [stack] `version`, a command that prints the application's version");
    }
    reader.finish();
}

void check_source_hooks(Config& config, std::vector<Mistake>& mistakes, const std::string& source, const ConfigNode& hooks) {
    TableReader reader(mistakes, &hooks, fmt::format("[sources.{}.hooks]", printable(source)));
    if (!reader.present()) return;
    SourceHooks out;
    out.before_swap = reader.text("before_swap").value_or("");
    out.after_swap = reader.text("after_swap").value_or("");
    out.timeout_ms = timeout_of(reader);
    if (!reader.has("before_swap") && !reader.has("after_swap")) {
        reader.mistake(reader.line(),
                       fmt::format("[sources.{}.hooks] has neither `before_swap` nor `after_swap`", printable(source)));
    }
    reader.finish();
    config.source_hooks[source] = out;
}

}  // namespace ingot
