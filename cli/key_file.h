// The key file: one line of text, `ingot-key-1 ` and 64 hexadecimal digits, which are the 32 bytes that open a key slot.
//
// Thread safety: none needed. Errors: Error{wrong_key} for a file that is missing or is no key file; Error{failed}.
#pragma once

#include <functional>
#include <string>

#include "base/filesystem.h"
#include "base/secret.h"

namespace ingot {

// `where` names the text in errors; the text itself never appears in one.
Secret decode_key(std::string_view text, const std::string& where);

// Reads a key file; says through `warn` when others than its owner may read it, too.
Secret read_key_file(FileSystem& fs, const std::string& path, const std::function<void(const std::string&)>& warn);

// Makes a key file with a fresh random key, mode 0600, durable when it returns. Throws Error{failed} where `path` exists.
Secret make_key_file(FileSystem& fs, const std::string& path);

}  // namespace ingot
