// What the tests of the contract of drivers share: a live source of the driver's fixture, and its entries as a repository would
// put them into a folder.
#pragma once

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "base/metadata.h"
#include "driver_contract.h"
#include "drivers/registry.h"
#include "tests/drivers/test_folder.h"

namespace ingot {

struct Named {
    const char* name;
    FixtureFactory make;
};

class DriverContract : public testing::TestWithParam<Named> {
protected:
    DriverContract() : fixture_(GetParam().make()) {
        if (!fixture_->available()) return;
        fixture_->create(root_);
        spec_.name = "s";
        spec_.driver = fixture_->driver();
        spec_.root = root_;
        spec_.spool_dir = scratch_.folder("spool");
        fixture_->describe(spec_);
    }

    void SetUp() override {
        if (fixture_->available()) return;
        if (std::getenv("CI") != nullptr) FAIL() << "no server of " << fixture_->driver() << " on this host";
        GTEST_SKIP() << "no server of " << fixture_->driver() << " on this host";
    }

    std::unique_ptr<Driver> driver() const { return find_driver(fixture_->driver())->make(spec_); }

    // The entries below a folder, as materialise() puts them. Returns them.
    std::vector<ReadEntry> materialise(Pin& pin, const std::string& folder) const {
        std::vector<ReadEntry> entries = read_pin(pin);
        make_dirs(real_filesystem(), folder, 0755);
        for (const ReadEntry& read : entries) {
            const std::string path = folder + "/" + read.entry.path;
            make_dirs(real_filesystem(), parent_of(path), 0755);
            if (read.entry.type == EntryType::directory) real_filesystem().make_dir(path, 0755);
            if (read.entry.type == EntryType::file) put(path, read.bytes);
            if (read.entry.type == EntryType::symlink) {
                EXPECT_EQ(::symlink(read.entry.link.c_str(), path.c_str()), 0);
            }
            if (read.entry.type == EntryType::hard_link) {
                EXPECT_EQ(::link((folder + "/" + read.entry.link).c_str(), path.c_str()), 0);
            }
        }
        return entries;
    }

    // Names, sizes, modes, times and bytes of everything live.
    std::string live_bytes() const {
        std::string out;
        const std::function<void(const std::string&)> visit = [&](const std::string& path) {
            const Metadata metadata = metadata_of(path);
            const struct stat st = stat_of(path);
            out += path + " " + std::to_string(st.st_ino) + " " + std::to_string(metadata.mode) + " ";
            if (S_ISREG(st.st_mode)) out += std::to_string(metadata.mtime_ns) + " " + get(path);
            out += "\n";
            if (!S_ISDIR(st.st_mode)) return;
            std::vector<std::string> names;
            real_filesystem().list(path, [&](const std::string& name) { names.push_back(name); });
            std::sort(names.begin(), names.end());
            for (const std::string& name : names) {
                if (!fixture_->may_appear(name)) visit(path + "/" + name);
            }
        };
        visit(root_);
        return out;
    }

    TestFolder scratch_;
    std::string root_ = scratch_.folder("stack");
    std::unique_ptr<SourceFixture> fixture_;
    SourceSpec spec_;
};

}  // namespace ingot
