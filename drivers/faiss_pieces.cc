#include "drivers/faiss_pieces.h"

#include <algorithm>
#include <cassert>
#include <limits>
#include <utility>

namespace ingot {
namespace faiss_cut {
namespace {

constexpr uint64_t kVectorsBytes = 4096;
constexpr uint64_t kCodesBytes = 2048;
constexpr uint64_t kIdsBytes = 2048;
constexpr uint64_t kLinksBytes = 512;
// Appending touches the last block only: larger blocks cost a few new bytes, smaller ones meta data for ever.
constexpr uint64_t kTableBytes = 16 << 10;
constexpr uint64_t kTrainedBytes = 64 << 10;

// `wanted` bytes in whole elements: at least one.
uint32_t count_of(uint64_t wanted, uint64_t element_bytes) {
    return static_cast<uint32_t>(std::max<uint64_t>(1, (wanted + element_bytes / 2) / element_bytes));
}

// An element as Section knows it; of one that is larger than that, only the bytes are known.
Section elements(uint64_t length_bytes, uint64_t element_bytes, uint64_t wanted, Content content) {
    if (element_bytes == 0 || element_bytes > std::numeric_limits<uint32_t>::max()) element_bytes = 1;
    return Section::elements(length_bytes, static_cast<uint32_t>(element_bytes), count_of(wanted, element_bytes), content);
}

}  // namespace

Section vectors(uint64_t length_bytes, uint64_t dimension) {
    return elements(length_bytes, saturating_product(dimension, 4), kVectorsBytes, Content::f32);
}
Section codes(uint64_t length_bytes, uint64_t code_bytes) {
    return elements(length_bytes, code_bytes, kCodesBytes, Content::bytes);
}
Section ids(uint64_t length_bytes, uint64_t element_bytes) {
    return elements(length_bytes, element_bytes, kIdsBytes, Content::bytes);
}
Section table(uint64_t length_bytes) { return Section::blocks(length_bytes, 8, kTableBytes / 8); }
Section trained(uint64_t length_bytes) { return Section::blocks(length_bytes, 4, kTrainedBytes / 4, Content::f32); }
Section links(uint64_t length_bytes, uint64_t slot_bytes) {
    if (slot_bytes == 0 || slot_bytes > kLinksBytes) slot_bytes = 4;
    return Section::blocks(length_bytes, static_cast<uint32_t>(slot_bytes), count_of(kLinksBytes, slot_bytes));
}
Section whole(uint64_t length_bytes, Content content) {
    Section section;
    section.length_bytes = length_bytes;
    section.cut = Cut::whole;
    section.content = content;
    return section;
}

}  // namespace faiss_cut

namespace {

// A table smaller than that is not worth a chunk of its own.
constexpr uint64_t kSmallBytes = 512;

}  // namespace

void FaissPiecesBuilder::header_until(uint64_t offset) {
    assert(offset >= covered_);
    if (offset > covered_) pieces_->pieces.emplace_back(faiss_cut::whole(offset - covered_));
    covered_ = offset;
}

void FaissPiecesBuilder::add(const FaissReader::Table& table, Section section) {
    if (table.bytes < kSmallBytes) return;
    header_until(table.offset);
    section.length_bytes = table.bytes;
    pieces_->pieces.emplace_back(section);
    covered_ = table.end();
}

void FaissPiecesBuilder::add(uint64_t offset, FaissLists lists, uint64_t length_bytes) {
    if (length_bytes == 0) return;
    header_until(offset);
    lists.groups.shrink_to_fit();
    pieces_->pieces.emplace_back(std::move(lists));
    covered_ = offset + length_bytes;
}

void FaissPiecesBuilder::finish(uint64_t end, bool understood) {
    if (understood) return header_until(end);
    if (end > covered_) {
        Section rest = Section::cdc();
        rest.length_bytes = end - covered_;
        pieces_->pieces.emplace_back(rest);
    }
    covered_ = end;
}

std::shared_ptr<const FaissPieces> FaissPiecesBuilder::take() {
    pieces_->pieces.shrink_to_fit();
    return std::exchange(pieces_, std::make_shared<FaissPieces>());
}

std::optional<Section> FaissSections::next() {
    while (pieces_ && piece_ < pieces_->pieces.size()) {
        const auto& piece = pieces_->pieces[piece_];
        if (const auto* section = std::get_if<Section>(&piece)) {
            ++piece_;
            return *section;
        }
        const auto& lists = std::get<FaissLists>(piece);
        while (part_ < lists.groups.size() * 2) {
            const auto& group = lists.groups[part_ / 2];
            const bool together = group.second_bytes == FaissLists::kTogether;
            Section section = together ? faiss_cut::whole(0, lists.together) : part_ % 2 == 0 ? lists.first : lists.second;
            section.length_bytes = part_ % 2 == 0 ? group.first_bytes : group.second_bytes;
            part_ += together ? 2 : 1;
            if (section.length_bytes > 0) return section;
        }
        part_ = 0;
        ++piece_;
    }
    return std::nullopt;
}

}  // namespace ingot
