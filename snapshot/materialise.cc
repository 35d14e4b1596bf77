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

Materialised write_entries(Reader& reader, FileSystem& fs, const std::string& folder,
                           const std::function<std::optional<PlacedEntry>()>& next, const MaterialiseOptions& options,
                           Progress& progress) {
    const auto fetch = [&](const std::function<std::optional<ReadRequest>()>& requests, ReadSink& sink) {
        reader.read(ChunkKind::data, requests, sink, progress);
    };
    Placed placed = place_entries(fetch, fs, folder, next, {options.metadata, options.sync, options.salvage});
    return {placed.entries, placed.bytes, std::move(placed.problems), std::move(placed.lost)};
}

// `prefix`: empty, or a folder with its slash.
PlacedEntry placed_below(const std::string& prefix, ListedEntry listed) {
    PlacedEntry placed{std::move(listed), {}, {}};
    const Entry& entry = placed.listed.entry;
    placed.at = prefix + path_below(entry.path);
    if (entry.type == EntryType::hard_link) placed.link_at = prefix + path_below(entry.link);
    if (!prefix.empty()) placed.shown = placed.at;
    return placed;
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
    progress.phase(fmt::format("writing {}", source.name), source.bytes);
    return write_entries(
        reader, fs, folder,
        [&]() -> std::optional<PlacedEntry> {
            while (std::optional<ListedEntry> listed = listing.next()) {
                if (options.wanted && !options.wanted(*listed) && !first_names.contains(listed->entry.path)) continue;
                return placed_below("", std::move(*listed));
            }
            return std::nullopt;
        },
        options, progress);
}

Materialised materialise_all(Repository& repository, const std::vector<const ManifestSource*>& sources, FileSystem& fs,
                             const std::string& folder, const MaterialiseOptions& options, Progress& progress) {
    uint64_t bytes = 0;
    for (const ManifestSource* source : sources) {
        make_dirs(fs, join(folder, source->name), 0700);
        bytes += source->bytes;
    }
    Reader reader(repository);
    size_t number = 0;
    std::optional<ListingReader> listing;
    progress.phase(sources.size() == 1 ? fmt::format("writing {}", sources[0]->name) : "writing", bytes);
    return write_entries(
        reader, fs, folder,
        [&]() -> std::optional<PlacedEntry> {
            for (; number < sources.size(); ++number, listing.reset()) {
                const ManifestSource& source = *sources[number];
                if (!source.listing) continue;
                if (!listing) listing.emplace(open_listing(reader, *source.listing, repository.spool_dir()));
                if (std::optional<ListedEntry> listed = listing->next())
                    return placed_below(source.name + "/", std::move(*listed));
            }
            return std::nullopt;
        },
        options, progress);
}

}  // namespace ingot
