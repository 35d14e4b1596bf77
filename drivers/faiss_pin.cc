#include "drivers/faiss_pin.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <thread>

#include "base/clock.h"
#include "base/interrupt.h"
#include "base/metadata.h"
#include "drivers/tree_pin.h"

namespace ingot {
namespace {

// Before the second and the third try, while writers are paused: together less than anybody notices. A save that takes longer is
// met again when the writers were resumed (`tries` of the config).
constexpr std::array<std::chrono::milliseconds, 2> kWaits = {std::chrono::milliseconds(50), std::chrono::milliseconds(150)};
// A lease is not given up under a read, so a read must be short.
constexpr size_t kReadBytes = 4 << 20;

class LeasedStream : public Stream {
public:
    // Bytes behind the last section are one section more.
    LeasedStream(LeasedFile& file, FaissSections sections)
        : file_(file), sections_(std::move(sections)), size_(static_cast<uint64_t>(file.stat().st_size)) {}

    std::optional<Section> next_section() override {
        std::optional<Section> section = sections_.next();
        if (!section) section = Section{.length_bytes = size_ - until_};
        section->length_bytes = std::min(section->length_bytes, size_ - until_);
        if (until_ == size_) return std::nullopt;
        until_ += section->length_bytes;
        return section;
    }

    size_t read(std::span<uint8_t> out) override {
        const auto wanted = static_cast<size_t>(std::min<uint64_t>({out.size(), until_ - offset_, kReadBytes}));
        if (wanted == 0) return 0;
        const size_t n = file_.read_at(offset_, out.first(wanted));
        if (n == 0) throw Error(Code::source, fmt::format("{} ended early", printable(file_.root().live_path)));
        offset_ += n;
        return n;
    }

    bool settled() override {
        if (!file_.intact()) return false;
        file_.release();  // it is stored: nobody need wait for it any more
        return true;
    }

private:
    LeasedFile& file_;
    FaissSections sections_;
    uint64_t size_;
    uint64_t offset_ = 0;
    uint64_t until_ = 0;  // end of the current section
};

FaissLayout parse(LeasedFile& file, FaissLinks links) {
    const ReadAt read_at = [&](uint64_t offset, std::span<uint8_t> out) {
        size_t have = 0;
        while (have < out.size()) {
            const size_t n = file.read_at(offset + have, out.subspan(have));
            if (n == 0) break;
            have += n;
        }
        return have;
    };
    try {
        return parse_faiss(read_at, static_cast<uint64_t>(file.stat().st_size), links);
    } catch (const Error& error) {
        if (error.code() != Code::source) throw;
        const std::string hint =
            "if it is being written, take the snapshot later or pause its writers ([barrier]); else it is torn: "
            "let the application save it again, or restore it";
        throw Error(Code::source, fmt::format("{}: {}", printable(file.root().live_path), error.what()), hint);
    }
}

int64_t mtime_ns(const LeasedFile& file) { return file.pinned_stat().mtime_ns; }

}  // namespace

Facts faiss_facts(const FaissLayout& layout, size_t files) {
    const FaissFacts& known = layout.facts();
    Facts out = {{"files", static_cast<int64_t>(files)}};
    if (!known.type.empty()) out["type"] = known.type;
    if (known.ntotal >= 0) out["ntotal"] = known.ntotal;
    if (known.dimension > 0) out["dimension"] = known.dimension;
    if (!known.metric.empty()) out["metric"] = known.metric;
    return out;
}

FaissPin::FaissPin(const SourceSpec& spec, const FaissFiles& files, const std::vector<SourceRoot>& known)
    : spec_(spec), files_(files) {
    for (size_t tried = 0;; ++tried) {
        try {
            fix(known);
            break;
        } catch (const Unsettled& unsettled) {
            set_.reset();
            if (tried == kWaits.size()) throw unsettled.error;
        }
        check_interrupted();
        std::this_thread::sleep_for(kWaits[tried]);
    }
    check_docstore();
    describe();
}

void FaissPin::fix(const std::vector<SourceRoot>& known) {
    docstore_.clear();
    lists_.clear();
    set_ = std::make_unique<FileSet>(spec_.spool_dir);
    index_ = &set_->add(files_.index);
    try {
        layout_ = parse(*index_, FaissLinks::trusted);
    } catch (const Error& error) {
        if (error.code() == Code::source) throw Unsettled{error};
        throw;
    }
    add_lists(known);
    for (const SourceRoot& root : files_.docstore) docstore_.push_back(&set_->add(root));
    for (const SourceRoot& root : files_.lists) {
        const auto has = [&](const LeasedFile* file) { return file->root().live_path == root.live_path; };
        if (std::none_of(lists_.begin(), lists_.end(), has)) set_->add(root);
    }
    set_->fix();
    for (const LeasedFile* file : docstore_) {
        if (file->stat().st_size == 0) {
            throw Unsettled{Error(Code::source, fmt::format("{} is empty", printable(file->root().live_path)),
                                  "let the application save it again, or restore it")};
        }
    }
}

void FaissPin::add_lists(const std::vector<SourceRoot>& known) {
    const std::vector<SourceRoot> roots = files_.live_lists(*layout_);
    for (const SourceRoot& root : roots) {
        const auto same = [&](const SourceRoot& each) { return each.live_path == root.live_path; };
        if (!files_.declared(root) && std::none_of(known.begin(), known.end(), same)) {
            throw Error(Code::source,
                        fmt::format("{} came to name {} for its inverted lists while the snapshot began",
                                    printable(files_.index.live_path), printable(root.live_path)),
                        "take the snapshot again");
        }
    }
    for (const FaissListsFile& file : layout_->lists_files()) {
        // live_lists() gives each file once; two structures of one index may share it.
        const std::vector<SourceRoot> places = files_.places_of(file.name);
        const auto at_place = [&](const SourceRoot& root) {
            return std::any_of(places.begin(), places.end(),
                               [&](const SourceRoot& each) { return each.live_path == root.live_path; });
        };
        const SourceRoot root = *std::find_if(roots.begin(), roots.end(), at_place);
        const auto has = [&](const LeasedFile* each) { return each->root().live_path == root.live_path; };
        const auto earlier = std::find_if(lists_.begin(), lists_.end(), has);
        lists_.push_back(earlier != lists_.end() ? *earlier : &set_->add(root));
        if (static_cast<uint64_t>(lists_.back()->stat().st_size) < file.size_bytes) {
            throw Unsettled{Error(Code::source,
                                  fmt::format("{} has {} bytes, and {} expects {}", printable(root.live_path),
                                              lists_.back()->stat().st_size, printable(files_.index.live_path), file.size_bytes),
                                  "save the index again, or restore it together with its lists")};
        }
    }
}

void FaissPin::check_docstore() const {
    for (const LeasedFile* file : docstore_) {
        const int64_t apart_ms = std::abs(mtime_ns(*file) - mtime_ns(*index_)) / 1'000'000;
        if (apart_ms <= files_.docstore_skew_ms) continue;
        throw Error(
            Code::source,
            fmt::format("{} was written {} and its docstore {} {}: {} apart, and docstore_skew allows {}",
                        printable(index_->root().live_path), local_time(mtime_ns(*index_) / 1'000'000),
                        printable(file->root().live_path), local_time(mtime_ns(*file) / 1'000'000), human_duration(apart_ms),
                        human_duration(files_.docstore_skew_ms)),
            fmt::format("they must be of one save: save both again, or restore both (`ingot restore golden --only {0}`); if they "
                        "do belong together, raise docstore_skew of [sources.{0}]",
                        spec_.name));
    }
}

void FaissPin::describe() {
    for (const LeasedFile* file : set_->files()) {
        const struct stat& st = file->stat();
        Entry entry;
        entry.path = file->root().listing_path;
        entry.mode = st.st_mode & 07777;
        entry.uid = st.st_uid;
        entry.gid = st.st_gid;
        entry.mtime_ns = mtime_ns(*file);
        entry.size = static_cast<uint64_t>(st.st_size);
        entry.sparse = st.st_blocks * 512 < st.st_size;
        try {
            entry.xattrs = xattrs_of(file->root().live_path);
        } catch (const Error& error) {
            throw error.as(Code::source);
        }
        // Who has the file open for writing may have it mapped, and change it without a new time.
        if (file->was_leased())
            entry.fingerprint = fingerprint_of(file->pinned_stat(), entry.size, set_->moment().last.wall_ms * 1'000'000);
        else
            notes_.push_back(fmt::format("{} was copied while it was pinned, because no lease was to be had: {}",
                                         printable(entry.path),
                                         file->lease() == Lease::busy ? "a program has it open for writing"
                                                                      : "it needs its owner or root, and a local disk"));
        entries_.push_back(std::move(entry));
    }
    if (!layout_->understood()) {
        notes_.push_back(
            fmt::format("{} holds \"{}\" at byte {}, which this version does not know: from there on it is stored as plain "
                        "bytes",
                        printable(files_.index.listing_path), layout_->unknown()->fourcc, layout_->unknown()->offset));
    }
    for (const LeasedFile* file : lists_) {
        if (files_.declared(file->root())) continue;
        notes_.push_back(
            fmt::format("{} keeps its inverted lists in {}; declare it (`lists = [...]`), so that it can be restored when the "
                        "live index is lost",
                        printable(files_.index.listing_path), printable(file->root().listing_path)));
    }
}

std::optional<Entry> FaissPin::next() {
    if (at_ > 0) set_->files()[at_ - 1]->release();
    if (at_ == entries_.size()) return std::nullopt;
    return entries_[at_++];
}

std::unique_ptr<Stream> FaissPin::open(const Entry&) {
    LeasedFile& file = *set_->files()[at_ - 1];
    return std::make_unique<LeasedStream>(file, sections_of(file));
}

FaissSections FaissPin::sections_of(const LeasedFile& file) const {
    if (&file == index_) return layout_->sections();
    for (size_t i = 0; i < lists_.size(); ++i) {
        if (lists_[i] == &file) return layout_->lists_files()[i].sections;
    }
    return {};
}

Facts FaissPin::facts() {
    parse(*index_, FaissLinks::checked);
    return faiss_facts(*layout_, entries_.size());
}

}  // namespace ingot
