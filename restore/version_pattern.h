// Patterns of versions, as the cells of a compatibility matrix have them.
//
//  *  any  all  -  n/a  (and nothing)                          any version
//  v1.2.0  1.2.x  1.2.*  1.2                                   1.2 is all of 1.2: fewer numbers match more versions
//  >=1.2  ≥ 1.2  >1  <=1.4  <2  !=1.3  ^1.2  ~1.2  1.2+  1.2 or later  up to 1.4  since 1.2  before 2
//  1.2 - 1.4   1.2 – 1.4   1.2 to 1.4   1.2..1.4   40-45      both ends are in
//  1.2, 1.4.x   1.2 or 1.4   1.2 / 1.4                         any of them
//  >=1.2 <2   >=1.2, <2                                        a lower and an upper bound belong together
//
// Numbers are compared one by one, as many as the pattern has: <=1.4 takes 1.4.7, >1.4 does not. A version that is no number
// (restore/version.h) fits only a pattern of the same text; whether it fits any other cannot be told.
//
// Thread safety: pure functions. Errors: none; any bytes are taken.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "restore/version.h"

namespace ingot {

enum class Fit : uint8_t { no, yes, unknown };

class VersionPattern {
public:
    // A cell of a matrix, without Markdown. Nothing where it is prose.
    static std::optional<VersionPattern> parse(std::string_view cell);

    Fit fits(std::string_view version) const;
    bool any() const { return alternatives_.empty(); }

private:
    enum class Op : uint8_t { equal, differs, less, at_most, more, at_least };
    struct Term {
        Op op = Op::equal;
        Version version;
    };
    using All = std::vector<Term>;  // every one of them

    static bool parse_term(std::string_view text, All& out);
    static bool is_lower(const All& terms);
    static bool is_upper(const All& terms);
    static bool belong_together(const All& a, const All& b);
    static Fit fits(const Term& term, const Version& version);

    std::vector<All> alternatives_;  // empty: any version
};

}  // namespace ingot
