#include "snapshot/stack.h"

#include <fmt/format.h>

#include "base/error.h"

namespace ingot {

const char* to_string(Consistency consistency) {
    switch (consistency) {
        case Consistency::fuzzy:
            return "fuzzy";
        case Consistency::pinned:
            return "pinned";
        case Consistency::barrier:
            return "barrier";
    }
    return "?";
}

Consistency consistency_from(std::string_view text) {
    for (const Consistency each : {Consistency::fuzzy, Consistency::pinned, Consistency::barrier}) {
        if (text == to_string(each)) return each;
    }
    throw Error(Code::usage, fmt::format("\"{}\" is not a consistency class", printable(text)), "write barrier, pinned or fuzzy");
}

Consistency Stack::needed_for_golden() const {
    if (golden_requires) return *golden_requires;
    return barrier.pause.empty() ? Consistency::pinned : Consistency::barrier;
}

}  // namespace ingot
