// The plan of a `mongodb` restore's swap: every name with what is live under it and what the snapshot has; durable in the work
// folder before the first rename.
//
//   plan := BSON { ingot: 1, names: [ { db, name, live: kind, uuid, live_view, wanted: kind, wanted_view } ] }
//   kind := "none" | "collection" | "view"
//
// Thread safety: values. Errors: Error{damaged}.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "drivers/mongodb_files.h"
#include "drivers/mongodb_scope.h"

namespace ingot {

struct MongoPlanned {
    enum class Kind { none, collection, view };
    std::string database, name;
    Kind live = Kind::none, wanted = Kind::none;
    std::string uuid;             // of the live collection
    Bson live_view, wanted_view;  // options

    bool live_collection() const { return live == Kind::collection; }
    bool wanted_collection() const { return wanted == Kind::collection; }
    // A view that stays as it is.
    bool same_view() const { return live == Kind::view && wanted == Kind::view && live_view == wanted_view; }
};

class MongoPlan {
public:
    MongoPlan() = default;
    MongoPlan(const MongoArtifact& artifact, const MongoScope& live);
    static MongoPlan decode(ByteView bytes);
    Bytes encode() const;

    // What became live since: it will be set aside too.
    void extend(const MongoScope& live);
    const std::vector<MongoPlanned>& names() const { return names_; }
    std::vector<std::string> databases() const;

private:
    void add_live(const MongoScope& live);
    std::vector<MongoPlanned> names_;  // by database and name
};

}  // namespace ingot
