#include "drivers/qdrant_search.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"

namespace ingot {
namespace {

class Search {
public:
    Search(QdrantApi& api, const QdrantSettings& settings, const TopKRequest& request)
        : api_(api), settings_(settings), request_(request) {}

    std::vector<TopKQuery> run() {
        collection_ = settings_.collection(named());
        require_vector();
        const std::vector<Bytes> queries = request_.queries.empty() ? spread() : request_.queries;
        const bool query_points = qdrant_at_least(api_.version(), 1, 10);
        std::vector<TopKQuery> out;
        for (const Bytes& query : queries) {
            if (query.size() % sizeof(float) != 0)
                throw failed("a query is no vector of floats", "`queries` wants a .fvecs file");
            out.push_back({query, api_.nearest(collection_, request_.vector_name, query, request_.k, query_points)});
        }
        return out;
    }

private:
    Error failed(const std::string& what, const std::string& hint) const {
        return {Code::failed, fmt::format("{}: {}", settings_.source, what), hint};
    }

    std::string named() {
        if (!request_.collection.empty()) return request_.collection;
        std::vector<std::string> names = settings_.collections;
        if (names.empty()) {
            names = api_.collections();
            std::erase_if(names, [](const std::string& name) { return name.find(kQdrantDrill) != std::string::npos; });
        }
        if (names.size() == 1) return names.front();
        throw failed(fmt::format("it has {} collections, and the probe names none of them", names.size()),
                     "say which: collection = \"rag_main\"");
    }

    // The vectors that a collection is made for: {size} of its only one, or {name: {size}}.
    void require_vector() {
        const auto info = api_.info(collection_);
        if (!info)
            throw failed(fmt::format("there is no collection {}", printable(collection_)), "mend `collection` of the probe");
        const auto config = nlohmann::json::parse(info->config, nullptr, false);
        const auto at = [](const nlohmann::json& object, const std::string& key) {
            return object.is_object() && object.contains(key) ? object.at(key) : nlohmann::json();
        };
        const nlohmann::json vectors = at(at(config, "params"), "vectors");
        const bool only = vectors.is_object() && vectors.contains("size");
        if (request_.vector_name.empty() ? only : at(vectors, request_.vector_name).is_object()) return;
        if (!vectors.is_object() || vectors.empty())
            throw failed(fmt::format("the points of {} have no dense vectors", printable(collection_)),
                         "take the probe out of the config, or count them instead");
        std::vector<std::string> names;
        for (const auto& [name, of] : vectors.items()) names.push_back(printable(name));
        throw failed(only ? fmt::format("the points of {} have one vector, without a name", printable(collection_))
                          : fmt::format("the points of {} have the vectors {}", printable(collection_), fmt::join(names, ", ")),
                     only ? "take `vector` out of the probe" : fmt::format("say which: vector = \"{}\"", names.front()));
    }

    std::optional<QdrantPoint> first_from(const std::string& from) {
        std::vector<QdrantPoint> page = api_.scroll(collection_, from, 1, request_.vector_name);
        if (page.empty()) return std::nullopt;
        return std::move(page.front());
    }

    bool number_from(uint64_t id) {
        const auto found = first_from(std::to_string(id));
        return found && found->number;
    }

    void take(std::vector<Bytes>& out, const std::optional<QdrantPoint>& point) {
        if (point && !point->vector.empty() && out.size() < request_.spread && taken_.insert(point->id).second)
            out.push_back(point->vector);
    }

    std::vector<Bytes> spread() {
        std::vector<Bytes> out;
        const auto lowest = first_from("");
        if (!lowest)
            throw failed(fmt::format("the collection {} holds no points", printable(collection_)),
                         "take the probe out of the config");
        if (lowest->number) {
            spread_numbers(out, lowest->id);
        } else {
            // UUIDs are random, or begin with the time: either way their first 32 bits are tried all over.
            for (uint64_t i = 0; i < request_.spread; ++i) {
                const uint64_t begin = (i << 32) / request_.spread;
                take(out, first_from(fmt::format("\"{:08x}-0000-0000-0000-000000000000\"", begin)));
            }
        }
        // Where ids lie close together, the first ones make up for those that were met twice.
        for (const QdrantPoint& point : api_.scroll(collection_, "", request_.spread, request_.vector_name)) take(out, point);
        if (out.empty())
            throw failed(fmt::format("the first points of {} have no vector", printable(collection_)),
                         "give the probe vectors of its own: queries = \"ops/probe.fvecs\"");
        return out;
    }

    void spread_numbers(std::vector<Bytes>& out, const std::string& lowest_text) {
        uint64_t lowest = 0;
        std::from_chars(lowest_text.data(), lowest_text.data() + lowest_text.size(), lowest);
        // The highest number, by halves: is there one at or above the middle?
        uint64_t low = lowest, high = UINT64_MAX;
        while (low < high) {
            const uint64_t middle = low + (high - low) / 2 + 1;
            if (number_from(middle)) {
                low = middle;
            } else {
                high = middle - 1;
            }
        }
        const uint64_t step = (low - lowest) / request_.spread;
        for (uint64_t i = 0; i < request_.spread; ++i) take(out, first_from(std::to_string(lowest + i * step + step / 2)));
    }

    QdrantApi& api_;
    const QdrantSettings& settings_;
    const TopKRequest& request_;
    std::string collection_;
    std::set<std::string> taken_;
};

}  // namespace

std::vector<TopKQuery> search_qdrant(QdrantApi& api, const QdrantSettings& settings, const TopKRequest& request) {
    return Search(api, settings, request).run();
}

}  // namespace ingot
