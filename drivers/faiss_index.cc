// The float indexes: their header, and the kinds that hold other indexes. Arrays of codes are in faiss_codes.cc, inverted lists
// in faiss_ivf.cc.
#include <fmt/format.h>

#include <algorithm>

#include "drivers/faiss_graph.h"
#include "drivers/faiss_kinds.h"
#include "drivers/faiss_parse.h"
#include "drivers/faiss_quantizers.h"

namespace ingot {
namespace {

// The largest dimension that FAISS reads.
constexpr int32_t kMostDimensions = 1 << 20;
// The numbers of metrics go up to 25 now; far more are random bytes.
constexpr int32_t kMostMetrics = 1000;

std::string metric_name(int32_t metric) {
    switch (metric) {
        case 0:
            return "inner_product";
        case 1:
            return "L2";
        case 2:
            return "L1";
        case 3:
            return "Linf";
        case 4:
            return "Lp";
        case 20:
            return "Canberra";
        case 21:
            return "BrayCurtis";
        case 22:
            return "JensenShannon";
        case 23:
            return "Jaccard";
        case 24:
            return "NaNEuclidean";
        default:
            return fmt::format("metric {}", metric);
    }
}

bool pre_transform(FaissParse& parse, FaissIndexHeader&) {
    const int32_t transforms = parse.in.i32("the number of transforms");
    parse.in.check(transforms >= 0, "a negative number of transforms");
    for (int32_t i = 0; i < transforms; ++i) {
        if (!parse_faiss_transform(parse)) return false;
    }
    // Its own ntotal is not compared: adding to the index inside leaves it behind, and searching does not ask it.
    return parse_faiss_index(parse).has_value();
}

bool refine(FaissParse& parse, FaissIndexHeader& header) {
    const auto base = parse_faiss_index(parse);
    if (!base) return false;
    parse.name(",Refine(");
    const auto refining = parse_faiss_index(parse);
    if (!refining) return false;
    parse.name(")");
    parse.in.skip(4, "k_factor");
    return check_faiss_same(parse, header, *base) && check_faiss_same(parse, header, *refining);
}

bool id_map(FaissParse& parse, FaissIndexHeader& header) {
    const auto inner = parse_faiss_index(parse);
    if (!inner) return false;
    const auto map = parse.table(8, "the id map", faiss_cut::ids(0));
    if (map.count != header.count()) parse.in.fail(fmt::format("{} ids for {} vectors", map.count, header.ntotal));
    return check_faiss_same(parse, header, *inner);
}

bool hnsw(FaissParse& parse, FaissIndexHeader& header) {
    if (header.letters == fourcc("IHNc") || header.letters == fourcc("IHc2")) {
        parse.in.flag("keep_max_size_level0");
        parse.in.flag("base_level_only");
        parse.in.skip(header.letters == fourcc("IHc2") ? 8 : 4, "a CAGRA graph's parameters");
    }
    parse_faiss_hnsw(parse, header.count());
    const auto storage = parse_faiss_part(parse);
    return storage && check_faiss_same(parse, header, *storage);
}

bool nsg(FaissParse& parse, FaissIndexHeader& header) {
    parse.in.skip(4 + 1 + 4 * 4, "an NSG's parameters");  // GK; build_type; nndescent_S, R, L, iter
    parse_faiss_nsg(parse, header.count());
    const auto storage = parse_faiss_part(parse);
    return storage && check_faiss_same(parse, header, *storage);
}

bool nn_descent(FaissParse& parse, FaissIndexHeader& header) {
    parse_faiss_nn_descent(parse, header.count());
    const auto storage = parse_faiss_part(parse);
    return storage && check_faiss_same(parse, header, *storage);
}

bool inside(FaissParse& parse, FaissIndexHeader&) { return parse_faiss_index(parse).has_value(); }

// A missing index, where one may be left out (a HNSW graph without its storage).
constexpr uint32_t kNull = fourcc("null");

const FaissKind* find_kind(uint32_t letters) {
    for (const auto kinds : {faiss_code_kinds(), faiss_ivf_kinds(), faiss_graph_kinds(), faiss_wrapper_kinds()}) {
        const auto kind = std::find_if(kinds.begin(), kinds.end(), [&](const FaissKind& k) { return k.letters == letters; });
        if (kind != kinds.end()) return &*kind;
    }
    return nullptr;
}

}  // namespace

// What an index says of its vectors must be what the index around it says.
bool check_faiss_same(FaissParse& parse, const FaissIndexHeader& outer, const FaissIndexHeader& inner) {
    if (inner.letters == fourcc("null")) return true;
    if (inner.ntotal != outer.ntotal) {
        parse.in.fail(fmt::format("an index of {} vectors around one of {}", outer.ntotal, inner.ntotal));
    }
    if (inner.dimension != outer.dimension) {
        parse.in.fail(fmt::format("an index of {} dimensions around one of {}", outer.dimension, inner.dimension));
    }
    return true;
}

std::span<const FaissKind> faiss_graph_kinds() {
    static constexpr FaissKind kKinds[] = {
        {fourcc("IHNf"), "HNSWFlat", hnsw},  {fourcc("IHNp"), "HNSWPQ", hnsw},
        {fourcc("IHNs"), "HNSWSQ", hnsw},    {fourcc("IHN2"), "HNSW2Level", hnsw},
        {fourcc("IHNc"), "HNSWCagra", hnsw}, {fourcc("IHc2"), "HNSWCagra", hnsw},
        {fourcc("INSf"), "NSGFlat", nsg},    {fourcc("INSp"), "NSGPQ", nsg},
        {fourcc("INSs"), "NSGSQ", nsg},      {fourcc("INNf"), "NNDescentFlat", nn_descent},
    };
    return kKinds;
}

std::span<const FaissKind> faiss_wrapper_kinds() {
    static constexpr FaissKind kKinds[] = {
        {fourcc("IxPT"), "", pre_transform},        {fourcc("IxRF"), "", refine},
        {fourcc("IxMp"), "IDMap,", id_map},         {fourcc("IxM2"), "IDMap2,", id_map},
        {fourcc("IRMf"), "RowwiseMinMax,", inside}, {fourcc("IRMh"), "RowwiseMinMaxFP16,", inside},
    };
    return kKinds;
}

bool FaissParse::stop(uint32_t letters) {
    unknown = FaissUnknown{fourcc_text(letters), in.offset() - sizeof letters};
    if (!type.empty() && type.back() != ',' && type.back() != '(') name(",");
    name("?" + unknown->fourcc);
    return false;
}

FaissIndexHeader parse_faiss_header(FaissParse& parse, uint32_t letters) {
    FaissReader& in = parse.in;
    FaissIndexHeader header;
    header.letters = letters;
    header.dimension = in.i32("its dimension");
    in.check(header.dimension >= 0 && header.dimension <= kMostDimensions, "a dimension below 0 or above 2^20");
    header.ntotal = in.i64("its ntotal");
    in.check(header.ntotal >= 0, "a negative ntotal");
    in.skip(16, "two fields that are not used");
    header.trained = in.flag("its is_trained");
    header.metric = in.i32("its metric");
    in.check(header.metric >= 0 && header.metric <= kMostMetrics, "a metric that cannot be");
    if (header.metric > 1) in.skip(4, "its metric's argument");
    if (!parse.facts) parse.facts = FaissFacts{"", header.ntotal, header.dimension, metric_name(header.metric)};
    return header;
}

std::optional<FaissIndexHeader> parse_faiss_index(FaissParse& parse) {
    FaissReader& in = parse.in;
    FaissIndexHeader header;
    header.letters = in.u32("an index's letters");
    if (header.letters == kNull) return header;
    const FaissKind* kind = find_kind(header.letters);
    if (kind == nullptr) {
        parse.stop(header.letters);
        return std::nullopt;
    }
    in.check(++parse.depth <= kFaissDepth, "indexes nested too deeply");
    parse.name(kind->name);
    if (header.letters == fourcc("IxLa")) {
        in.skip(16, "a lattice's parameters");  // before the header, in this kind only
    }
    header = parse_faiss_header(parse, header.letters);
    const bool known = kind->parse(parse, header);
    --parse.depth;
    if (!known) return std::nullopt;
    return header;
}

std::optional<FaissIndexHeader> parse_faiss_part(FaissParse& parse) {
    ++parse.muted;
    const auto header = parse_faiss_index(parse);
    --parse.muted;
    return header;
}

}  // namespace ingot
