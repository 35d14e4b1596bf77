#include "tests/support/tree_model.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "base/metadata.h"
#include "store/hash.h"

namespace ingot::test {
namespace {

namespace stdfs = std::filesystem;

constexpr size_t kChunkBytes = 5000;

std::vector<std::string> sorted_names(const std::string& dir) {
    std::vector<std::string> names;
    for (const auto& entry : stdfs::directory_iterator(dir)) names.push_back(entry.path().filename().string());
    std::sort(names.begin(), names.end());
    return names;
}

void describe(const std::string& path, const std::string& shown, bool with_inodes, std::map<ino_t, std::string>& first_names,
              TreeState& out) {
    const struct stat st = stat_of(path);
    const Metadata metadata = metadata_of(path);
    std::ostringstream text;
    text << std::oct << st.st_mode << std::dec << " " << st.st_uid << ":" << st.st_gid << " mtime " << metadata.mtime_ns;
    for (const auto& [name, value] : metadata.xattrs) text << " " << name << "=" << value;
    if (with_inodes) text << " inode " << st.st_ino;
    if (S_ISREG(st.st_mode)) {
        text << " size " << st.st_size << " sha " << sha256(view_of(read_whole(path))).hex().substr(0, 12);
        if (st.st_nlink > 1) text << " is " << first_names.try_emplace(st.st_ino, shown).first->second;
    } else if (S_ISLNK(st.st_mode)) {
        text << " -> " << stdfs::read_symlink(path).string();
    } else if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode)) {
        text << " device " << major(st.st_rdev) << ":" << minor(st.st_rdev);
    }
    out[shown] = text.str();
    if (!S_ISDIR(st.st_mode)) return;
    for (const std::string& name : sorted_names(path))
        describe(path + "/" + name, shown + "/" + name, with_inodes, first_names, out);
}

std::string random_name(std::mt19937_64& random) {
    static const std::vector<std::string> kNames = {
        "a", "b", "c.txt", "model.bin", ".env",        "new\nline", "spa ce",     "\xff\xfe", "a.b", "a-b", "-rf", "\xc3\xa4pfel",
        "x", "y", "z",     "index.pkl", "index.faiss", "*",         "back\\slash"};
    return kNames[random() % kNames.size()];
}

std::string random_content(std::mt19937_64& random) {
    const size_t sizes[] = {0, 1, 17, 4096, 4999, 5000, 5001, 23'000, 60'000};
    std::string content(sizes[random() % std::size(sizes)], '\0');
    const bool zeros = random() % 4 == 0;
    for (size_t i = 0; i < content.size() && !zeros; i += 1 + random() % 40) content[i] = static_cast<char>(random());
    return content;
}

void random_metadata(const std::string& path, std::mt19937_64& random) {
    const struct stat st = stat_of(path);
    if (::geteuid() == 0 && random() % 3 == 0) (void)!::lchown(path.c_str(), static_cast<uid_t>(random() % 3 * 1000), 0);
    if (!S_ISLNK(st.st_mode)) {
        const mode_t modes[] = {0644, 0600, 0755, 04755, 0444, 02710};
        ::chmod(path.c_str(), S_ISDIR(st.st_mode) ? (random() % 2 ? 0755 : 0700) : modes[random() % std::size(modes)]);
        if (random() % 5 == 0 && !S_ISFIFO(st.st_mode)) (void)!::lsetxattr(path.c_str(), "user.note", "kept", 4, 0);
    }
    const timespec times[2] = {
        {0, UTIME_OMIT},
        {static_cast<time_t>(1'600'000'000 + random() % 100'000'000), static_cast<long>(random() % 1'000'000'000)}};
    ::utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW);
}

std::string random_file_in(const std::string& dir, std::mt19937_64& random) {
    std::vector<std::string> files;
    for (const auto& entry : stdfs::recursive_directory_iterator(dir)) {
        if (entry.symlink_status().type() == stdfs::file_type::regular) files.push_back(entry.path().string());
    }
    std::sort(files.begin(), files.end());
    return files.empty() ? "" : files[random() % files.size()];
}

void make_random_entry(const std::string& top, const std::string& path, std::mt19937_64& random, int depth) {
    struct stat st {};
    if (::lstat(path.c_str(), &st) == 0) return;
    switch (random() % 8) {
        case 0:
        case 1:
            if (depth > 0) {
                ::mkdir(path.c_str(), 0755);
                for (size_t i = random() % 5; i > 0; --i)
                    make_random_entry(top, path + "/" + random_name(random), random, depth - 1);
            }
            break;
        case 2:
            (void)!::symlink(random() % 2 ? "/etc" : "a/../b", path.c_str());
            break;
        case 3:
            if (const std::string other = random_file_in(top, random); !other.empty()) (void)!::link(other.c_str(), path.c_str());
            break;
        case 4:
            if (random() % 3 == 0) ::mkfifo(path.c_str(), 0600);
            break;
        default:
            write_file(path, random_content(random));
    }
}

void metadata_below(const std::string& dir, std::mt19937_64& random) {
    std::vector<std::string> paths{dir};
    for (const auto& entry : stdfs::recursive_directory_iterator(dir)) paths.push_back(entry.path().string());
    std::sort(paths.rbegin(), paths.rend());
    for (const std::string& path : paths) random_metadata(path, random);
}

}  // namespace

void write_file(const std::string& path, const std::string& content, uint32_t mode) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
    ::chmod(path.c_str(), mode);
}

std::string read_whole(const std::string& path) {
    std::ostringstream out;
    out << std::ifstream(path, std::ios::binary).rdbuf();
    return out.str();
}

TreeState state_of(const std::string& dir, bool with_inodes) {
    TreeState out;
    std::map<ino_t, std::string> first_names;
    struct stat st {};
    if (::lstat(dir.c_str(), &st) == 0) describe(dir, ".", with_inodes, first_names, out);
    return out;
}

std::string difference(const TreeState& a, const TreeState& b) {
    std::string out;
    int shown = 0;
    const auto show = [&](const std::string& path, const std::string& left, const std::string& right) {
        if (shown++ < 5) out += path + "\n    " + left + "\n    " + right + "\n";
    };
    for (const auto& [path, text] : a) {
        const auto it = b.find(path);
        if (it == b.end() || it->second != text) show(path, text, it == b.end() ? "(not there)" : it->second);
    }
    for (const auto& [path, text] : b) {
        if (!a.contains(path)) show(path, "(not there)", text);
    }
    return out;
}

void make_random_tree(const std::string& dir, std::mt19937_64& random) {
    stdfs::create_directories(dir);
    for (size_t i = 3 + random() % 8; i > 0; --i) make_random_entry(dir, dir + "/" + random_name(random), random, 3);
    metadata_below(dir, random);
}

void change_at_random(const std::string& dir, std::mt19937_64& random) {
    std::vector<std::string> paths;
    for (const auto& entry : stdfs::recursive_directory_iterator(dir)) paths.push_back(entry.path().string());
    std::sort(paths.begin(), paths.end());
    for (const std::string& path : paths) {
        struct stat st {};
        if (::lstat(path.c_str(), &st) != 0) continue;
        switch (random() % 8) {
            case 0:  // other bytes, with size and time kept
                if (S_ISREG(st.st_mode) && st.st_size > 0) {
                    std::string content = read_whole(path);
                    content[random() % content.size()] ^= 1;
                    write_file(path, content, st.st_mode & 07777);
                    const timespec times[2] = {{0, UTIME_OMIT}, st.st_mtim};
                    ::utimensat(AT_FDCWD, path.c_str(), times, 0);
                }
                break;
            case 1:
                stdfs::remove_all(path);
                make_random_entry(dir, path, random, 2);
                break;
            case 2:
                stdfs::remove_all(path);
                break;
            case 3:
                random_metadata(path, random);
                break;
            default:
                break;
        }
    }
    for (size_t i = random() % 4; i > 0; --i) make_random_entry(dir, dir + "/" + random_name(random), random, 2);
    if (random() % 2) random_metadata(dir, random);
}

StreamRoot MemoryContent::add(const std::string& bytes) {
    std::vector<std::string> chunks;
    Bytes digests;
    for (size_t from = 0; from < bytes.size(); from += kChunkBytes) {
        chunks.push_back(bytes.substr(from, kChunkBytes));
        const Digest digest = sha256(view_of(chunks.back()));
        digests.insert(digests.end(), digest.bytes.begin(), digest.bytes.end());
    }
    StreamRoot root;
    root.height = chunks.size() > 1 ? 1 : 0;
    root.digest = root.height > 0 ? sha256(digests) : sha256(view_of(bytes));
    root.size = bytes.size();
    chunks_[root.digest] = std::move(chunks);
    return root;
}

void MemoryContent::read(const std::function<std::optional<ReadRequest>()>& next, ReadSink& sink) {
    struct Delivery {
        uint64_t cookie, offset;
        const std::string* chunk;
    };
    std::vector<Delivery> deliveries;
    while (const auto request = next()) {
        const auto it = chunks_.find(request->root.digest);
        if (it == chunks_.end()) {
            sink.lost(request->cookie, 0, request->root.size, Error(Code::damaged, "a chunk is in no pack"));
            continue;
        }
        uint64_t offset = 0;
        for (const std::string& chunk : it->second) {
            deliveries.push_back({request->cookie, offset, &chunk});
            offset += chunk.size();
        }
    }
    std::shuffle(deliveries.begin(), deliveries.end(), std::mt19937_64(deliveries.size()));
    std::exception_ptr failure;
    const auto deliver = [&](size_t from) {
        for (size_t i = from; i < deliveries.size(); i += 2)
            sink.write(deliveries[i].cookie, deliveries[i].offset, view_of(*deliveries[i].chunk));
    };
    std::thread other([&] {
        try {
            deliver(1);
        } catch (...) {
            failure = std::current_exception();
        }
    });
    try {
        deliver(0);
    } catch (...) {
        other.join();
        throw;
    }
    other.join();
    if (failure) std::rethrow_exception(failure);
}

void MemoryContent::walk(const StreamRoot& root, const std::function<bool(const Digest&, uint64_t length)>& each) {
    for (const std::string& chunk : chunks_.at(root.digest)) {
        if (!each(sha256(view_of(chunk)), chunk.size())) return;
    }
}

std::vector<ListedEntry> listing_of(const std::string& dir, const std::string& name, MemoryContent& content) {
    std::vector<ListedEntry> out;
    std::map<ino_t, std::string> first_names;
    const std::function<void(const std::string&, const std::string&)> list = [&](const std::string& path,
                                                                                 const std::string& shown) {
        const struct stat st = stat_of(path);
        if (S_ISSOCK(st.st_mode)) return;
        const Metadata metadata = metadata_of(path);
        ListedEntry listed;
        Entry& entry = listed.entry;
        entry.path = shown;
        entry.mode = metadata.mode;
        entry.uid = metadata.uid;
        entry.gid = metadata.gid;
        entry.mtime_ns = metadata.mtime_ns;
        entry.xattrs = metadata.xattrs;
        if (S_ISDIR(st.st_mode)) entry.type = EntryType::directory;
        if (S_ISFIFO(st.st_mode)) entry.type = EntryType::fifo;
        if (S_ISLNK(st.st_mode)) {
            entry.type = EntryType::symlink;
            entry.link = stdfs::read_symlink(path).string();
        }
        if (S_ISREG(st.st_mode)) {
            const auto [first, fresh] = first_names.try_emplace(st.st_ino, shown);
            if (fresh) {
                listed.root = content.add(read_whole(path));
                entry.size = listed.root.size;
                entry.sparse = st.st_blocks * 512 < st.st_size;
            } else {
                entry.type = EntryType::hard_link;
                entry.link = first->second;
            }
        }
        out.push_back(listed);
        if (!S_ISDIR(st.st_mode)) return;
        for (const std::string& child : sorted_names(path)) list(path + "/" + child, shown + "/" + child);
    };
    list(dir, name);
    return out;
}

std::function<std::function<std::optional<ListedEntry>()>()> replay(std::vector<ListedEntry> entries) {
    const auto shared = std::make_shared<const std::vector<ListedEntry>>(std::move(entries));
    return [shared] {
        return [shared, next = size_t{0}]() mutable -> std::optional<ListedEntry> {
            if (next == shared->size()) return std::nullopt;
            return (*shared)[next++];
        };
    };
}

}  // namespace ingot::test
