#include "drivers/tar_layout.h"

#include <algorithm>

#include "base/error.h"

namespace ingot {
namespace {

// A chunk of vectors is as long as one of other bytes, on average (DESIGN: CDC average 16 KiB).
constexpr uint32_t kAverageBytes = 16 << 10;
// A snapshot holds a tar of segments, which hold files: deeper is somebody else's data.
constexpr int kDeepest = 2;
// Shorter runs of an array are not worth cuts of their own.
constexpr uint64_t kLeastArrayBytes = 64 << 10;

class Layout {
public:
    Layout(const TarBytes& bytes, const TarKnown& known) : bytes_(bytes), known_(known) {}

    // The archive in [begin, end). Stops, and has said everything up to at_, where it is no tar any more.
    void archive(uint64_t begin, uint64_t end, int depth) {
        TarWalk walk(bytes_, begin);
        try {
            while (const auto member = walk.next(end)) {
                if (member->next_offset() > end) break;
                plain(member->data_offset);
                data(*member, depth);
            }
        } catch (const Error& error) {
            ignore_error(error, "what is no tar is cut by its content; whether it should be one is asked elsewhere");
        }
        plain(end);
    }

    std::vector<Section> take() { return std::move(sections_); }

private:
    void data(const TarMember& member, int depth) {
        const uint64_t end = member.next_offset();
        if (member.type == '0' && member.path.ends_with(".tar") && depth < kDeepest) {
            archive(member.data_offset, member.data_offset + member.data_size, depth + 1);
        } else if (const TarElements elements = known_(member.path); elements.element_bytes > 0 && member.is_file()) {
            array(member, elements);
        }
        // With the zeros that fill the last block, which depend on nothing but the data's length.
        plain(end);
    }

    // Only the runs of a sparse file are there: each begins at some offset of the file, and elements are counted from its header.
    void array(const TarMember& member, const TarElements& elements) {
        const uint64_t element = elements.element_bytes;
        std::vector<TarRun> runs = member.runs;
        if (member.type == '0') runs = {{0, member.data_size}};
        uint64_t stored = member.data_offset;
        for (const TarRun& run : runs) {
            const uint64_t begin = std::max<uint64_t>(run.offset, elements.header_bytes);
            const uint64_t first = elements.header_bytes + (begin - elements.header_bytes + element - 1) / element * element;
            const uint64_t end = run.offset + run.length;
            if (first < end && end - first >= kLeastArrayBytes && (end - first) / element > 0) {
                plain(stored + (first - run.offset));
                const uint64_t length = (end - first) / element * element;
                const auto average = static_cast<uint32_t>(std::max<uint64_t>(1, kAverageBytes / element));
                sections_.push_back(Section::elements(length, elements.element_bytes, average, elements.content));
                at_ += length;
            }
            stored += run.length;
        }
    }

    void plain(uint64_t to) {
        if (to <= at_) return;
        Section section = Section::cdc();
        section.length_bytes = to - at_;
        sections_.push_back(section);
        at_ = to;
    }

    const TarBytes& bytes_;
    const TarKnown& known_;
    std::vector<Section> sections_;
    uint64_t at_ = 0;
};

}  // namespace

std::vector<Section> tar_sections(const TarBytes& bytes, uint64_t size, const TarKnown& known) {
    Layout layout(bytes, known);
    layout.archive(0, size, 0);
    return layout.take();
}

}  // namespace ingot
