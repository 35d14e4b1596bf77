#include "drivers/qdrant_plan.h"

#include <gtest/gtest.h>

#include "test_folder.h"

namespace ingot {
namespace {

constexpr const char* kId = "0123456789abcdef";

QdrantRecord record_of(const std::vector<std::string>& names, const std::vector<std::string>& aliases = {}) {
    QdrantRecord out;
    for (const std::string& name : names) {
        QdrantCollection of;
        of.name = of.real_name = name;
        if (name == names[0]) of.aliases = aliases;
        out.collections.push_back(of);
    }
    return out;
}

QdrantSwitch only(const QdrantPlan& plan) {
    EXPECT_EQ(plan.switches.size(), 1U);
    return plan.switches.at(0);
}

TEST(QdrantPlan, KnowsWhoAsksByWhichName) {
    using Live = QdrantSwitch::Live;
    using Names = std::vector<std::string>;
    const QdrantSwitch none = only(make_qdrant_plan(record_of({"c"}), {}, {}, QdrantCutover::automatic, kId));
    EXPECT_EQ(none.live, Live::none);
    EXPECT_EQ(none.fresh, "c__r0123456789abcdef");
    EXPECT_EQ(none.after, Names{"c"});
    const QdrantSwitch by_name = only(make_qdrant_plan(record_of({"c"}), {"c"}, {}, QdrantCutover::automatic, kId));
    EXPECT_EQ(by_name.live, Live::real);
    EXPECT_TRUE(by_name.by_name);
    EXPECT_EQ(by_name.after, Names{"c"});
    const QdrantSwitch by_alias =
        only(make_qdrant_plan(record_of({"c"}, {"a"}), {"c"}, {{"a", "c"}}, QdrantCutover::automatic, kId));
    EXPECT_FALSE(by_alias.by_name);
    EXPECT_EQ(by_alias.before, Names{"a"});
    EXPECT_EQ(by_alias.after, Names{"a"}) << "the name is still the old collection's";
    // An alias that was made after the snapshot, or one that is gone, is nothing to ask by.
    EXPECT_TRUE(only(make_qdrant_plan(record_of({"c"}), {"c"}, {{"later", "c"}}, QdrantCutover::automatic, kId)).by_name);
    EXPECT_TRUE(only(make_qdrant_plan(record_of({"c"}, {"a"}), {"c"}, {}, QdrantCutover::automatic, kId)).by_name);
    EXPECT_TRUE(only(make_qdrant_plan(record_of({"c"}, {"a"}), {"c"}, {{"a", "c"}}, QdrantCutover::name, kId)).by_name);
    EXPECT_FALSE(only(make_qdrant_plan(record_of({"c"}, {"a"}), {"c"}, {}, QdrantCutover::alias, kId)).by_name);
    const QdrantSwitch restored = only(make_qdrant_plan(record_of({"c"}, {"a"}), {"c__rold"},
                                                        {{"c", "c__rold"}, {"a", "c__rold"}}, QdrantCutover::automatic, kId));
    EXPECT_EQ(restored.live, Live::alias);
    EXPECT_EQ(restored.old_name, "c__rold");
    EXPECT_FALSE(restored.by_name);
    EXPECT_EQ(restored.after, (Names{"a", "c"}));
}

TEST(QdrantPlan, RefusesNamesThatAreInTheWay) {
    const auto refused = [](const QdrantRecord& record, const std::vector<std::string>& collections, const QdrantAliases& aliases,
                            QdrantCutover cutover) {
        const Error error = error_of([&] { make_qdrant_plan(record, collections, aliases, cutover, kId); });
        EXPECT_EQ(error.code(), Code::failed);
        EXPECT_FALSE(error.hint().empty());
    };
    refused(record_of({"c"}, {"a"}), {"c", "other"}, {{"a", "other"}}, QdrantCutover::automatic);
    refused(record_of({"c"}, {"a"}), {"a", "c"}, {}, QdrantCutover::automatic);
    refused(record_of({"c"}), {"c"}, {{"x", "c"}}, QdrantCutover::alias);
    refused(record_of({std::string(240, 'n')}), {}, {}, QdrantCutover::automatic);
    // An alias may move from one collection of the source to another.
    make_qdrant_plan(record_of({"c", "d"}, {"a"}), {"c", "d"}, {{"a", "d"}}, QdrantCutover::automatic, kId);
}

TEST(QdrantPlan, IsReadBackAsItWasWritten) {
    const QdrantPlan plan =
        make_qdrant_plan(record_of({"c", "d"}, {"a", "b"}), {"c"}, {{"a", "c"}, {"d", "c"}}, QdrantCutover::automatic, kId);
    const Bytes bytes = encode_qdrant_plan(plan);
    const QdrantPlan read = decode_qdrant_plan(bytes);
    EXPECT_EQ(encode_qdrant_plan(read), bytes);
    ASSERT_EQ(read.switches.size(), 2U);
    EXPECT_EQ(read.switches[0].undone, "c__u0123456789abcdef");
    for (size_t size = 0; size < bytes.size(); ++size)
        EXPECT_EQ(error_of([&] { decode_qdrant_plan(ByteView(bytes).first(size)); }).code(), Code::damaged) << size;
}

}  // namespace
}  // namespace ingot
