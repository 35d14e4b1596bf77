#include "restore/tree_draft.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace ingot {

// Files take whole blocks.
static constexpr uint64_t kBlockBytes = 4096;

Bytes encode_placed(const PlacedEntry& placed) {
    Bytes entry;
    encode_entry(placed.listed, entry);
    // encode_entry puts the entry's length in front, decode_entry wants what follows it.
    return Encoder().prefixed(placed.at).prefixed(placed.link_at).raw(ByteView(entry).subspan(4)).take();
}

PlacedEntry decode_placed(ByteView bytes) {
    Decoder in(bytes, "stage list");
    PlacedEntry placed;
    placed.at = in.prefixed_text(kPathLimitBytes);
    placed.link_at = in.prefixed_text(kPathLimitBytes);
    placed.listed = decode_entry(in.raw(in.left()));
    return placed;
}

uint32_t DraftWriter::anchor(const std::string& folder) {
    for (uint32_t i = 0; i < draft_.anchors.size(); ++i) {
        if (draft_.anchors[i] == folder) return i;
    }
    beneath_.emplace_back(folder);
    draft_.anchors.push_back(folder);
    return static_cast<uint32_t>(draft_.anchors.size() - 1);
}

void DraftWriter::require_writable(const Beneath& anchor, const std::string& path) const {
    const Reached folder = anchor.inside(path);
    if (::faccessat(folder.folder_fd(), ".", W_OK | X_OK, AT_EACCESS) != 0) {
        throw Error::from_errno("changing what is in", folder.name(), errno);
    }
}

uint32_t DraftWriter::stage_for(const DraftFolder& folder) {
    const auto [it, fresh] = stage_by_mount_.try_emplace({folder.live.mount, folder.live.device}, draft_.stages.size());
    if (fresh) {
        require_writable(beneath(folder.anchor), folder.host_path);
        const std::string host = beneath(folder.anchor).name(folder.host_path);
        draft_.stages.push_back({host, join(host, stage_name_), 0});
        draft_.placed.emplace_back(draft_.spool_dir);
    }
    return it->second;
}

DraftMove DraftWriter::move(OpKind kind, DraftFolder& parent, const std::string& path, const LiveStat* old) {
    const Beneath& anchor = beneath(parent.anchor);
    if (!parent.touched) {
        require_writable(anchor, parent.path);
        if (parent.live.immutable) {
            throw Error(Code::failed, fmt::format("{} cannot be changed: it is immutable", printable(anchor.name(parent.path))),
                        "chattr -i -a it, then run the restore again");
        }
        parent.touched = true;
    }
    if (old != nullptr && old->mount_root) {
        throw Error(Code::failed, fmt::format("{} is a mount point, which cannot be exchanged", printable(anchor.name(path))),
                    "unmount it, or restore to another place with --to and copy the content into it");
    }
    if (old != nullptr && old->immutable) {
        throw Error(Code::failed, fmt::format("{} cannot be replaced: it is immutable", printable(anchor.name(path))),
                    "chattr -i -a it, then run the restore again");
    }
    TreeOp op;
    op.kind = kind;
    op.anchor = parent.anchor;
    op.path = path;
    op.stage = stage_for(parent);
    op.staged = fmt::format("{}", draft_.moves.size());
    if (old != nullptr) {
        const bool folder = S_ISDIR(old->type);
        if (!folder) draft_.replaced_bytes += old->size;
        op.old = {old->inode, old->type, folder ? 0 : old->size, folder ? 0 : old->mtime_ns, 0, 0};
        if (folder) {
            op.old.below = subtree_fingerprint(anchor, path);
        } else if (old->links == 1) {  // of several names' inode the ctime changes with the first that is moved
            op.old.ctime_ns = old->ctime_ns;
        }
    }
    draft_.moves.append(encode_op(op));
    return {op.stage, op.staged};
}

void DraftWriter::place(uint32_t stage, const PlacedEntry& placed) {
    draft_.placed.at(stage).append(encode_placed(placed));
    uint64_t bytes = kBlockBytes;
    // How much of a sparse file is data is not known before it is written.
    if (placed.listed.entry.type == EntryType::file && !placed.listed.entry.sparse) {
        bytes = (placed.listed.root.size + kBlockBytes - 1) / kBlockBytes * kBlockBytes;
    }
    draft_.stages.at(stage).bytes += bytes;
}

void DraftWriter::metadata(const DraftFolder& parent, const std::string& path, const LiveStat& live, Metadata before,
                           std::optional<Metadata> after) {
    const Reached folder = beneath(parent.anchor).inside(parent.path);
    if (after && ::faccessat(folder.folder_fd(), ".", W_OK, AT_EACCESS) != 0 && errno == EROFS) {
        throw Error::from_errno("changing what is in", folder.name(), EROFS);
    }
    TreeOp op;
    op.kind = OpKind::metadata;
    op.anchor = parent.anchor;
    op.path = path;
    op.old = {live.inode, live.type, 0, 0, 0, 0};
    op.before = std::move(before);
    op.after = std::move(after);
    draft_.metadata.append(encode_op(op));
}

void DraftWriter::keep_times(const DraftFolder& folder) {
    if (!kept_times_.emplace(folder.anchor, folder.path).second) return;
    const Reached reached = beneath(folder.anchor).inside(folder.path);
    Metadata before = reached.run([](const std::string& path) { return metadata_of(path); });
    metadata(folder, folder.path, folder.live, std::move(before), std::nullopt);
}

}  // namespace ingot
