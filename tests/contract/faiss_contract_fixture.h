// The contract's fixture of `faiss`: an index and its docstore, saved in place, one after the other.
#pragma once

#include "../drivers/engine_child_main.h"
#include "../drivers/faiss_fixture.h"
#include "driver_contract.h"

namespace ingot {

class FaissSourceFixture : public SourceFixture {
public:
    std::string driver() const override { return "faiss"; }
    void create(const std::string& root) override {
        root_ = root;
        save("0", 50);
    }
    void describe(SourceSpec& spec) const override {
        spec.paths = {"data/index.faiss"};
        spec.options["docstore"] = "data/index.pkl";
    }
    bool mutate(int round) override {
        save(std::to_string(round), 60 + round % 40);
        return true;
    }
    void lose() override { remove_tree(real_filesystem(), root_ + "/data"); }
    std::string content() override { return artifact_content(root_); }
    std::string artifact_content(const std::string& folder) override {
        return index_content(folder + "/data/index.faiss") + "; " + get(folder + "/data/index.pkl");
    }
    void spoil(const std::string& folder) override {
        const std::string bytes = get(folder + "/data/index.faiss");
        put(folder + "/data/index.faiss", bytes.substr(0, bytes.size() / 2));
    }

private:
    void save(const std::string& mark, int64_t count) const {
        write_test_index(root_ + "/data/index.faiss", "HNSW8", count, 8, std::stof(mark));
        put(root_ + "/data/index.pkl", "documents " + mark);
    }

    std::string root_;
};

}  // namespace ingot
