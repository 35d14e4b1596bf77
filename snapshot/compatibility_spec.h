// What the config says of compatibility ([compatibility], docs/restore.md): where the matrix is, and which versions beside the
// application's are recorded with a snapshot. Plain values; cli/config_compatibility.cc makes them.
#pragma once

#include <string>
#include <vector>

namespace ingot {

// A version beside the application's: of the schema, of the collection. Told by a command, or by a query that is read from inside
// the pin of its source, as the fact `fact`.
struct VersionSpec {
    std::string name;     // "schema", "collection"
    std::string source;   // whose data it is; may be empty with a command
    std::string query;    // empty: `command` tells it
    std::string fact;     // "schema_version"
    std::string command;  // of which the first line counts
};

struct CompatibilitySpec {
    std::string matrix;  // absolute path of a Markdown document; empty: there is none
    std::vector<VersionSpec> versions;
};

}  // namespace ingot
