// The config file: what it says, and everything that is wrong with it at once.
//
//   ConfigReading reading = read_config(fs, "/etc/ingot/ingot.toml");
//   if (reading.wrong()) throw reading.error();      exit 2, every mistake with its line
//   Stack stack = make_stack(reading.config, state_dir);
//
// docs/cli.md, "Config file", lists the keys. Paths of [repository] and [state] that are relative start at the config file's
// folder; those of sources at [stack] root.
//
// Thread safety: values. Errors: read_config: Error{usage} for a file that is not there, Error{failed} for one that cannot be
// read.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/filesystem.h"
#include "cli/config_toml.h"
#include "cli/notify_spec.h"
#include "snapshot/stack.h"

namespace ingot {

// A value, and the line it stands in; line 0: the file does not say.
struct ConfigText {
    std::string text;
    int line = 0;
};

struct ConfigSource {
    SourceSpec spec;  // without spool_dir
    int line = 0;
};

struct Config {
    std::string file;
    ConfigText repository;
    ConfigText key_file;
    ConfigText state_dir;
    std::string stack_name;
    std::string root;
    std::string version_command;
    BarrierSpec barrier;
    std::optional<Consistency> golden_requires;
    int tries = 3;
    int64_t golden_max_age_ms = 7LL * 86'400'000;
    std::vector<ConfigSource> sources;
    std::vector<InvariantSpec> invariants;
    CompatibilitySpec compatibility;
    ServicesSpec services;
    std::map<std::string, SourceHooks> source_hooks;
    std::vector<ProbeSpec> probes;
    NotifySpec notify;
    std::string metrics_textfile;  // empty: none is written
    ConfigNode document;
};

struct Mistake {
    int line = 0;
    std::string message;
    bool warning = false;
};

struct ConfigReading {
    Config config;
    std::vector<Mistake> mistakes;  // by line

    bool wrong() const;
    // "FILE:LINE: MESSAGE", one for each.
    std::vector<std::string> lines() const;
    // All of them as one Error{usage}.
    Error error() const;
};

// With `repository_given`, on the command line or in the environment, the file need not name one.
ConfigReading read_config(FileSystem& fs, const std::string& path, bool repository_given);

// The same for a document at hand.
ConfigReading read_config_text(std::string_view document, const std::string& file, bool repository_given);

// Throws Error{usage} where a driver does not take its values.
Stack make_stack(const Config& config, const std::string& state_dir);

}  // namespace ingot
