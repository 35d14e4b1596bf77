// The one exception type of Ingot.
//
// An Error says what was done and what happened (`what()`), and what to do next (`hint()`).
// Each layer that knows more adds its context once, with `Error::within`.
//
// Thread safety: a value type. Lifetime: owns its strings.
#pragma once

#include <exception>
#include <string>
#include <string_view>

namespace ingot {

// A code exists because a caller or the exit status branches on it; all else is prose.
enum class Code {
    failed,               // exit 1: failed, nothing changed
    usage,                // exit 2: wrong usage or config
    not_found,            // exit 1: the thing named is not there
    source,               // a source could not be read: makes a snapshot partial (exit 3)
    no_repository,        // exit 10
    locked,               // exit 11
    wrong_key,            // exit 12: wrong key or passphrase
    damaged,              // exit 20: data is damaged
    tampered,             // exit 25: older or other than last seen
    rolled_back,          // exit 21: restore rolled back, the old state is live
    rollback_incomplete,  // exit 22: manual action, named
    incompatible,         // exit 23: what would be restored does not go with what is there
    interrupted,          // exit 130
};

class Error : public std::exception {
public:
    Error(Code code, std::string what, std::string hint = {});

    Code code() const noexcept { return code_; }
    const char* what() const noexcept override { return what_.c_str(); }
    const std::string& hint() const noexcept { return hint_; }

    // The same error with "context: " put before what happened.
    Error within(std::string_view context) const;
    // The same error under another code: a source's I/O error becomes Code::source at the driver's door.
    Error as(Code code) const;

    // "op path: strerror(errno_value)", with a hint for the errors an operator can act on
    // (no space, read-only file system, no permission).
    static Error from_errno(std::string_view op, std::string_view path, int errno_value, Code code = Code::failed);

private:
    Code code_;
    std::string what_;
    std::string hint_;
};

// An error dropped on purpose, and why: one grep lists them all.
void ignore_error(const std::exception& error, std::string_view why) noexcept;

// "path" made printable: bytes below 0x20, 0x7f and bytes that are not UTF-8 appear as \xNN.
std::string printable(std::string_view bytes);

}  // namespace ingot
