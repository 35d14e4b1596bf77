// The listing's entries (snapshot/listing.h): one entry, and a whole listing.
#include "snapshot/listing.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/temp_dir.h"

namespace ingot::fuzz {
namespace {

constexpr size_t kLengthBytes = 4;  // in front of an entry

ListedEntry sample(EntryType type, const std::string& path) {
    ListedEntry listed;
    listed.entry.path = path;
    listed.entry.type = type;
    listed.entry.mode = 0640;
    listed.entry.mtime_ns = 1'795'000'000'123'456'789;
    if (type == EntryType::file) {
        listed.entry.size = 12;
        listed.entry.xattrs = {{"user.note", "golden"}, {"user.other", ""}};
        listed.root.size = 12;
        listed.sha256 = Digest{};
    }
    if (type == EntryType::symlink || type == EntryType::hard_link) listed.entry.link = "docs/a";
    if (type == EntryType::block_device) listed.entry.device_major = 8;
    return listed;
}

void one_entry(ByteView bytes) {
    const ListedEntry first = decode_entry(bytes);
    Bytes again;
    encode_entry(first, again);
    require(Bytes(again.begin() + kLengthBytes, again.end()) == Bytes(bytes.begin(), bytes.end()), "an entry has two encodings");
}

void whole_listing(ByteView bytes) {
    static const std::string folder = test::fast_folder();
    Spool spool(folder);
    spool.append(bytes);
    ListingReader reader(std::move(spool));
    std::string last;
    while (const std::optional<ListedEntry> listed = reader.next()) {
        require(last.empty() || listing_less(last, listed->entry.path), "a listing came out of order");
        last = listed->entry.path;
    }
}

}  // namespace

std::vector<Bytes> seeds() {
    std::vector<Bytes> out;
    Bytes all{1};
    for (const EntryType type : {EntryType::directory, EntryType::file, EntryType::symlink, EntryType::hard_link, EntryType::fifo,
                                 EntryType::block_device}) {
        Bytes one;
        encode_entry(sample(type, "docs/" + std::to_string(static_cast<int>(type))), one);
        all.insert(all.end(), one.begin(), one.end());
        one.erase(one.begin(), one.begin() + kLengthBytes);
        one.insert(one.begin(), 0);
        out.push_back(one);
    }
    out.push_back(all);
    return out;
}

}  // namespace ingot::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    ingot::fuzz::Input input(data, size);
    const bool whole = (input.u8() & 1) != 0;
    ingot::fuzz::decode_or_error(
        [&] { whole ? ingot::fuzz::whole_listing(input.rest()) : ingot::fuzz::one_entry(input.rest()); });
    return 0;
}
