#include "drivers/mongodb_files.h"

#include "tests/drivers/test_folder.h"

namespace ingot {
namespace {

TEST(MongoFiles, NamesComeBack) {
    for (const std::string name : {"chunks", "a/b", ".hidden", "fs.files", "100%", "..", "tab\there", "\xc3\xa4", "%2F"}) {
        const std::string file = mongo_file_name(name);
        EXPECT_EQ(file.find('/'), std::string::npos) << file;
        EXPECT_NE(file[0], '.');
        EXPECT_EQ(mongo_name_from_file(file), name);
    }
    for (const char* wrong : {"a%", "a%2", "a%zz"})
        EXPECT_EQ(error_of([&] { mongo_name_from_file(wrong); }).code(), Code::damaged);
}

TEST(MongoFiles, ADescriptionComesBack) {
    MongoDescription one;
    one.documents = 7;
    one.options.set("capped", true);
    one.indexes = {Bson().set("name", "_id_"), Bson().set("name", "text_1")};
    const MongoDescription read = MongoDescription::decode(one.encode(), "it");
    EXPECT_EQ(read.encode(), one.encode());
    EXPECT_EQ(read.indexes.size(), 2U);
    one = {};
    one.view = true;
    one.options.set("viewOn", "chunks");
    EXPECT_TRUE(MongoDescription::decode(one.encode(), "it").view);
    for (const char* wrong : {"", "{}", R"({"ingot": 2, "type": "collection", "documents": 1})",
                              R"({"ingot": 1, "type": "table"})", R"({"ingot": 1, "type": "collection"})"})
        EXPECT_EQ(error_of([&] { MongoDescription::decode(wrong, "it"); }).code(), Code::damaged) << wrong;
}

TEST(MongoFiles, AnArtifactIsReadOrDamaged) {
    const TestFolder folder;
    const auto read = [&] { return read_mongo_artifact(real_filesystem(), folder.path(), "s"); };
    EXPECT_EQ(error_of(read).code(), Code::damaged);
    put(folder / "s.mongodb/server.json", encode_mongo_server("6.0.5"));
    EXPECT_TRUE(read().collections.empty());
    MongoDescription one;
    one.documents = 2;
    put(folder / "s.mongodb/app/b.json", one.encode());
    EXPECT_NE(std::string(error_of(read).what()).find("missing"), std::string::npos);
    const std::string document(text_of(Bson().set("_id", 1).bytes()));
    put(folder / "s.mongodb/app/b.bson", document + document);
    const MongoArtifact artifact = read();
    ASSERT_EQ(artifact.collections.size(), 1U);
    EXPECT_EQ(artifact.version, "6.0.5");
    check_mongo_documents(real_filesystem(), artifact.collections[0]);
    put(folder / "s.mongodb/app/b.bson", document);
    EXPECT_NE(std::string(error_of([&] { check_mongo_documents(real_filesystem(), read().collections[0]); }).what())
                  .find("1 documents"),
              std::string::npos);
    put(folder / "s.mongodb/app/c.bson", document);
    EXPECT_NE(std::string(error_of(read).what()).find("no description"), std::string::npos);
}

TEST(MongoFiles, KnowsTheNamesOfARestore) {
    const std::string id = "0123456789abcdef";
    for (const char* word : {"new", "old", "late"}) {
        EXPECT_TRUE(is_mongo_restore_name(mongo_name_beside("chunks", word, id)));
        EXPECT_TRUE(is_mongo_restore_name(mongo_name_beside("chunks", word, "")));
    }
    for (const char* name :
         {"chunks", "__ingot_new", "a__ingot_newer", "a__ingot_new_1", "a__ingot_new_0123456789abcdeX", "a__ingot_new_x"})
        EXPECT_FALSE(is_mongo_restore_name(name)) << name;
}

}  // namespace
}  // namespace ingot
