// A stack: everything one config file describes, as the snapshot and restore rooms see it. cli/config.cc makes it.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "drivers/driver.h"
#include "snapshot/compatibility_spec.h"
#include "snapshot/services.h"

namespace ingot {

// From weakest to strongest.
enum class Consistency : uint8_t { fuzzy, pinned, barrier };

const char* to_string(Consistency consistency);
// Throws Error{usage}.
Consistency consistency_from(std::string_view text);

struct BarrierSpec {
    std::string pause;  // empty: no pause is configured
    std::string resume;
    int64_t max_pause_ms = 10'000;
};

// Two facts that must be equal, each as "source.fact" (snapshot/invariants.h).
struct InvariantSpec {
    std::string name;
    std::string left;
    std::string right;
};

struct Stack {
    std::string name;
    std::string root;             // absolute
    std::string version_command;  // may be empty
    BarrierSpec barrier;
    std::optional<Consistency> golden_requires;  // default: barrier where a pause is configured, else pinned
    int tries = 3;                               // of a pin that finds its source busy or torn
    int64_t golden_max_age_ms = 7LL * 86'400'000;
    std::vector<InvariantSpec> invariants;
    CompatibilitySpec compatibility;
    ServicesSpec services;
    std::map<std::string, SourceHooks> source_hooks;  // by source
    std::vector<ProbeSpec> probes;
    std::string state_dir;
    std::vector<std::unique_ptr<Driver>> sources;  // in the order of the config

    // A driver for another source of a kind that the config names: the old state that a restore set aside, a restored artifact.
    // Null in tests that need none. Throws Error{usage}.
    std::function<std::unique_ptr<Driver>(SourceSpec)> make_driver;

    // golden_requires, or its default.
    Consistency needed_for_golden() const;
};

}  // namespace ingot
