// Which files a FAISS source is made of: the index, its docstore, and the data files of on-disk inverted lists, which the index
// itself names.
//
// A name inside the index is no path of the config. It is looked for, in this order:
//   among the declared `lists`, by its last component      (the index was built in a container, or elsewhere)
//   as it stands, where it is absolute; else below the stack's root, then beside the index
//   its last component, beside the index
// and where it is not declared, the file must belong to the index's owner: else whoever can write the index could have any file
// read by root, and written back by a restore.
//
// Thread safety: values. Errors: Error{usage} for a config that cannot work; Error{source}.
#pragma once

#include <string>
#include <vector>

#include "drivers/driver.h"
#include "drivers/faiss_layout.h"

namespace ingot {

struct FaissFiles {
    SourceRoot index;
    std::vector<SourceRoot> docstore;
    std::vector<SourceRoot> lists;  // declared
    int64_t docstore_skew_ms = 0;
    std::string stack_root;

    static FaissFiles from(const SourceSpec& spec);

    // The index, docstore and declared lists, in listing order, and `more` among them; each place once.
    std::vector<SourceRoot> roots(const std::vector<SourceRoot>& more) const;
    bool declared(const SourceRoot& root) const;
    // Where a data file of that name may lie, best first.
    std::vector<SourceRoot> places_of(const std::string& name) const;
    // The data files of an index in the live file system. Throws Error{source} where one is not there, or not allowed.
    std::vector<SourceRoot> live_lists(const FaissLayout& layout) const;
    // Where they lie among entries that were materialised below `dir`. Throws Error{damaged} where one is not there.
    std::vector<std::string> lists_in_artifact(const FaissLayout& layout, const std::string& dir) const;
};

}  // namespace ingot
