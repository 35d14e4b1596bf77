#include "restore/tree_plan.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>

#include "base/error.h"
#include "store/hash.h"

namespace ingot {
namespace {

constexpr std::string_view kMagic = "INGOTPL1";
constexpr size_t kPathLimitBytes = 65'536;
constexpr size_t kXattrLimitBytes = 1 << 20;
constexpr size_t kHeadLimitBytes = 64 << 20;
constexpr size_t kRecordLimitBytes = 64 << 20;
constexpr size_t kTailBytes = 16 + 32;
// Written and read in pieces of this size.
constexpr size_t kBufferBytes = 1 << 20;

void encode_metadata(const Metadata& metadata, Encoder& out) {
    out.u32(metadata.mode).u32(metadata.uid).u32(metadata.gid).i64(metadata.mtime_ns);
    out.u32(static_cast<uint32_t>(metadata.xattrs.size()));
    for (const auto& [name, value] : metadata.xattrs) out.prefixed(name).prefixed(value);
}

Metadata decode_metadata(Decoder& in) {
    Metadata metadata{in.u32(), in.u32(), in.u32(), in.i64(), {}};
    for (uint32_t left = in.count(8); left > 0; --left) {
        std::string name = in.prefixed_text(kPathLimitBytes);
        metadata.xattrs.emplace_back(std::move(name), in.prefixed_text(kXattrLimitBytes));
    }
    return metadata;
}

uint32_t length_of(ByteView bytes) { return Decoder(bytes, "restore plan").u32(); }

}  // namespace

const char* to_string(OpKind kind) {
    switch (kind) {
        case OpKind::exchange:
            return "exchange";
        case OpKind::add:
            return "add";
        case OpKind::remove:
            return "remove";
        case OpKind::metadata:
            return "metadata";
    }
    return "?";
}

Bytes encode_op(const TreeOp& op) {
    Encoder out;
    out.u8(static_cast<uint8_t>(op.kind)).u32(op.anchor).prefixed(op.path).u32(op.stage).prefixed(op.staged);
    out.u64(op.new_inode)
        .i64(op.new_birth_ns)
        .u64(op.old.inode)
        .u32(op.old.type)
        .u64(op.old.size)
        .i64(op.old.mtime_ns)
        .i64(op.old.ctime_ns)
        .u64(op.old.below);
    if (op.kind == OpKind::metadata) {
        encode_metadata(op.before, out);
        out.u8(op.after ? 1 : 0);
        if (op.after) encode_metadata(*op.after, out);
    }
    return out.take();
}

TreeOp decode_op(ByteView bytes) {
    Decoder in(bytes, "restore plan");
    TreeOp op;
    const uint8_t kind = in.u8();
    if (kind < static_cast<uint8_t>(OpKind::exchange) || kind > static_cast<uint8_t>(OpKind::metadata))
        in.fail("an unknown operation");
    op.kind = static_cast<OpKind>(kind);
    op.anchor = in.u32();
    op.path = in.prefixed_text(kPathLimitBytes);
    op.stage = in.u32();
    op.staged = in.prefixed_text(kPathLimitBytes);
    op.new_inode = in.u64();
    op.new_birth_ns = in.i64();
    op.old = {in.u64(), in.u32(), in.u64(), in.i64(), in.i64(), in.u64()};
    if (op.kind == OpKind::metadata) {
        op.before = decode_metadata(in);
        if (in.u8() != 0) op.after = decode_metadata(in);
    }
    in.finish();
    return op;
}

struct TreePlanWriter::State {
    FileSystem& fs;
    std::string path;
    std::unique_ptr<WriteFile> file;
    Sha256 hash{};
    Bytes buffer{};
    uint64_t moves = 0;
    uint64_t metadata = 0;

    void put(ByteView bytes) {
        buffer.insert(buffer.end(), bytes.begin(), bytes.end());
        if (buffer.size() >= kBufferBytes) flush();
    }
    void flush() {
        hash.update(buffer);
        file->append(buffer);
        buffer.clear();
    }
};

TreePlanWriter::TreePlanWriter(FileSystem& fs, const std::string& path, const TreePlan& plan)
    : state_(std::make_unique<State>(State{fs, path, fs.create(path, 0600)})) {
    Encoder head;
    head.u32(static_cast<uint32_t>(plan.anchors.size()));
    for (const std::string& anchor : plan.anchors) head.prefixed(anchor);
    head.u32(static_cast<uint32_t>(plan.stages.size()));
    for (const std::string& stage : plan.stages) head.prefixed(stage);
    state_->put(view_of(kMagic));
    state_->put(Encoder().prefixed(head.bytes()).bytes());
}

TreePlanWriter::~TreePlanWriter() = default;

void TreePlanWriter::append(const TreeOp& op) {
    ++(op.kind == OpKind::metadata ? state_->metadata : state_->moves);
    state_->put(Encoder().prefixed(encode_op(op)).bytes());
}

void TreePlanWriter::finish() {
    state_->put(Encoder().u64(state_->moves).u64(state_->metadata).bytes());
    state_->flush();
    state_->file->append(state_->hash.finish().view());
    state_->file->sync();
    state_->fs.sync_dir(parent_of(state_->path));
}

TreePlanFile::TreePlanFile(FileSystem& fs, const std::string& path) : file_(fs.open(path)), path_(path) {
    const auto damaged = [&](std::string_view why) {
        return Error(Code::damaged, fmt::format("the restore plan {} is damaged: {}", printable(path), why));
    };
    const uint64_t size = file_->size();
    if (size < kMagic.size() + 4 + kTailBytes) throw damaged("it is too short");

    Sha256 hash;
    Bytes buffer(kBufferBytes);
    for (uint64_t at = 0; at < size - 32;) {
        const size_t want = static_cast<size_t>(std::min<uint64_t>(buffer.size(), size - 32 - at));
        if (file_->read_at(at, std::span(buffer).first(want)) != want) throw damaged("it is shorter than it was");
        hash.update(ByteView(buffer).first(want));
        at += want;
    }
    Bytes tail(kTailBytes);
    file_->read_at(size - kTailBytes, tail);
    Decoder counts(tail, "restore plan");
    moves_ = counts.u64();
    const uint64_t metadata = counts.u64();
    if (counts.name<Digest>() != hash.finish()) throw damaged("its checksum does not agree");

    uint64_t at = kMagic.size();
    const auto next = [&](size_t limit) -> Place {
        Bytes prefix(4);
        if (file_->read_at(at, prefix) != prefix.size()) throw damaged("a record is cut off");
        const Place place{at + 4, length_of(prefix)};
        if (place.length > limit || place.offset + place.length > size - kTailBytes) throw damaged("a record is too long");
        at = place.offset + place.length;
        return place;
    };
    const Place head_place = next(kHeadLimitBytes);
    Bytes head_bytes(head_place.length);
    file_->read_at(head_place.offset, head_bytes);
    Decoder head(head_bytes, "restore plan");
    for (uint32_t left = head.count(4); left > 0; --left) plan_.anchors.push_back(head.prefixed_text(kPathLimitBytes));
    for (uint32_t left = head.count(4); left > 0; --left) plan_.stages.push_back(head.prefixed_text(kPathLimitBytes));
    while (at < size - kTailBytes) records_.push_back(next(kRecordLimitBytes));
    if (records_.size() != moves_ + metadata) throw damaged("it holds another number of operations than it says");
}

TreePlanFile::~TreePlanFile() = default;

TreeOp TreePlanFile::op(size_t number) const {
    const Place place = records_.at(number);
    Bytes bytes(place.length);
    if (file_->read_at(place.offset, bytes) != bytes.size()) {
        throw Error(Code::damaged, fmt::format("the restore plan {} is shorter than it was", printable(path_)));
    }
    TreeOp op = decode_op(bytes);
    const bool moves = op.kind != OpKind::metadata;
    if (op.anchor >= plan_.anchors.size() || (moves && op.stage >= plan_.stages.size())) {
        throw Error(Code::damaged, fmt::format("the restore plan {} names a folder it does not hold", printable(path_)));
    }
    return op;
}

std::vector<std::string> names_in(const Beneath& anchor, const std::string& path) {
    std::vector<std::string> names;
    const Reached folder = anchor.inside(path);
    folder.run([&](const std::string& inside) {
        real_filesystem().list(inside, [&](const std::string& name) { names.push_back(name); });
    });
    std::sort(names.begin(), names.end());
    return names;
}

uint64_t subtree_fingerprint(const Beneath& anchor, const std::string& path) {
    // FNV-1a: this finds changes, it does not keep out forgers; whoever may write below the folder may do so a moment later too.
    uint64_t print = 0xcbf29ce484222325;
    const auto mix = [&](const void* data, size_t size) {
        for (size_t i = 0; i < size; ++i) print = (print ^ static_cast<const uint8_t*>(data)[i]) * 0x100000001b3;
    };
    const std::optional<LiveStat> live = anchor.look(path);
    if (!live) return 0;
    // A folder's own size and time say nothing that its names do not; link counts and ctimes may change by our own moves.
    const bool folder = S_ISDIR(live->type);
    const uint64_t values[] = {live->inode, live->type, live->mount_root ? 1u : 0u, folder ? 0 : live->size,
                               folder ? 0 : static_cast<uint64_t>(live->mtime_ns)};
    mix(values, sizeof values);
    if (!folder) return print;
    for (const std::string& name : names_in(anchor, path)) {
        const uint64_t below = subtree_fingerprint(anchor, join(path, name));
        mix(name.c_str(), name.size() + 1);
        mix(&below, sizeof below);
    }
    return print;
}

}  // namespace ingot
