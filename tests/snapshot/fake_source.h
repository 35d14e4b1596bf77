// A source in memory, that fails where a test wants it to.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/error.h"
#include "drivers/driver.h"

namespace ingot {

struct FakeFile {
    Entry entry;
    std::string content;
    int unsettled = 0;  // so many reads of it turn out void
    bool unreadable = false;
};

struct ListingOrder {
    bool operator()(const std::string& a, const std::string& b) const { return listing_less(a, b); }
};

// What the fake driver's source is, and what it did.
struct FakeSource {
    bool read_first = false;
    std::map<std::string, FakeFile, ListingOrder> files;
    std::function<void()> on_prepare = [] {};
    std::function<void()> on_pin = [] {};
    std::function<void()> on_facts = [] {};
    std::function<Entry(Entry)> described = [](Entry entry) { return entry; };
    PinConsistency consistency = PinConsistency::pinned;
    Facts facts;
    std::vector<std::string> notes;
    std::vector<SourceRoot> roots;
    std::function<Facts(const std::string& dir)> opened = [](const std::string&) { return Facts{}; };
    bool needs_files = true;
    std::function<int64_t()> blocked_ms = [] { return int64_t{7}; };
    int64_t moment_shift_ns = 0;
    int pins = 0;
    int live_pins = 0;
    std::vector<std::string> read;  // paths whose streams were opened

    FakeFile& add(const std::string& path, const std::string& content, const std::string& fingerprint = "") {
        FakeFile& file = files[path];
        file.entry.path = path;
        file.entry.mode = 0644;
        file.entry.mtime_ns = 1'600'000'000'500'000'000;
        file.entry.size = content.size();
        file.entry.fingerprint.assign(fingerprint.begin(), fingerprint.end());
        file.content = content;
        return file;
    }
    FakeFile& add_folder(const std::string& path) {
        FakeFile& file = add(path, "");
        file.entry.type = EntryType::directory;
        file.entry.mode = 0755;
        return file;
    }
};

class FakeStream : public Stream {
public:
    explicit FakeStream(FakeFile& file) : file_(file), left_(file.content) {}
    std::optional<Section> next_section() override {
        if (given_) return std::nullopt;
        given_ = true;
        return Section::cdc();
    }
    size_t read(std::span<uint8_t> out) override {
        if (file_.unreadable) throw Error(Code::source, "reading " + file_.entry.path + ": Input/output error");
        const size_t n = std::min(out.size(), left_.size());
        std::copy_n(left_.begin(), n, out.begin());
        left_.remove_prefix(n);
        return n;
    }
    bool settled() override { return file_.unsettled-- <= 0; }

private:
    FakeFile& file_;
    std::string_view left_;
    bool given_ = false;
};

class FakePin : public Pin {
public:
    explicit FakePin(FakeSource& source) : source_(source), at_(source.files.begin()) {
        ++source_.live_pins;
        moment_.first = moment_.last = now();
        moment_.first.mono_ns += source_.moment_shift_ns;
    }
    ~FakePin() override { --source_.live_pins; }
    PinMoment moment() const override { return moment_; }
    int64_t writers_blocked_ms() const override { return source_.blocked_ms(); }
    std::optional<Entry> next() override {
        if (at_ == source_.files.end()) return std::nullopt;
        return (at_++)->second.entry;
    }
    std::unique_ptr<Stream> open(const Entry& entry) override {
        source_.read.push_back(entry.path);
        return std::make_unique<FakeStream>(source_.files.at(entry.path));
    }
    bool read_first() const override { return source_.read_first; }
    Entry described(Entry entry) const override { return source_.described(std::move(entry)); }
    Facts facts() override {
        source_.on_facts();
        return source_.facts;
    }
    PinConsistency consistency() const override { return source_.consistency; }
    std::vector<std::string> notes() const override { return source_.notes; }

private:
    FakeSource& source_;
    std::map<std::string, FakeFile, ListingOrder>::iterator at_;
    PinMoment moment_;
};

class FakeDriver : public Driver {
public:
    FakeDriver(FakeSource& source, const std::string& name, const std::string& driver = "fake")
        : Driver(make_spec(name, driver)), source_(source) {}
    void prepare() override { source_.on_prepare(); }
    std::unique_ptr<Pin> pin() override {
        ++source_.pins;
        source_.on_pin();
        return std::make_unique<FakePin>(source_);
    }
    std::vector<SourceRoot> roots() const override { return source_.roots; }
    Facts open_artifact(const std::string& dir) override { return source_.opened(dir); }
    bool artifact_needs_files() const override { return source_.needs_files; }

private:
    static SourceSpec make_spec(const std::string& name, const std::string& driver) {
        SourceSpec spec;
        spec.name = name;
        spec.driver = driver;
        return spec;
    }
    FakeSource& source_;
};

[[noreturn]] inline void fail_source(const std::string& what) { throw Error(Code::source, what); }

}  // namespace ingot
