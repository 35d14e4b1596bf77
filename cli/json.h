// One line of JSON output. Fields appear in the order they were added.
//
// Text that is not UTF-8 is shown with \xNN in place of the bytes that are not; a path then has its raw bytes beside it, in
// hexadecimal, in a field of the same name with "_hex" behind it.
//
// Thread safety: values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "drivers/driver.h"

namespace ingot {

// With quotes; control characters, quotes and backslashes escaped (RFC 8259); always valid UTF-8.
std::string json_text(std::string_view text);

class JsonObject {
public:
    JsonObject() = default;
    // {"message_type":"..."
    explicit JsonObject(std::string_view message_type) { add("message_type", message_type); }

    JsonObject& add(std::string_view name, std::string_view value);
    JsonObject& add(std::string_view name, const char* value) { return add(name, std::string_view(value)); }
    JsonObject& add(std::string_view name, const std::string& value) { return add(name, std::string_view(value)); }
    JsonObject& add(std::string_view name, bool value);
    JsonObject& add(std::string_view name, int64_t value);
    JsonObject& add(std::string_view name, uint64_t value);
    JsonObject& add(std::string_view name, int value) { return add(name, static_cast<int64_t>(value)); }
    JsonObject& add(std::string_view name, unsigned value) { return add(name, static_cast<uint64_t>(value)); }
    JsonObject& add(std::string_view name, double value);
    JsonObject& add(std::string_view name, const std::vector<std::string>& values);
    JsonObject& add(std::string_view name, const std::vector<JsonObject>& values);
    JsonObject& add(std::string_view name, const JsonObject& value) { return add_raw(name, value.text()); }
    JsonObject& add(std::string_view name, const Facts& facts);
    JsonObject& add_null(std::string_view name) { return add_raw(name, "null"); }
    template <class T>
    JsonObject& add(std::string_view name, const std::optional<T>& value) {
        if (!value) return add_null(name);
        return add(name, *value);
    }
    JsonObject& add_path(std::string_view name, std::string_view bytes);
    // Text that is JSON already.
    JsonObject& add_raw(std::string_view name, std::string_view json);

    std::string text() const { return body_ + "}"; }

private:
    std::string body_ = "{";
};

}  // namespace ingot
