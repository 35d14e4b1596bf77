// A BSON document: what MongoDB stores, and what it is asked and answers in (https://bsonspec.org).
//
// Every document is checked when it is made from bytes, so that reading one never leaves it. Text is UTF-8; a key is looked up at
// the top level only.
// Thread safety: values. Errors: Error{damaged} for bytes or JSON that are no document.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace ingot {

// The largest document a server stores is 16 MiB; it adds up to 16 KiB of its own to what it answers.
inline constexpr uint32_t kMostDocumentBytes = (16 << 20) + (16 << 10);
// A length and the end.
inline constexpr uint32_t kLeastDocumentBytes = 5;

class Bson {
public:
    Bson();  // {}
    Bson(ByteView bytes, std::string_view what);
    // Extended JSON (https://github.com/mongodb/specifications/tree/master/source/extended-json).
    static Bson from_json(std::string_view json, std::string_view what);

    ByteView bytes() const { return bytes_; }
    bool empty() const { return bytes_.size() == kLeastDocumentBytes; }
    // Canonical extended JSON: nothing is lost in it.
    std::string json() const;

    // Appends; a key that is there already is not replaced.
    Bson& set(std::string_view key, std::string_view text);
    Bson& set(std::string_view key, const char* text) { return set(key, std::string_view(text)); }
    Bson& set(std::string_view key, int64_t number);
    Bson& set(std::string_view key, int number) { return set(key, int64_t{number}); }
    Bson& set(std::string_view key, bool value);
    Bson& set(std::string_view key, const Bson& document);
    Bson& set(std::string_view key, const std::vector<Bson>& documents);
    Bson& set_texts(std::string_view key, const std::vector<std::string>& texts);
    Bson& set_all(const Bson& other);

    bool has(std::string_view key) const;
    std::string text(std::string_view key) const;  // empty where it is no text
    // A number of any kind, or a boolean; `otherwise` where it is none.
    int64_t number(std::string_view key, int64_t otherwise = 0) const;
    bool flag(std::string_view key) const { return number(key) != 0; }
    Bson document(std::string_view key) const;                // also of an array; empty where it is none
    std::vector<Bson> documents(std::string_view key) const;  // of an array
    std::vector<std::string> texts(std::string_view key) const;
    std::string binary_hex(std::string_view key) const;  // empty where it is no binary value
    Bson without(const std::vector<std::string>& keys) const;

    friend bool operator==(const Bson&, const Bson&) = default;

private:
    Bytes bytes_;
};

// Does a length stand there that a document may have? `bytes` are at least its first four.
bool plausible_document(ByteView bytes, uint32_t* length);
// Throws unless it is one whole document, to its last field.
void check_document(ByteView document, std::string_view what);
// The bytes of its _id, with the type before them; empty where it has none.
ByteView id_of(ByteView document);

}  // namespace ingot
