// The contract's fixtures of `files` and `env`.
#pragma once

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "driver_contract.h"
#include "tests/drivers/test_folder.h"

namespace ingot {

// Every regular file and link below a folder, by name, without excluded ones.
inline std::string tree_content(const std::string& folder, const std::string& below = {}) {
    std::vector<std::string> names;
    real_filesystem().list(join(folder, below), [&](const std::string& name) { names.push_back(name); });
    std::sort(names.begin(), names.end());
    std::string out;
    for (const std::string& name : names) {
        const std::string path = below.empty() ? name : below + "/" + name;
        if (name.ends_with(".tmp")) continue;
        struct stat st {};
        EXPECT_EQ(::lstat(join(folder, path).c_str(), &st), 0);
        out += path + (S_ISDIR(st.st_mode) ? "/\n" : "\n");
        if (S_ISDIR(st.st_mode)) out += tree_content(folder, path);
        if (S_ISREG(st.st_mode)) out += get(join(folder, path)) + "\n";
    }
    return out;
}

class FilesFixture : public SourceFixture {
public:
    std::string driver() const override { return "files"; }
    void create(const std::string& root) override {
        root_ = root;
        put(root + "/models/a b\n\xff.bin", std::string(300'000, 'm'));
        put(root + "/models/a/deep/er/x", "deep");
        put(root + "/models/a.b", "");
        put(root + "/models/skip.tmp", "never");
        EXPECT_EQ(::symlink("a.b", (root + "/models/link").c_str()), 0);
        EXPECT_EQ(::link((root + "/models/a/deep/er/x").c_str(), (root + "/models/z-link").c_str()), 0);
    }
    void describe(SourceSpec& spec) const override {
        spec.paths = {"models"};
        spec.exclude = {"*.tmp"};
    }
    bool mutate(int round) override {
        put(root_ + "/models/a b\n\xff.bin", std::string(static_cast<size_t>(1000 + round), 'n'));
        put(root_ + "/models/a.b", "now " + std::to_string(round));
        return true;
    }
    void lose() override { remove_tree(real_filesystem(), root_ + "/models"); }
    std::string content() override { return tree_content(root_ + "/models"); }
    std::string artifact_content(const std::string& folder) override { return tree_content(folder + "/models"); }
    std::string excluded_path() const override { return "models/skip.tmp"; }
    void spoil(const std::string& folder) override { remove_tree(real_filesystem(), folder + "/models"); }

private:
    std::string root_;
};

class EnvFixture : public SourceFixture {
public:
    std::string driver() const override { return "env"; }
    void create(const std::string& root) override {
        root_ = root;
        put(root + "/.env", "A=1\nB='2'\n");
        put(root + "/web/.env", "export C=\"3\"\n");
    }
    void describe(SourceSpec& spec) const override { spec.paths = {".env", "web/.env"}; }
    bool mutate(int round) override {
        put(root_ + "/.env", "A=" + std::to_string(round) + "\n");
        put(root_ + "/web/.env", "C=" + std::to_string(round) + "\nD=4\n");
        return true;
    }
    void lose() override {
        real_filesystem().remove(root_ + "/.env");
        real_filesystem().remove(root_ + "/web/.env");
    }
    std::string content() override { return artifact_content(root_); }
    std::string artifact_content(const std::string& folder) override {
        return get(folder + "/.env") + "|" + get(folder + "/web/.env");
    }
    void spoil(const std::string& folder) override {
        remove_tree(real_filesystem(), folder + "/.env");
        remove_tree(real_filesystem(), folder + "/web");
    }

private:
    std::string root_;
};

}  // namespace ingot
