// Spool of entries, back to back:
//   u8 state (0 no stream, 1 root known, 2 root to come, 3 left out)   u32 void roots before it; and but for state 3:
//   u64 chunks   u32-prefixed fingerprint   the entry as in a listing, u32-prefixed by its own length
// Spool of roots: u8 height   32 bytes digest   u64 size   u8 has_sha256   32 bytes sha256   u64 chunks
#include "snapshot/source_feed.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/interrupt.h"

namespace ingot {
namespace {

enum class State : uint8_t { no_stream, known, to_come, left_out };

constexpr size_t kBufferBytes = 256 << 10;
// A source that fails this often is not a tree with some unreadable files but a medium that is going.
constexpr uint64_t kMostFailures = 10'000;
constexpr uint64_t kNotedFailures = 10;
constexpr size_t kRootBytes = 1 + 32 + 8 + 1 + 32 + 8;

// A file changed so shortly before the pin could change again and keep its times: file systems' clocks tick, the kernel's about
// every 10 ms; those that count whole seconds (and vfat: two) show it by times without a fraction.
constexpr int64_t kFineTickMs = 50;
constexpr int64_t kCoarseTickMs = 2'000;

bool may_change_unseen(const Entry& entry, int64_t moment_wall_ms) {
    const int64_t tick_ms = entry.mtime_ns % 1'000'000'000 == 0 ? kCoarseTickMs : kFineTickMs;
    return entry.mtime_ns / 1'000'000 >= moment_wall_ms - tick_ms;
}

// Reads a spool from its start in large reads.
class SpoolReader {
public:
    explicit SpoolReader(const Spool& spool) : spool_(spool), size_(spool.size()) {}
    bool done() const { return offset_ == size_ && from_ == buffer_.size(); }
    // The next bytes; borrowed until the next call.
    ByteView take(size_t wanted) {
        const size_t have = buffer_.size() - from_;
        if (have < wanted) {
            buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(from_));
            from_ = 0;
            const auto more = static_cast<size_t>(std::min<uint64_t>(std::max(kBufferBytes, wanted), size_ - offset_));
            buffer_.resize(have + more);
            offset_ += spool_.read_at(offset_, std::span(buffer_).subspan(have));
            if (buffer_.size() < wanted) throw Error(Code::failed, "a spool of this run ends too early");
        }
        from_ += wanted;
        return ByteView(buffer_).subspan(from_ - wanted, wanted);
    }
    uint32_t u32() { return Decoder(take(4), "a spool").u32(); }
    uint64_t u64() { return Decoder(take(8), "a spool").u64(); }

private:
    const Spool& spool_;
    uint64_t size_;
    uint64_t offset_ = 0;
    Bytes buffer_;
    size_t from_ = 0;
};

StreamStored next_root(SpoolReader& roots) {
    Decoder in(roots.take(kRootBytes), "a spool");
    StreamStored out;
    out.root.height = in.u8();
    out.root.digest = in.name<Digest>();
    out.root.size = in.u64();
    const bool has_sha256 = in.u8() != 0;
    const Digest sha256 = in.name<Digest>();
    if (has_sha256) out.sha256 = sha256;
    out.chunks = in.u64();
    return out;
}

class SpoolStream : public Stream {
public:
    explicit SpoolStream(const Spool& spool) : spool_(spool) {}
    std::optional<Section> next_section() override {
        if (given_) return std::nullopt;
        given_ = true;
        return Section::cdc();
    }
    size_t read(std::span<uint8_t> out) override {
        const size_t n = spool_.read_at(offset_, out);
        offset_ += n;
        return n;
    }

private:
    const Spool& spool_;
    uint64_t offset_ = 0;
    bool given_ = false;
};

}  // namespace

void SpoolWriter::write(ByteView bytes) {
    buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
    if (buffer_.size() < kBufferBytes) return;
    spool_.append(buffer_);
    buffer_.clear();
}

Spool SpoolWriter::take() {
    spool_.append(buffer_);
    buffer_.clear();
    return std::move(spool_);
}

SourceFeed::SourceFeed(Pin& pin, FilesCacheReader& cache, FeedLimits limits, Progress& progress)
    : pin_(pin),
      cache_(cache),
      limits_(std::move(limits)),
      progress_(progress),
      entries_(limits_.spool_dir),
      roots_(limits_.spool_dir) {}

// A listing out of order could not be read back, so order is checked before anything is stored.
std::optional<Entry> SourceFeed::next_entry() {
    check_interrupted();
    std::optional<Entry> entry = pin_.next();
    if (!entry) return entry;
    if (!last_path_.empty() && !listing_less(last_path_, entry->path)) {
        ended_ = true;
        throw Error(Code::source, fmt::format("{} was found after {}, which is not listing order", printable(entry->path),
                                              printable(last_path_)));
    }
    last_path_ = entry->path;
    return entry;
}

// The next entry whose bytes must be read; those without bytes, or with bytes that are known, are set aside on the way.
std::optional<Entry> SourceFeed::next_unread() {
    while (std::optional<Entry> entry = next_entry()) {
        if (entry->type != EntryType::file) {
            set_aside(*entry, nullptr, 0);
            continue;
        }
        const CachedFile* cached = cache_.find(entry->path, entry->fingerprint);
        if (cached == nullptr) return entry;
        set_aside(*entry, cached, 0);
        progress_.advance(cached->root.size);
    }
    ended_ = true;
    return std::nullopt;
}

Stream* SourceFeed::next() {
    while (!ended_) {
        try {
            if (!current_) {
                current_ = next_unread();
                tried_ = 0;
                voids_ = 0;
            }
            if (!current_) break;
            open();
            return stream_.get();
        } catch (const Error& error) {
            if (error.code() != Code::source) throw;
            leave_out(error);
        }
    }
    return nullptr;
}

void SourceFeed::open() {
    stream_.reset();
    stream_ = pin_.open(*current_);
    ++tried_;
}

void SourceFeed::read_to_end(bool settled, const Error* error) {
    if (settled) {
        keep();
        return;
    }
    if (error == nullptr) ++voids_;  // of a stream that ended in an error the store keeps nothing
    if (tried_ < limits_.tries) {
        progress_.note(printable(current_->path) + " changed while it was read; reading it again");
    } else if (error != nullptr) {
        leave_out(*error);
    } else {
        leave_out(Error(Code::source,
                        fmt::format("{} keeps changing while it is read ({} tries)", printable(current_->path), tried_),
                        "pause what writes to it ([barrier] in the config), or list it under growing or exclude"));
    }
}

// The current entry as it was delivered: a file that changed between pin and read is listed with what was read of it.
void SourceFeed::keep() {
    try {
        set_aside(pin_.described(*current_), nullptr, voids_);
        current_.reset();
    } catch (const Error& error) {
        if (error.code() != Code::source) throw;
        ++voids_;
        leave_out(error);
    }
}

// Its siblings go on. A source that fails without end is ended.
void SourceFeed::leave_out(const Error& error) {
    if (!first_failure_) first_failure_ = error;
    if (++failures_ == kMostFailures) ended_ = true;
    if (failures_ <= kNotedFailures) progress_.note(error.what());
    drop_current();
}

// The store's word on the current entry's streams, if any, belongs to nothing.
void SourceFeed::drop_current() {
    if (current_ && voids_ > 0) entries_.write(Encoder().u8(static_cast<uint8_t>(State::left_out)).u32(voids_).take());
    current_.reset();
    stream_.reset();
}

std::optional<Error> SourceFeed::failure() const {
    if (!first_failure_ || failures_ == 1) return first_failure_;
    return Error(Code::source, fmt::format("{} and {} more could not be stored", first_failure_->what(), failures_ - 1),
                 first_failure_->hint());
}

void SourceFeed::stored(const StreamStored& stream) {
    Encoder out;
    out.u8(stream.root.height).raw(stream.root.digest.view()).u64(stream.root.size);
    out.u8(stream.sha256 ? 1 : 0).raw(stream.sha256.value_or(Digest{}).view()).u64(stream.chunks);
    roots_.write(out.bytes());
}

void SourceFeed::set_aside(const Entry& entry, const CachedFile* cached, uint32_t voids) {
    ListedEntry listed{entry, {}, {}};
    State state = entry.type == EntryType::file ? State::to_come : State::no_stream;
    if (cached != nullptr) {
        state = State::known;
        listed.root = cached->root;
        listed.sha256 = cached->sha256;
    }
    const bool remember = !entry.fingerprint.empty() && state != State::no_stream &&
                          (cached != nullptr || !may_change_unseen(entry, limits_.moment_wall_ms));
    if (remember && cached == nullptr) ++new_to_remember_;
    Encoder head;
    head.u8(static_cast<uint8_t>(state)).u32(voids).u64(cached != nullptr ? cached->chunks : 0);
    head.prefixed(remember ? ByteView(entry.fingerprint) : ByteView());
    Bytes out = head.take();
    encode_entry(listed, out);
    entries_.write(out);
}

bool SourceFeed::cache_unchanged() const { return new_to_remember_ == 0 && cache_.hits() == cache_.count(); }

Spool SourceFeed::finish(FilesCacheWriter* next_cache, const std::vector<std::string>& roots) {
    const Spool entry_spool = entries_.take();
    const Spool root_spool = roots_.take();
    SpoolReader entries(entry_spool), stored_roots(root_spool);
    SpoolWriter listing(limits_.spool_dir);
    CachedFile remembered;
    Bytes encoded;
    while (!entries.done()) {
        const auto state = static_cast<State>(entries.take(1)[0]);
        for (uint32_t voids = entries.u32(); voids > 0; --voids) (void)next_root(stored_roots);
        if (state == State::left_out) continue;
        remembered.chunks = entries.u64();
        const ByteView fingerprint = entries.take(entries.u32());
        remembered.fingerprint.assign(fingerprint.begin(), fingerprint.end());
        ListedEntry listed = decode_entry(entries.take(entries.u32()));
        if (state == State::to_come) {
            const StreamStored stored = next_root(stored_roots);
            listed.root = stored.root;
            listed.sha256 = stored.sha256;
            remembered.chunks = stored.chunks;
        }
        encoded.clear();
        encode_entry(listed, encoded);
        listing.write(encoded);
        ++counts_.entries;
        counts_.only_roots = counts_.only_roots && std::find(roots.begin(), roots.end(), listed.entry.path) != roots.end();
        if (state == State::no_stream) continue;
        ++counts_.streams;
        counts_.bytes += listed.root.size;
        counts_.chunks += remembered.chunks;
        if (next_cache == nullptr || remembered.fingerprint.empty()) continue;
        remembered.path = listed.entry.path;
        remembered.root = listed.root;
        remembered.sha256 = listed.sha256;
        next_cache->add(remembered);
    }
    if (!stored_roots.done()) throw Error(Code::failed, "the store kept more streams than it was given");
    return listing.take();
}

SpoolFeed::SpoolFeed(const Spool& spool) : stream_(std::make_unique<SpoolStream>(spool)) {}

SpoolFeed::~SpoolFeed() = default;

Stream* SpoolFeed::next() { return std::exchange(given_, true) ? nullptr : stream_.get(); }

void SpoolFeed::read_to_end(bool, const Error* error) {
    if (error != nullptr) throw *error;
}

}  // namespace ingot
