#include "drivers/record_sort.h"

#include <algorithm>

#include "base/error.h"

namespace ingot {
namespace {

// Read ahead of each run: a thousand runs (64 GB of records) then take 64 MiB.
constexpr size_t kRunBufferBytes = 64 << 10;
constexpr size_t kWriteBufferBytes = 1 << 20;
// Two u32: the lengths of key and payload.
constexpr size_t kHeadBytes = 8;

bool key_less(ByteView a, ByteView b) {
    const size_t common = std::min(a.size(), b.size());
    const int order = common == 0 ? 0 : std::memcmp(a.data(), b.data(), common);
    return order != 0 ? order < 0 : a.size() < b.size();
}

}  // namespace

// One sorted run in the spool, read in order.
class RecordSort::Run {
public:
    Run(const Spool& spool, uint64_t from, uint64_t to) : spool_(spool), next_(from), end_(to) {}

    bool advance() {
        at_ += size_;
        size_ = 0;
        if (at_ == have_ && next_ == end_) return false;
        need(kHeadBytes);
        Decoder head(ByteView(buffer_).subspan(at_, kHeadBytes), "a sorted run");
        const size_t key_bytes = head.u32();
        const size_t payload_bytes = head.u32();
        need(kHeadBytes + key_bytes + payload_bytes);
        const ByteView body = ByteView(buffer_).subspan(at_ + kHeadBytes, key_bytes + payload_bytes);
        record_ = {body.first(key_bytes), body.subspan(key_bytes)};
        size_ = kHeadBytes + key_bytes + payload_bytes;
        return true;
    }

    const Record& record() const { return record_; }

private:
    void need(size_t bytes) {
        if (have_ - at_ >= bytes) return;
        std::copy(buffer_.begin() + static_cast<ptrdiff_t>(at_), buffer_.begin() + static_cast<ptrdiff_t>(have_),
                  buffer_.begin());
        have_ -= at_;
        at_ = 0;
        if (buffer_.size() < std::max(bytes, kRunBufferBytes)) buffer_.resize(std::max(bytes, kRunBufferBytes));
        const auto room = static_cast<size_t>(std::min<uint64_t>(buffer_.size() - have_, end_ - next_));
        const size_t n = spool_.read_at(next_, std::span(buffer_).subspan(have_, room));
        next_ += n;
        have_ += n;
        if (have_ < bytes) throw Error(Code::failed, "a spool of sorted records ends too early", "run the command again");
    }

    const Spool& spool_;
    uint64_t next_;
    uint64_t end_;
    Bytes buffer_;
    size_t at_ = 0;
    size_t have_ = 0;
    size_t size_ = 0;  // of the record at at_
    Record record_;
};

RecordSort::RecordSort(std::string folder, size_t memory_bytes) : folder_(std::move(folder)), memory_bytes_(memory_bytes) {}

RecordSort::~RecordSort() = default;

RecordSort::Record RecordSort::at(const Place& place) const {
    const ByteView all(arena_);
    return {all.subspan(place.offset, place.key_bytes), all.subspan(place.offset + place.key_bytes, place.payload_bytes)};
}

void RecordSort::add(ByteView key, ByteView payload) {
    const size_t bytes = key.size() + payload.size();
    // Places count too: a million keys of a few bytes are mostly places.
    if (!places_.empty() && arena_.size() + bytes + 2 * places_.size() * sizeof(Place) > memory_bytes_) spill();
    // Grows to its limit in doubling steps, and never beyond it for the sake of growing.
    if (arena_.capacity() < arena_.size() + bytes) {
        arena_.reserve(std::max(arena_.size() + bytes, std::min(memory_bytes_, 2 * arena_.size() + 4096)));
    }
    places_.push_back({arena_.size(), static_cast<uint32_t>(key.size()), static_cast<uint32_t>(payload.size())});
    arena_.insert(arena_.end(), key.begin(), key.end());
    arena_.insert(arena_.end(), payload.begin(), payload.end());
}

void RecordSort::sort() {
    std::sort(places_.begin(), places_.end(), [&](const Place& a, const Place& b) {
        const ByteView key_a = at(a).key;
        const ByteView key_b = at(b).key;
        if (key_less(key_a, key_b)) return true;
        if (key_less(key_b, key_a)) return false;
        return a.offset < b.offset;
    });
}

void RecordSort::spill() {
    sort();
    if (!spool_) spool_ = std::make_unique<Spool>(folder_);
    run_starts_.push_back(spool_->size());
    Encoder out;
    for (const Place& place : places_) {
        const Record record = at(place);
        out.u32(place.key_bytes).u32(place.payload_bytes).raw(record.key).raw(record.payload);
        if (out.size() < kWriteBufferBytes) continue;
        spool_->append(out.bytes());
        out = Encoder();
    }
    spool_->append(out.bytes());
    arena_.clear();
    places_.clear();
}

// Is the record of run `a` to come after that of run `b`? Earlier runs hold what came in earlier.
bool RecordSort::run_after(size_t a, size_t b) const {
    const ByteView key_a = merging_[a]->record().key;
    const ByteView key_b = merging_[b]->record().key;
    if (key_less(key_b, key_a)) return true;
    if (key_less(key_a, key_b)) return false;
    return a > b;
}

void RecordSort::finish() {
    if (run_starts_.empty()) {
        sort();
        return;
    }
    if (!places_.empty()) spill();
    arena_ = Bytes();
    places_ = {};
    for (size_t i = 0; i < run_starts_.size(); ++i) {
        const uint64_t end = i + 1 < run_starts_.size() ? run_starts_[i + 1] : spool_->size();
        merging_.push_back(std::make_unique<Run>(*spool_, run_starts_[i], end));
        if (merging_[i]->advance()) heap_.push_back(i);
    }
    std::make_heap(heap_.begin(), heap_.end(), [&](size_t a, size_t b) { return run_after(a, b); });
}

std::optional<RecordSort::Record> RecordSort::next() {
    if (run_starts_.empty()) {
        if (given_ == places_.size()) return std::nullopt;
        return at(places_[given_++]);
    }
    const auto after = [&](size_t a, size_t b) { return run_after(a, b); };
    if (advance_) {
        std::pop_heap(heap_.begin(), heap_.end(), after);
        if (merging_[heap_.back()]->advance()) {
            std::push_heap(heap_.begin(), heap_.end(), after);
        } else {
            heap_.pop_back();
        }
    }
    advance_ = !heap_.empty();
    if (heap_.empty()) return std::nullopt;
    return merging_[heap_.front()]->record();
}

}  // namespace ingot
