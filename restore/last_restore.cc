#include "restore/last_restore.h"

#include "base/error.h"

namespace ingot {

// Two ids in hexadecimal and two line ends.
static constexpr uint64_t kMostBytes = 1024;

static std::string path_of(const std::string& state_dir, const std::string& stack) {
    return join(state_dir, stack + ".last-restore");
}

void note_last_restore(FileSystem& fs, const std::string& state_dir, const std::string& stack, const LastRestore& last) {
    replace_file(fs, path_of(state_dir, stack), view_of(last.restore_id + "\n" + last.safety + "\n"));
}

std::optional<LastRestore> last_restore(FileSystem& fs, const std::string& state_dir, const std::string& stack) {
    const std::string path = path_of(state_dir, stack);
    if (!fs.exists(path)) return std::nullopt;
    std::string text;
    try {
        text = std::string(text_of(read_file(fs, path, kMostBytes)));
    } catch (const Error& error) {
        if (error.code() != Code::damaged) throw;
        return std::nullopt;
    }
    const size_t end = text.find('\n');
    if (end == std::string::npos || end == 0 || !text.ends_with('\n') || text.size() == end + 1) return std::nullopt;
    return LastRestore{text.substr(0, end), text.substr(end + 1, text.size() - end - 2)};
}

}  // namespace ingot
