// The plan of a tree's swap: the list of operations that turn the live tree into the snapshot's, as one durable file that is
// written before the first of them. Swap and undo read nothing else (I7).
//
// Each operation is one rename between a live path and a name in a stage folder on the same mount, or one change of metadata.
// Their paths are disjoint, so their order does not matter, and each can be seen to be done by the inode that lies there.
//
//   exchange  the staged entry takes the live one's place, the live one its           RENAME_EXCHANGE
//   add       the staged entry, or whole folder, is moved to where nothing is          RENAME_NOREPLACE
//   remove    the live entry, or whole folder, is moved to its name in the stage       RENAME_NOREPLACE
//   metadata  owner, mode, times, xattrs of a live entry are set; what they were is in the plan
//
// The file: magic, u32-prefixed head, records (u32-prefixed), u64 count of moves, u64 count of metadata operations, and the
// SHA-256 of all before it. A power cut leaves no plan, or this one: it is synced before the journal says that the swap begins.
//
// Thread safety: one thread. Errors: Error{damaged} for a plan that cannot be read, naming it.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/filesystem.h"
#include "base/metadata.h"
#include "snapshot/beneath.h"

namespace ingot {

enum class OpKind : uint8_t { exchange = 1, add = 2, remove = 3, metadata = 4 };
const char* to_string(OpKind kind);

// What the plan saw at a live path. A file that differs from it was changed by someone else meanwhile.
struct SeenLive {
    uint64_t inode = 0;
    uint32_t type = 0;
    uint64_t size = 0;
    int64_t mtime_ns = 0;
    int64_t ctime_ns = 0;  // 0: not compared, because other operations of the plan change it (hard links)
    uint64_t below = 0;    // of folders that are moved as a whole: subtree_fingerprint()
};

struct TreeOp {
    OpKind kind = OpKind::exchange;
    uint32_t anchor = 0;            // TreePlan::anchors
    std::string path;               // below it
    uint32_t stage = 0;             // TreePlan::stages; not of metadata
    std::string staged;             // the name in that stage folder
    uint64_t new_inode = 0;         // exchange, add: of the staged entry
    int64_t new_birth_ns = 0;       // the same; a number may be used again once its file is gone
    SeenLive old;                   // exchange, remove, metadata
    Metadata before;                // metadata
    std::optional<Metadata> after;  // metadata; none: only undo sets it (a folder outside of the listing whose times we change)
};

struct TreePlan {
    std::vector<std::string> anchors;  // folders that the live paths lie below; their own paths may hold links
    std::vector<std::string> stages;   // stage folders, absolute
};

Bytes encode_op(const TreeOp& op);
TreeOp decode_op(ByteView bytes);

class TreePlanWriter {
public:
    // Creates `path`.
    TreePlanWriter(FileSystem& fs, const std::string& path, const TreePlan& plan);
    ~TreePlanWriter();
    TreePlanWriter(const TreePlanWriter&) = delete;
    TreePlanWriter& operator=(const TreePlanWriter&) = delete;

    // Moves first, then metadata.
    void append(const TreeOp& op);
    // Durable when it returns.
    void finish();

private:
    struct State;
    std::unique_ptr<State> state_;
};

class TreePlanFile {
public:
    TreePlanFile(FileSystem& fs, const std::string& path);
    ~TreePlanFile();
    TreePlanFile(const TreePlanFile&) = delete;
    TreePlanFile& operator=(const TreePlanFile&) = delete;

    const TreePlan& plan() const { return plan_; }
    size_t moves() const { return moves_; }
    size_t size() const { return records_.size(); }  // moves and metadata
    TreeOp op(size_t number) const;

private:
    struct Place {
        uint64_t offset;
        uint32_t length;
    };

    std::unique_ptr<ReadFile> file_;
    std::string path_;
    TreePlan plan_;
    std::vector<Place> records_;
    size_t moves_ = 0;
};

// A number that changes when anything in the folder does: names, inodes, sizes, times, mounts.
uint64_t subtree_fingerprint(const Beneath& anchor, const std::string& path);

// The names in a folder, sorted by bytes.
std::vector<std::string> names_in(const Beneath& anchor, const std::string& path);

}  // namespace ingot
