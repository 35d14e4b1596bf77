#include "cli/entries.h"

#include <fmt/format.h>

namespace ingot {

// The listing path that is meant within this source.
static std::vector<std::string> meanings(const std::string& wanted, const std::string& source) {
    std::vector<std::string> out = {wanted};
    if (wanted == source) out.push_back("");
    if (wanted.starts_with(source + "/")) out.push_back(wanted.substr(source.size() + 1));
    for (std::string& path : out) {
        while (path.size() > 1 && path.ends_with('/')) path.pop_back();
    }
    return out;
}

bool path_covers(const std::string& wanted, const std::string& source, const std::string& path) {
    if (wanted.empty()) return true;
    for (const std::string& meant : meanings(wanted, source)) {
        if (meant.empty() || meant == path || meant == "/") return true;
        if (path.starts_with(meant) && path[meant.size()] == '/') return true;
    }
    return false;
}

bool path_names(const std::string& wanted, const std::string& source, const std::string& path) {
    for (const std::string& meant : meanings(wanted, source)) {
        if (!meant.empty() && meant == path) return true;
    }
    return false;
}

void each_entry(Repository& repository, Reader& reader, const Snapshot& snapshot,
                const std::function<bool(const ManifestSource&, const ListedEntry&)>& each) {
    for (const ManifestSource& source : snapshot.manifest.sources) {
        if (!source.listing) continue;
        ListingReader listing = open_listing(reader, *source.listing, repository.spool_dir());
        while (const std::optional<ListedEntry> entry = listing.next()) {
            if (!each(source, *entry)) return;
        }
    }
}

static char type_letter(EntryType type) {
    switch (type) {
        case EntryType::directory:
            return 'd';
        case EntryType::symlink:
            return 'l';
        case EntryType::fifo:
            return 'p';
        case EntryType::block_device:
            return 'b';
        case EntryType::char_device:
            return 'c';
        case EntryType::file:
        case EntryType::hard_link:
            return '-';
    }
    return '?';
}

std::string mode_text(const Entry& entry) {
    std::string out(1, type_letter(entry.type));
    for (int shift = 6; shift >= 0; shift -= 3) {
        const uint32_t bits = entry.mode >> shift;
        out += (bits & 4) != 0 ? 'r' : '-';
        out += (bits & 2) != 0 ? 'w' : '-';
        out += (bits & 1) != 0 ? 'x' : '-';
    }
    if ((entry.mode & 04000) != 0) out[3] = out[3] == 'x' ? 's' : 'S';
    if ((entry.mode & 02000) != 0) out[6] = out[6] == 'x' ? 's' : 'S';
    if ((entry.mode & 01000) != 0) out[9] = out[9] == 'x' ? 't' : 'T';
    return out;
}

const char* type_name(EntryType type) {
    switch (type) {
        case EntryType::file:
            return "file";
        case EntryType::directory:
            return "directory";
        case EntryType::symlink:
            return "symlink";
        case EntryType::hard_link:
            return "hard_link";
        case EntryType::fifo:
            return "fifo";
        case EntryType::block_device:
            return "block_device";
        case EntryType::char_device:
            return "char_device";
    }
    return "unknown";
}

std::string sha256sum_line(const Digest& digest, const std::string& path) {
    // GNU coreutils, "md5sum invocation": a leading backslash says that the name holds escapes.
    std::string name;
    bool escaped = false;
    for (const char c : path) {
        escaped = escaped || c == '\\' || c == '\n' || c == '\r';
        if (c == '\\') {
            name += "\\\\";
        } else if (c == '\n') {
            name += "\\n";
        } else if (c == '\r') {
            name += "\\r";
        } else {
            name += c;
        }
    }
    return fmt::format("{}{}  {}", escaped ? "\\" : "", digest.hex(), name);
}

}  // namespace ingot
