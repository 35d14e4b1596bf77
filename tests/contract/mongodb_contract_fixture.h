// The contract's fixture of `mongodb`: the stand-in as a replica set, with all kinds of collections but a capped one, which no
// server before 8.0 reads in a snapshot.
#pragma once

#include "driver_contract.h"
#include "drivers/mongodb.h"
#include "drivers/mongodb_documents.h"
#include "drivers/mongodb_files.h"
#include "tests/support/mongo_server.h"

namespace ingot {

class MongoSourceFixture : public SourceFixture {
public:
    bool available() const override { return MongoStandIn::installed(); }
    std::string driver() const override { return "mongodb"; }
    void create(const std::string&) override {
        server_ = std::make_unique<MongoStandIn>();
        fill_with_all_kinds(*server_);
        server_->command(R"({"drop": "log"})");
    }
    void describe(SourceSpec& spec) const override {
        spec.options = server_->source().options;
        spec.facts = {{"old", R"(chunks {"_id": {"$lt": 100}})"}};
    }
    bool mutate(int round) override {
        try {
            server_->insert_many("chunks", 3, 1'000'000 + round * 10, "round");
            server_->command(R"({"update": "types", "updates": [{"q": {"_id": "text"}, "u": {"_id": "text", "round": )" +
                             std::to_string(round) + "}}]}");
            server_->command(R"({"delete": "chunks", "deletes": [{"q": {"_id": )" + std::to_string(round) +
                             R"(}, "limit": 1}]})");
            return true;
        } catch (const Error&) {
            return false;
        }
    }
    void lose() override { server_->kill(SIGKILL); }
    std::string content() override { return server_->content(); }
    // As content() writes it, from the files.
    std::string artifact_content(const std::string& folder) override {
        std::string out;
        for (const MongoArtifact::Collection& one : read_mongo_artifact(real_filesystem(), folder, "s").collections) {
            out += one.name + " " + (one.description.view ? "1 " : "0 ") + one.description.options.json() + "\n";
            for (const Bson& index : one.description.indexes) out += "  index " + index.json() + "\n";
            const std::string bytes = one.description.view ? "" : get(one.path);
            for (size_t at = 0; at < bytes.size();) {
                uint32_t length = 0;
                EXPECT_TRUE(plausible_document(view_of(std::string_view(bytes).substr(at)), &length));
                out += "  " + Bson(view_of(std::string_view(bytes).substr(at, length)), "a document").json() + "\n";
                at += length;
            }
        }
        return out;
    }
    std::string left_by_drills() override {
        std::string out;
        for (const std::string& name : server_->connect().databases()) out += name.starts_with("ingot_drill") ? name : "";
        return out;
    }
    void spoil(const std::string& folder) override {
        const std::string path = folder + "/s.mongodb/app/chunks.bson";
        put(path, get(path).substr(0, get(path).size() - 1));
    }

private:
    std::unique_ptr<MongoStandIn> server_;
};

}  // namespace ingot
