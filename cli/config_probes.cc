#include "cli/config_probes.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <span>

#include "cli/config_values.h"
#include "cli/nearest.h"
#include "restore/tcp_probe.h"

namespace ingot {
namespace {

struct KindKey {
    std::string_view key;
    ProbeSpec::Kind kind;
};

constexpr std::array<KindKey, 5> kKinds = {{{"http", ProbeSpec::Kind::http},
                                            {"tcp", ProbeSpec::Kind::tcp},
                                            {"command", ProbeSpec::Kind::command},
                                            {"sql", ProbeSpec::Kind::sql},
                                            {"count", ProbeSpec::Kind::count}}};
// Drivers whose live engine answers SQL, and those that count what matches.
constexpr std::array<std::string_view, 2> kSqlDrivers = {"sqlite", "postgres"};
constexpr std::array<std::string_view, 3> kCountDrivers = {"mongodb", "qdrant", "redis"};
// Drivers whose engine finds nearest neighbours.
constexpr std::array<std::string_view, 2> kVectorDrivers = {"faiss", "qdrant"};
// The mean score, and the neighbours, may be off by so much where the config does not say otherwise.
constexpr double kTopKTolerance = 0.05;

class ProbeCheck {
public:
    ProbeCheck(Config& config, std::vector<Mistake>& mistakes, const ConfigNode& node)
        : config_(config), mistakes_(mistakes), node_(node), reader_(mistakes, &node, "[[probes]]") {}

    void run() {
        if (!reader_.present()) return;
        const size_t mistakes_before = mistakes_.size();
        name();
        if (kind()) {
            times();
            if (probe_.kind == ProbeSpec::Kind::http) http();
            if (probe_.kind == ProbeSpec::Kind::tcp) tcp();
            if (probe_.kind == ProbeSpec::Kind::sql || probe_.kind == ProbeSpec::Kind::count) of_source();
            if (probe_.kind == ProbeSpec::Kind::top_k) top_k();
            reader_.finish();
        }
        if (mistakes_.size() == mistakes_before) config_.probes.push_back(std::move(probe_));
    }

private:
    void name() {
        probe_.name = reader_.text("name").value_or("");
        if (!reader_.has("name")) reader_.missing("name", "name = \"health\"");
        for (const ProbeSpec& each : config_.probes) {
            if (each.name == probe_.name) {
                reader_.mistake(reader_.line_of("name"), fmt::format("two [[probes]] are named \"{}\"", printable(probe_.name)));
            }
        }
    }

    bool kind() {
        int found = 0;
        for (const KindKey& each : kKinds) {
            if (!reader_.has(each.key)) continue;
            ++found;
            probe_.kind = each.kind;
            probe_.target = reader_.text(each.key).value_or("");
        }
        if (reader_.has("k") || reader_.has("queries")) {
            ++found;
            probe_.kind = ProbeSpec::Kind::top_k;
        }
        if (found == 1) return true;
        reader_.mistake(node_.line,
                        fmt::format("[[probes]] wants one of `http`, `tcp`, `command`, `sql`, `count`, and `queries` or `k`{}",
                                    found == 0 ? "" : fmt::format(", and not {} of them", found)));
        return false;
    }

    void times() {
        if (const auto timeout_ms = reader_.duration_ms("timeout")) probe_.timeout_ms = *timeout_ms;
        if (const auto interval_ms = reader_.duration_ms("interval")) probe_.interval_ms = *interval_ms;
        for (const char* key : {"timeout", "interval"}) {
            if ((key == std::string_view("timeout") ? probe_.timeout_ms : probe_.interval_ms) == 0) {
                reader_.mistake(reader_.line_of(key), fmt::format("`{}` wants to be longer than nothing", key));
            }
        }
    }

    void http() {
        const std::string& url = probe_.target;
        if (!url.empty() && !url.starts_with("http://") && !url.starts_with("https://")) {
            reader_.mistake(reader_.line_of("http"),
                            fmt::format("`http` wants a url that begins with http:// or https://, not \"{}\"", printable(url)));
        }
        if (const auto status = reader_.number("status", 100, 599)) probe_.status = static_cast<int>(*status);
        probe_.contains = reader_.text("contains").value_or("");
        reader_.allow("json");
        const ConfigNode* json = node_.find("json");
        if (json == nullptr) return;
        if (json->kind != ConfigNode::Kind::table) {
            reader_.mistake(json->line,
                            "`json` wants a table, such as { \"/status\" = \"ok\" }, not " + std::string(to_string(json->kind)));
            return;
        }
        for (const auto& [pointer, value] : json->members) json_member(pointer, value);
    }

    void json_member(const std::string& pointer, const ConfigNode& value) {
        // RFC 6901: "" or "/..."; "~" only as ~0 and ~1.
        bool good = pointer.empty() || pointer.front() == '/';
        for (size_t i = pointer.find('~'); i != std::string::npos; i = pointer.find('~', i + 1)) {
            good = good && i + 1 < pointer.size() && (pointer[i + 1] == '0' || pointer[i + 1] == '1');
        }
        if (!good) {
            reader_.mistake(value.line, fmt::format("`json`: \"{}\" is no JSON pointer; they begin with /, such as \"/status\"",
                                                    printable(pointer)));
        }
        switch (value.kind) {
            case ConfigNode::Kind::text:
                probe_.json[pointer] = value.text;
                return;
            case ConfigNode::Kind::integer:
                probe_.json[pointer] = std::to_string(value.integer);
                return;
            case ConfigNode::Kind::number:
                probe_.json[pointer] = fmt::format("{}", value.number);
                return;
            case ConfigNode::Kind::boolean:
                probe_.json[pointer] = value.boolean ? "true" : "false";
                return;
            default:
                reader_.mistake(value.line, fmt::format("`json`: \"{}\" wants a text, a number, true or false, not {}",
                                                        printable(pointer), to_string(value.kind)));
        }
    }

    void tcp() {
        if (probe_.target.empty()) return;
        try {
            (void)host_and_port(probe_.target);
        } catch (const Error& error) {
            reader_.mistake(reader_.line_of("tcp"), fmt::format("`tcp`: {}; {}", error.what(), error.hint()));
        }
    }

    void top_k() {
        if (!reader_.has("source")) reader_.missing("source", "source = \"vectors\"");
        probe_.source = reader_.text("source").value_or("");
        const SourceSpec* source = declared_source();
        if (const auto k = reader_.number("k", 1, TopKRequest::kMostNeighbours)) probe_.k = static_cast<uint32_t>(*k);
        reader_.allow("queries");
        if (const ConfigNode* queries = node_.find("queries")) {
            if (queries->kind == ConfigNode::Kind::integer) {
                if (const auto spread = reader_.number("queries", 1, TopKRequest::kMostQueries))
                    probe_.spread = static_cast<uint32_t>(*spread);
            } else {
                file_of_queries();
            }
        }
        probe_.target = reader_.text("collection").value_or("");
        probe_.vector_name = reader_.text("vector").value_or("");
        for (const char* key : {"collection", "vector"}) {
            if (source != nullptr && source->driver == "faiss" && reader_.has(key))
                reader_.mistake(reader_.line_of(key), fmt::format("`{}` is for qdrant: a faiss source is one index", key));
        }
        probe_.tolerance = kTopKTolerance;
        if (const auto tolerance = reader_.number("tolerance", 0, 1)) probe_.tolerance = *tolerance;
    }

    void file_of_queries() {
        const std::string path = reader_.text("queries").value_or("");
        if (path.empty()) return;
        if (!path.ends_with(".fvecs") && !path.ends_with(".bvecs")) {
            reader_.mistake(reader_.line_of("queries"),
                            "`queries` wants a number of stored vectors, or a .fvecs (.bvecs) file of vectors");
            return;
        }
        probe_.queries = path.starts_with('/') ? path : join(config_.root, path);
    }

    void of_source() {
        if (!reader_.has("source")) reader_.missing("source", "source = \"db\"");
        probe_.source = reader_.text("source").value_or("");
        const SourceSpec* source = declared_source();
        reader_.allow("value");
        if (const ConfigNode* value = node_.find("value")) {
            const bool number = value->kind == ConfigNode::Kind::integer || value->kind == ConfigNode::Kind::number;
            if (number) {
                probe_.value =
                    value->kind == ConfigNode::Kind::integer ? std::to_string(value->integer) : fmt::format("{}", value->number);
            } else {
                probe_.value = reader_.text("value", true).value_or("");
            }
        }
        probe_.fact = reader_.text("fact").value_or("");
        if (reader_.has("value") == reader_.has("fact")) {
            reader_.mistake(node_.line, "a probe of a source wants `value` or `fact`, one of the two, to compare with");
        }
        if (source != nullptr && !probe_.fact.empty() && !source->facts.contains(probe_.fact)) {
            std::vector<std::string> names;
            for (const auto& [name, query] : source->facts) names.push_back(name);
            reader_.mistake(reader_.line_of("fact"),
                            fmt::format("`fact`: [sources.{}] has no fact `{}` of its own{}", probe_.source,
                                        printable(probe_.fact), did_you_mean(probe_.fact, names)));
        }
        if (const auto tolerance = reader_.number("tolerance", 0, 1)) probe_.tolerance = *tolerance;
    }

    const SourceSpec* declared_source() {
        if (probe_.source.empty()) return nullptr;
        std::vector<std::string> names;
        for (const ConfigSource& each : config_.sources) {
            names.push_back(each.spec.name);
            if (each.spec.name != probe_.source) continue;
            const bool counts = probe_.kind == ProbeSpec::Kind::count, searches = probe_.kind == ProbeSpec::Kind::top_k;
            using Drivers = std::span<const std::string_view>;
            const Drivers drivers = searches ? Drivers(kVectorDrivers) : counts ? Drivers(kCountDrivers) : Drivers(kSqlDrivers);
            if (std::ranges::find(drivers, each.spec.driver) != drivers.end()) return &each.spec;
            reader_.mistake(reader_.line_of("source"), fmt::format("`source`: [sources.{}] has the driver {}, which takes no {}; "
                                                                   "those that do: {}",
                                                                   probe_.source, each.spec.driver,
                                                                   searches ? "`k` or `queries`: it has no vectors"
                                                                   : counts ? "`count`"
                                                                            : "SQL",
                                                                   fmt::join(drivers, ", ")));
            return nullptr;
        }
        reader_.mistake(reader_.line_of("source"), fmt::format("`source`: there is no [sources.{}]{}", printable(probe_.source),
                                                               did_you_mean(probe_.source, names)));
        return nullptr;
    }

    Config& config_;
    std::vector<Mistake>& mistakes_;
    const ConfigNode& node_;
    TableReader reader_;
    ProbeSpec probe_;
};

}  // namespace

void check_probes(Config& config, std::vector<Mistake>& mistakes) {
    const ConfigNode* all = config.document.find("probes");
    if (all == nullptr) return;
    if (all->kind != ConfigNode::Kind::list) {
        mistakes.push_back({all->line, "`probes` wants to be a list of tables: [[probes]]", false});
        return;
    }
    for (const ConfigNode& node : all->items) ProbeCheck(config, mistakes, node).run();
}

}  // namespace ingot
