#include "drivers/faiss_layout.h"

#include <fmt/format.h>

#include <cctype>

#include "base/error.h"
#include "drivers/faiss_kinds.h"
#include "drivers/faiss_parse.h"

namespace ingot {
namespace {

// What FAISS writes into both fields of a header that it does not use any more.
constexpr int64_t kUnused = 1 << 20;
constexpr int32_t kMostDimensions = 1 << 20;

[[noreturn]] void refuse(std::string_view why) {
    throw Error(Code::source, fmt::format("no FAISS index: {}", why), "a FAISS index is what write_index or save_local wrote");
}

// Letters that no version we know writes at a file's beginning. All kinds so far begin with I (or N), and nearly all go on with
// one of two headers, or at least with a dimension: text, zeros and other formats do not.
FaissFacts facts_of_unknown(const ReadAt& read_at, uint64_t size_bytes) {
    FaissParse parse(read_at, size_bytes, FaissLinks::trusted);
    FaissReader& in = parse.in;
    if (size_bytes < 8) refuse("it is too short");
    const uint32_t letters = in.u32("its letters");
    const std::string text = fourcc_text(letters);
    const bool alphanumeric =
        text.size() == 4 && std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isalnum(c); });
    if (!alphanumeric || (text[0] != 'I' && text[0] != 'N')) refuse(fmt::format("it begins with '{}'", text));
    FaissReader probe = in;
    const int32_t dimension = probe.i32("its dimension");
    if (dimension <= 0 || dimension > kMostDimensions) refuse(fmt::format("it begins with '{}', and no header follows", text));
    FaissFacts facts;
    if (text[1] == 'B' && probe.left() >= 17 && probe.i32("codes") == dimension / 8 && dimension % 8 == 0) {
        parse_faiss_binary_header(parse, letters);
        facts = *parse.facts;
    } else if (in.left() >= 33) {
        probe = in;
        probe.skip(12, "dimension and ntotal");
        if (probe.i64("unused") == kUnused && probe.i64("unused") == kUnused) {
            parse_faiss_header(parse, letters);
            facts = *parse.facts;
        }
    }
    facts.type = "?" + text;
    return facts;
}

}  // namespace

FaissLayout::FaissLayout(FaissFacts facts, std::optional<FaissUnknown> unknown, std::vector<FaissListsFile> lists_files,
                         std::shared_ptr<const FaissPieces> pieces)
    : facts_(std::move(facts)), unknown_(std::move(unknown)), lists_files_(std::move(lists_files)), pieces_(std::move(pieces)) {}

FaissLayout parse_faiss(const ReadAt& read_at, uint64_t size_bytes, FaissLinks links) {
    if (size_bytes < 4) refuse("it is too short");
    FaissParse parse(read_at, size_bytes, links);
    FaissReader& in = parse.in;
    FaissReader peek = in;
    const uint32_t letters = peek.u32("its letters");
    const bool binary = (letters & 0xffff) == (fourcc("IB__") & 0xffff);
    const auto header = binary ? parse_faiss_binary_index(parse) : parse_faiss_index(parse);
    if (header && !parse.facts) refuse("it says that it is none");  // the letters of an index left out
    if (header && in.left() > 0) in.fail(fmt::format("the index ends here, and {} bytes follow", in.left()));
    if (!parse.facts) {
        parse.facts = facts_of_unknown(read_at, size_bytes);
    } else {
        parse.facts->type = parse.type;
    }
    parse.out.finish(size_bytes, header.has_value());
    return {*parse.facts, parse.unknown, std::move(parse.lists_files), parse.out.take()};
}

}  // namespace ingot
