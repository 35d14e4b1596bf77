// The contract's fixture of `qdrant`: the stand-in of a server, with a collection of two shards.
#pragma once

#include "driver_contract.h"
#include "drivers/qdrant_load.h"
#include "drivers/qdrant_pin.h"
#include "tests/support/qdrant_server.h"

namespace ingot {

class QdrantSourceFixture : public SourceFixture {
public:
    explicit QdrantSourceFixture(std::string version) : version_(std::move(version)) {}

    bool available() const override { return ::access("/usr/bin/python3", X_OK) == 0; }
    std::string driver() const override { return "qdrant"; }
    void create(const std::string&) override {
        server_ = std::make_unique<QdrantServer>(version_);
        server_->create("rag");
        server_->upsert("rag", 0, 300);
        source_ = server_->source();
    }
    void describe(SourceSpec& spec) const override {
        spec.options = source_.options;
        spec.options["collections"] = "rag";
        spec.facts = {{"bern", R"(rag {"must":[{"key":"city","match":{"value":"Bern"}}]})"}};
    }
    bool mutate(int round) override {
        try {
            server_->upsert("rag", 250, 300 + round, round);
            return true;
        } catch (const Error&) {
            return false;
        }
    }
    void lose() override { server_->kill(SIGKILL); }
    std::string content() override { return server_->content("rag"); }
    // What another server that loaded it answers.
    std::string artifact_content(const std::string& folder) override {
        QdrantServer other(version_);
        const QdrantSettings settings = qdrant_settings(other.source());
        QdrantApi api(settings, Code::failed);
        const QdrantRecord record = read_qdrant_record(real_filesystem(), folder + "/" + qdrant_record_path("s"));
        for (QdrantCollection of : record.collections) {
            of.points.reset();
            load_qdrant_collection(
                api, {real_filesystem(), settings, [&](const std::string& path) { return folder + "/" + path; }}, of, "rag");
        }
        return other.content("rag");
    }
    std::string left_by_drills() override {
        const std::string all = server_->ask("GET", "/collections");
        return all.find("__ingot_drill_") == std::string::npos ? "" : all;
    }
    void spoil(const std::string& folder) override {
        for (const std::string& path : {folder + "/s.qdrant/rag/shard-1.tar", folder + "/s.qdrant/rag/collection.tar"}) {
            if (!real_filesystem().exists(path)) continue;
            std::string bytes = get(path);
            const size_t name = bytes.find("/files/");
            bytes[name] = static_cast<char>(bytes[name] ^ 1);
            put(path, bytes);
        }
    }

private:
    std::string version_;
    std::unique_ptr<QdrantServer> server_;
    SourceSpec source_;
};

}  // namespace ingot
