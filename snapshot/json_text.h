// Text and paths in JSON, and strict reading of it: what the manifest's and the attestation's codecs share.
//
// JSON holds UTF-8 only. Prose that is not UTF-8 is made printable; a path must come back byte for byte, so one that is not UTF-8
// is written as {"hex": "..."}.
// Thread safety: values. Errors: Error{damaged} names the field.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "base/bytes.h"
#include "drivers/driver.h"

namespace ingot {

using Json = nlohmann::ordered_json;

Json path_to_json(const std::string& path);
std::string path_from_json(const Json& json);

Json facts_to_json(const Facts& facts);
Facts facts_from_json(const Json& json);

Json texts_to_json(const std::vector<std::string>& texts);

// Parses a whole record's JSON object; `what` names it in errors.
Json parse_object(ByteView bytes, const char* what);

// Fields of an object, by their exact types.
const Json& field(const Json& object, const char* name);
std::string text_field(const Json& object, const char* name);
int64_t int_field(const Json& object, const char* name);
uint64_t uint_field(const Json& object, const char* name);
int64_t time_field(const Json& object, const char* name);
std::vector<std::string> texts_field(const Json& object, const char* name);
const Json& array_field(const Json& object, const char* name);
// The hexadecimal digits of a field, as bytes.
Bytes hex_field(const Json& object, const char* name);

// A digest or an id.
template <class N>
N name_field(const Json& object, const char* name) {
    return N::from(hex_field(object, name));
}

[[noreturn]] void throw_bad_field(const char* name);

}  // namespace ingot
