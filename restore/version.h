// Versions as people and programs write them.
//
//   v1.2.0   1.2   15.8 (Debian 15.8-1)   release-2.1   1.5.0-rc1   42   20240115093000_add_users   abc1234   main
//
// A release candidate comes before its release. What `git describe` adds behind a tag (-3-gabc1234, -dirty) and build data (+5)
// do not count: a build behind v1.2.0 is taken for v1.2.0. A commit or a branch is no number, and is compared as text.
//
// Thread safety: pure functions. Errors: none; any bytes are taken.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ingot {

struct Version {
    std::string text;               // lower case, without blanks around it and the "v" before it
    std::vector<uint64_t> numbers;  // empty: it is no number
    std::string prerelease;         // "rc1"; empty: a release
    bool labelled = false;          // more text than the numbers say: "_add_users"
};

Version parse_version(std::string_view text);

// -1, 0 or 1: as many numbers as `pattern` has, so that 1.4.7 is equal to 1.4.
int compare_versions(const Version& version, const Version& pattern);

// "15.8" -> 15; none where there is no number.
std::optional<uint64_t> major_of(std::string_view version);

// Lower case, with blanks in the place of line ends and tabs.
std::string lower_case(std::string_view text);
std::string_view trimmed(std::string_view text);

}  // namespace ingot
