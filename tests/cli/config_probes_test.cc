#include "cli/config_probes.h"

#include <gtest/gtest.h>

namespace ingot {
namespace {

// 9 lines; what is added begins at line 10.
const std::string kGood =
    "[repository]\npath = \"/r\"\n[stack]\nname = \"s\"\nroot = \"/opt/s\"\n[sources.db]\ndriver = \"sqlite\"\npath = \"a.db\"\n"
    "facts = { chunks = \"SELECT 1\" }\n";

ConfigReading reading_of(const std::string& more) { return read_config_text(kGood + more, "i.toml", false); }

using Lines = std::vector<std::string>;

TEST(ConfigProbes, AreTakenInOrder) {
    const ConfigReading reading = reading_of(
        "[[probes]]\nname = \"health\"\nhttp = \"http://127.0.0.1:1/\"\nstatus = 200\ncontains = \"ok\"\n"
        "json = { \"/a/b\" = 7, \"/c\" = true, \"/d\" = \"x\" }\ntimeout = \"5s\"\ninterval = \"100ms\"\n"
        "[[probes]]\nname = \"port\"\ntcp = \"[::1]:80\"\n"
        "[[probes]]\nname = \"eval\"\ncommand = \"make eval\"\n"
        "[[probes]]\nname = \"rows\"\nsource = \"db\"\nsql = \"SELECT 2\"\nfact = \"chunks\"\ntolerance = 0.1\n"
        "[[probes]]\nname = \"zero\"\nsource = \"db\"\nsql = \"SELECT 2\"\nvalue = 0\n");
    EXPECT_EQ(reading.lines(), Lines{});
    const std::vector<ProbeSpec> probes = make_stack(reading.config, "/state").probes;
    ASSERT_EQ(probes.size(), 5u);
    EXPECT_EQ(probes[0].status, 200);
    EXPECT_EQ(probes[0].json, (std::map<std::string, std::string>{{"/a/b", "7"}, {"/c", "true"}, {"/d", "x"}}));
    EXPECT_EQ(probes[0].timeout_ms, 5'000);
    EXPECT_EQ(probes[0].interval_ms, 100);
    EXPECT_EQ(probes[1].kind, ProbeSpec::Kind::tcp);
    EXPECT_EQ(probes[2].target, "make eval");
    EXPECT_EQ(probes[2].timeout_ms, 30'000);
    EXPECT_EQ(probes[3].fact, "chunks");
    EXPECT_EQ(probes[3].tolerance, 0.1);
    EXPECT_EQ(probes[4].value, "0");
}

TEST(ConfigProbes, MistakesHaveTheirLines) {
    EXPECT_EQ(reading_of("[[probes]]\nname = \"a\"\n").lines(),
              Lines{"i.toml:10: [[probes]] wants one of `http`, `tcp`, `command`, `sql`, `count`, and `queries` or `k`"});
    EXPECT_EQ(
        reading_of("[[probes]]\nname = \"a\"\ntcp = \"h:1\"\ncommand = \"b\"\n").lines(),
        Lines{"i.toml:10: [[probes]] wants one of `http`, `tcp`, `command`, `sql`, `count`, and `queries` or `k`, and not 2 of "
              "them"});
    EXPECT_EQ(reading_of("[[probes]]\nname = \"a\"\ntcp = \"h\"\n").lines(),
              Lines{"i.toml:12: `tcp`: \"h\" is no host and port; write 127.0.0.1:5432, name:5432 or [::1]:5432"});
    EXPECT_EQ(reading_of("[[probes]]\nname = \"a\"\nhttp = \"ftp://h\"\nstatus = 7\njson = { \"a\" = 1 }\n").lines(),
              (Lines{"i.toml:12: `http` wants a url that begins with http:// or https://, not \"ftp://h\"",
                     "i.toml:13: `status` wants a number from 100 to 599",
                     "i.toml:14: `json`: \"a\" is no JSON pointer; they begin with /, such as \"/status\""}));
    EXPECT_EQ(reading_of("[[probes]]\ncommand = \"a\"\ntimeout = \"0s\"\n").lines(),
              (Lines{"i.toml:10: [[probes]] needs `name`, such as name = \"health\"",
                     "i.toml:12: `timeout` wants to be longer than nothing"}));
    EXPECT_EQ(
        reading_of("[[probes]]\nname = \"a\"\ncommand = \"a\"\n[[probes]]\nname = \"a\"\ncommand = \"a\"\nstatuss = 1\n").lines(),
        (Lines{"i.toml:14: two [[probes]] are named \"a\"", "i.toml:16: [[probes]] has no key `statuss`"}));
    EXPECT_EQ(reading_of("probes = 3\n").lines().size(), 1u);
}

TEST(ConfigProbes, SqlNeedsASourceThatAnswersItAndSomethingToCompareWith) {
    const std::string sql = "[[probes]]\nname = \"a\"\nsql = \"SELECT 1\"\n";
    EXPECT_EQ(reading_of(sql + "value = 1\n").lines(), Lines{"i.toml:10: [[probes]] needs `source`, such as source = \"db\""});
    EXPECT_EQ(reading_of(sql + "source = \"dd\"\nvalue = 1\n").lines(),
              Lines{"i.toml:13: `source`: there is no [sources.dd]; did you mean `db`?"});
    EXPECT_EQ(reading_of(sql + "source = \"db\"\n").lines(),
              Lines{"i.toml:10: a probe of a source wants `value` or `fact`, one of the two, to compare with"});
    EXPECT_EQ(reading_of(sql + "source = \"db\"\nfact = \"chunk\"\n").lines(),
              Lines{"i.toml:14: `fact`: [sources.db] has no fact `chunk` of its own; did you mean `chunks`?"});
    EXPECT_EQ(
        reading_of(sql + "source = \"docs\"\nvalue = 1\n[sources.docs]\ndriver = \"files\"\npath = \"d\"\n").lines(),
        Lines{"i.toml:13: `source`: [sources.docs] has the driver files, which takes no SQL; those that do: sqlite, postgres"});
    const std::string count = "[[probes]]\nname = \"a\"\ncount = \"chunks {}\"\nvalue = 1\n";
    EXPECT_EQ(reading_of(count + "source = \"db\"\n").lines(),
              Lines{"i.toml:14: `source`: [sources.db] has the driver sqlite, which takes no `count`; those that do: mongodb, "
                    "qdrant, redis"});
    EXPECT_EQ(reading_of(count + "source = \"m\"\n[sources.m]\ndriver = \"mongodb\"\nuri = \"mongodb://h/app\"\n").lines(),
              Lines{});
}

TEST(ConfigProbes, KnownQueriesAreTakenOfASourceThatHasVectors) {
    const std::string vectors = "[sources.v]\ndriver = \"faiss\"\npath = \"v.faiss\"\n";
    const ConfigReading reading =
        reading_of(vectors + "[sources.q]\ndriver = \"qdrant\"\nurl = \"http://h:1\"\n" +
                   "[[probes]]\nname = \"a\"\nsource = \"v\"\nk = 3\n"
                   "[[probes]]\nname = \"b\"\nsource = \"v\"\nqueries = 20\ntolerance = 0\n"
                   "[[probes]]\nname = \"c\"\nsource = \"v\"\nqueries = \"ops/probe.fvecs\"\nk = 5\n"
                   "[[probes]]\nname = \"d\"\nsource = \"q\"\nk = 5\ncollection = \"rag\"\nvector = \"text\"\n");
    EXPECT_EQ(reading.lines(), Lines{});
    const std::vector<ProbeSpec> probes = make_stack(reading.config, "/state").probes;
    ASSERT_EQ(probes.size(), 4u);
    EXPECT_EQ(probes[0].kind, ProbeSpec::Kind::top_k);
    EXPECT_EQ(probes[0].k, 3u);
    EXPECT_EQ(probes[0].spread, 5u);
    EXPECT_EQ(probes[0].tolerance, 0.05);
    EXPECT_EQ(probes[1].k, 10u);
    EXPECT_EQ(probes[1].spread, 20u);
    EXPECT_EQ(probes[1].tolerance, 0);
    EXPECT_EQ(probes[2].queries, "/opt/s/ops/probe.fvecs");
    EXPECT_EQ(probes[3].target + "/" + probes[3].vector_name, "rag/text");

    EXPECT_EQ(
        reading_of("[[probes]]\nname = \"a\"\nsource = \"db\"\nk = 5\n").lines(),
        Lines{"i.toml:12: `source`: [sources.db] has the driver sqlite, which takes no `k` or `queries`: it has no vectors; "
              "those that do: faiss, qdrant"});
    EXPECT_EQ(reading_of(vectors + "[[probes]]\nname = \"a\"\nk = 0\n").lines(),
              (Lines{"i.toml:13: [[probes]] needs `source`, such as source = \"vectors\"",
                     "i.toml:15: `k` wants a number from 1 to 100"}));
    EXPECT_EQ(reading_of(vectors + "[[probes]]\nname = \"a\"\nsource = \"v\"\nqueries = \"x.npy\"\ncollection = \"c\"\n").lines(),
              (Lines{"i.toml:16: `queries` wants a number of stored vectors, or a .fvecs (.bvecs) file of vectors",
                     "i.toml:17: `collection` is for qdrant: a faiss source is one index"}));
    EXPECT_EQ(reading_of(vectors + "[[probes]]\nname = \"a\"\nsource = \"v\"\nqueries = 101\n").lines(),
              Lines{"i.toml:16: `queries` wants a number from 1 to 100"});
}

}  // namespace
}  // namespace ingot
