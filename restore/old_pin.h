// Pins over what a restore set aside, so that it is stored like any other source.
//
// Thread safety: one thread. Errors: those of Pin. Lifetime: within what they are made of.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "drivers/driver.h"
#include "restore/old_tree.h"

namespace ingot {

// What a file's bytes are called when the restored snapshot has them already: no fingerprint of a driver is one byte.
Bytes known_fingerprint();

// The old state of a tree. Files that the restore left alone have known_fingerprint(), and must be found in a files cache that
// was filled from a first walk (restore/safety.cc): open() throws for them.
class OldTreePin : public Pin {
public:
    OldTreePin(FileSystem& fs, OldTree& tree) : fs_(fs), tree_(tree) {}

    PinMoment moment() const override { return {}; }
    std::optional<Entry> next() override;
    std::unique_ptr<Stream> open(const Entry& entry) override;
    PinConsistency consistency() const override { return PinConsistency::pinned; }

private:
    FileSystem& fs_;
    OldTree& tree_;
    OldEntry current_;
};

// Files as they are, under the listing paths they had: raw bytes that no engine was asked about.
class RawFilesPin : public Pin {
public:
    // With `folder`, a listing path above all of them: it and the folders below it are entries too.
    RawFilesPin(FileSystem& fs, std::vector<ReplacedFile> files, const std::string& folder = {});

    PinMoment moment() const override { return {}; }
    std::optional<Entry> next() override;
    std::unique_ptr<Stream> open(const Entry& entry) override;
    PinConsistency consistency() const override { return PinConsistency::pinned; }

private:
    FileSystem& fs_;
    std::vector<ReplacedFile> files_;  // in listing order; a folder has no path
    size_t at_ = 0;
};

// Another driver's pin, with its entries under the listing paths of the source whose old state it shows.
class RenamedPin : public Pin {
public:
    // `from` and `to`: roots, pairwise.
    RenamedPin(std::unique_ptr<Pin> inner, const std::vector<SourceRoot>& from, const std::vector<SourceRoot>& to);

    PinMoment moment() const override { return inner_->moment(); }
    std::optional<Entry> next() override;
    std::unique_ptr<Stream> open(const Entry&) override { return inner_->open(current_); }
    Entry described(Entry) const override { return renamed(inner_->described(current_)); }
    Facts facts() override { return inner_->facts(); }
    PinConsistency consistency() const override { return inner_->consistency(); }
    std::vector<std::string> notes() const override { return inner_->notes(); }

private:
    Entry renamed(Entry entry) const;
    std::string renamed(const std::string& path) const;

    std::unique_ptr<Pin> inner_;
    std::vector<std::pair<std::string, std::string>> names_;
    Entry current_;  // as the inner pin gave it
};

}  // namespace ingot
