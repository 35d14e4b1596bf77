// One live entry beside the listed one: what can be told apart of the two.
//
// Thread safety: any thread. Errors: Error{failed}, Error{not_found}, naming the live path.
#pragma once

#include <string>

#include "base/metadata.h"
#include "drivers/entry.h"
#include "snapshot/beneath.h"

namespace ingot {

// The attributes that an entry of a listing wants. A symlink has neither mode nor extended attributes of its own.
Metadata metadata_of_entry(const Entry& entry);
// S_IFREG, S_IFDIR, ... of a listed entry.
uint32_t type_bits(EntryType type);

Metadata live_metadata(const Beneath& anchor, const std::string& path);
// Where a live symlink leads to.
std::string live_link(const Beneath& anchor, const std::string& path);

}  // namespace ingot
