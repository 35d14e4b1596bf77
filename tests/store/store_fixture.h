// A repository in a folder of its own, and short ways to put into it, read from it and damage it.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "store/directory_store.h"
#include "store/pack_format.h"
#include "store/reader.h"
#include "store/repository.h"
#include "store/repository_core.h"
#include "tests/store/code_of.h"
#include "tests/support/memory_feed.h"
#include "tests/support/temp_dir.h"

namespace ingot {

class StoreTest : public ::testing::Test {
protected:
    Credentials key() const {
        Credentials credentials;
        if (sealed_) credentials.key_file = Secret::copy_of(ByteView(test::noise(32, 1)));
        return credentials;
    }
    // `tweak` changes the config before anything is stored: small packs, small chunks.
    void init(bool sealed = true, const std::function<void(RepositoryConfig&)>& tweak = {}) {
        sealed_ = sealed;
        InitOptions options;
        options.encryption = sealed;
        Repository::init(real_filesystem(), path_, key(), options);
        if (!tweak) return;
        DirectoryStore blobs(real_filesystem(), path_);
        RepositoryConfig config = load_config(blobs, {});
        const KeyRing keys = unlock(blobs, config, key(), {}, nullptr);
        tweak(config);
        const Bytes file = encode_config(config);
        std::filesystem::remove_all(path_ + "/keys");
        for (const char* name : {"config", "config.copy"}) {
            blobs.remove(name);
            blobs.put_new(name, file);
        }
        if (sealed) put_slot(blobs, encode_slot(keys, key(), config, {}));
    }
    std::unique_ptr<Repository> open(LockMode mode = LockMode::append, bool accept_head = false) {
        OpenOptions options;
        options.mode = mode;
        options.lock_wait_ms = 0;
        options.state_dir = state_;
        options.accept_head = accept_head;
        options.warn = [this](const std::string& line) { warnings_.push_back(line); };
        return Repository::open(real_filesystem(), path_, key(), options);
    }
    std::unique_ptr<Repository> open_shared() { return open(LockMode::shared); }

    StreamStored put(WriteSession& session, Bytes bytes, Section section = {}, ChunkKind kind = ChunkKind::data) {
        test::MemoryFeed feed;
        feed.add(std::move(bytes), section);
        session.put(kind, feed, silent_);
        return feed.results.at(0);
    }
    // Stores one stream and a manifest record in one commit.
    StreamRoot store(Bytes bytes, Section section = {}, SessionTotals* totals = nullptr) {
        const auto repository = open();
        const auto session = repository->begin();
        const StreamRoot root = put(*session, std::move(bytes), section).root;
        last_record_ = session->add_record(RecordKind::manifest, view_of(fmt::format("{{\"n\":{}}}", ++records_)));
        session->commit();
        if (totals) *totals = session->totals();
        return root;
    }
    static Bytes read(Repository& repository, const StreamRoot& root, ChunkKind kind = ChunkKind::data) {
        return Reader(repository).to_memory(kind, root, 1 << 30);
    }

    static void flip(const std::string& file, size_t byte, size_t bit = 0) {
        std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
        stream.seekg(static_cast<std::streamoff>(byte));
        const auto value = static_cast<char>(stream.get() ^ (1 << bit));
        stream.seekp(static_cast<std::streamoff>(byte));
        stream.put(value);
    }
    std::vector<std::string> files_in(const std::string& folder) const {
        std::vector<std::string> files;
        for (const auto& entry : std::filesystem::recursive_directory_iterator(path_ + "/" + folder)) {
            if (entry.is_regular_file()) files.push_back(entry.path().string());
        }
        std::ranges::sort(files);
        return files;
    }
    std::vector<std::string> packs() const { return files_in("packs"); }
    // Of a kind, as the header says: byte 10.
    std::vector<std::string> packs(ChunkKind kind) const {
        std::vector<std::string> files;
        for (const std::string& file : packs()) {
            std::ifstream stream(file, std::ios::binary);
            stream.seekg(10);
            if (stream.get() == static_cast<int>(kind)) files.push_back(file);
        }
        return files;
    }
    void copy_index_to(const std::string& folder) const {
        std::filesystem::copy(path_ + "/index", folder, std::filesystem::copy_options::recursive);
    }
    void put_index_back(const std::string& folder) const {
        std::filesystem::remove_all(path_ + "/index");
        std::filesystem::copy(folder, path_ + "/index", std::filesystem::copy_options::recursive);
    }
    bool warned(const std::string& text) const {
        return std::ranges::any_of(warnings_, [&](const std::string& line) { return line.find(text) != std::string::npos; });
    }

    test::TempDir dir_{test::fast_folder()};
    std::string path_ = dir_ / "repo";
    std::string state_ = dir_ / "state";
    bool sealed_ = true;
    SilentProgress silent_;
    std::vector<std::string> warnings_;
    RecordId last_record_;
    int records_ = 0;
};

}  // namespace ingot
