// FAISS files built byte by byte, as impl/index_write.cpp of FAISS writes them, for tests of the parser.
#pragma once

#include <cstring>
#include <functional>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "drivers/faiss_layout.h"

namespace ingot::test {

inline ReadAt reader_of(const Bytes& file) {
    return [&file](uint64_t offset, std::span<uint8_t> out) -> size_t {
        if (offset >= file.size()) return 0;
        const size_t n = std::min<size_t>(out.size(), file.size() - offset);
        std::memcpy(out.data(), file.data() + offset, n);
        return n;
    };
}

class FaissBytes {
public:
    FaissBytes& letters(std::string_view four) { return raw(four.data(), 4); }
    FaissBytes& u8(uint8_t value) { return raw(&value, 1); }
    FaissBytes& i32(int32_t value) { return raw(&value, 4); }
    FaissBytes& f32(float value) { return raw(&value, 4); }
    FaissBytes& i64(int64_t value) { return raw(&value, 8); }
    FaissBytes& u64(uint64_t value) { return raw(&value, 8); }
    FaissBytes& raw(const void* data, size_t size) {
        const auto* bytes = static_cast<const uint8_t*>(data);
        out.insert(out.end(), bytes, bytes + size);
        return *this;
    }
    FaissBytes& zeros(size_t count) {
        out.resize(out.size() + count);
        return *this;
    }
    // A count, and that many elements of zeros.
    FaissBytes& table(uint64_t count, size_t element_bytes) { return u64(count).zeros(count * element_bytes); }
    template <class T>
    FaissBytes& table(const std::vector<T>& values) {
        return u64(values.size()).raw(values.data(), values.size() * sizeof(T));
    }
    FaissBytes& add(const Bytes& bytes) { return raw(bytes.data(), bytes.size()); }

    FaissBytes& header(int32_t d, int64_t n, int32_t metric = 1) {
        i32(d).i64(n).i64(1 << 20).i64(1 << 20).u8(1).i32(metric);
        if (metric > 1) f32(0);
        return *this;
    }
    FaissBytes& binary_header(int32_t bits, int64_t n) { return i32(bits).i32(bits / 8).i64(n).u8(1).i32(1); }
    FaissBytes& flat(int32_t d, int64_t n, int32_t metric = 1) {
        letters(metric == 0 ? "IxFI" : metric == 1 ? "IxF2" : "IxFl").header(d, n, metric);
        return table(static_cast<uint64_t>(n * d), 4);
    }
    // Inverted lists of these sizes, in the index.
    FaissBytes& lists(const std::vector<uint64_t>& sizes, uint64_t code_bytes) {
        letters("ilar").u64(sizes.size()).u64(code_bytes).letters("full").table(sizes);
        for (const uint64_t n : sizes) zeros(n * (code_bytes + 8));
        return *this;
    }
    FaissBytes& ivf(std::string_view four, int32_t d, const std::vector<uint64_t>& sizes) {
        int64_t n = 0;
        for (const uint64_t size : sizes) n += static_cast<int64_t>(size);
        letters(four).header(d, n).u64(sizes.size()).u64(1).flat(d, static_cast<int64_t>(sizes.size()));
        return u8(0).table(0, 8);  // no direct map
    }
    FaissBytes& ivf_flat(int32_t d, const std::vector<uint64_t>& sizes) {
        return ivf("IwFl", d, sizes).lists(sizes, static_cast<uint64_t>(d) * 4);
    }
    // n nodes on level 0, the last on level 1 too, each linked to the next.
    FaissBytes& hnsw_graph(int32_t m, int32_t n) {
        table(std::vector<double>{0.9, 0.1}).table(std::vector<int32_t>{0, 2 * m, 3 * m});
        std::vector<int32_t> levels(static_cast<size_t>(n), 1), links;
        std::vector<uint64_t> offsets{0};
        if (n > 0) levels.back() = 2;
        for (int32_t i = 0; i < n; ++i) {
            links.push_back((i + 1) % n);
            links.resize(links.size() + static_cast<size_t>(levels[static_cast<size_t>(i)] == 2 ? 3 * m : 2 * m) - 1, -1);
            offsets.push_back(links.size());
        }
        table(levels).table(offsets);
        links_offset = out.size() + 8;
        return table(links).i32(n - 1).i32(n > 0 ? 1 : -1).i32(40).i32(16).i32(1);
    }
    FaissBytes& hnsw_flat(int32_t d, int32_t m, int32_t n) { return letters("IHNf").header(d, n).hnsw_graph(m, n).flat(d, n); }
    FaissBytes& product_quantizer(uint64_t d, uint64_t m, uint64_t bits) { return u64(d).u64(m).u64(bits).table(d << bits, 4); }

    Bytes out;
    size_t links_offset = 0;
};

}  // namespace ingot::test
