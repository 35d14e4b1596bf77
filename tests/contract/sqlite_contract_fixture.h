// The contract's fixtures of `sqlite`, in both of its modes.
#pragma once

#include "../drivers/sqlite_fixture.h"
#include "driver_contract.h"

namespace ingot {

class SqliteSourceFixture : public SourceFixture {
public:
    explicit SqliteSourceFixture(const char* mode) : mode_(mode) {}

    std::string driver() const override { return "sqlite"; }
    void create(const std::string& root) override {
        path_ = root + "/web/app.db";
        make_database(path_, mode_, 500);
    }
    void describe(SourceSpec& spec) const override {
        spec.paths = {"web/app.db"};
        spec.facts = {{"version", "SELECT max(version) FROM chunks"}};
    }
    bool mutate(int round) override {
        App app(path_);
        return app.attempt(set_version(1000 + round)) == SQLITE_OK;
    }
    void lose() override {
        for (const char* suffix : {"", "-wal", "-shm", "-journal"}) std::remove((path_ + suffix).c_str());
    }
    std::string content() override { return content_of(path_); }
    std::string artifact_content(const std::string& folder) override { return content_of(folder + "/web/app.db"); }
    void spoil(const std::string& folder) override {
        std::string bytes = get(folder + "/web/app.db");
        for (size_t at = 4096; at < bytes.size(); at += 512) bytes[at] = static_cast<char>(~bytes[at]);
        put(folder + "/web/app.db", bytes);
    }
    bool may_appear(const std::string& name) const override { return name.ends_with("-wal") || name.ends_with("-shm"); }

private:
    std::string mode_;
    std::string path_;
};

}  // namespace ingot
