// How far a long command is. The command line draws it; libraries only report.
//
// Thread safety: implementations accept calls from any thread.
#pragma once

#include <cstdint>
#include <string_view>

namespace ingot {

class Progress {
public:
    virtual ~Progress() = default;
    // A new phase begins: "reading db". total_bytes 0: unknown.
    virtual void phase(std::string_view name, uint64_t total_bytes) = 0;
    virtual void advance(uint64_t bytes) = 0;
    // One line for the person: a warning, a file that changed. Never a secret.
    virtual void note(std::string_view line) = 0;
};

// Reports nowhere.
class SilentProgress : public Progress {
public:
    void phase(std::string_view, uint64_t) override {}
    void advance(uint64_t) override {}
    void note(std::string_view) override {}
};

}  // namespace ingot
