// A TOML document as plain values, each with the place it stands at. The only file that knows the TOML library.
//
// Thread safety: values. Errors: throws nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ingot {

struct ConfigMember;

struct ConfigNode {
    enum class Kind { table, list, text, integer, number, boolean, time } kind = Kind::table;
    int line = 0;
    int column = 0;
    std::string text;
    int64_t integer = 0;
    double number = 0;
    bool boolean = false;
    std::vector<ConfigNode> items;      // of a list
    std::vector<ConfigMember> members;  // of a table, in the order of the file; line: that of the key

    const ConfigNode* find(std::string_view key) const;
};

struct ConfigMember {
    std::string key;
    ConfigNode value;
};

// "a table", "a list", "text"
const char* to_string(ConfigNode::Kind kind);

struct TomlMistake {
    int line = 0;
    int column = 0;
    std::string what;
};

// Nothing where the document is not TOML: then `mistake` says where and why. The library stops at the first one.
std::optional<ConfigNode> parse_toml(std::string_view document, TomlMistake& mistake);

// A quoted TOML string.
std::string toml_text(std::string_view text);

}  // namespace ingot
