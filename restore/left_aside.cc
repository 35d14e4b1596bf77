#include "restore/left_aside.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "restore/recover.h"

namespace ingot {

static std::string name_of(const std::string& stack) { return stack + ".left-"; }

std::string set_proven_aside(FileSystem& fs, const Stack& stack) {
    JournalFile file(fs, stack.state_dir, stack.name);
    const std::optional<Journal> journal = file.load();
    if (!journal || journal->state != RestoreState::proven) return {};
    const std::string aside = join(stack.state_dir, name_of(stack.name) + journal->restore_id);
    write_new_file(fs, aside, encode_journal(*journal));
    file.remove();
    return aside;
}

std::vector<std::string> left_aside(FileSystem& fs, const std::string& state_dir, const std::string& stack) {
    std::vector<std::string> out;
    if (!fs.exists(state_dir)) return out;
    fs.list(state_dir, [&](const std::string& name) {
        if (name.starts_with(name_of(stack))) out.push_back(join(state_dir, name));
    });
    std::ranges::sort(out);
    return out;
}

void finish_left_aside(FileSystem& fs, const Stack& stack, const JournalFile& file, const KeepOldState& keep_old,
                       RestoreResult& result) {
    // A crash came between writing it aside and removing the journal: the journal is what counts.
    const std::optional<Journal> unfinished = file.load();
    for (const std::string& path : left_aside(fs, stack.state_dir, stack.name)) {
        try {
            const Journal journal = read_journal(fs, path);
            if (unfinished && unfinished->restore_id == journal.restore_id) continue;
            const auto remove = [&] {
                fs.remove(path);
                fs.sync_dir(stack.state_dir);
            };
            const Ending ending = finish_proven(fs, stack, journal, keep_old, false, {}, remove);
            for (const std::string& line : ending.left) {
                result.problems.push_back(fmt::format("still set aside, as {} says: {}", printable(path), line));
            }
            if (ending.left.empty()) {
                result.left_finished.push_back(
                    fmt::format("the old state that restore {} replaced, which had been set aside, is {}", journal.restore_id,
                                ending.safety.empty() ? std::string("removed") : "snapshot " + ending.safety.substr(0, 8)));
            }
        } catch (const Error& error) {
            result.problems.push_back(fmt::format("{}: {}", printable(path), error.what()));
        }
    }
}

}  // namespace ingot
