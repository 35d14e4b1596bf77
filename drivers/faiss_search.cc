#include "drivers/faiss_search.h"

#include <faiss/Index.h>
#include <faiss/IndexBinary.h>
#include <faiss/IndexBinaryIVF.h>
#include <faiss/IndexIDMap.h>
#include <faiss/IndexIVF.h>
#include <faiss/IndexPreTransform.h>
#include <faiss/IndexRefine.h>
#include <faiss/VectorTransform.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <exception>

#include "base/error.h"

namespace ingot {
namespace {

using Id = faiss::Index::idx_t;
constexpr const char* kGiveQueries =
    "give the probe vectors of its own: queries = \"ops/probe.fvecs\" (.bvecs of a binary index)";

// The next line, without its end; nothing where there is no whole one.
std::optional<std::string_view> take_line(std::string_view& text) {
    const size_t end = text.find('\n');
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 1);
    return line;
}

template <class T>
bool take_number(std::string_view& text, T& out) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    if (error != std::errc()) return false;
    text.remove_prefix(static_cast<size_t>(end - text.data()));
    if (text.starts_with(' ')) text.remove_prefix(1);
    return true;
}

TopKRequest decode_request(std::string_view text) {
    TopKRequest out;
    std::optional<std::string_view> line = take_line(text);
    if (!line || !line->starts_with("top_k ")) throw Error(Code::failed, "the request is none");
    line->remove_prefix(6);
    if (!take_number(*line, out.k) || !take_number(*line, out.spread)) throw Error(Code::failed, "the request is none");
    while ((line = take_line(text))) out.queries.push_back(from_hex(*line));
    return out;
}

// Where a vector stands in inverted lists, counted through all of them.
template <class Ivf>
void reconstruct_in_lists(const Ivf& ivf, Id position, auto* out) {
    for (size_t list = 0; list < ivf.nlist; ++list) {
        const auto size = static_cast<Id>(ivf.invlists->list_size(list));
        if (position < size) return ivf.reconstruct_from_offset(static_cast<Id>(list), position, out);
        position -= size;
    }
    throw Error(Code::failed, "its inverted lists hold fewer vectors than it says");
}

// The stored vector at a position, whatever its id is; of quantizers what they make of it. Throws where this kind cannot tell.
void stored_vector(const faiss::Index& index, Id position, float* out) {
    if (const auto* mapped = dynamic_cast<const faiss::IndexIDMap*>(&index)) return stored_vector(*mapped->index, position, out);
    if (const auto* refined = dynamic_cast<const faiss::IndexRefine*>(&index))
        return stored_vector(*refined->refine_index, position, out);
    if (const auto* changed = dynamic_cast<const faiss::IndexPreTransform*>(&index)) {
        std::vector<float> inner(static_cast<size_t>(changed->index->d));
        stored_vector(*changed->index, position, inner.data());
        return changed->reverse_chain(1, inner.data(), out);
    }
    if (const auto* ivf = dynamic_cast<const faiss::IndexIVF*>(&index)) return reconstruct_in_lists(*ivf, position, out);
    index.reconstruct(position, out);
}

void stored_vector(const faiss::IndexBinary& index, Id position, uint8_t* out) {
    if (const auto* mapped = dynamic_cast<const faiss::IndexBinaryIDMap*>(&index))
        return stored_vector(*mapped->index, position, out);
    if (const auto* ivf = dynamic_cast<const faiss::IndexBinaryIVF*>(&index)) return reconstruct_in_lists(*ivf, position, out);
    index.reconstruct(position, out);
}

size_t vector_bytes(const faiss::Index& index) { return static_cast<size_t>(index.d) * sizeof(float); }
size_t vector_bytes(const faiss::IndexBinary& index) { return static_cast<size_t>(index.d) / 8; }

template <class Index>
std::vector<Bytes> spread_of(const Index& index, uint32_t count) {
    if (index.ntotal <= 0) throw Error(Code::failed, "the index holds no vectors", "take the probe out of the config");
    const Id wanted = std::min<Id>(count, index.ntotal), step = index.ntotal / wanted;
    std::vector<Bytes> out;
    for (Id i = 0; i < wanted; ++i) {
        Bytes& vector = out.emplace_back(vector_bytes(index));
        try {
            using Component = std::conditional_t<std::is_same_v<Index, faiss::Index>, float, uint8_t>;
            std::vector<Component> components(vector.size() / sizeof(Component));
            stored_vector(index, i * step + step / 2, components.data());
            std::memcpy(vector.data(), components.data(), vector.size());
        } catch (const Error&) {
            throw;
        } catch (const std::exception& error) {
            throw Error(Code::failed,
                        std::string("this kind of index does not give its vectors back: ") +
                            printable(std::string(error.what()).substr(0, 200)),
                        kGiveQueries);
        }
    }
    return out;
}

template <class Index, class Component, class Distance>
std::string search(const Index& index, std::string_view text) {
    TopKRequest request = decode_request(text);
    if (request.queries.empty()) request.queries = spread_of(index, request.spread);
    std::vector<Distance> scores(request.k);
    std::vector<Id> ids(request.k);
    std::string out;
    for (const Bytes& query : request.queries) {
        if (query.size() != vector_bytes(index)) {
            throw Error(Code::failed,
                        fmt::format("a query is a vector of {} bytes, and those of the index have {} ({} dimensions)",
                                    query.size(), vector_bytes(index), index.d),
                        "`queries` wants to be a file of vectors of this index");
        }
        std::vector<Component> components(query.size() / sizeof(Component));
        std::memcpy(components.data(), query.data(), query.size());
        std::fill(ids.begin(), ids.end(), Id{-1});
        index.search(1, components.data(), static_cast<Id>(request.k), scores.data(), ids.data());
        out += "query " + to_hex(query) + "\n";
        for (size_t i = 0; i < ids.size(); ++i) {
            // Fewer than k were found: the rest is marked so.
            if (ids[i] < 0) continue;
            out += fmt::format("{} {:.9g}\n", ids[i], static_cast<double>(scores[i]));
        }
    }
    return out + "end\n";
}

}  // namespace

std::string encode_faiss_search(const TopKRequest& request) {
    std::string out = fmt::format("top_k {} {}\n", request.k, request.spread);
    for (const Bytes& query : request.queries) out += to_hex(query) + "\n";
    return out;
}

std::optional<std::vector<TopKQuery>> decode_faiss_answer(std::string_view text) {
    std::vector<TopKQuery> out;
    try {
        while (std::optional<std::string_view> line = take_line(text)) {
            if (*line == "end") return out;
            if (line->starts_with("query ")) {
                out.emplace_back().vector = from_hex(line->substr(6));
                continue;
            }
            Id id = 0;
            double score = 0;
            if (out.empty() || !take_number(*line, id) || !take_number(*line, score) || !std::isfinite(score))
                return std::nullopt;
            out.back().neighbours.push_back({std::to_string(id), score});
        }
    } catch (const Error& error) {
        ignore_error(error, "no hexadecimal digits: not an answer");
    }
    return std::nullopt;
}

std::string search_faiss(const faiss::Index& index, std::string_view request) {
    return search<faiss::Index, float, float>(index, request);
}

std::string search_faiss(const faiss::IndexBinary& index, std::string_view request) {
    return search<faiss::IndexBinary, uint8_t, int32_t>(index, request);
}

}  // namespace ingot
