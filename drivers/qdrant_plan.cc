#include "drivers/qdrant_plan.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/bytes.h"
#include "base/error.h"

namespace ingot {
namespace {

constexpr std::string_view kMagic = "ingot-qdrant-plan 1\n";
constexpr size_t kMostNameBytes = 4096;
// Qdrant's own limit of a collection's name.
constexpr size_t kMostCollectionBytes = 255;

void encode_names(Encoder& out, const std::vector<std::string>& names) {
    out.u32(static_cast<uint32_t>(names.size()));
    for (const std::string& name : names) out.prefixed(name);
}

std::vector<std::string> decode_names(Decoder& in) {
    std::vector<std::string> out(in.count(4));
    for (std::string& name : out) name = in.prefixed_text(kMostNameBytes);
    return out;
}

}  // namespace

std::string qdrant_fresh_name(const std::string& name, const std::string& restore_id) {
    const std::string end = "__r" + restore_id;
    if (name.size() + end.size() > kMostCollectionBytes) {
        throw Error(Code::failed, fmt::format("collection {}: its name is too long for another one beside it", printable(name)),
                    fmt::format("names of up to {} bytes can be restored", kMostCollectionBytes - end.size()));
    }
    return name + end;
}

QdrantPlan make_qdrant_plan(const QdrantRecord& record, const std::vector<std::string>& collections, const QdrantAliases& aliases,
                            QdrantCutover cutover, const std::string& restore_id) {
    const auto is_real = [&](const std::string& name) {
        return std::binary_search(collections.begin(), collections.end(), name);
    };
    QdrantPlan out;
    for (const QdrantCollection& of : record.collections) {
        QdrantSwitch one;
        one.name = of.name;
        one.fresh = qdrant_fresh_name(of.name, restore_id);
        one.undone = of.name + "__u" + restore_id;
        if (is_real(of.name)) {
            one.live = QdrantSwitch::Live::real;
            one.old_name = of.name;
        } else if (const auto alias = aliases.find(of.name); alias != aliases.end()) {
            one.live = QdrantSwitch::Live::alias;
            one.old_name = alias->second;
        }
        for (const auto& [alias, target] : aliases) {
            if (!one.old_name.empty() && target == one.old_name) one.before.push_back(alias);
        }
        // The application asks by an alias that there was then and that there is now; else by the name itself.
        const bool by_alias = std::any_of(of.aliases.begin(), of.aliases.end(), [&](const std::string& alias) {
            return std::binary_search(one.before.begin(), one.before.end(), alias);
        });
        one.by_name = one.live == QdrantSwitch::Live::real &&
                      (cutover == QdrantCutover::name || (cutover == QdrantCutover::automatic && !by_alias));
        if (one.live == QdrantSwitch::Live::real && cutover == QdrantCutover::alias && of.aliases.empty()) {
            throw Error(Code::failed,
                        fmt::format("collection {} has no alias in the snapshot, and `cutover` says that one is used",
                                    printable(of.name)),
                        "leave `cutover` out, or take `cutover = \"name\"`");
        }
        one.after = of.aliases;
        // What a collection of that name still has, an alias cannot have.
        if (one.live != QdrantSwitch::Live::real || one.by_name) one.after.push_back(of.name);
        std::sort(one.after.begin(), one.after.end());
        out.switches.push_back(std::move(one));
    }
    for (const QdrantSwitch& one : out.switches) {
        for (const std::string& alias : one.after) {
            if (alias == one.name) continue;
            const auto found = aliases.find(alias);
            const bool ours =
                found == aliases.end() || std::any_of(out.switches.begin(), out.switches.end(), [&](const auto& other) {
                    return other.old_name == found->second || other.fresh == found->second;
                });
            if (ours && !is_real(alias)) continue;
            throw Error(Code::failed,
                        fmt::format("the alias {} of {} is {} now, which is not part of this source", printable(alias),
                                    printable(one.name),
                                    is_real(alias) ? "a collection's name" : "an alias of " + printable(found->second)),
                        "delete or rename what has that name, then run the restore again");
        }
    }
    return out;
}

Bytes encode_qdrant_plan(const QdrantPlan& plan) {
    Encoder out;
    out.raw(kMagic).u32(static_cast<uint32_t>(plan.switches.size()));
    for (const QdrantSwitch& one : plan.switches) {
        out.prefixed(one.name)
            .prefixed(one.fresh)
            .u8(static_cast<uint8_t>(one.live))
            .prefixed(one.old_name)
            .u8(one.by_name ? 1 : 0);
        encode_names(out, one.before);
        encode_names(out, one.after);
        out.prefixed(one.undone);
    }
    return out.take();
}

QdrantPlan decode_qdrant_plan(ByteView bytes) {
    Decoder in(bytes, "the plan of a qdrant restore");
    in.expect(kMagic);
    QdrantPlan out;
    out.switches.resize(in.count(20));
    for (QdrantSwitch& one : out.switches) {
        one.name = in.prefixed_text(kMostNameBytes);
        one.fresh = in.prefixed_text(kMostNameBytes);
        one.live = static_cast<QdrantSwitch::Live>(in.u8());
        one.old_name = in.prefixed_text(kMostNameBytes);
        one.by_name = in.u8() != 0;
        one.before = decode_names(in);
        one.after = decode_names(in);
        one.undone = in.prefixed_text(kMostNameBytes);
        if (one.live > QdrantSwitch::Live::real) throw Error(Code::damaged, "the plan of a qdrant restore was changed");
    }
    in.finish();
    return out;
}

}  // namespace ingot
