#include "restore/seen_tree.h"

#include <fmt/format.h>

#include <memory>

#include "base/bytes.h"
#include "base/filesystem.h"
#include "base/interrupt.h"
#include "restore/tree_plan.h"

namespace ingot {
namespace {

constexpr size_t kPathLimitBytes = 65'536;

struct Print {
    uint64_t inode = 0;
    uint32_t type = 0;
    uint64_t size = 0;
    int64_t mtime_ns = 0;
    int64_t ctime_ns = 0;

    bool operator==(const Print&) const = default;
};

Print print_of(const LiveStat& live) { return {live.inode, live.type, live.size, live.mtime_ns, live.ctime_ns}; }

struct Record {
    uint32_t anchor = 0;
    std::string path;
    Print print;
    bool folder = false;
    std::string listing_path;  // of folders, as are the names
    uint64_t names = 0;
};

Bytes encode(const Record& record) {
    Encoder out;
    const Print& print = record.print;
    out.u32(record.anchor).prefixed(record.path);
    out.u64(print.inode).u32(print.type).u64(print.size).i64(print.mtime_ns).i64(print.ctime_ns);
    out.u8(record.folder ? 1 : 0);
    if (record.folder) out.prefixed(record.listing_path).u64(record.names);
    return out.take();
}

Record decode(ByteView bytes) {
    Decoder in(bytes, "list of what was seen");
    Record record;
    record.anchor = in.u32();
    record.path = in.prefixed_text(kPathLimitBytes);
    record.print = {in.u64(), in.u32(), in.u64(), in.i64(), in.i64()};
    record.folder = in.u8() != 0;
    if (record.folder) {
        record.listing_path = in.prefixed_text(kPathLimitBytes);
        record.names = in.u64();
    }
    in.finish();
    return record;
}

bool same_names(const Record& record, const Beneath& anchor, const LeftAlone& rules) {
    NamesPrint names;
    for (const std::string& name : names_in(anchor, record.path)) {
        const std::string at = join(record.path, name);
        const std::optional<LiveStat> live = anchor.look(at);
        if (live && rules.why(anchor, at, join(record.listing_path, name), *live) == nullptr) names.add(name);
    }
    return names.value() == record.names;
}

}  // namespace

Error changed_by_others(const std::string& live_path) {
    return {Code::failed, fmt::format("{} was changed by someone else during the restore", printable(live_path)),
            "stop what writes there, then run the restore again"};
}

void NamesPrint::add(const std::string& name) {
    for (size_t i = 0; i <= name.size(); ++i) print_ = (print_ ^ static_cast<uint8_t>(name.c_str()[i])) * 0x100000001b3;
}

void SeenTree::entry(uint32_t anchor, const std::string& path, const LiveStat& live) {
    records_.append(encode({anchor, path, print_of(live), false, {}, 0}));
}

void SeenTree::folder(uint32_t anchor, const std::string& path, const std::string& listing_path, const LiveStat& live,
                      const NamesPrint& names) {
    records_.append(encode({anchor, path, print_of(live), true, listing_path, names.value()}));
}

void SeenTree::look_again(const std::deque<Beneath>& anchors, const LeftAlone& rules) const {
    for (size_t i = 0; i < records_.size(); ++i) {
        if (i % 1024 == 0) check_interrupted();
        const Record record = decode(records_.read(i));
        const Beneath& anchor = anchors.at(record.anchor);
        const std::optional<LiveStat> live = anchor.look(record.path);
        bool same = live && print_of(*live) == record.print;
        // Names come and go that are not the source's, and a stage folder was made: only then are they read again.
        if (!same && live && record.folder && live->inode == record.print.inode && live->type == record.print.type) {
            same = same_names(record, anchor, rules);
        }
        if (!same) throw changed_by_others(anchor.name(record.path));
    }
}

}  // namespace ingot
