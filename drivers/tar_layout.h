// How a tar file is cut: each header, and each member's data, in sections of their own, so that what a member holds is found
// again wherever it lies in the archive and whatever time its header has. A member that is itself a tar file ("NAME.tar") is cut
// so too.
//
// Thread safety: pure functions. Errors: none but what `bytes` throws; what is no tar is one section.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/stream.h"
#include "drivers/tar_walk.h"

namespace ingot {

// An array of equal elements in a member, after `header_bytes` of something else.
struct TarElements {
    uint32_t element_bytes = 0;  // 0: no array
    uint32_t header_bytes = 0;
    Content content = Content::bytes;
};

// What the member of this path holds; paths of nested archives are their own, without that of the outer one.
using TarKnown = std::function<TarElements(const std::string& path)>;

// Sections of the bytes [0, size), exactly as long together.
std::vector<Section> tar_sections(const TarBytes& bytes, uint64_t size, const TarKnown& known);

}  // namespace ingot
