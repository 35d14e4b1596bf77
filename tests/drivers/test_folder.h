// A folder for one test, gone with it, and the few calls that tests of sources need.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/filesystem.h"
#include "drivers/driver.h"

namespace ingot {

class TestFolder {
public:
    TestFolder() {
        const char* base = std::getenv("TMPDIR");
        path_ = std::string(base != nullptr ? base : "/tmp") + "/ingot-test-XXXXXX";
        if (::mkdtemp(path_.data()) == nullptr) std::abort();
    }
    TestFolder(const TestFolder&) = delete;
    TestFolder& operator=(const TestFolder&) = delete;
    ~TestFolder() {
        try {
            remove_tree(real_filesystem(), path_);
        } catch (const Error&) {
            std::fprintf(stderr, "left behind: %s\n", path_.c_str());
        }
    }

    const std::string& path() const { return path_; }
    std::string operator/(const std::string& name) const { return path_ + "/" + name; }
    std::string folder(const std::string& name) const {
        make_dirs(real_filesystem(), *this / name, 0755);
        return *this / name;
    }

private:
    std::string path_;
};

inline void put(const std::string& path, const std::string& text) {
    make_dirs(real_filesystem(), parent_of(path), 0755);
    std::ofstream(path, std::ios::binary | std::ios::trunc) << text;
}

inline void append(const std::string& path, const std::string& text) {
    std::ofstream(path, std::ios::binary | std::ios::app) << text;
}

inline std::string get(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

// Sets the modification time; the time of change (ctime) becomes now, as always.
inline void set_mtime(const std::string& path, int64_t seconds) {
    const timespec times[2] = {{seconds, 0}, {seconds, 0}};
    ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW), 0);
}

inline Error error_of(const std::function<void()>& call) {
    try {
        call();
    } catch (const Error& error) {
        return error;
    }
    ADD_FAILURE() << "no Error was thrown";
    return {Code::failed, "no Error was thrown"};
}

// All bytes of a stream, and that its sections are as long as they say.
inline std::string read_all(Stream& stream) {
    std::string out;
    std::vector<uint8_t> buffer(100'003);  // fits no page
    while (const auto section = stream.next_section()) {
        uint64_t length = 0;
        while (const size_t n = stream.read(buffer)) {
            out.append(reinterpret_cast<const char*>(buffer.data()), n);
            length += n;
        }
        if (section->length_bytes != kToEnd) {
            EXPECT_EQ(length, section->length_bytes);
        }
    }
    return out;
}

struct ReadEntry {
    Entry entry;
    std::string bytes;
};

// Everything a pin delivers, files read and described, each opened up to three times.
inline std::vector<ReadEntry> read_pin(Pin& pin, const std::function<void(const Entry&)>& before_open = {}) {
    std::vector<ReadEntry> out;
    while (auto entry = pin.next()) {
        ReadEntry read{*entry, {}};
        if (entry->type == EntryType::file) {
            if (before_open) before_open(*entry);
            for (int tries = 3;; --tries) {
                const auto stream = pin.open(*entry);
                read.bytes = read_all(*stream);
                if (stream->settled()) break;
                if (tries == 1) throw Error(Code::source, "keeps changing: " + entry->path);
            }
            read.entry = pin.described(*entry);
        }
        out.push_back(std::move(read));
    }
    return out;
}

// And its files, under their listing paths below `folder`: the artifact that targets and scratch targets begin with.
inline void put_files_of(Pin& pin, const std::string& folder) {
    for (const ReadEntry& read : read_pin(pin)) {
        if (read.entry.type == EntryType::file) put(folder + "/" + read.entry.path, read.bytes);
    }
}

// A scratch target of what put_files_of() put into "artifact".
inline ScratchSpec scratch_of(const TestFolder& folder, const std::string& id = "0123456789abcdef") {
    ScratchSpec out;
    out.fs = &real_filesystem();
    out.artifact_dir = folder / "artifact";
    out.work_dir = folder.folder("work");
    out.id = id;
    return out;
}

inline std::vector<std::string> paths_of(const std::vector<ReadEntry>& entries) {
    std::vector<std::string> out;
    for (const ReadEntry& read : entries) out.push_back(read.entry.path);
    return out;
}

}  // namespace ingot
