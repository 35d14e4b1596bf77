// The contract's fixture of `command`: an application that keeps its state in one file, dumped and put back by shell commands.
#pragma once

#include <cstdio>

#include "driver_contract.h"
#include "tests/drivers/test_folder.h"

namespace ingot {

class CommandSourceFixture : public SourceFixture {
public:
    // With "start" the state is read before the first byte is printed, and the rest of the output follows later.
    explicit CommandSourceFixture(const char* moment) : moment_(moment) {}

    std::string driver() const override { return "command"; }
    void create(const std::string& root) override {
        folder_ = root + "/app";
        mutate(0);
    }
    void describe(SourceSpec& spec) const override {
        const bool start = moment_ == "start";
        spec.options["directory"] = "app";
        spec.options["moment"] = moment_;
        spec.options["snapshot"] =
            start ? "state=$(cat state); echo dump; sleep 0.05; printf %s \"$state\"" : "echo dump; cat state";
        spec.options["restore"] = "tail -n +2 > new && mv new state";
        spec.options["check"] = "head -n 1 | grep -qx dump";
        spec.facts = {{"round", "sed -n 's/^round //p'"}};
    }
    bool mutate(int round) override {
        put(folder_ + "/new", "round " + std::to_string(round) + "\n" + std::string(100'000, 'x'));
        return std::rename((folder_ + "/new").c_str(), (folder_ + "/state").c_str()) == 0;
    }
    void lose() override { remove_tree(real_filesystem(), folder_); }
    std::string content() override { return "dump\n" + get(folder_ + "/state"); }
    std::string artifact_content(const std::string& folder) override { return get(folder + "/s.out"); }
    void spoil(const std::string& folder) override { put(folder + "/s.out", "round 1\n"); }

private:
    std::string moment_;
    std::string folder_;
};

}  // namespace ingot
