// The pin of a FAISS source: its files as one set (drivers/file_set.h), the index parsed from within.
//
// The parse at the pin reads headers and tables: it is the test of a half-written file, and finds the data files that belong to
// the set. Links of graphs are checked by facts(), when the writers were resumed.
//
// Thread safety: as any Pin. Errors: Error{source}; Error{failed} of the spool.
#pragma once

#include <optional>

#include "drivers/faiss_files.h"
#include "drivers/file_set.h"

namespace ingot {

class FaissPin : public Pin {
public:
    // `known`: the data files that the driver's roots() name. Throws Error{source} where the set keeps changing, is torn, has a
    // docstore of another day, or an index with data files that are not among `known`.
    FaissPin(const SourceSpec& spec, const FaissFiles& files, const std::vector<SourceRoot>& known);

    PinMoment moment() const override { return set_->moment(); }
    int64_t writers_blocked_ms() const override { return set_->writers_blocked_ms(); }
    std::optional<Entry> next() override;
    std::unique_ptr<Stream> open(const Entry& entry) override;
    // Checks the links of graphs too. Throws Error{source} where they lead nowhere.
    Facts facts() override;
    PinConsistency consistency() const override { return PinConsistency::pinned; }
    std::vector<std::string> notes() const override { return notes_; }

private:
    void fix(const std::vector<SourceRoot>& known);
    void add_lists(const std::vector<SourceRoot>& known);
    void check_docstore() const;
    void describe();
    FaissSections sections_of(const LeasedFile& file) const;

    const SourceSpec& spec_;
    const FaissFiles& files_;
    std::unique_ptr<FileSet> set_;
    LeasedFile* index_ = nullptr;
    std::optional<FaissLayout> layout_;
    std::vector<LeasedFile*> docstore_;
    std::vector<LeasedFile*> lists_;  // of layout_->lists_files(), one for each
    std::vector<Entry> entries_;
    std::vector<std::string> notes_;
    size_t at_ = 0;  // behind the entry that next() returned last
};

// The facts of a layout: what is certain.
Facts faiss_facts(const FaissLayout& layout, size_t files);

}  // namespace ingot
