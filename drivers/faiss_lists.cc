#include "drivers/faiss_lists.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <numeric>
#include <utility>

#include "base/error.h"

namespace ingot {
namespace {

// A list from here on has chunks of its own; smaller ones are joined to groups of nearly that size. Joining up to 4 KiB costs
// more new bytes than it saves meta data, not joining at all costs a chunk for every list of a few codes.
constexpr uint64_t kApartBytes = 2048;
// Groups that a hash left unbroken for that long are broken anyway.
constexpr uint64_t kGroupBytes = 32 * kApartBytes;
// Lists of a data file are sorted by their place, which takes memory: 24 bytes a list. Beyond that the data file is one section.
constexpr uint64_t kMostListsOnDisk = 4 << 20;
constexpr uint64_t kPathBytes = 4096;  // Linux' PATH_MAX
constexpr uint64_t kIdBytes = 8;
constexpr uint64_t kMostCodeBytes = uint64_t{1} << 40;  // what FAISS itself refuses to read

// SplitMix64: list numbers are consecutive, and every few of them must be picked without a pattern.
uint64_t hash_of(uint64_t list) {
    uint64_t x = list + 0x9e3779b97f4a7c15;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    return x ^ (x >> 31);
}

FaissLists lists_of(const FaissListsOf& of, uint64_t code_bytes) {
    FaissLists lists;
    lists.first = of.content == Content::f32 ? faiss_cut::vectors(0, code_bytes / 4) : faiss_cut::codes(0, code_bytes);
    lists.second = faiss_cut::ids(0);
    lists.together = of.content;
    return lists;
}

void check_total(FaissParse& parse, uint64_t total, uint64_t ntotal) {
    if (total != ntotal) parse.in.fail(fmt::format("its lists hold {} vectors, and its header says {}", total, ntotal));
}

// Calls each(list, size) for every list with a size of its own, in order. The table was checked by sizes_table().
struct SizesTable {
    FaissReader::Table table;
    bool sparse = false;

    template <class Each>
    void for_each(FaissReader& in, Each each) const {
        uint64_t list = 0;
        in.for_each<uint64_t>(table, [&](uint64_t index, uint64_t value) {
            if (!sparse) {
                each(index, value);
            } else if (index % 2 == 0) {
                list = value;
            } else {
                each(list, value);
            }
        });
    }
};

SizesTable sizes_table(FaissParse& parse, uint64_t nlist) {
    FaissReader& in = parse.in;
    const uint32_t kind = in.u32("the kind of its list sizes");
    SizesTable sizes;
    sizes.sparse = kind == fourcc("sprs");
    if (!sizes.sparse && kind != fourcc("full")) in.fail("list sizes are neither full nor sparse");
    sizes.table = parse.table(8, "the table of list sizes", faiss_cut::table(0));
    if (!sizes.sparse) {
        in.check(sizes.table.count == nlist, "as many list sizes as lists are expected");
        return sizes;
    }
    in.check(sizes.table.count % 2 == 0, "sparse list sizes do not come in pairs");
    uint64_t next = 0;
    sizes.for_each(in, [&](uint64_t list, uint64_t) {
        in.check(list >= next && list < nlist, "sparse list sizes are out of order, or of lists that are not there");
        next = list + 1;
    });
    return sizes;
}

bool parse_array_lists(FaissParse& parse, const FaissListsOf& of, uint64_t nlist, uint64_t code_bytes) {
    FaissReader& in = parse.in;
    const SizesTable sizes = sizes_table(parse, nlist);
    uint64_t total = 0;
    sizes.for_each(in, [&](uint64_t, uint64_t size) {
        in.check(!__builtin_add_overflow(total, size, &total), "list sizes beyond any file");
    });
    check_total(parse, total, of.ntotal);
    const auto data = in.elements(total, code_bytes + kIdBytes, "the inverted lists");
    FaissListGroups groups(nlist, data.bytes);
    sizes.for_each(in, [&](uint64_t list, uint64_t size) { groups.add(list, size * code_bytes, size * kIdBytes); });
    FaissLists lists = lists_of(of, code_bytes);
    lists.groups = groups.take();
    parse.out.add(data.offset, std::move(lists), data.bytes);
    return true;
}

struct ListOnDisk {
    uint64_t offset;
    uint64_t capacity;
    uint64_t list;
};

std::vector<ListOnDisk> lists_on_disk(FaissReader& in, const FaissReader::Table& table, uint64_t& total) {
    std::vector<ListOnDisk> lists;
    std::array<uint64_t, 3> entry{};  // size, capacity, offset
    in.for_each<uint64_t>(table, [&](uint64_t index, uint64_t value) {
        entry[index % 3] = value;
        if (index % 3 != 2) return;
        const auto [size, capacity, offset] = entry;
        in.check(size <= capacity && !__builtin_add_overflow(total, size, &total), "a list on disk is larger than its room");
        if (capacity > 0 && lists.size() < kMostListsOnDisk) lists.push_back({offset, capacity, index / 3});
    });
    std::sort(lists.begin(), lists.end(), [](const ListOnDisk& a, const ListOnDisk& b) { return a.offset < b.offset; });
    return lists;
}

FaissSections sections_on_disk(FaissReader& in, const FaissListsOf& of, const std::vector<ListOnDisk>& entries, uint64_t nlist,
                               uint64_t code_bytes, uint64_t size_bytes) {
    const uint64_t entry_bytes = code_bytes + kIdBytes;
    FaissPiecesBuilder out;
    FaissListGroups groups(nlist, size_bytes);
    uint64_t begin = 0, end = 0;
    const auto close = [&] {
        FaissLists lists = lists_of(of, code_bytes);
        lists.groups = groups.take();
        out.add(begin, std::move(lists), end - begin);
    };
    for (const ListOnDisk& entry : entries) {
        const uint64_t bytes = saturating_product(entry.capacity, entry_bytes);
        in.check(entry.offset <= size_bytes && bytes <= size_bytes - entry.offset, "a list on disk ends beyond its file");
        in.check(entry.offset >= end, "two lists on disk share bytes");
        if (entry.offset > end) {  // free room before it, which is a section of its own
            close();
            begin = entry.offset;
        }
        groups.add(entry.list, entry.capacity * code_bytes, entry.capacity * kIdBytes);
        end = entry.offset + bytes;
    }
    close();
    out.finish(size_bytes, true);
    return FaissSections(out.take());
}

bool parse_lists_on_disk(FaissParse& parse, const FaissListsOf& of, uint64_t nlist, uint64_t code_bytes) {
    FaissReader& in = parse.in;
    auto table = parse.table(24, "the table of lists on disk", faiss_cut::table(0));
    in.check(table.count == nlist, "as many lists on disk as lists are expected");
    table.count *= 3;
    uint64_t total = 0;
    std::vector<ListOnDisk> entries = lists_on_disk(in, table, total);
    check_total(parse, total, of.ntotal);
    parse.table(16, "the table of free room", faiss_cut::table(0));
    const auto name = in.table(1, "the name of the lists' file");
    in.check(name.count > 0 && name.count <= kPathBytes, "the lists' file has no name, or one that is too long");
    FaissListsFile file;
    in.for_each<char>(name, [&](uint64_t, char letter) {
        in.check(letter != '\0', "the lists' file has a NUL in its name");
        file.name += letter;
    });
    file.size_bytes = in.u64("the size of the lists' file");
    in.check(file.size_bytes <= INT64_MAX, "a lists' file larger than any file can be");
    if (entries.size() == kMostListsOnDisk) entries.clear();
    file.sections = sections_on_disk(in, of, entries, nlist, code_bytes, file.size_bytes);
    parse.lists_files.push_back(std::move(file));
    return true;
}

bool parse_block_lists(FaissParse& parse, const FaissListsOf& of, uint64_t nlist) {
    FaissReader& in = parse.in;
    const uint64_t per_block = in.u64("vectors per block");
    const uint64_t block_bytes = in.u64("bytes per block");
    in.check(per_block > 0, "blocks of no vectors");
    FaissListsOf blocks = of;
    blocks.nlist = nlist;
    blocks.code_bytes = block_bytes;  // vectors of a block are interleaved: the block is what must not be cut
    parse_faiss_list_pairs(parse, blocks, [&](uint64_t n, uint64_t bytes) {
        return saturating_product(n / per_block + (n % per_block != 0), block_bytes) <= bytes;
    });
    return true;
}

}  // namespace

FaissListGroups::FaissListGroups(uint64_t nlist, uint64_t total_bytes) {
    // Powers of two: the groups of a growing index move only when its lists have doubled.
    const uint64_t mean = std::max<uint64_t>(1, total_bytes / std::max<uint64_t>(1, nlist));
    mask_ = mean >= kApartBytes ? 0 : std::bit_floor(kApartBytes / mean) - 1;
}

void FaissListGroups::add(uint64_t list, uint64_t first_bytes, uint64_t second_bytes) {
    const uint64_t bytes = first_bytes + second_bytes;
    if ((hash_of(list) & mask_) == 0 || bytes >= kApartBytes || pending_bytes_ >= kGroupBytes) close();
    if (bytes >= kApartBytes) {
        groups_.push_back({first_bytes, second_bytes});
    } else {
        pending_bytes_ += bytes;
    }
}

void FaissListGroups::close() {
    if (pending_bytes_ > 0) groups_.push_back({pending_bytes_, FaissLists::kTogether});
    pending_bytes_ = 0;
}

std::vector<FaissLists::Group> FaissListGroups::take() {
    close();
    return std::exchange(groups_, {});
}

bool parse_faiss_lists(FaissParse& parse, const FaissListsOf& of) {
    FaissReader& in = parse.in;
    const uint32_t letters = in.u32("its inverted lists");
    if (letters == fourcc("il00")) return true;  // kept elsewhere; nothing to compare ntotal with
    if (letters != fourcc("ilar") && letters != fourcc("ilbl") && letters != fourcc("ilod")) return parse.stop(letters);
    const uint64_t nlist = in.u64("the number of its lists");
    const uint64_t code_bytes = in.u64("the size of its codes");
    in.check(nlist == of.nlist, "the index and its lists disagree on their number");
    if (letters == fourcc("ilbl")) return parse_block_lists(parse, of, nlist);
    in.check(of.code_bytes == 0 || code_bytes == of.code_bytes, "the index and its lists disagree on the size of a code");
    in.check(code_bytes <= kMostCodeBytes, "codes of more than 1 TiB");
    return letters == fourcc("ilar") ? parse_array_lists(parse, of, nlist, code_bytes)
                                     : parse_lists_on_disk(parse, of, nlist, code_bytes);
}

void parse_faiss_list_pairs(FaissParse& parse, const FaissListsOf& of,
                            const std::function<bool(uint64_t n, uint64_t code_bytes)>& fits) {
    FaissReader& in = parse.in;
    const uint64_t begin = in.offset();
    FaissReader again = in;
    uint64_t total = 0;
    for (uint64_t list = 0; list < of.nlist; ++list) {
        const auto ids = in.table(kIdBytes, "the ids of a list");
        const auto codes = in.table(1, "the codes of a list");
        in.check(fits(ids.count, codes.count), "a list has fewer codes than ids");
        total += ids.count;
    }
    check_total(parse, total, of.ntotal);
    // The groups depend on the mean length, which is known now: the counts are read a second time rather than kept.
    FaissListGroups groups(of.nlist, in.offset() - begin);
    for (uint64_t list = 0; list < of.nlist; ++list) {
        const auto ids = again.table(kIdBytes, "the ids of a list");
        const auto codes = again.table(1, "the codes of a list");
        groups.add(list, 2 * sizeof(uint64_t) + ids.bytes, codes.bytes);  // both counts stay with the ids
    }
    FaissLists lists = lists_of(of, of.code_bytes);
    std::swap(lists.first, lists.second);
    lists.groups = groups.take();
    parse.out.add(begin, std::move(lists), in.offset() - begin);
}

uint64_t parse_faiss_old_lists(FaissParse& parse, uint64_t nlist, uint64_t element_bytes, std::string_view what) {
    FaissReader& in = parse.in;
    const uint64_t begin = in.offset();
    FaissReader again = in;
    uint64_t total = 0;
    for (uint64_t list = 0; list < nlist; ++list) total += in.table(element_bytes, what).count;
    FaissListGroups groups(nlist, in.offset() - begin);
    for (uint64_t list = 0; list < nlist; ++list) {
        groups.add(list, sizeof(uint64_t) + again.table(element_bytes, what).bytes, 0);
    }
    FaissLists lists;
    // The count in front shifts the elements: cut at what divides both.
    lists.first = faiss_cut::codes(0, std::gcd(element_bytes, sizeof(uint64_t)));
    lists.groups = groups.take();
    parse.out.add(begin, std::move(lists), in.offset() - begin);
    return total;
}

}  // namespace ingot
