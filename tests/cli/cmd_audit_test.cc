#include <nlohmann/json.hpp>
#include <sstream>

#include "base/step.h"
#include "cli/commands.h"
#include "store/lock.h"
#include "tests/cli/command_fixture.h"

namespace ingot {
namespace {

using Json = nlohmann::json;

class AuditCommandTest : public CommandTest {
protected:
    std::vector<Json> audits() {
        const Ran ran = run({"audit", "--json"});
        EXPECT_EQ(ran.exit, 0) << ran.err;
        std::vector<Json> out;
        std::istringstream in(ran.out);
        for (std::string line; std::getline(in, line);) out.push_back(Json::parse(line));
        return out;
    }
};

TEST_F(AuditCommandTest, ListsRestoresAndPromotes) {
    init();
    EXPECT_TRUE(audits().empty());
    const std::string id = snapshot();
    EXPECT_EQ(run({"promote", id}).exit, 0);
    dir.write("stack/docs/a.txt", "damaged");
    EXPECT_EQ(run({"restore", id, "--dry-run"}).exit, 0);
    EXPECT_EQ(run({"restore", id, "--to", dir.at("out")}).exit, 0);
    EXPECT_EQ(audits().size(), 1u);
    EXPECT_EQ(run({"rollback", "--reason", "it was | damaged"}).exit, 0);
    const std::vector<Json> found = audits();
    ASSERT_EQ(found.size(), 2u);
    EXPECT_EQ(found[0]["record"]["action"], "promote");
    EXPECT_EQ(found[0]["record"]["outcome"], "golden");
    EXPECT_EQ(found[0]["waiting"], false);
    const Json& record = found[1]["record"];
    EXPECT_EQ(record["action"], "rollback");
    EXPECT_EQ(record["outcome"], "restored");
    EXPECT_EQ(record["reason"], "it was | damaged");
    EXPECT_EQ(record["entries"]["replaced"], 1);
    EXPECT_EQ(record["steps"][0]["name"], "check");
    EXPECT_EQ(record["restore_id"].get<std::string>().size(), 16u);
    const Ran list = run({"audit"});
    EXPECT_TRUE(holds(list.out, "rollback") && holds(list.out, id) && holds(list.out, "it was | damaged")) << list.out;
}

TEST_F(AuditCommandTest, ARestoreThatIsTakenBackIsRecordedWithItsError) {
    write_config(
        "[[probes]]\nname = \"never\"\ncommand = \"echo no luck >&2; exit 1\"\ntimeout = \"100ms\"\ninterval = \"50ms\"\n");
    init();
    snapshot();
    dir.write("stack/docs/a.txt", "damaged");
    EXPECT_EQ(run({"restore", "latest"}).exit, 21);
    const std::vector<Json> found = audits();
    ASSERT_EQ(found.size(), 1u);
    const Json& record = found[0]["record"];
    EXPECT_EQ(record["outcome"], "rolled_back");
    EXPECT_EQ(record["exit"], 21);
    EXPECT_TRUE(holds(record["error"], "the probe never failed")) << record["error"];
    const Ran report = run({"report"});
    EXPECT_EQ(report.exit, 0) << report.err;
    EXPECT_TRUE(report.out.starts_with("# Incident report: restore of small\n")) << report.out;
    EXPECT_TRUE(holds(report.out, "- never: **failed** after")) << report.out;
}

TEST_F(AuditCommandTest, TheRecordWaitsWhereTheLockIsNotFreeAndIsFiledByTheNextCommand) {
    init();
    snapshot();
    dir.write("stack/docs/a.txt", "damaged");
    {
        const Lock lock(dir.at("repo/config"), LockMode::append, 0);
        const Ran ran = run({"restore", "latest", "--lock-wait", "0s"});
        EXPECT_EQ(ran.exit, 0) << ran.err;
        EXPECT_TRUE(holds(ran.err, "recorded by the next command that writes")) << ran.err;
        EXPECT_TRUE(holds(run({"audit"}).out, "restored (waits)"));
        EXPECT_TRUE(holds(run({"report"}).out, "# Incident report"));
    }
    EXPECT_EQ(run({"verify"}).exit, 0);
    const std::vector<Json> found = audits();
    ASSERT_EQ(found.size(), 1u);
    EXPECT_EQ(found[0]["waiting"], false);
    EXPECT_EQ(found[0]["record"]["outcome"], "restored");
}

TEST_F(AuditCommandTest, ReportsAreFoundByTheirRestore) {
    init();
    snapshot();
    const Ran none = run({"report"});
    EXPECT_EQ(none.exit, 1);
    EXPECT_TRUE(holds(none.err, "no restore is recorded")) << none.err;
    for (const char* content : {"one", "two"}) {
        dir.write("stack/docs/a.txt", content);
        EXPECT_EQ(run({"restore", "latest"}).exit, 0);
    }
    const std::vector<Json> found = audits();
    ASSERT_EQ(found.size(), 2u);
    for (const Json& each : found) {
        const std::string id = each["record"]["restore_id"];
        EXPECT_TRUE(holds(run({"report", id.substr(0, 12)}).out, "| restore | " + id + " |"));
    }
    EXPECT_EQ(run({"report", "zzzz"}).exit, 1);
    const Json json = Json::parse(run({"report", "--json"}).out);
    EXPECT_EQ(json["restore_id"], found[1]["record"]["restore_id"]);
    EXPECT_TRUE(json["markdown"].get<std::string>().starts_with("# Incident report"));
}

}  // namespace
}  // namespace ingot
