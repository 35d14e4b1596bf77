// The files of a live SQLite database, kept and put back raw: the undo of drivers/sqlite_target.h, whose comment lists the files.
//
//   undo   "ingot-sqlite-undo 1\n", 3 * (u8 existed, u64 size) for the database, -wal and -journal, prefixed folder
//          folder: the nearest folder above the database that existed
//
// Raw copies are made while no connection of this process is open on the database: closing a descriptor of it would drop the
// locks. Thread safety: one thread. Errors: Error{failed}, Error{damaged}.
#pragma once

#include <array>
#include <string>

#include "base/filesystem.h"
#include "base/metadata.h"
#include "drivers/driver.h"

namespace ingot {

struct SavedLive {
    struct File {
        bool existed = false;
        uint64_t size = 0;
    };
    std::array<File, 3> files;  // the database, -wal, -journal
    std::string folder;
};

class SqliteUndo {
public:
    SqliteUndo(FileSystem& fs, std::string work_dir, std::string live);

    bool saved() const { return fs_.exists(in_work("undo")); }
    // Copies what is live, durably. Throws Error{failed} where it changes all the while.
    void save();
    SavedLive load() const;
    // The copies that are there, under the names they had beside `listing_path`.
    std::vector<ReplacedFile> saved_files(const std::string& listing_path) const;
    // Copies without an `undo` file, from a save() that died.
    void drop_partial();

    bool begun() const { return fs_.exists(in_work("begun")); }
    void mark_begun();
    void clear_begun();

    uint64_t live_bytes() const;
    // Owner, mode and attributes of the live file, where it is one; its time is that of the content to come.
    Metadata live_metadata(const Metadata& otherwise) const;

    // A copy of `from` takes the place of the live database, all its companions moved aside first. Durable.
    void put_file(const std::string& from, const Metadata& metadata, bool exchange);
    // The saved files, byte for byte, take the place of what is live now.
    void put_raw_back(const SavedLive& saved);
    // Moves the live database and its companions into work_dir.
    void take_live_away(const std::string& name);

    // Copies of the saved files that SQLite may recover; does it take them for a database?
    bool scratch_opens(int64_t deadline_ms);
    std::string scratch() const { return in_work("scratch"); }
    void drop_scratch();

private:
    std::string in_work(const std::string& name) const { return join(work_dir_, name); }
    bool copy_live_once(SavedLive& saved);
    void copy(const std::string& from, const std::string& to, uint32_t mode);
    void remove_if_there(const std::string& path);
    void move_aside(const std::string& suffix, const std::string& name);
    void move_companions_aside();

    FileSystem& fs_;
    std::string work_dir_;
    std::string live_;
};

}  // namespace ingot
