#include "drivers/mongodb_plan.h"

#include <algorithm>
#include <iterator>
#include <tuple>

#include "base/error.h"

namespace ingot {
namespace {

using Kind = MongoPlanned::Kind;
constexpr int64_t kVersion = 1;
constexpr const char* kKinds[] = {"none", "collection", "view"};

Kind kind_from(const std::string& text) {
    for (size_t i = 0; i < std::size(kKinds); ++i) {
        if (text == kKinds[i]) return static_cast<Kind>(i);
    }
    throw Error(Code::damaged, "the plan of a MongoDB restore names an unknown kind");
}

const char* name_of(Kind kind) { return kKinds[static_cast<size_t>(kind)]; }

}  // namespace

MongoPlan::MongoPlan(const MongoArtifact& artifact, const MongoScope& live) {
    for (const MongoArtifact::Collection& one : artifact.collections) {
        MongoPlanned planned;
        planned.database = one.database;
        planned.name = one.name;
        planned.wanted = one.description.view ? Kind::view : Kind::collection;
        if (one.description.view) planned.wanted_view = one.description.options;
        names_.push_back(std::move(planned));
    }
    add_live(live);
}

void MongoPlan::add_live(const MongoScope& live) {
    for (const MongoScope::Database& database : live.databases) {
        for (const MongoNamespace& found : database.namespaces) {
            auto planned = std::find_if(names_.begin(), names_.end(), [&](const MongoPlanned& one) {
                return one.database == database.name && one.name == found.name;
            });
            if (planned == names_.end()) {
                names_.emplace_back();
                planned = std::prev(names_.end());
                planned->database = database.name;
                planned->name = found.name;
            }
            if (planned->live != Kind::none) continue;
            planned->live = found.kind == MongoNamespace::Kind::view ? Kind::view : Kind::collection;
            planned->uuid = found.uuid;
            if (planned->live == Kind::view) planned->live_view = found.options;
        }
    }
    std::sort(names_.begin(), names_.end(),
              [](const auto& a, const auto& b) { return std::tie(a.database, a.name) < std::tie(b.database, b.name); });
}

void MongoPlan::extend(const MongoScope& live) { add_live(live); }

std::vector<std::string> MongoPlan::databases() const {
    std::vector<std::string> out;
    for (const MongoPlanned& one : names_) {
        if (out.empty() || out.back() != one.database) out.push_back(one.database);
    }
    return out;
}

Bytes MongoPlan::encode() const {
    std::vector<Bson> names;
    for (const MongoPlanned& one : names_) {
        Bson name;
        name.set("db", one.database).set("name", one.name).set("live", name_of(one.live)).set("uuid", one.uuid);
        name.set("live_view", one.live_view).set("wanted", name_of(one.wanted)).set("wanted_view", one.wanted_view);
        names.push_back(std::move(name));
    }
    const Bson out = Bson().set("ingot", kVersion).set("names", names);
    return {out.bytes().begin(), out.bytes().end()};
}

MongoPlan MongoPlan::decode(ByteView bytes) {
    const Bson in(bytes, "the plan of a MongoDB restore");
    if (in.number("ingot") != kVersion) throw Error(Code::damaged, "the plan of a MongoDB restore is of an unknown version");
    MongoPlan out;
    for (const Bson& name : in.documents("names")) {
        MongoPlanned one;
        one.database = name.text("db");
        one.name = name.text("name");
        one.live = kind_from(name.text("live"));
        one.uuid = name.text("uuid");
        one.live_view = name.document("live_view");
        one.wanted = kind_from(name.text("wanted"));
        one.wanted_view = name.document("wanted_view");
        out.names_.push_back(std::move(one));
    }
    return out;
}

}  // namespace ingot
