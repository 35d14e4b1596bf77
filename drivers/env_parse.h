// .env files: KEY=VALUE lines, as shells and dotenv libraries read them.
//
//   KEY=value            up to the end of the line; " #" begins a comment; blanks around the value are dropped
//   export KEY=value     the same
//   KEY='value'          as it stands, over several lines too
//   KEY="value"          over several lines too; \n \r \t \\ \" \$ are escapes, any other backslash stands for itself
//   # comment, blank     skipped; a line that is none of these is skipped too
//
// Lines end with LF or CRLF. Any bytes are taken; nothing is expanded. A quote that is never closed ends with its line.
// The values are secrets: callers compare them, and show keys only.
// Thread safety: a pure function. Errors: none.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"

namespace ingot {

// In the order of the file; a key given twice comes twice.
std::vector<std::pair<std::string, std::string>> parse_env(ByteView bytes);

}  // namespace ingot
