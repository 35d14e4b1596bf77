// All drivers by name, and the config keys each one takes. Only cli/ includes this.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "drivers/driver.h"

namespace ingot {

enum class KeyType { text, text_list, text_table, number, duration, flag, text_or_empty };

struct DriverKey {
    std::string_view name;
    KeyType type;
    bool required;
    std::string_view help;
};

struct DriverInfo {
    std::string_view name;
    std::string_view summary;
    std::span<const DriverKey> keys;                   // beside `driver` and `min_ratio`, which every source takes
    std::unique_ptr<Driver> (*make)(SourceSpec spec);  // throws Error{usage} for values that cannot work
};

std::span<const DriverInfo> all_drivers();
// Null where there is none of that name.
const DriverInfo* find_driver(std::string_view name);

// Engines that bad bytes can crash run in a process of their own, which is this program with a hidden first argument. To be
// called before anything else looks at the arguments: the exit status where they ask for such an engine, else nothing.
std::optional<int> run_engine_child(int argc, char** argv);

}  // namespace ingot
