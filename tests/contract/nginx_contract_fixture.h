// The contract's fixture of `nginx`: a config with a site, and a password file outside of its folder.
#pragma once

#include "driver_contract.h"
#include "files_fixture.h"
#include "tests/drivers/nginx_fixture.h"

namespace ingot {

class NginxSourceFixture : public SourceFixture {
public:
    std::string driver() const override { return "nginx"; }
    void create(const std::string& root) override {
        tree_ = std::make_unique<NginxTree>(root);
        put(root + "/nginx/snippets/a.bak", "never");
    }
    void describe(SourceSpec& spec) const override {
        tree_->describe(spec);
        spec.exclude = {"*.bak"};
    }
    bool mutate(int round) override {
        tree_->site("round" + std::to_string(round));
        put(tree_->root() + "/var/new", "a:" + std::to_string(round) + "\n");
        real_filesystem().rename(tree_->root() + "/var/new", tree_->root() + "/htpasswd", Rename::replace);
        return true;
    }
    void lose() override { remove_tree(real_filesystem(), tree_->root() + "/nginx"); }
    std::string content() override { return artifact_content(tree_->root()); }
    std::string artifact_content(const std::string& folder) override {
        std::string out = get(folder + "/htpasswd");
        const std::string tree = tree_content(folder + "/nginx");
        const size_t excluded = tree.find("snippets/a.bak\nnever\n");
        return out + (excluded == std::string::npos ? tree : tree.substr(0, excluded) + tree.substr(excluded + 21));
    }
    std::string excluded_path() const override { return "nginx/snippets/a.bak"; }
    void spoil(const std::string& folder) override {
        if (find_nginx("nginx", 10'000)) return append(folder + "/nginx/nginx.conf", "nonsense;\n");
        remove_tree(real_filesystem(), folder + "/nginx");  // without nginx only an artifact of nothing is refused
        remove_tree(real_filesystem(), folder + "/htpasswd");
    }

private:
    std::unique_ptr<NginxTree> tree_;
};

}  // namespace ingot
