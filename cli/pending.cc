#include "cli/pending.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "cli/invocation.h"
#include "snapshot/attest.h"
#include "store/config_file.h"
#include "store/directory_store.h"
#include "store/hash.h"

namespace ingot {

// An attestation is a page of JSON. An audit record has at most AuditRecord::kMostSteps texts of some KiB, four times that where
// each byte of them is written as \xNN.
static constexpr uint64_t kPendingLimitBytes = 8 << 20;

static std::string pending_dir(const std::string& state_dir) { return join(state_dir, "pending"); }

void keep_pending(FileSystem& fs, const std::string& state_dir, const RepositoryId& repository, const Attestation& attestation) {
    const std::string folder = pending_dir(state_dir);
    make_dirs(fs, folder, 0700);
    const std::string name =
        fmt::format("{}-{}-{}.json", repository.hex(), attestation.time_ms, attestation.manifest.hex().substr(0, 16));
    // One of that name is the same finding of the same millisecond.
    write_new_file(fs, join(folder, name), encode_attestation(attestation));
}

bool file_or_keep(Invocation& run, const RepositoryId& repository, const std::vector<Attestation>& attestations,
                  const std::string& what) {
    size_t filed = 0;
    try {
        const auto opened = run.open_to_file();
        for (; filed < attestations.size(); ++filed) file_attestation(*opened, attestations[filed]);
        return true;
    } catch (const Error& error) {
        if (error.code() == Code::interrupted) throw;
        for (; filed < attestations.size(); ++filed) keep_pending(run.fs, run.state_dir(), repository, attestations[filed]);
        run.out.note(fmt::format("{} is recorded by the next command that writes ({})", what, error.what()));
        return false;
    }
}

std::string pending_key(const std::string& repository_path) {
    return "path-" + sha256(view_of(repository_path)).hex().substr(0, 16);
}

std::string repository_key(Invocation& run) {
    try {
        DirectoryStore blobs(run.fs, run.repository_path());
        return load_config(blobs, {}).id.hex();
    } catch (const Error& error) {
        ignore_error(error, "opening says what is wrong; the record waits under the repository's path");
        return pending_key(run.repository_path());
    }
}

void keep_restore_audit(Invocation& run, const std::string& key, const AuditRecord& record) {
    const std::string folder = pending_dir(run.state_dir());
    make_dirs(run.fs, folder, 0700);
    const std::string name = fmt::format("{}-audit-{}-{}.json", key, run.event.began_ms, record.restore_id);
    replace_file(run.fs, join(folder, name), encode_audit(record));
}

static bool is_audit(const std::string& name) { return name.find("-audit-") != std::string::npos; }

// The names of what waits for this repository, in order of time within each kind.
static std::vector<std::string> waiting(FileSystem& fs, const Repository& repository, const std::string& folder) {
    std::vector<std::string> names;
    if (!fs.exists(folder)) return names;
    const std::string by_id = repository.id().hex() + "-", by_path = pending_key(repository.path()) + "-";
    fs.list(folder, [&](const std::string& name) {
        if ((name.starts_with(by_id) || name.starts_with(by_path)) && name.ends_with(".json")) names.push_back(name);
    });
    std::sort(names.begin(), names.end());
    return names;
}

void keep_audit(FileSystem& fs, const std::string& state_dir, const std::string& key, const AuditRecord& record) {
    const std::string folder = pending_dir(state_dir);
    make_dirs(fs, folder, 0700);
    for (int n = 0;; ++n) {  // another of the same millisecond is another record
        const std::string name = fmt::format("{}-audit-{}-{}.json", key, record.finished_ms, n);
        if (write_new_file(fs, join(folder, name), encode_audit(record))) return;
    }
}

std::vector<AuditRecord> waiting_audits(FileSystem& fs, Repository& repository, const std::string& state_dir,
                                        const std::function<void(const std::string&)>& warn) {
    const std::string folder = pending_dir(state_dir);
    std::vector<AuditRecord> out;
    for (const std::string& name : waiting(fs, repository, folder)) {
        if (!is_audit(name)) continue;
        try {
            out.push_back(decode_audit(read_file(fs, join(folder, name), kPendingLimitBytes)));
        } catch (const Error& error) {
            warn(fmt::format("{} cannot be read: {}", printable(join(folder, name)), error.what()));
        }
    }
    std::ranges::stable_sort(out, {}, &AuditRecord::finished_ms);
    return out;
}

size_t file_pending(FileSystem& fs, Repository& repository, const std::string& state_dir,
                    const std::function<void(const std::string&)>& warn) {
    const std::string folder = pending_dir(state_dir);
    size_t filed = 0;
    try {
        const std::vector<std::string> names = waiting(fs, repository, folder);
        const std::vector<RecordId> known = names.empty() ? std::vector<RecordId>() : repository.records(RecordKind::manifest);
        for (const std::string& name : names) {
            const std::string path = join(folder, name);
            try {
                if (is_audit(name)) {
                    file_audit(repository, decode_audit(read_file(fs, path, kPendingLimitBytes)));
                    ++filed;
                    fs.remove(path);
                    continue;
                }
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
