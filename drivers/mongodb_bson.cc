#include "drivers/mongodb_bson.h"

#include <bson/bson.h>
#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"

namespace ingot {
namespace {

// Checked bytes as libbson sees them. A bson_t points into itself: it is never copied.
struct View {
    explicit View(ByteView bytes) {
        if (!bson_init_static(&bson, bytes.data(), bytes.size())) throw Error(Code::damaged, "a BSON document of a wrong length");
    }
    View(const View&) = delete;
    View& operator=(const View&) = delete;
    bson_t bson;
};

class Builder {
public:
    Builder() { bson_init(&bson_); }
    explicit Builder(ByteView bytes) {
        const View from(bytes);
        bson_copy_to(&from.bson, &bson_);
    }
    Builder(const Builder&) = delete;
    Builder& operator=(const Builder&) = delete;
    ~Builder() { bson_destroy(&bson_); }
    bson_t* get() { return &bson_; }
    Bytes take() {
        const uint8_t* data = bson_get_data(&bson_);
        return {data, data + bson_.len};
    }

private:
    bson_t bson_;
};

int length_of(std::string_view key) { return static_cast<int>(key.size()); }

bool find(const View& view, std::string_view key, bson_iter_t* iter) {
    return bson_iter_init_find_w_len(iter, &view.bson, key.data(), length_of(key));
}

void require(bool appended, std::string_view key) {
    // libbson refuses only what grows beyond 2 GiB.
    if (!appended) throw Error(Code::failed, fmt::format("a BSON document became too large at {}", printable(key)));
}

}  // namespace

Bson::Bson() : bytes_{kLeastDocumentBytes, 0, 0, 0, 0} {}

Bson::Bson(ByteView bytes, std::string_view what) : bytes_(bytes.begin(), bytes.end()) { check_document(bytes_, what); }

Bson Bson::from_json(std::string_view json, std::string_view what) {
    bson_error_t error{};
    bson_t* parsed = bson_new_from_json(reinterpret_cast<const uint8_t*>(json.data()), static_cast<ssize_t>(json.size()), &error);
    if (parsed == nullptr) throw Error(Code::damaged, fmt::format("{} is no extended JSON: {}", what, printable(error.message)));
    const uint8_t* data = bson_get_data(parsed);
    const Bytes bytes(data, data + parsed->len);
    bson_destroy(parsed);
    return {bytes, what};
}

std::string Bson::json() const {
    const View view(bytes_);
    size_t length = 0;
    char* text = bson_as_canonical_extended_json(&view.bson, &length);
    if (text == nullptr) throw Error(Code::damaged, "a BSON document that is no JSON: some text in it is not UTF-8");
    const std::string out(text, length);
    bson_free(text);
    return out;
}

Bson& Bson::set(std::string_view key, std::string_view text) {
    Builder out(bytes_);
    require(bson_append_utf8(out.get(), key.data(), length_of(key), text.data(), length_of(text)), key);
    bytes_ = out.take();
    return *this;
}

Bson& Bson::set(std::string_view key, int64_t number) {
    Builder out(bytes_);
    require(bson_append_int64(out.get(), key.data(), length_of(key), number), key);
    bytes_ = out.take();
    return *this;
}

Bson& Bson::set(std::string_view key, bool value) {
    Builder out(bytes_);
    require(bson_append_bool(out.get(), key.data(), length_of(key), value), key);
    bytes_ = out.take();
    return *this;
}

Bson& Bson::set(std::string_view key, const Bson& document) {
    Builder out(bytes_);
    const View inner(document.bytes_);
    require(bson_append_document(out.get(), key.data(), length_of(key), &inner.bson), key);
    bytes_ = out.take();
    return *this;
}

Bson& Bson::set(std::string_view key, const std::vector<Bson>& documents) {
    Builder out(bytes_);
    Builder array;
    for (size_t i = 0; i < documents.size(); ++i) {
        const View inner(documents[i].bytes_);
        const std::string index = std::to_string(i);
        require(bson_append_document(array.get(), index.data(), length_of(index), &inner.bson), key);
    }
    require(bson_append_array(out.get(), key.data(), length_of(key), array.get()), key);
    bytes_ = out.take();
    return *this;
}

Bson& Bson::set_texts(std::string_view key, const std::vector<std::string>& texts) {
    Builder out(bytes_);
    Builder array;
    for (size_t i = 0; i < texts.size(); ++i) {
        const std::string index = std::to_string(i);
        require(bson_append_utf8(array.get(), index.data(), length_of(index), texts[i].data(), length_of(texts[i])), key);
    }
    require(bson_append_array(out.get(), key.data(), length_of(key), array.get()), key);
    bytes_ = out.take();
    return *this;
}

Bson& Bson::set_all(const Bson& other) {
    Builder out(bytes_);
    const View from(other.bytes_);
    require(bson_concat(out.get(), &from.bson), "its fields");
    bytes_ = out.take();
    return *this;
}

bool Bson::has(std::string_view key) const {
    bson_iter_t iter;
    const View view(bytes_);
    return find(view, key, &iter);
}

std::string Bson::text(std::string_view key) const {
    bson_iter_t iter;
    const View view(bytes_);
    if (!find(view, key, &iter) || !BSON_ITER_HOLDS_UTF8(&iter)) return {};
    uint32_t length = 0;
    const char* text = bson_iter_utf8(&iter, &length);
    return {text, length};
}

int64_t Bson::number(std::string_view key, int64_t otherwise) const {
    bson_iter_t iter;
    const View view(bytes_);
    if (!find(view, key, &iter)) return otherwise;
    if (BSON_ITER_HOLDS_DOUBLE(&iter)) {
        const double value = bson_iter_double(&iter);
        return value >= -9e18 && value <= 9e18 ? static_cast<int64_t>(value) : otherwise;
    }
    if (!BSON_ITER_HOLDS_INT32(&iter) && !BSON_ITER_HOLDS_INT64(&iter) && !BSON_ITER_HOLDS_BOOL(&iter)) return otherwise;
    return bson_iter_as_int64(&iter);
}

Bson Bson::document(std::string_view key) const {
    bson_iter_t iter;
    const View view(bytes_);
    if (!find(view, key, &iter)) return {};
    const uint8_t* data = nullptr;
    uint32_t length = 0;
    if (BSON_ITER_HOLDS_DOCUMENT(&iter)) bson_iter_document(&iter, &length, &data);
    if (BSON_ITER_HOLDS_ARRAY(&iter)) bson_iter_array(&iter, &length, &data);
    return data == nullptr ? Bson() : Bson({data, length}, key);
}

std::vector<Bson> Bson::documents(std::string_view key) const {
    std::vector<Bson> out;
    const Bson array = document(key);
    const View view(array.bytes_);
    bson_iter_t iter;
    if (!bson_iter_init(&iter, &view.bson)) return out;
    while (bson_iter_next(&iter)) {
        if (!BSON_ITER_HOLDS_DOCUMENT(&iter)) continue;
        const uint8_t* data = nullptr;
        uint32_t length = 0;
        bson_iter_document(&iter, &length, &data);
        out.push_back(Bson({data, length}, key));
    }
    return out;
}

std::vector<std::string> Bson::texts(std::string_view key) const {
    std::vector<std::string> out;
    const Bson array = document(key);
    const View view(array.bytes_);
    bson_iter_t iter;
    if (!bson_iter_init(&iter, &view.bson)) return out;
    while (bson_iter_next(&iter)) {
        uint32_t length = 0;
        if (!BSON_ITER_HOLDS_UTF8(&iter)) continue;
        const char* text = bson_iter_utf8(&iter, &length);
        out.emplace_back(text, length);
    }
    return out;
}

std::string Bson::binary_hex(std::string_view key) const {
    bson_iter_t iter;
    const View view(bytes_);
    if (!find(view, key, &iter) || !BSON_ITER_HOLDS_BINARY(&iter)) return {};
    bson_subtype_t subtype = BSON_SUBTYPE_BINARY;
    uint32_t length = 0;
    const uint8_t* data = nullptr;
    bson_iter_binary(&iter, &subtype, &length, &data);
    return to_hex({data, length});
}

Bson Bson::without(const std::vector<std::string>& keys) const {
    Bson out;
    out.bytes_.resize(4);
    const View from(bytes_);
    bson_iter_t iter;
    if (bson_iter_init(&iter, &from.bson)) {
        while (bson_iter_next(&iter)) {
            const std::string_view key(bson_iter_key(&iter), bson_iter_key_len(&iter));
            if (std::find(keys.begin(), keys.end(), key) != keys.end()) continue;
            out.bytes_.insert(out.bytes_.end(), iter.raw + iter.off, iter.raw + iter.next_off);
        }
    }
    out.bytes_.push_back(0);
    for (size_t i = 0; i < 4; ++i) out.bytes_[i] = static_cast<uint8_t>(out.bytes_.size() >> (8 * i));
    return out;
}

bool plausible_document(ByteView bytes, uint32_t* length) {
    if (bytes.size() < 4) return false;
    *length = uint32_t{bytes[0]} | uint32_t{bytes[1]} << 8 | uint32_t{bytes[2]} << 16 | uint32_t{bytes[3]} << 24;
    return *length >= kLeastDocumentBytes && *length <= kMostDocumentBytes;
}

void check_document(ByteView document, std::string_view what) {
    uint32_t length = 0;
    bson_t bson;
    size_t offset = 0;
    if (!plausible_document(document, &length) || length != document.size() ||
        !bson_init_static(&bson, document.data(), document.size()) || !bson_validate(&bson, BSON_VALIDATE_NONE, &offset)) {
        throw Error(Code::damaged, fmt::format("{} is no whole BSON document", what));
    }
}

ByteView id_of(ByteView document) {
    bson_iter_t iter;
    bson_t bson;
    if (!bson_init_static(&bson, document.data(), document.size())) return {};
    if (!bson_iter_init_find_w_len(&iter, &bson, "_id", 3)) return {};
    return {iter.raw + iter.off, iter.next_off - iter.off};
}

}  // namespace ingot
