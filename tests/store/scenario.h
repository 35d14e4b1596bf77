// What the fault loops run: sessions whose records say what they stored, so that any record that is live can be checked whole.
#pragma once

#include <nlohmann/json.hpp>

#include "tests/store/store_fixture.h"

namespace ingot::test {

class Scenario {
public:
    Scenario(std::string path, std::string state) : path_(std::move(path)), state_(std::move(state)) {}

    Credentials key() const {
        Credentials credentials;
        credentials.key_file = Secret::copy_of(ByteView(noise(32, 1)));
        return credentials;
    }
    void init(FileSystem& fs) const { Repository::init(fs, path_, key(), {}); }
    std::unique_ptr<Repository> open(FileSystem& fs, LockMode mode = LockMode::append) const {
        OpenOptions options;
        options.mode = mode;
        options.lock_wait_ms = 0;
        options.state_dir = state_;
        return Repository::open(fs, path_, key(), options);
    }

    // Stream `seed` as its session stored it: some of it new, some of it shared with every other session.
    static Bytes content(uint64_t seed) {
        Bytes bytes = noise(20'000, seed);
        const Bytes shared = prose(30'000, 1);
        bytes.insert(bytes.end(), shared.begin(), shared.end());
        return bytes;
    }
    // Commits two streams, a listing and a record that names them. Returns the record: acknowledged.
    static RecordId session(Repository& repository, uint64_t seed) {
        const auto session = repository.begin();
        SilentProgress silent;
        MemoryFeed data, listing;
        data.add(content(seed)).add(noise(100, seed));
        session->put(ChunkKind::data, data, silent);
        listing.add(noise(500, seed + 7));
        session->put(ChunkKind::meta, listing, silent);
        nlohmann::json record = {{"seed", seed}, {"roots", nlohmann::json::array()}};
        for (const StreamStored& stored : {data.results.at(0), data.results.at(1), listing.results.at(0)}) {
            record["roots"].push_back(
                {{"height", stored.root.height}, {"digest", stored.root.digest.hex()}, {"size", stored.root.size}});
        }
        const RecordId id = session->add_record(RecordKind::manifest, view_of(record.dump()));
        session->commit();
        return id;
    }
    RecordId session(FileSystem& fs, uint64_t seed) const { return session(*open(fs), seed); }

    // Every live record is whole, and every one of `acknowledged` is live. Returns how many are live.
    static size_t expect_whole(Repository& repository, const std::vector<RecordId>& acknowledged, const std::string& when) {
        std::set<RecordId> live;
        for (const RecordId& id : repository.records(RecordKind::manifest)) {
            live.insert(id);
            expect_record(repository, id, when);
        }
        for (const RecordId& id : acknowledged) EXPECT_TRUE(live.contains(id)) << "an acknowledged record is gone: " << when;
        return live.size();
    }
    static void expect_record(Repository& repository, const RecordId& id, const std::string& when) {
        const auto record = nlohmann::json::parse(text_of(repository.read_record({RecordKind::manifest, id})));
        const uint64_t seed = record.at("seed");
        const Bytes expected[] = {content(seed), noise(100, seed), noise(500, seed + 7)};
        for (size_t i = 0; i < 3; ++i) {
            const auto& root = record.at("roots").at(i);
            const StreamRoot name{root.at("height"), Digest::from_hex(root.at("digest").get<std::string>()), root.at("size")};
            EXPECT_EQ(Reader(repository).to_memory(i == 2 ? ChunkKind::meta : ChunkKind::data, name, 1 << 20), expected[i])
                << when;
        }
    }
    // Whole, checked, and ready for the next session, which must succeed.
    void expect_usable(std::vector<RecordId> acknowledged, const std::string& when) const {
        const auto repository = open(real_filesystem());
        expect_whole(*repository, acknowledged, when);
        acknowledged.push_back(session(*repository, 1'000'000));
        expect_whole(*repository, acknowledged, when);
        SilentProgress silent;
        for (const Finding& finding : check_repository(*repository, true, false, silent)) {
            EXPECT_EQ(finding.weight, Finding::Weight::note) << finding.where << ": " << finding.what << ", " << when;
        }
    }

    const std::string& path() const { return path_; }
    const std::string& state() const { return state_; }

private:
    std::string path_;
    std::string state_;
};

inline bool nightly() { return std::getenv("INGOT_NIGHTLY") != nullptr; }

// The 256 folders for packs are made when they are needed too, and copying them a thousand times takes a minute.
inline void drop_empty_folders(const std::string& path) {
    for (const auto& entry : std::filesystem::directory_iterator(path + "/packs")) {
        if (std::filesystem::is_empty(entry.path())) std::filesystem::remove(entry.path());
    }
}

// A template's copy in place of what a run left.
inline void put_back(const std::string& from, const std::string& to) {
    std::filesystem::remove_all(to);
    std::filesystem::copy(from, to, std::filesystem::copy_options::recursive);
}

}  // namespace ingot::test
