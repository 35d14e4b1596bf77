// The language of nginx's config files, as far as it takes to find what they name.
//
//   file       = *( directive ";" / directive "{" file "}" )
//   directive  = name *( argument )
//   words end at white space, ";" and "{"; "#" at the start of a word begins a comment; a word in ' or " holds anything;
//   "\" takes the next character as it is; "${name}" is part of a word
//
// The bodies of *_by_lua_block are another language and are skipped. What nginx would refuse is read as far as it makes sense:
// nginx itself says what is wrong with it.
//
// Thread safety: pure functions. Errors: none thrown, whatever the bytes.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ingot {

struct NginxDirective {
    std::string name;
    std::vector<std::string> arguments;
    int depth = 0;  // of the block it stands in; 0: of the file itself
};

// Every directive in the order of the text; one that opens a block comes before those within.
std::vector<NginxDirective> parse_nginx(std::string_view text);

// Does the argument name one path, known before any request? Not so with variables, and with "data:", "engine:", "store:".
bool is_literal_path(std::string_view argument);

}  // namespace ingot
