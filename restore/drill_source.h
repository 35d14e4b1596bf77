// One source of a drill: its restored entries, opened, and loaded into a scratch engine where its kind has one.
//
// Thread safety: one thread. Errors: Error{usage} where scratch and live are the same; Error{interrupted}; what does not open,
// load or answer is added to the result.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "restore/drill.h"
#include "snapshot/scratch_engine.h"

namespace ingot {

class DrillSource {
public:
    // `folder`: the source's entries are below it. `scratch`: for what a temporary server needs. All of it outlives this.
    DrillSource(const Stack& stack, const ManifestSource& source, Driver& driver, std::string folder, std::string scratch,
                DrillResult& result);

    const std::string& name() const { return source_.name; }
    // Opens and loads; its facts become evidence, and are compared with the manifest's.
    void open();
    // A probe of this source; false where there is nothing here that could answer it.
    bool ask(const ProbeSpec& probe, const std::string& wanted, const TopKRecord* record);
    // Throws nothing: what stays is named in the result.
    void remove();

private:
    void load(Facts& facts);
    void compare(const Facts& found);
    std::optional<std::string> answer(const ProbeSpec& probe, const std::string& wanted, const TopKRecord* record);
    Driver* restored();

    const Stack& stack_;
    const ManifestSource& source_;
    Driver& driver_;
    const std::string folder_, scratch_;
    DrillResult& result_;
    std::unique_ptr<ScratchEngine> engine_;  // while there is something loaded
    std::unique_ptr<Driver> file_;           // of a restored file, where its engine opens one
};

}  // namespace ingot
