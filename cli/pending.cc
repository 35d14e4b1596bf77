#include "cli/pending.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "snapshot/attest.h"

namespace ingot {

// An attestation is a page of JSON.
static constexpr uint64_t kPendingLimitBytes = 1 << 20;

static std::string pending_dir(const std::string& state_dir) { return join(state_dir, "pending"); }

void keep_pending(FileSystem& fs, const std::string& state_dir, const RepositoryId& repository, const Attestation& attestation) {
    const std::string folder = pending_dir(state_dir);
    make_dirs(fs, folder, 0700);
    const std::string name =
        fmt::format("{}-{}-{}.json", repository.hex(), attestation.time_ms, attestation.manifest.hex().substr(0, 16));
    // One of that name is the same finding of the same millisecond.
    write_new_file(fs, join(folder, name), encode_attestation(attestation));
}

size_t file_pending(FileSystem& fs, Repository& repository, const std::string& state_dir,
                    const std::function<void(const std::string&)>& warn) {
    const std::string folder = pending_dir(state_dir);
    size_t filed = 0;
    try {
        if (!fs.exists(folder)) return 0;
        std::vector<std::string> names;
        fs.list(folder, [&](const std::string& name) {
            if (name.starts_with(repository.id().hex() + "-") && name.ends_with(".json")) names.push_back(name);
        });
        std::sort(names.begin(), names.end());
        const std::vector<RecordId> known = names.empty() ? std::vector<RecordId>() : repository.records(RecordKind::manifest);
        for (const std::string& name : names) {
            const std::string path = join(folder, name);
            try {
                const Attestation attestation = decode_attestation(read_file(fs, path, kPendingLimitBytes));
                if (std::find(known.begin(), known.end(), attestation.manifest) != known.end()) {
                    file_attestation(repository, attestation);
                    ++filed;
                }
            } catch (const Error& error) {
                if (error.code() != Code::damaged) throw;
                warn(fmt::format("{} is dropped: {}", printable(path), error.what()));
            }
            fs.remove(path);
        }
    } catch (const Error& error) {
        // The command at hand is worth more than a record that can wait longer.
        if (error.code() == Code::interrupted) throw;
        warn(fmt::format("records that wait in {} were not filed: {}", printable(folder), error.what()));
    }
    return filed;
}

}  // namespace ingot
