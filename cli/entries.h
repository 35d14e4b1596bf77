// The entries of a stored snapshot: what a path on the command line means, and how an entry is shown.
//
// On the command line a path is SOURCE, SOURCE/PATH, or a listing path as it stands; listing paths are relative to the stack's
// root, or absolute ("/etc/nginx/nginx.conf" of the source nginx is also nginx//etc/nginx/nginx.conf).
//
// Thread safety: one thread. Errors: Error{damaged}, Error{not_found}, Error{usage}.
#pragma once

#include <functional>
#include <string>

#include "snapshot/catalog.h"
#include "snapshot/listing.h"
#include "store/reader.h"

namespace ingot {

// Does `wanted` name this entry, or a folder above it?
bool path_covers(const std::string& wanted, const std::string& source, const std::string& path);
// Does it name exactly this entry?
bool path_names(const std::string& wanted, const std::string& source, const std::string& path);

// Every entry of every source, in the manifest's and the listings' order. `each` returns false to stop.
void each_entry(Repository& repository, Reader& reader, const Snapshot& snapshot,
                const std::function<bool(const ManifestSource&, const ListedEntry&)>& each);

// "-rw-r-----", and as letters for JSON: "file", "directory".
std::string mode_text(const Entry& entry);
const char* type_name(EntryType type);

// A line of sha256sum: digest and path, as that program escapes it.
std::string sha256sum_line(const Digest& digest, const std::string& path);

}  // namespace ingot
