// Glob patterns, as `exclude` and `growing` take them.
//
//   *      any run of bytes within one name          ?      one byte that is not '/'
//   [a-z]  one byte of a set; [!a-z] or [^a-z] of the others; a set never matches '/'
//   **     any run of bytes, '/' too; "**/" also nothing at all: "**/x" matches "x"
//   \x     the byte x itself
//
// A pattern without '/' is compared with the last name of a path, one with '/' with the whole path. A trailing '/' says nothing.
// A pattern that matches a folder stands for all below it; matches_or_below() looks at the folders above a path.
//
// Bytes, not characters: '?' matches one byte of a UTF-8 sequence. A broken set ("[a") is an ordinary '['.
// Matching allocates nothing and takes at most (length of path)^2 * (length of pattern) steps, whatever the pattern.
// Thread safety: const calls from any thread.
#pragma once

#include <bitset>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ingot {

class Glob {
public:
    explicit Glob(std::string_view pattern);

    bool matches(std::string_view path) const;

private:
    enum class Kind : uint8_t { byte, any, set, star, globstar, folders };
    struct Token {
        Kind kind;
        unsigned char byte = 0;
        uint32_t set = 0;
    };

    void add_set_or_bracket(std::string_view pattern, size_t& at);
    bool matches_one(const Token& token, unsigned char byte) const;

    std::vector<Token> tokens_;
    std::vector<std::bitset<256>> sets_;
    bool whole_path_ = false;
};

class GlobSet {
public:
    GlobSet() = default;
    explicit GlobSet(const std::vector<std::string>& patterns);

    bool empty() const { return globs_.empty(); }
    bool matches(std::string_view path) const;
    // Does any pattern match the path, or a folder above it that is longer than `above`?
    bool matches_or_below(std::string_view path, std::string_view above = {}) const;

private:
    std::vector<Glob> globs_;
};

}  // namespace ingot
