// Which names lead where before a restore of a `qdrant` source, and after it. Kept durably in the target's work folder.
//
// Thread safety: values. Errors: Error{damaged} for a file that was changed, Error{failed} for names that are in the way.
#pragma once

#include <string>
#include <vector>

#include "drivers/qdrant_api.h"
#include "drivers/qdrant_record.h"

namespace ingot {

// One collection of the snapshot.
struct QdrantSwitch {
    enum class Live : uint8_t {
        none = 0,   // nothing of that name
        alias = 1,  // the name is an alias
        real = 2,   // the name is a collection's own
    };

    std::string name;
    std::string fresh;  // the collection that the snapshot is loaded into
    Live live = Live::none;
    std::string old_name;  // the collection that is live now; empty where there is none
    // The name itself must change hands: the old collection is deleted, and the name becomes an alias. Only of Live::real.
    bool by_name = false;
    std::vector<std::string> before;  // aliases of the old collection, sorted
    std::vector<std::string> after;   // of the fresh one, once it is live
    std::string undone;               // where the old collection is loaded again when a switch by name is taken back
};

struct QdrantPlan {
    std::vector<QdrantSwitch> switches;
};

// "rag" and "0123456789abcdef" -> "rag__r0123456789abcdef"; at most 255 bytes, as Qdrant takes them.
std::string qdrant_fresh_name(const std::string& name, const std::string& restore_id);

// From what the snapshot recorded and what is live now.
QdrantPlan make_qdrant_plan(const QdrantRecord& record, const std::vector<std::string>& collections, const QdrantAliases& aliases,
                            QdrantCutover cutover, const std::string& restore_id);

Bytes encode_qdrant_plan(const QdrantPlan& plan);
QdrantPlan decode_qdrant_plan(ByteView bytes);

}  // namespace ingot
