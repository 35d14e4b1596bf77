#include "snapshot/top_k.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "base/error.h"
#include "base/filesystem.h"
#include "base/interrupt.h"
#include "snapshot/catalog.h"
#include "snapshot/json_text.h"
#include "snapshot/scratch_engine.h"

namespace ingot {
namespace {

// Scores of 32 bits, computed on another processor in another order, differ in the last digits.
constexpr double kSameScore = 1e-5;
// A mean of nothing but zeros (a vector found itself) has no size that a share could be taken of.
constexpr double kNothing = 1e-6;

bool ties(double a, double b) { return std::abs(a - b) <= kSameScore * std::max(std::abs(a), std::abs(b)) + kNothing; }

// How many of the certain neighbours the same query still has.
size_t found_again(const RecordedQuery& recorded, const std::vector<Neighbour>& found) {
    std::multiset<std::string> there;
    for (const Neighbour& each : found) there.insert(each.id);
    size_t same = 0;
    for (size_t i = 0; i < recorded.certain; ++i) {
        const auto at = there.find(recorded.neighbours[i].id);
        if (at == there.end()) continue;
        there.erase(at);
        ++same;
    }
    return same;
}

struct Scores {
    double mean = 0, mean_size = 0;
};

// Of the first so many neighbours of each query.
template <class Query>
Scores scores_of(const std::vector<Query>& queries, const std::vector<RecordedQuery>& recorded) {
    Scores out;
    size_t all = 0;
    for (size_t i = 0; i < queries.size() && i < recorded.size(); ++i) {
        const auto& neighbours = queries[i].neighbours;
        for (size_t j = 0; j < neighbours.size() && j < recorded[i].neighbours.size(); ++j, ++all) {
            out.mean += neighbours[j].score;
            out.mean_size += std::abs(neighbours[j].score);
        }
    }
    if (all == 0) return out;
    out.mean /= static_cast<double>(all);
    out.mean_size /= static_cast<double>(all);
    return out;
}

std::vector<TopKQuery> ask(const Stack& stack, Driver& driver, const std::string& dir, const std::string& work_dir,
                           const TopKRequest& request) {
    if (auto answers = driver.top_k_artifact(dir, request)) return *answers;
    ScratchEngine engine(stack, driver, dir, work_dir);
    if (!engine.possible()) {
        throw Error(Code::failed, "its files cannot be searched, and the config wants no scratch engine",
                    fmt::format("take `scratch = \"files\"` out of [sources.{}], or the probe", driver.spec().name));
    }
    return engine.use([&](Driver& scratch) { return scratch.top_k_live(request); });
}

}  // namespace

TopKRequest TopKRecord::request() const {
    TopKRequest out;
    out.collection = collection;
    out.vector_name = vector_name;
    out.k = k + 1;
    for (const RecordedQuery& query : queries) out.queries.push_back(query.vector);
    return out;
}

std::string encode_top_k(const TopKRecord& record) {
    Json queries = Json::array();
    for (const RecordedQuery& query : record.queries) {
        Json neighbours = Json::array();
        for (const Neighbour& each : query.neighbours) neighbours.push_back(Json::array({printable(each.id), each.score}));
        queries.push_back({{"vector", to_hex(query.vector)}, {"neighbours", neighbours}, {"certain", query.certain}});
    }
    const Json out{{"source", record.source},
                   {"collection", printable(record.collection)},
                   {"vector", printable(record.vector_name)},
                   {"k", record.k},
                   {"queries", queries}};
    return out.dump();
}

TopKRecord decode_top_k(std::string_view text) {
    const Json json = parse_object(view_of(text), "the record of known queries");
    TopKRecord out;
    out.source = text_field(json, "source");
    out.collection = text_field(json, "collection");
    out.vector_name = text_field(json, "vector");
    const uint64_t k = uint_field(json, "k");
    if (k == 0 || k > TopKRequest::kMostNeighbours) throw_bad_field("k");
    out.k = static_cast<uint32_t>(k);
    for (const Json& each : array_field(json, "queries")) {
        RecordedQuery& query = out.queries.emplace_back();
        query.vector = hex_field(each, "vector");
        for (const Json& neighbour : array_field(each, "neighbours")) {
            if (!neighbour.is_array() || neighbour.size() != 2 || !neighbour[0].is_string() || !neighbour[1].is_number())
                throw_bad_field("neighbours");
            query.neighbours.push_back({neighbour[0].get<std::string>(), neighbour[1].get<double>()});
        }
        const uint64_t certain = uint_field(each, "certain");
        if (certain > query.neighbours.size() || query.neighbours.size() > k) throw_bad_field("certain");
        query.certain = static_cast<uint32_t>(certain);
    }
    if (out.queries.empty() || out.queries.size() > TopKRequest::kMostQueries) throw_bad_field("queries");
    return out;
}

RecordedQuery settle_top_k(const TopKQuery& answer, uint32_t k) {
    RecordedQuery out{answer.vector, answer.neighbours, static_cast<uint32_t>(answer.neighbours.size())};
    if (out.neighbours.size() <= k) return out;
    const double next = out.neighbours[k].score;
    out.neighbours.resize(k);
    out.certain = 0;
    while (out.certain < k && !ties(out.neighbours[out.certain].score, next)) ++out.certain;
    return out;
}

std::string top_k_difference(const std::vector<RecordedQuery>& recorded, const std::vector<TopKQuery>& found, double tolerance) {
    size_t certain = 0, same = 0, listed = 0, there = 0;
    for (size_t i = 0; i < recorded.size(); ++i) {
        certain += recorded[i].certain;
        listed += recorded[i].neighbours.size();
        if (i >= found.size()) continue;
        same += found_again(recorded[i], found[i].neighbours);
        there += std::min(found[i].neighbours.size(), recorded[i].neighbours.size());
    }
    // A share that is no whole number is rounded down, but not for what the division left of it.
    const auto allowed = static_cast<size_t>(tolerance * static_cast<double>(certain) + kNothing);
    if (certain - same > allowed) {
        return fmt::format("{} of {} recorded neighbours are found again, and {} are wanted", same, certain, certain - allowed);
    }
    if (there < listed) return fmt::format("{} neighbours are found, and there were {}", there, listed);
    const Scores then = scores_of(recorded, recorded), now = scores_of(found, recorded);
    if (std::abs(then.mean - now.mean) > tolerance * then.mean_size + kSameScore * then.mean_size + kNothing) {
        return fmt::format("the mean score is {:.6g} and was {:.6g}, which is more than {} % off", now.mean, then.mean,
                           tolerance * 100);
    }
    return {};
}

std::string top_k_words(const std::vector<RecordedQuery>& queries) {
    size_t neighbours = 0, certain = 0;
    for (const RecordedQuery& query : queries) {
        neighbours += query.neighbours.size();
        certain += query.certain;
    }
    return fmt::format("{} queries, {} neighbours, {} of them certain, mean score {:.6g}", queries.size(), neighbours, certain,
                       scores_of(queries, queries).mean);
}

const TopKRecord* find_top_k(const Snapshot& snapshot, const ProbeSpec& probe) {
    for (auto at = snapshot.attestations.rbegin(); at != snapshot.attestations.rend(); ++at) {
        if (at->kind != AttestationKind::golden) continue;
        const auto found = at->top_k.find(printable(probe.name));
        if (found != at->top_k.end() && found->second.source == probe.source) return &found->second;
    }
    return nullptr;
}

std::vector<Bytes> read_vectors(const std::string& path) {
    const bool bits = path.ends_with(".bvecs");
    const auto wrong = [&](const std::string& why) {
        return Error(Code::usage, fmt::format("the queries in {} cannot be taken: {}", printable(path), why),
                     "a .fvecs file is, for each vector, its number of components (i32) and then these (f32), little-endian");
    };
    // Each vector has its length before it, which may be more than the vector.
    constexpr uint64_t kMostFileBytes = TopKRequest::kMostVectorBytes * 2;
    const std::optional<uint64_t> size = real_filesystem().file_size(path);
    if (!size) throw wrong("there is no such file");
    if (*size > kMostFileBytes) throw wrong("it is larger than " + human_bytes(kMostFileBytes));
    const Bytes file = read_file(real_filesystem(), path, kMostFileBytes);
    std::vector<Bytes> out;
    uint64_t all = 0;
    try {
        Decoder in(file, "a file of vectors");
        while (in.left() > 0) {
            const uint64_t components = in.u32(), bytes = components * (bits ? 1 : sizeof(float));
            if (components == 0 || bytes > in.left()) throw wrong("it is not whole, or no file of vectors");
            const ByteView vector = in.raw(static_cast<size_t>(bytes));
            out.emplace_back(vector.begin(), vector.end());
            all += bytes;
        }
    } catch (const Error& error) {
        if (error.code() == Code::usage) throw;
        throw wrong("it is not whole, or no file of vectors");
    }
    if (out.empty()) throw wrong("it is empty");
    if (out.size() > TopKRequest::kMostQueries || all > TopKRequest::kMostVectorBytes)
        throw wrong(fmt::format("it holds {} vectors of {}; {} of {} are the most", out.size(), human_bytes(all),
                                TopKRequest::kMostQueries, human_bytes(TopKRequest::kMostVectorBytes)));
    return out;
}

void record_top_k(const Stack& stack, Driver& driver, const std::string& dir, const std::string& work_dir,
                  Attestation& attestation, std::vector<std::string>& reasons, Progress& progress) {
    for (const ProbeSpec& probe : stack.probes) {
        if (probe.kind != ProbeSpec::Kind::top_k || probe.source != driver.spec().name) continue;
        check_interrupted();
        progress.phase("recording known queries of " + probe.source, 0);
        try {
            TopKRequest request;
            request.collection = probe.target;
            request.vector_name = probe.vector_name;
            request.k = probe.k + 1;
            request.spread = probe.spread;
            if (!probe.queries.empty()) request.queries = read_vectors(probe.queries);
            TopKRecord record{probe.source, probe.target, probe.vector_name, probe.k, {}};
            for (const TopKQuery& answer : ask(stack, driver, dir, work_dir, request))
                record.queries.push_back(settle_top_k(answer, probe.k));
            if (record.queries.empty()) throw Error(Code::failed, "there are no vectors");
            attestation.evidence[probe.source][printable("top-k " + probe.name)] = top_k_words(record.queries);
            attestation.top_k[printable(probe.name)] = std::move(record);
        } catch (const Error& error) {
            if (error.code() == Code::interrupted) throw;
            reasons.push_back(fmt::format("the neighbours of the probe {} cannot be recorded: {}{}", printable(probe.name),
                                          error.what(), error.hint().empty() ? "" : "; " + error.hint()));
        }
    }
}

}  // namespace ingot
