// The words of compatibility matrices: what a column is about, and what a status says.
//
// Thread safety: pure functions. Errors: none; any text is taken.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "drivers/driver.h"

namespace ingot {

const char* to_string(Verdict verdict);

// "✅", "yes", "OK (see notes)" -> fine; "⚠️ partial", "untested" -> warning; "❌", "INCOMPATIBLE", "not supported", "no,
// because"
// -> refused. The first sign or word that is known decides. Nothing where none is.
std::optional<Verdict> verdict_of(std::string_view cell);

// Something that has a version, and the words by which a header names it: {"schema", {"schema", "migration"}}.
struct MatrixComponent {
    std::string name;
    std::vector<std::string> words;
};

// "application", "schema" and "collection", with the words that are used for them.
std::vector<MatrixComponent> usual_components();

struct ColumnRole {
    enum class Kind : uint8_t { other, remark, version, component, status } kind = Kind::other;
    std::string component;  // of Kind::component
    std::string rest;       // what else the header says: "1.19.x" of "Qdrant 1.19.x"
};

// Kind::version: "MyTool version", of something whose name is not known.
ColumnRole role_of(std::string_view header, const std::vector<MatrixComponent>& components);

}  // namespace ingot
