#include "snapshot/json_text.h"

#include <fmt/format.h>

#include <cmath>

#include "base/clock.h"
#include "base/error.h"

namespace ingot {
namespace {

bool is_utf8(const std::string& text) {
    try {
        (void)Json(text).dump();
        return true;
    } catch (const Json::type_error&) {
        return false;
    }
}

Json fact_to_json(const Fact& fact) {
    if (const auto* whole = std::get_if<int64_t>(&fact)) return *whole;
    if (const auto* text = std::get_if<std::string>(&fact)) return printable(*text);
    const double real = std::get<double>(fact);
    // JSON has no infinity and no NaN.
    return std::isfinite(real) ? Json(real) : Json(fmt::format("{}", real));
}

Fact fact_from_json(const Json& json) {
    if (json.is_number_unsigned() && json.get<uint64_t>() > INT64_MAX) throw_bad_field("facts");
    if (json.is_number_integer()) return json.get<int64_t>();
    if (json.is_number_float()) return json.get<double>();
    if (json.is_string()) return json.get<std::string>();
    throw_bad_field("facts");
}

}  // namespace

void throw_bad_field(const char* name) {
    throw Error(Code::damaged, fmt::format("the field \"{}\" is missing, or not what it should be", name));
}

Json path_to_json(const std::string& path) {
    if (is_utf8(path)) return path;
    return Json{{"hex", to_hex(view_of(path))}};
}

std::string path_from_json(const Json& json) {
    if (json.is_string()) return json.get<std::string>();
    if (!json.is_object()) throw_bad_field("path");
    return std::string(text_of(hex_field(json, "hex")));
}

Json facts_to_json(const Facts& facts) {
    Json out = Json::object();
    for (const auto& [name, fact] : facts) out[printable(name)] = fact_to_json(fact);
    return out;
}

Facts facts_from_json(const Json& json) {
    if (!json.is_object()) throw_bad_field("facts");
    Facts out;
    for (const auto& [name, fact] : json.items()) out[name] = fact_from_json(fact);
    return out;
}

Json texts_to_json(const std::vector<std::string>& texts) {
    Json out = Json::array();
    for (const std::string& each : texts) out.push_back(printable(each));
    return out;
}

Json parse_object(ByteView bytes, const char* what) {
    Json json = Json::parse(bytes.begin(), bytes.end(), nullptr, /*allow_exceptions=*/false);
    if (!json.is_object()) throw Error(Code::damaged, fmt::format("{} is not a JSON object", what));
    return json;
}

const Json& field(const Json& object, const char* name) {
    if (!object.is_object()) throw_bad_field(name);
    const auto found = object.find(name);
    if (found == object.end()) throw_bad_field(name);
    return *found;
}

std::string text_field(const Json& object, const char* name) {
    const Json& json = field(object, name);
    if (!json.is_string()) throw_bad_field(name);
    return json.get<std::string>();
}

int64_t int_field(const Json& object, const char* name) {
    const Json& json = field(object, name);
    if (!json.is_number_integer()) throw_bad_field(name);
    if (json.is_number_unsigned() && json.get<uint64_t>() > INT64_MAX) throw_bad_field(name);
    return json.get<int64_t>();
}

uint64_t uint_field(const Json& object, const char* name) {
    const Json& json = field(object, name);
    if (!json.is_number_unsigned()) throw_bad_field(name);
    return json.get<uint64_t>();
}

int64_t time_field(const Json& object, const char* name) { return parse_iso_utc(text_field(object, name)); }

const Json& array_field(const Json& object, const char* name) {
    const Json& json = field(object, name);
    if (!json.is_array()) throw_bad_field(name);
    return json;
}

std::vector<std::string> texts_field(const Json& object, const char* name) {
    std::vector<std::string> out;
    for (const Json& each : array_field(object, name)) {
        if (!each.is_string()) throw_bad_field(name);
        out.push_back(each.get<std::string>());
    }
    return out;
}

Bytes hex_field(const Json& object, const char* name) {
    try {
        return from_hex(text_field(object, name));
    } catch (const Error&) {
        throw_bad_field(name);
    }
}

}  // namespace ingot
