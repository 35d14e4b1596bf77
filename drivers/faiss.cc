#include "drivers/faiss.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/error.h"
#include "base/metadata.h"
#include "drivers/faiss_pin.h"
#include "drivers/source_paths.h"

namespace ingot {
namespace {

// Opened and closed here; nobody in this process holds POSIX locks on a vector index.
FaissLayout parse_file(const std::string& path, FaissLinks links) {
    const std::unique_ptr<ReadFile> file = real_filesystem().open(path);
    return parse_faiss([&](uint64_t offset, std::span<uint8_t> out) { return file->read_at(offset, out); }, file->size(), links);
}

// Asked, not opened: whether it may be read is all that matters before the pin.
void require_file(const SourceRoot& root, const std::string& source) {
    const std::string& live = root.live_path;
    struct stat st {};
    if (::lstat(live.c_str(), &st) != 0) {
        if (errno != ENOENT && errno != ENOTDIR) throw Error::from_errno("looking at", live, errno, Code::source);
        throw Error(Code::source, fmt::format("{} is not there", printable(live)),
                    fmt::format("put it back (`ingot restore golden --only {0}`), or mend [sources.{0}]", source));
    }
    if (!S_ISREG(st.st_mode)) {
        throw Error(Code::source,
                    fmt::format("{} is {}", printable(live), S_ISLNK(st.st_mode) ? "a symlink" : "not a regular file"),
                    S_ISLNK(st.st_mode) ? "declare the file that it points to" : fmt::format("mend [sources.{}]", source));
    }
    if (::faccessat(AT_FDCWD, live.c_str(), R_OK, AT_EACCESS) != 0) throw Error::from_errno("reading", live, errno, Code::source);
}

// FAISS maps a data file without a look at its size, and dies when it reads behind its end.
void require_whole_lists(const FaissLayout& layout, const std::vector<std::string>& lists) {
    for (size_t i = 0; i < lists.size(); ++i) {
        const uint64_t size = real_filesystem().file_size(lists[i]).value_or(0), wanted = layout.lists_files()[i].size_bytes;
        if (size >= wanted) continue;
        throw Error(Code::damaged, fmt::format("{} has {} bytes, and the index expects {}",
                                               printable(layout.lists_files()[i].name), size, wanted));
    }
}

// What the limits of the child are made of.
void measure(const FaissLayout& layout, FaissOpen& open) {
    open.bytes = real_filesystem().file_size(open.index).value_or(0);
    for (const std::string& path : open.lists) open.bytes += real_filesystem().file_size(path).value_or(0);
    const int64_t ntotal = layout.facts().ntotal;
    open.vectors = ntotal >= 0 ? static_cast<uint64_t>(ntotal) : open.bytes / 8;
}

// What the engine found must be what the structure says.
void require_same(const FaissOpened& opened, const FaissFacts& parsed) {
    if (parsed.ntotal >= 0 && opened.ntotal != parsed.ntotal) {
        throw Error(Code::damaged,
                    fmt::format("FAISS finds {} vectors in the index, and its structure says {}", opened.ntotal, parsed.ntotal));
    }
    if (parsed.dimension > 0 && opened.dimension != parsed.dimension) {
        throw Error(Code::damaged, fmt::format("FAISS finds {} dimensions in the index, and its structure says {}",
                                               opened.dimension, parsed.dimension));
    }
}

}  // namespace

FaissDriver::FaissDriver(SourceSpec source_spec) : Driver(std::move(source_spec)), files_(FaissFiles::from(spec())) {}

const std::vector<SourceRoot>& FaissDriver::lists() const {
    if (lists_) return *lists_;
    lists_.emplace();
    try {
        *lists_ = files_.live_lists(parse_file(files_.index.live_path, FaissLinks::trusted));
    } catch (const Error& error) {
        ignore_error(error, "an index that is lost or torn names no files; those that the config declares are known");
    }
    return *lists_;
}

std::vector<SourceRoot> FaissDriver::roots() const {
    std::vector<SourceRoot> more = lists();
    more.insert(more.end(), adopted_.begin(), adopted_.end());
    return files_.roots(more);
}

void FaissDriver::adopt_roots(const std::vector<std::string>& listing_paths) {
    adopted_.clear();
    for (const std::string& path : listing_paths) {
        const std::string live = live_path_of(spec().root, path);
        if (is_within(live, spec().root) || parent_of(live) == parent_of(files_.index.live_path))
            adopted_.push_back({path, live});
    }
}

void FaissDriver::prepare() {
    for (const SourceRoot& root : files_.roots({})) require_file(root, spec().name);
    lists_.reset();
    adopted_.clear();
    for (const SourceRoot& root : lists()) require_file(root, spec().name);
}

std::unique_ptr<Pin> FaissDriver::pin() { return std::make_unique<FaissPin>(spec(), files_, lists()); }

Facts FaissDriver::open_artifact(const std::string& dir) {
    FaissOpen open;
    open.index = path_in_artifact(dir, files_.index.listing_path);
    open.scratch_dir = spec().spool_dir;
    if (!real_filesystem().exists(open.index)) {
        throw Error(Code::damaged,
                    fmt::format("the artifact of {} does not hold {}", spec().name, printable(files_.index.listing_path)),
                    "this snapshot was taken of another path: mend `path`, or choose another snapshot");
    }
    std::optional<FaissLayout> layout;
    try {
        layout = parse_file(open.index, FaissLinks::checked);
    } catch (const Error& error) {
        throw error.code() == Code::source ? error.as(Code::damaged).within(printable(files_.index.listing_path)) : error;
    }
    open.lists = files_.lists_in_artifact(*layout, dir);
    std::vector<SourceRoot> places;
    size_t files = 1;
    for (const std::vector<SourceRoot>* each : {&files_.docstore, &files_.lists}) {
        for (const SourceRoot& root : *each)
            files += real_filesystem().exists(path_in_artifact(dir, root.listing_path)) ? 1u : 0u;
    }
    for (const std::string& path : open.lists) {
        const bool counted = std::any_of(files_.lists.begin(), files_.lists.end(), [&](const SourceRoot& root) {
            return path_in_artifact(dir, root.listing_path) == path;
        });
        if (!counted) ++files;
    }
    require_whole_lists(*layout, open.lists);
    measure(*layout, open);
    Facts out = faiss_facts(*layout, files);
    if (const std::optional<FaissOpened> opened = open_with_faiss(open)) {
        require_same(*opened, layout->facts());
        out["opened_by"] = "FAISS " + faiss_version();
    } else {
        out["opened_by"] =
            std::string(layout->understood() ? "the structure only: newer than FAISS " : "nothing: newer than FAISS ") +
            faiss_version();
    }
    return out;
}

std::optional<EngineMatch> FaissDriver::match_engine(const Facts& then) {
    EngineMatch out{
        .verdict = Verdict::fine, .then = text_fact(then, "type"), .now = "FAISS " + faiss_version(), .why = {}, .hint = {}};
    if (faiss_knows(out.then)) return out;
    out.verdict = Verdict::warning;
    out.why = fmt::format("the index is of a kind that {} does not know ({}): it is put back without being opened by its engine",
                          out.now, out.then);
    out.hint =
        "see that the application's own FAISS reads it: `probes` of the config, or `ingot restore ID --only SOURCE --to DIR`";
    return out;
}

std::vector<TopKQuery> FaissDriver::top_k_live(const TopKRequest& request) {
    FaissOpen open;
    open.index = files_.index.live_path;
    try {
        const FaissLayout layout = parse_file(open.index, FaissLinks::checked);
        for (const SourceRoot& root : files_.live_lists(layout)) open.lists.push_back(root.live_path);
        require_whole_lists(layout, open.lists);
        measure(layout, open);
        return search(std::move(open), request);
    } catch (const Error& error) {
        // Of the live state nothing is damaged in the sense of a snapshot.
        throw error.code() == Code::source || error.code() == Code::damaged ? error.as(Code::failed) : error;
    }
}

std::optional<std::vector<TopKQuery>> FaissDriver::top_k_artifact(const std::string& dir, const TopKRequest& request) {
    FaissOpen open;
    open.index = path_in_artifact(dir, files_.index.listing_path);
    const FaissLayout layout = parse_file(open.index, FaissLinks::checked);
    open.lists = files_.lists_in_artifact(layout, dir);
    measure(layout, open);
    return search(std::move(open), request);
}

std::vector<TopKQuery> FaissDriver::search(FaissOpen open, const TopKRequest& request) const {
    if (!request.collection.empty() || !request.vector_name.empty()) {
        throw Error(Code::usage, fmt::format("source {} is one index: it has no collections and no named vectors", spec().name),
                    "take `collection` and `vector` out of the probe");
    }
    open.scratch_dir = spec().spool_dir;
    open.search = request;
    std::optional<FaissOpened> opened = open_with_faiss(open);
    if (!opened) {
        throw Error(Code::failed, fmt::format("FAISS {} does not know the kind of index of {}", faiss_version(), spec().name),
                    "probe it with a command of the application");
    }
    return std::move(opened->answers);
}

}  // namespace ingot
