// Compatibility matrices as people write them (restore/compat_matrix.h), and their patterns of versions.
#include "restore/compat_matrix.h"
#include "restore/version_pattern.h"
#include "tests/fuzz/fuzz.h"

namespace ingot::fuzz {
namespace {

std::vector<MatrixComponent> components() {
    std::vector<MatrixComponent> out = usual_components();
    out.push_back({"qdrant", {"qdrant"}});
    return out;
}

// Whatever is known of the versions, an answer comes; and a worse one only of a row.
void matrix(std::string_view text) {
    const CompatMatrix parsed = CompatMatrix::parse(text, components());
    for (const char* version : {"", "1.2", "v2.0.0-rc1", "main"}) {
        const MatrixAnswer answer = parsed.judge({{"application", version}, {"schema", "40"}, {"qdrant", version}});
        require(parsed.usable() || answer.verdict == Verdict::fine, "a document without a matrix has an answer");
        require(answer.verdict != Verdict::refused || answer.line > 0, "a refusal names no line");
    }
}

// A pattern and a version, parted by the first newline.
void pattern(std::string_view text) {
    const size_t end = std::min(text.find('\n'), text.size());
    const auto parsed = VersionPattern::parse(text.substr(0, end));
    if (!parsed) return;
    const std::string_view version = text.substr(end == text.size() ? end : end + 1);
    const Fit fit = parsed->fits(version);
    require(!parsed->any() || fit == Fit::yes, "a version does not fit any version");
    require(compare_versions(parse_version(version), parse_version(version)) == 0, "a version is not equal to itself");
}

}  // namespace

std::vector<Bytes> seeds() {
    std::vector<Bytes> out;
    for (const std::string_view text :
         {"# m\n| App | Schema | Status |\n|---|:-:|---|\n| `v2.x` | >=40, <50 | \xe2\x9c\x85 ok |\n|| 30 - 39 | **no** |\n",
          "| App \\ Schema | 40 | 41 |\n|--|--|--|\n| 1.x | yes | no |\n",
          "App | Qdrant 1.19.x | Qdrant 1.20\n--|--|--\n1 | x | :x:\n",
          "<!--\n-->\n```\n|a|\n```\n> | App | Min schema |\n> |--|--|\n> | [v1](u) | 3<br>4 |\n"})
        out.push_back(tagged(0, view_of(text)));
    for (const std::string_view text :
         {">=1.2 <2, ^3 || ~4\n1.5.0-rc1", "1.2 - 1.4 or 40-45\nv1.3.0-3-gabc1234-dirty", "1.4 or older\n20240115093000_a"})
        out.push_back(tagged(1, view_of(text)));
    return out;
}

}  // namespace ingot::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace ingot::fuzz;
    Input input(data, size);
    const bool one_pattern = (input.u8() & 1) != 0;
    const std::string_view text = ingot::text_of(input.rest());
    one_pattern ? pattern(text) : matrix(text);
    return 0;
}
