// Trees on the disk, for tests of restores: random ones, what a driver would list of them, and all that can be told apart of
// them.
#pragma once

#include <functional>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "restore/content.h"
#include "restore/tree_compare.h"
#include "snapshot/listing.h"

namespace ingot::test {

// Path -> everything about it: type, mode, owner, mtime, content, link, xattrs, and which paths are one inode.
using TreeState = std::map<std::string, std::string>;
// With inodes, two states are equal only when the very same files are there.
TreeState state_of(const std::string& dir, bool with_inodes = false);
// The first few paths in which two states differ; empty where they do not.
std::string difference(const TreeState& a, const TreeState& b);

void write_file(const std::string& path, const std::string& content, uint32_t mode = 0644);
std::string read_whole(const std::string& path);

// Fills `dir` (made where it is missing) with a random tree: files, folders, symlinks, hard links, fifos, odd names and metadata.
void make_random_tree(const std::string& dir, std::mt19937_64& random);
// Changes an existing tree at random: contents (also with size and times kept), types, names, metadata, links.
void change_at_random(const std::string& dir, std::mt19937_64& random);

// Contents that are kept in memory, cut into chunks; delivered out of order by two threads.
class MemoryContent : public SnapshotContent {
public:
    StreamRoot add(const std::string& bytes);
    void read(const std::function<std::optional<ReadRequest>()>& next, ReadSink& sink) override;
    void walk(const StreamRoot& root, const std::function<bool(const Digest&, uint64_t length)>& each) override;
    void lose(const StreamRoot& root) { chunks_.erase(root.digest); }

private:
    std::map<Digest, std::vector<std::string>> chunks_;  // by root
};

// What a driver would list of `dir`, under the listing path `name`.
std::vector<ListedEntry> listing_of(const std::string& dir, const std::string& name, MemoryContent& content);
std::function<std::function<std::optional<ListedEntry>()>()> replay(std::vector<ListedEntry> entries);

}  // namespace ingot::test
