#include "cli/json.h"

#include <fmt/format.h>

#include <cmath>

#include "base/error.h"

namespace ingot {

std::string json_text(std::string_view text) {
    // printable() leaves control characters as \xNN, which would not survive as JSON escapes: tabs and newlines of ordinary
    // text are kept by splitting at them.
    std::string out = "\"";
    size_t begin = 0;
    const auto plain = [&](std::string_view part) {
        for (const char c : printable(part)) {
            if (c == '"' || c == '\\') out += '\\';
            out += c;
        }
    };
    for (size_t i = 0; i < text.size(); ++i) {
        const auto byte = static_cast<unsigned char>(text[i]);
        if (byte >= 0x20 && byte != 0x7f) continue;
        plain(text.substr(begin, i - begin));
        begin = i + 1;
        switch (byte) {
            case '\n':
                out += "\\n";
                break;
            case '\t':
                out += "\\t";
                break;
            case '\r':
                out += "\\r";
                break;
            default:
                out += fmt::format("\\u{:04x}", byte);
        }
    }
    plain(text.substr(begin));
    return out + "\"";
}

JsonObject& JsonObject::add_raw(std::string_view name, std::string_view json) {
    if (body_.size() > 1) body_ += ',';
    body_ += json_text(name);
    body_ += ':';
    body_ += json;
    return *this;
}

JsonObject& JsonObject::add(std::string_view name, std::string_view value) { return add_raw(name, json_text(value)); }
JsonObject& JsonObject::add(std::string_view name, bool value) { return add_raw(name, value ? "true" : "false"); }
JsonObject& JsonObject::add(std::string_view name, int64_t value) { return add_raw(name, std::to_string(value)); }
JsonObject& JsonObject::add(std::string_view name, uint64_t value) { return add_raw(name, std::to_string(value)); }

JsonObject& JsonObject::add(std::string_view name, double value) {
    if (!std::isfinite(value)) return add_null(name);  // JSON has no name for these
    return add_raw(name, fmt::format("{}", value));
}

JsonObject& JsonObject::add(std::string_view name, const std::vector<std::string>& values) {
    std::string list;
    for (const std::string& value : values) list += (list.empty() ? "" : ",") + json_text(value);
    return add_raw(name, "[" + list + "]");
}

JsonObject& JsonObject::add(std::string_view name, const std::vector<JsonObject>& values) {
    std::string list;
    for (const JsonObject& value : values) list += (list.empty() ? "" : ",") + value.text();
    return add_raw(name, "[" + list + "]");
}

JsonObject& JsonObject::add(std::string_view name, const Facts& facts) {
    JsonObject object;
    for (const auto& [key, fact] : facts) {
        std::visit([&, &fact_name = key](const auto& value) { object.add(fact_name, value); }, fact);
    }
    return add(name, object);
}

JsonObject& JsonObject::add_path(std::string_view name, std::string_view bytes) {
    const std::string shown = printable(bytes);
    add(name, shown);
    if (shown != bytes) add(fmt::format("{}_hex", name), to_hex(view_of(bytes)));
    return *this;
}

}  // namespace ingot
