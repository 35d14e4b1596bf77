// A live tree and a snapshot of another one, from the comparison to the swap.
#pragma once

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "base/filesystem.h"
#include "restore/stage_folder.h"
#include "restore/tree_stage.h"
#include "tests/support/temp_dir.h"
#include "tests/support/tree_model.h"

namespace ingot::test {

struct Scene {
    TempDir dir;
    std::string live = dir / "stack/data";
    std::string wanted = dir / "wanted";
    MemoryContent content;
    std::vector<ListedEntry> listing;
    std::vector<std::string> excluded;

    Scene() {
        std::filesystem::create_directories(live);
        std::filesystem::create_directories(wanted);
    }
    void take() { listing = listing_of(wanted, "data", content); }

    TreeDraft compare(FileSystem& fs = real_filesystem()) {
        CompareInput input;
        input.source = "data";
        input.roots = {{"data", dir / "stack", "data"}};
        input.listing = replay(listing);
        input.excluded = [this](const std::string& path) { return std::ranges::find(excluded, path) != excluded.end(); };
        input.foreign = [](const std::string&) { return false; };
        input.spool_dir = dir.path();
        input.stage_name = ".ingot-0123456789abcdef-0";
        input.list_changes = true;
        return compare_tree(input, content, fs);
    }
    std::string plan() const { return dir.path() + "/plan"; }
    std::vector<std::string> stage(FileSystem& fs = real_filesystem()) {
        const TreeDraft draft = compare(fs);
        for (const DraftStage& stage : draft.stages) stages.push_back(stage.path);
        return stage_tree(draft, content, fs, plan()).problems;
    }
    void clean() {
        for (const std::string& stage : stages) remove_stage_folder(real_filesystem(), stage);
        std::filesystem::remove(plan());
        stages.clear();
    }
    std::vector<std::string> stages;
};

}  // namespace ingot::test
