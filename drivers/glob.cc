#include "drivers/glob.h"

#include <algorithm>

namespace ingot {

Glob::Glob(std::string_view pattern) {
    if (pattern.starts_with("./")) pattern.remove_prefix(2);
    while (pattern.size() > 1 && pattern.back() == '/') pattern.remove_suffix(1);
    whole_path_ = pattern.find('/') != std::string_view::npos;
    for (size_t at = 0; at < pattern.size();) {
        const char c = pattern[at];
        if (c == '*') {
            size_t end = at;
            while (end < pattern.size() && pattern[end] == '*') ++end;
            const bool deep = end - at >= 2;
            const bool starts_name = at == 0 || pattern[at - 1] == '/';
            if (deep && starts_name && end < pattern.size() && pattern[end] == '/') {
                tokens_.push_back({.kind = Kind::folders});
                ++end;
            } else {
                tokens_.push_back({.kind = deep ? Kind::globstar : Kind::star});
            }
            at = end;
        } else if (c == '?') {
            tokens_.push_back({.kind = Kind::any});
            ++at;
        } else if (c == '[') {
            add_set_or_bracket(pattern, at);
        } else {
            if (c == '\\' && at + 1 < pattern.size()) ++at;
            tokens_.push_back({.kind = Kind::byte, .byte = static_cast<unsigned char>(pattern[at])});
            ++at;
        }
    }
}

void Glob::add_set_or_bracket(std::string_view pattern, size_t& at) {
    size_t i = at + 1;
    const bool negated = i < pattern.size() && (pattern[i] == '!' || pattern[i] == '^');
    if (negated) ++i;
    std::bitset<256> set;
    for (const size_t first = i; i < pattern.size() && (pattern[i] != ']' || i == first); ++i) {
        if (pattern[i] == '\\' && i + 1 < pattern.size()) ++i;
        const auto low = static_cast<unsigned char>(pattern[i]);
        auto high = low;
        if (i + 2 < pattern.size() && pattern[i + 1] == '-' && pattern[i + 2] != ']') {
            high = static_cast<unsigned char>(pattern[i + 2]);
            i += 2;
        }
        for (unsigned value = low; value <= high; ++value) set.set(value);
    }
    if (i >= pattern.size()) {  // never closed
        tokens_.push_back({.kind = Kind::byte, .byte = '['});
        ++at;
        return;
    }
    if (negated) set.flip();
    set.reset('/');
    tokens_.push_back({.kind = Kind::set, .set = static_cast<uint32_t>(sets_.size())});
    sets_.push_back(set);
    at = i + 1;
}

bool Glob::matches_one(const Token& token, unsigned char byte) const {
    switch (token.kind) {
        case Kind::byte:
            return token.byte == byte;
        case Kind::any:
            return byte != '/';
        case Kind::set:
            return sets_[token.set].test(byte);
        default:
            return false;
    }
}

// Only the last star and the last globstar need to be tried again: a star cannot cross '/', so an earlier star of another name
// had no choice, and whatever an earlier star or globstar of this stretch could do, the last one can do too.
bool Glob::matches(std::string_view path) const {
    if (!whole_path_) {
        const size_t slash = path.find_last_of('/');
        if (slash != std::string_view::npos) path.remove_prefix(slash + 1);
    }
    constexpr size_t kNone = SIZE_MAX;
    size_t at = 0, token = 0;
    size_t star = kNone, star_at = 0;  // the token after the star, and where its run ends now
    size_t deep = kNone, deep_at = 0;
    for (;;) {
        if (token < tokens_.size()) {
            const Kind kind = tokens_[token].kind;
            if (kind == Kind::star) {
                star = ++token;
                star_at = at;
                continue;
            }
            if (kind == Kind::globstar || kind == Kind::folders) {
                deep = ++token;
                deep_at = at;
                star = kNone;
                continue;
            }
            if (at < path.size() && matches_one(tokens_[token], static_cast<unsigned char>(path[at]))) {
                ++at;
                ++token;
                continue;
            }
        } else if (at == path.size()) {
            return true;
        }
        if (star != kNone && star_at < path.size() && path[star_at] != '/') {
            at = ++star_at;
            token = star;
            continue;
        }
        if (deep == kNone) return false;
        if (tokens_[deep - 1].kind == Kind::folders) {  // ends after a '/' only
            const size_t slash = path.find('/', deep_at);
            if (slash == std::string_view::npos) return false;
            deep_at = slash + 1;
        } else if (deep_at++ >= path.size()) {
            return false;
        }
        at = deep_at;
        token = deep;
        star = kNone;
    }
}

GlobSet::GlobSet(const std::vector<std::string>& patterns) {
    for (const std::string& pattern : patterns) globs_.emplace_back(pattern);
}

bool GlobSet::matches(std::string_view path) const {
    return std::any_of(globs_.begin(), globs_.end(), [&](const Glob& glob) { return glob.matches(path); });
}

bool GlobSet::matches_or_below(std::string_view path, std::string_view above) const {
    if (empty()) return false;
    for (size_t end = path.find('/', above.size() + 1); end != std::string_view::npos; end = path.find('/', end + 1)) {
        if (matches(path.substr(0, end))) return true;
    }
    return path.size() > above.size() && matches(path);
}

}  // namespace ingot
