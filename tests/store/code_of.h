// The code of the Error that a piece of work throws, for tests: EXPECT_EQ(code_of([&] { ... }), Code::damaged).
#pragma once

#include <optional>
#include <ostream>
#include <string>

#include "base/error.h"

namespace ingot {

// Nothing where nothing was thrown; other exceptions are the test's failure. `message` takes what() and the hint.
template <class Work>
std::optional<Code> code_of(Work&& work, std::string* message = nullptr) {
    try {
        work();
    } catch (Error& error) {
        if (message) *message = std::string(error.what()) + " | " + error.hint();
        return error.code();
    }
    return std::nullopt;
}

inline void PrintTo(const Code& code, std::ostream* out) {
    static const char* const kNames[] = {"failed",        "usage",       "not_found",           "source",
                                         "no_repository", "locked",      "wrong_key",           "damaged",
                                         "tampered",      "rolled_back", "rollback_incomplete", "interrupted"};
    *out << kNames[static_cast<size_t>(code)];
}

}  // namespace ingot
