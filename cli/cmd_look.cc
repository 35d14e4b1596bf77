// ls and cat: into a snapshot.
#include <fmt/format.h>

#include <map>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/entries.h"
#include "cli/exit_code.h"
#include "cli/pick.h"
#include "cli/terminal.h"

namespace ingot {
namespace {

// A file of one chunk is named by its own digest.
std::optional<Digest> whole_digest(const ListedEntry& listed) {
    if (listed.sha256) return listed.sha256;
    return listed.root.height == 0 ? std::optional(listed.root.digest) : std::nullopt;
}

JsonObject as_json(const ManifestSource& source, const ListedEntry& listed) {
    const Entry& entry = listed.entry;
    JsonObject object("entry");
    object.add("source", source.name).add_path("path", entry.path).add("type", type_name(entry.type));
    object.add("mode", fmt::format("{:04o}", entry.mode)).add("uid", entry.uid).add("gid", entry.gid);
    object.add("mtime", iso_utc(entry.mtime_ns / 1'000'000));
    if (entry.type == EntryType::file) {
        const std::optional<Digest> digest = whole_digest(listed);
        object.add("size", listed.root.size).add("sha256", digest ? std::optional(digest->hex()) : std::nullopt);
    }
    if (!entry.link.empty()) object.add_path("link", entry.link);
    return object;
}

std::string as_line(const ManifestSource& source, const ListedEntry& listed, bool long_format) {
    const Entry& entry = listed.entry;
    const std::string name = printable(fmt::format("{}/{}", source.name, entry.path));
    if (!long_format) return name;
    const char* arrow = entry.type == EntryType::symlink ? " -> " : entry.type == EntryType::hard_link ? " = " : "";
    return fmt::format("{} {:>5} {:>5} {:>12} {} {}{}{}", mode_text(entry), entry.uid, entry.gid,
                       entry.type == EntryType::file ? std::to_string(listed.root.size) : "-",
                       local_time(entry.mtime_ns / 1'000'000), name, arrow, printable(entry.link));
}

struct Found {
    const ManifestSource* source;
    ListedEntry listed;
};

// The one file that a path means.
Found find_file(Repository& repository, Reader& reader, const Snapshot& snapshot, const std::string& wanted) {
    std::vector<Found> found;
    each_entry(repository, reader, snapshot, [&](const ManifestSource& source, const ListedEntry& listed) {
        if (path_names(wanted, source.name, listed.entry.path)) found.push_back({&source, listed});
        return true;
    });
    if (found.empty()) {
        throw Error(Code::not_found, fmt::format("snapshot {} holds no {}", snapshot.short_id(), printable(wanted)),
                    fmt::format("ingot ls {}", snapshot.short_id()));
    }
    if (found.size() > 1) {
        std::string places;
        for (const Found& one : found)
            places += fmt::format("{}{}/{}", places.empty() ? "" : ", ", one.source->name, printable(one.listed.entry.path));
        throw Error(Code::usage, fmt::format("{} is the name of several: {}", printable(wanted), places),
                    "say which, with its source before it");
    }
    return std::move(found.front());
}

}  // namespace

int cmd_ls(Invocation& run) {
    const LookArguments& arguments = run.arguments.look;
    const auto repository = run.open(LockMode::shared);
    const Snapshot snapshot = pick(run, *repository, arguments.which);
    Reader reader(*repository);
    uint64_t shown = 0, unknown = 0;
    each_entry(*repository, reader, snapshot, [&](const ManifestSource& source, const ListedEntry& listed) {
        if (!path_covers(arguments.path, source.name, listed.entry.path)) return true;
        ++shown;
        if (run.out.json) {
            run.out.object(as_json(source, listed));
        } else if (!arguments.sha256) {
            run.out.line(as_line(source, listed, arguments.long_format));
        } else if (listed.entry.type == EntryType::file) {
            const std::optional<Digest> digest = whole_digest(listed);
            if (digest) run.out.line(sha256sum_line(*digest, listed.entry.path));
            unknown += digest ? 0 : 1;
        }
        return true;
    });
    if (shown == 0 && !arguments.path.empty()) {
        throw Error(Code::not_found, fmt::format("snapshot {} holds no {}", snapshot.short_id(), printable(arguments.path)),
                    fmt::format("ingot ls {}", snapshot.short_id()));
    }
    if (unknown != 0) {
        run.out.warn(fmt::format("{} left out: their SHA-256 as a whole is not known; `ingot cat` and sha256sum tell it",
                                 counted(unknown, "large file")));
    }
    return kExitDone;
}

int cmd_cat(Invocation& run) {
    const LookArguments& arguments = run.arguments.look;
    const auto repository = run.open(LockMode::shared);
    const Snapshot snapshot = pick(run, *repository, arguments.which);
    Reader reader(*repository);
    Found found = find_file(*repository, reader, snapshot, arguments.path);
    if (found.listed.entry.type == EntryType::hard_link) {
        found = find_file(*repository, reader, snapshot, found.source->name + "/" + found.listed.entry.link);
    }
    const Entry& entry = found.listed.entry;
    if (entry.type != EntryType::file) {
        const std::string target = entry.link.empty() ? "" : fmt::format(" to {}", printable(entry.link));
        throw Error(Code::failed, fmt::format("{} is a {}{}, which has no bytes to print", printable(entry.path),
                                              type_name(entry.type), target));
    }
    if (found.source->driver == "env" && !arguments.reveal && is_terminal(stdout)) {
        throw Error(Code::usage, fmt::format("{} holds secrets, and a terminal remembers what it shows", printable(entry.path)),
                    "say --reveal to see it, or redirect the output to a file of mode 0600");
    }
    const Spool spool = reader.to_spool(ChunkKind::data, found.listed.root, repository->spool_dir());
    Bytes buffer(256 * 1024);
    for (uint64_t offset = 0; offset < found.listed.root.size;) {
        const size_t n = spool.read_at(offset, buffer);
        if (n == 0) throw Error(Code::failed, fmt::format("the spool of {} is shorter than it should be", printable(entry.path)));
        run.out.bytes(ByteView(buffer).first(n));
        offset += n;
    }
    return kExitDone;
}

}  // namespace ingot
