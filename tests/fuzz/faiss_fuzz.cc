// The structure of FAISS files (drivers/faiss_layout.h): any bytes are an index, no index, or torn; sections cover the file
// exactly. The corpus is tests/drivers/faiss_samples, beside what the fuzzer kept.
#include <algorithm>

#include "drivers/faiss_layout.h"
#include "tests/fuzz/fuzz.h"

namespace ingot::fuzz {
namespace {

uint64_t covered_by(FaissSections sections, uint64_t most) {
    uint64_t covered = 0;
    while (const std::optional<Section> section = sections.next()) {
        if (section->length_bytes == kToEnd) return most;
        require(section->length_bytes <= most - covered, "sections are longer than the file");
        covered += section->length_bytes;
    }
    return covered;
}

}  // namespace

// The smallest index: "IxF2", its header (d 1, ntotal 2), two floats.
std::vector<Bytes> seeds() {
    Encoder flat;
    flat.raw(view_of("IxF2")).u32(1).u64(2).u64(1 << 20).u64(1 << 20).u8(1).u32(1).u64(2).u32(0).u32(0);
    Encoder mapped;
    mapped.raw(view_of("IxMp")).u32(1).u64(2).u64(1 << 20).u64(1 << 20).u8(1).u32(1).raw(flat.bytes()).u64(2).u64(7).u64(8);
    return {flat.take(), mapped.take()};
}

}  // namespace ingot::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace ingot;
    using namespace ingot::fuzz;
    const ByteView file(data, size);
    const ReadAt read_at = [file](uint64_t offset, std::span<uint8_t> out) {
        if (offset >= file.size()) return size_t{0};
        const size_t n = std::min<size_t>(out.size(), file.size() - offset);
        std::copy_n(file.begin() + static_cast<std::ptrdiff_t>(offset), n, out.begin());
        return n;
    };
    decode_or_error([&] {
        const FaissLayout layout = parse_faiss(read_at, size);
        require(covered_by(layout.sections(), size) == size, "sections do not cover the file");
        for (const FaissListsFile& lists : layout.lists_files()) {
            require(covered_by(lists.sections, lists.size_bytes) == lists.size_bytes, "sections do not cover the file of lists");
        }
    });
    return 0;
}
