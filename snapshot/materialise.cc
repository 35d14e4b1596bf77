#include "snapshot/materialise.h"

#include <fmt/format.h>

#include <unordered_set>

#include "snapshot/place.h"

namespace ingot {
namespace {

using Wanted = std::function<bool(const ListedEntry&)>;

// A wanted hard link needs its first name, wanted or not.
std::unordered_set<std::string> first_names_needed(ListingReader listing, const Wanted& wanted) {
    std::unordered_set<std::string> needed;
    while (const std::optional<ListedEntry> listed = listing.next()) {
        if (listed->entry.type == EntryType::hard_link && wanted(*listed)) needed.insert(listed->entry.link);
    }
    return needed;
}

bool proper_component(std::string_view component) {
    return !component.empty() && component != "." && component != ".." && component.find('\0') == std::string_view::npos;
}

}  // namespace

std::string path_below(const std::string& listing_path) {
    const std::string below = listing_path.starts_with('/') ? listing_path.substr(1) : listing_path;
    for (size_t from = 0;;) {
        const size_t slash = std::min(below.find('/', from), below.size());
        if (!proper_component(std::string_view(below).substr(from, slash - from))) {
            throw Error(Code::damaged,
                        fmt::format("the listing holds a path that would leave its folder: {}", printable(listing_path)));
        }
        if (slash == below.size()) return below;
        from = slash + 1;
    }
}

Materialised materialise(Repository& repository, const ManifestSource& source, FileSystem& fs, const std::string& folder,
                         const MaterialiseOptions& options, Progress& progress) {
    make_dirs(fs, folder, 0700);
    if (!source.listing) return {};

    Reader reader(repository);
    std::unordered_set<std::string> first_names;
    if (options.wanted) {
        first_names = first_names_needed(open_listing(reader, *source.listing, repository.spool_dir()), options.wanted);
    }
    ListingReader listing = open_listing(reader, *source.listing, repository.spool_dir());
    const auto next = [&]() -> std::optional<PlacedEntry> {
        while (std::optional<ListedEntry> listed = listing.next()) {
            if (options.wanted && !options.wanted(*listed) && !first_names.contains(listed->entry.path)) continue;
            PlacedEntry placed{std::move(*listed), {}, {}};
            placed.at = path_below(placed.listed.entry.path);
            if (placed.listed.entry.type == EntryType::hard_link) placed.link_at = path_below(placed.listed.entry.link);
            return placed;
        }
        return std::nullopt;
    };
    const auto fetch = [&](const std::function<std::optional<ReadRequest>()>& requests, ReadSink& sink) {
        reader.read(ChunkKind::data, requests, sink, progress);
    };
    progress.phase(fmt::format("writing {}", source.name), source.bytes);
    Placed placed = place_entries(fetch, fs, folder, next, {options.metadata, options.sync, options.salvage});
    return {placed.entries, placed.bytes, std::move(placed.problems), std::move(placed.lost)};
}

}  // namespace ingot
