#include "drivers/sqlite_undo.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <thread>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "drivers/sqlite_connection.h"
#include "drivers/sqlite_copy.h"

namespace ingot {
namespace {

constexpr std::string_view kMagic = "ingot-sqlite-undo 1\n";
// What belongs to a database beside its own file. The -shm is an index over the -wal that SQLite builds anew.
constexpr std::array<const char*, 3> kSaved = {"", "-wal", "-journal"};
constexpr std::array<const char*, 3> kCompanions = {"-wal", "-shm", "-journal"};
constexpr size_t kCopyBytes = 1 << 20;
// A writer that is being stopped may finish its last transaction while the copy is made.
constexpr int kTries = 5;
constexpr std::chrono::milliseconds kPause{100};

struct Seen {
    bool there = false;
    ino_t inode = 0;
    off_t size = 0;
    timespec mtime{};

    bool operator==(const Seen& other) const {
        return there == other.there && inode == other.inode && size == other.size && mtime.tv_sec == other.mtime.tv_sec &&
               mtime.tv_nsec == other.mtime.tv_nsec;
    }
};

Seen look(const std::string& path) {
    try {
        const struct stat st = stat_of(path);
        return {.there = true, .inode = st.st_ino, .size = st.st_size, .mtime = st.st_mtim};
    } catch (const Error& error) {
        if (error.code() != Code::not_found) throw;
        return {};
    }
}

}  // namespace

SqliteUndo::SqliteUndo(FileSystem& fs, std::string work_dir, std::string live)
    : fs_(fs), work_dir_(std::move(work_dir)), live_(std::move(live)) {}

void SqliteUndo::save() {
    make_dirs(fs_, work_dir_, 0700);
    SavedLive saved;
    saved.folder = parent_of(live_);
    while (!fs_.exists(saved.folder)) saved.folder = parent_of(saved.folder);
    for (int left = kTries; !copy_live_once(saved); --left) {
        if (left == 1) {
            throw Error(Code::failed, fmt::format("{} keeps changing while its undo copy is made", printable(live_)),
                        "stop the programs that write to it, then run the command again");
        }
        std::this_thread::sleep_for(kPause);
    }
    fs_.sync_dir(work_dir_);
    Encoder out;
    out.raw(kMagic);
    for (const SavedLive::File& file : saved.files) out.u8(file.existed ? 1 : 0).u64(file.size);
    out.prefixed(saved.folder);
    replace_file(fs_, in_work("undo"), out.bytes());
}

bool SqliteUndo::copy_live_once(SavedLive& saved) {
    std::array<Seen, 3> before;
    for (size_t i = 0; i < kSaved.size(); ++i) before[i] = look(live_ + kSaved[i]);
    for (size_t i = 0; i < kSaved.size(); ++i) {
        const std::string to = in_work(std::string("saved") + kSaved[i]);
        remove_if_there(to);
        saved.files[i] = {.existed = before[i].there, .size = static_cast<uint64_t>(before[i].size)};
        if (before[i].there) {
            try {
                copy(live_ + kSaved[i], to, 0600);
            } catch (const Error& error) {
                if (error.code() == Code::not_found) return false;  // a journal that was just removed
                throw;
            }
            (void)apply_metadata(to, metadata_of(live_ + kSaved[i]), false);
        }
    }
    for (size_t i = 0; i < kSaved.size(); ++i) {
        if (!(look(live_ + kSaved[i]) == before[i])) return false;
    }
    return true;
}

SavedLive SqliteUndo::load() const {
    const Bytes bytes = read_file(fs_, in_work("undo"), 64 << 10);
    Decoder in(bytes, "undo of a SQLite restore");
    in.expect(kMagic);
    SavedLive saved;
    for (SavedLive::File& file : saved.files) {
        file.existed = in.u8() != 0;
        file.size = in.u64();
    }
    saved.folder = in.prefixed_text(64 << 10);
    in.finish();
    for (size_t i = 0; i < kSaved.size(); ++i) {
        const std::string path = in_work(std::string("saved") + kSaved[i]);
        if (saved.files[i].existed && fs_.file_size(path) != saved.files[i].size) {
            throw Error(Code::damaged,
                        fmt::format("{} is not the copy that was made of {}{}", printable(path), printable(live_), kSaved[i]),
                        "restore the database from a snapshot");
        }
    }
    return saved;
}

std::vector<ReplacedFile> SqliteUndo::saved_files(const std::string& listing_path) const {
    std::vector<ReplacedFile> files;
    for (const char* suffix : kSaved) {
        const std::string path = in_work(std::string("saved") + suffix);
        if (fs_.exists(path)) files.push_back({path, listing_path + suffix});
    }
    return files;
}

void SqliteUndo::drop_partial() {
    if (saved()) return;
    for (const char* suffix : kSaved) remove_if_there(in_work(std::string("saved") + suffix));
}

void SqliteUndo::mark_begun() {
    if (!begun()) write_new_file(fs_, in_work("begun"), {});
}

void SqliteUndo::clear_begun() {
    remove_if_there(in_work("begun"));
    fs_.sync_dir(work_dir_);
}

uint64_t SqliteUndo::live_bytes() const {
    uint64_t sum = 0;
    for (const char* suffix : kSaved) sum += fs_.file_size(live_ + suffix).value_or(0);
    return sum;
}

Metadata SqliteUndo::live_metadata(const Metadata& otherwise) const {
    if (!fs_.file_size(live_)) return otherwise;
    Metadata metadata = metadata_of(live_);
    metadata.mtime_ns = otherwise.mtime_ns;
    return metadata;
}

void SqliteUndo::put_file(const std::string& from, const Metadata& metadata, bool exchange) {
    const std::string incoming = in_work("incoming");
    remove_if_there(incoming);
    copy(from, incoming, 0600);
    // Attributes that cannot be set are no reason to leave a stack without its database: a program that cannot read it will say
    // so.
    (void)apply_metadata(incoming, metadata, false);
    make_dirs(fs_, parent_of(live_), 0755);
    move_companions_aside();
    fs_.rename(incoming, live_, exchange ? Rename::exchange : Rename::no_replace);
    fs_.sync_dir(parent_of(live_));
    fs_.sync_dir(work_dir_);
}

void SqliteUndo::put_raw_back(const SavedLive& saved) {
    put_file(in_work("saved"), metadata_of(in_work("saved")), fs_.exists(live_));
    for (size_t i = 1; i < kSaved.size(); ++i) {
        if (!saved.files[i].existed) continue;
        const std::string from = in_work(std::string("saved") + kSaved[i]);
        const std::string incoming = in_work("incoming");
        remove_if_there(incoming);
        copy(from, incoming, 0600);
        (void)apply_metadata(incoming, metadata_of(from), false);
        fs_.rename(incoming, live_ + kSaved[i], Rename::replace);
    }
    fs_.sync_dir(parent_of(live_));
}

void SqliteUndo::take_live_away(const std::string& name) {
    const SavedLive saved = load();
    move_aside("", name);
    move_companions_aside();
    for (size_t i = 1; i < kSaved.size(); ++i) {  // a stale -wal lay beside no database: it lies there again
        if (!saved.files[i].existed) continue;
        const std::string incoming = in_work("incoming");
        remove_if_there(incoming);
        copy(in_work(std::string("saved") + kSaved[i]), incoming, 0600);
        fs_.rename(incoming, live_ + kSaved[i], Rename::replace);
    }
    std::string folder = parent_of(live_);
    if (fs_.exists(folder)) fs_.sync_dir(folder);
    for (; folder != saved.folder && folder.size() > saved.folder.size(); folder = parent_of(folder)) {
        if (!fs_.exists(folder)) continue;
        try {
            fs_.remove_dir(folder);
        } catch (const Error& error) {
            ignore_error(error, "a folder that the restore made and something else uses by now stays");
            break;
        }
    }
    fs_.sync_dir(work_dir_);
}

bool SqliteUndo::scratch_opens(int64_t deadline_ms) {
    drop_scratch();
    for (const char* suffix : kSaved) {
        const std::string from = in_work(std::string("saved") + suffix);
        if (fs_.exists(from)) copy(from, scratch() + suffix, 0600);
    }
    return live_state(scratch(), deadline_ms) == LiveState::database;
}

void SqliteUndo::drop_scratch() {
    remove_if_there(scratch());
    for (const char* suffix : kCompanions) remove_if_there(scratch() + suffix);
}

void SqliteUndo::copy(const std::string& from, const std::string& to, uint32_t mode) {
    const auto in = fs_.open(from);
    const auto out = fs_.create(to, mode);
    Bytes buffer(kCopyBytes);
    for (uint64_t at = 0;;) {
        const size_t n = in->read_at(at, buffer);
        if (n == 0) break;
        out->append(ByteView(buffer).first(n));
        at += n;
    }
    out->sync();
}

void SqliteUndo::remove_if_there(const std::string& path) {
    if (fs_.exists(path)) fs_.remove(path);
}

void SqliteUndo::move_aside(const std::string& suffix, const std::string& name) {
    if (fs_.exists(live_ + suffix)) fs_.rename(live_ + suffix, in_work("aside-" + name), Rename::replace);
}

void SqliteUndo::move_companions_aside() {
    for (const char* suffix : kCompanions) move_aside(suffix, std::string("db") + suffix);
    if (fs_.exists(parent_of(live_))) fs_.sync_dir(parent_of(live_));
}

}  // namespace ingot
