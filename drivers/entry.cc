#include "drivers/entry.h"

#include <algorithm>

namespace ingot {

bool listing_less(std::string_view a, std::string_view b) {
    const auto [at_a, at_b] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
    if (at_b == b.end()) return false;
    if (at_a == a.end()) return true;
    if (*at_a == '/' || *at_b == '/') return *at_a == '/';
    return static_cast<unsigned char>(*at_a) < static_cast<unsigned char>(*at_b);
}

}  // namespace ingot
