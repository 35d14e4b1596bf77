// A repository and a stack of fake sources, for the tests of whole snapshots.
#pragma once

#include <gtest/gtest.h>

#include "snapshot/attest.h"
#include "snapshot/catalog.h"
#include "snapshot/listing.h"
#include "snapshot/take.h"
#include "store/reader.h"
#include "tests/base/temp_dir.h"
#include "tests/snapshot/fake_source.h"
#include "tests/support/faulty_filesystem.h"

namespace ingot {

class Notes : public Progress {
public:
    void phase(std::string_view name, uint64_t) override { phases.emplace_back(name); }
    void advance(uint64_t) override {}
    void note(std::string_view line) override { notes.emplace_back(line); }
    std::vector<std::string> phases, notes;
};

class SnapshotTest : public testing::Test {
protected:
    SnapshotTest() {
        InitOptions plain;
        plain.encryption = false;
        Repository::init(disk_, dir_.at("repo"), {}, plain);
        make_dirs(real_filesystem(), dir_.at("state"), 0700);
        make_dirs(real_filesystem(), dir_.at("root"), 0700);
        open();
        stack_.name = "test";
        stack_.root = dir_.at("root");
        stack_.state_dir = dir_.at("state");
    }

    void open(LockMode mode = LockMode::append) {
        repository_.reset();
        OpenOptions options;
        options.mode = mode;
        options.state_dir = dir_.at("state");
        options.lock_wait_ms = 0;
        repository_ = Repository::open(disk_, dir_.at("repo"), {}, options);
    }
    void add(const std::string& name, FakeSource& source, const std::string& driver = "fake") {
        stack_.sources.push_back(std::make_unique<FakeDriver>(source, name, driver));
    }
    TakeResult take(bool golden = false) {
        TakeOptions options;
        options.tags = {"tag"};
        options.golden = golden;
        options.wait = [](int64_t) {};
        return take_snapshot(*repository_, stack_, options, progress_);
    }
    std::vector<Snapshot> snapshots() {
        return load_snapshots(*repository_, "test", [](const std::string& line) { ADD_FAILURE() << line; });
    }
    // The files of a source as the repository gives them back.
    std::map<std::string, std::string> files_of(const Manifest& manifest, const std::string& source) {
        std::map<std::string, std::string> out;
        Reader reader(*repository_);
        ListingReader listing = open_listing(reader, *manifest.find(source)->listing, repository_->spool_dir());
        while (const std::optional<ListedEntry> each = listing.next()) {
            if (each->entry.type != EntryType::file) continue;
            const Bytes bytes = reader.to_memory(ChunkKind::data, each->root, 100 << 20);
            out[each->entry.path] = std::string(text_of(bytes));
        }
        return out;
    }

    TempDir dir_;
    test::FaultyFileSystem disk_;  // under the repository
    std::unique_ptr<Repository> repository_;
    Stack stack_;
    Notes progress_;
};

}  // namespace ingot
