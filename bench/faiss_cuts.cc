// What a change of a FAISS index costs: bytes of chunks that the version before did not have, with the cuts of
// drivers/faiss_layout.h and the store's own cutter; beside it, the same with content-defined cuts that know nothing of FAISS.
//
//   faiss_cuts BEFORE AFTER [AFTER ...]     one line for each: chunks, new bytes, their cost with 100 bytes of meta data per
//   chunk
//
// bench/faiss_cuts.py makes the indexes and the table of docs/drivers/faiss.md.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <iterator>
#include <unordered_set>

#include "base/error.h"
#include "drivers/faiss_layout.h"
#include "store/cut.h"
#include "store/hash.h"

namespace {

using namespace ingot;

// What a chunk costs beside its bytes: entries in the index, in a pack's directory and in the stream tree.
constexpr uint64_t kMetaBytes = 100;

Bytes read_file(const char* path) {
    std::ifstream in(path, std::ios::binary);
    if (!in) throw Error(Code::not_found, fmt::format("reading {}", path));
    return {std::istreambuf_iterator<char>(in), {}};
}

struct Counted {
    std::unordered_set<Digest, Digest::Hash> seen;
    uint64_t chunks = 0;
    uint64_t new_chunks = 0;
    uint64_t new_bytes = 0;

    void begin() { chunks = new_chunks = new_bytes = 0; }
    void add(ByteView chunk) {
        ++chunks;
        if (seen.insert(sha256(chunk)).second) {
            ++new_chunks;
            new_bytes += chunk.size();
        }
    }
};

void cut(const Cutter& cutter, const Section& section, ByteView bytes, Counted& counted) {
    const auto elements = element_cuts(section);
    const uint32_t block = block_length(section);
    const bool whole = section.cut == Cut::whole && bytes.size() <= kMaxChunkBytes;
    while (!bytes.empty()) {
        size_t length = bytes.size();
        if (elements) {
            length = cutter.first_elements(bytes.first(std::min<size_t>(bytes.size(), elements->max_bytes())), *elements);
        } else if (block > 0) {
            length = std::min<size_t>(bytes.size(), block);
        } else if (!whole) {
            length = cutter.first_chunk(bytes.first(std::min<size_t>(bytes.size(), cutter.parameters().max_bytes)));
        }
        counted.add(bytes.first(length));
        bytes = bytes.subspan(length);
    }
}

void cut_as_faiss(const Cutter& cutter, ByteView file, Counted& counted) {
    const ReadAt read_at = [&](uint64_t offset, std::span<uint8_t> out) {
        const size_t n = offset >= file.size() ? 0 : std::min<size_t>(out.size(), file.size() - offset);
        std::memcpy(out.data(), file.data() + offset, n);
        return n;
    };
    const FaissLayout layout = parse_faiss(read_at, file.size());
    auto sections = layout.sections();
    while (const auto section = sections.next()) {
        cut(cutter, *section, file.first(section->length_bytes), counted);
        file = file.subspan(section->length_bytes);
    }
}

int run(int argc, char** argv) {
    if (argc < 3) throw Error(Code::usage, "faiss_cuts BEFORE AFTER...");
    const Bytes key(32, 7);
    const Cutter cutter(key, {});
    Counted faiss, plain;
    for (int i = 1; i < argc; ++i) {
        const Bytes file = read_file(argv[i]);
        Counted now = faiss, now_plain = plain;
        now.begin();
        now_plain.begin();
        cut_as_faiss(cutter, file, now);
        cut(cutter, Section::cdc(), file, now_plain);
        fmt::print("{} {} {} {} {} {} {} {}\n", file.size(), now.chunks, now.new_chunks, now.new_bytes,
                   now.new_bytes + kMetaBytes * now.chunks, now_plain.chunks, now_plain.new_chunks, now_plain.new_bytes);
        if (i == 1) {
            faiss = std::move(now);
            plain = std::move(now_plain);
        }
    }
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    try {
        return run(argc, argv);
    } catch (const std::exception& error) {
        fmt::print(stderr, "{}\n", error.what());
        return 1;
    }
}
