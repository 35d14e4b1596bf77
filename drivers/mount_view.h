// Which mounts show a program a staged tree in the place of the live one, and keep what it writes out of the live system.
//
// A staged file or folder is bound over the live one of the same type. Where that cannot be (nothing is there yet, one of the two
// is a link, their types differ) the folder around it is mirrored: a scratch folder with every name of the live one, each bound
// to its original or copied as a link, in which names can be put and made at will; and that is bound over the live folder.
//
// Nothing is mounted here: see drivers/mounted_run.h. Only `scratch` is written to.
// Thread safety: pure but for `scratch`. Errors: Error{failed} where a view cannot be made: a folder with too many names, a part
// right below "/".
#pragma once

#include <string>
#include <vector>

#include "drivers/overlaid_tree.h"

namespace ingot {

struct Mount {
    std::string from;
    std::string at;
    // A name of a mirrored folder that may have gone meanwhile.
    bool may_fail = false;
};

// Mounts in the order in which they must be made. `covered`: live files and folders that the program may make or write to; it
// gets empty ones of its own in their place. Devices, sockets, and what lies in a staged folder are left as they are.
std::vector<Mount> plan_view(const OverlaidTree& tree, const std::vector<std::string>& covered, const std::string& scratch);

}  // namespace ingot
