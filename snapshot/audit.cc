#include "snapshot/audit.h"

#include <fmt/format.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <set>

#include "base/clock.h"
#include "base/error.h"
#include "snapshot/attest.h"
#include "snapshot/json_text.h"

namespace ingot {
namespace {

constexpr int64_t kVersion = 1;
// Names of users and uids of a directory service; more than any of them is long.
constexpr size_t kPasswdBytes = 16384;

std::string name_of_user(uid_t uid) {
    std::array<char, kPasswdBytes> buffer{};
    passwd entry{};
    passwd* found = nullptr;
    if (::getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found) == 0 && found != nullptr) return found->pw_name;
    return fmt::format("uid {}", uid);
}

std::string this_user() {
    const std::string name = name_of_user(::geteuid());
    const char* sudo = std::getenv("SUDO_USER");
    return sudo == nullptr || *sudo == '\0' || sudo == name ? name : fmt::format("{} ({} by sudo)", name, sudo);
}

// The last bytes of it: the end is where the reason stands. Passwords go first, so that none is cut apart and then shown.
std::string end_of(std::string_view text) {
    const std::string masked = without_passwords(text);
    return masked.size() > AuditRecord::kTextBytes ? masked.substr(masked.size() - AuditRecord::kTextBytes) : masked;
}

std::string bounded(std::string_view text) { return printable(end_of(text)); }

// Lines of a detail stay lines.
std::string bounded_lines(std::string_view text) {
    const std::string end = end_of(text);
    std::string out;
    for (size_t at = 0;;) {
        const size_t newline = end.find('\n', at);
        out += printable(std::string_view(end).substr(at, newline - at));
        if (newline == std::string::npos) return out;
        out += '\n';
        at = newline + 1;
    }
}

Json step_to_json(const AuditStep& step) {
    return {{"name", bounded(step.name)},
            {"at", iso_utc(step.at_ms)},
            {"ms", step.ms},
            {"failed", step.failed},
            {"detail", bounded_lines(step.detail)}};
}

Json steps_to_json(const std::vector<AuditStep>& steps) {
    Json out = Json::array();
    const size_t left_out = steps.size() > AuditRecord::kMostSteps ? steps.size() - AuditRecord::kMostSteps : 0;
    for (size_t i = 0; i < steps.size(); ++i) {
        if (left_out > 0 && i >= AuditRecord::kMostSteps / 2 && i < AuditRecord::kMostSteps / 2 + left_out) continue;
        out.push_back(step_to_json(steps[i]));
    }
    return out;
}

Json source_to_json(const AuditSource& source) {
    return {{"name", printable(source.name)},
            {"driver", printable(source.driver)},
            {"before_from", printable(source.before_from)},
            {"before_at", iso_utc(source.before_at_ms)},
            {"before", facts_to_json(source.before)},
            {"after", facts_to_json(source.after)}};
}

bool flag_field(const Json& object, const char* name) {
    const Json& json = field(object, name);
    if (!json.is_boolean()) throw_bad_field(name);
    return json.get<bool>();
}

AuditStep step_from_json(const Json& json) {
    return {text_field(json, "name"), time_field(json, "at"), int_field(json, "ms"), flag_field(json, "failed"),
            text_field(json, "detail")};
}

AuditSource source_from_json(const Json& json) {
    return {text_field(json, "name"),
            text_field(json, "driver"),
            text_field(json, "before_from"),
            time_field(json, "before_at"),
            facts_from_json(field(json, "before")),
            facts_from_json(field(json, "after"))};
}

}  // namespace

std::string without_passwords(std::string_view text) {
    constexpr const char* kTokenEnds = " \t\n\"'<>";
    std::string out;
    size_t at = 0;
    for (;;) {
        const size_t scheme = text.find("://", at);
        if (scheme == std::string_view::npos) break;
        const size_t begin = scheme + 3;
        const std::string_view token = text.substr(begin, std::min(text.find_first_of(kTokenEnds, begin), text.size()) - begin);
        // The authority ends at the first of these; an '@' behind it is somebody else's.
        std::string_view authority = token.substr(0, std::min(token.find_first_of("/?#"), token.size()));
        const size_t colon = authority.find(':');
        // But for a password with such a character in it, which should have been written as %2F: what stands there is no port.
        const bool port =
            colon == std::string_view::npos || authority.find_first_not_of("0123456789", colon + 1) == std::string_view::npos;
        if (!port && authority.find('@') == std::string_view::npos) authority = token;
        const size_t sign = authority.rfind('@');
        out += text.substr(at, begin - at);
        if (sign != std::string_view::npos && colon < sign) {
            out += authority.substr(0, colon + 1);
            out += "***";
            out += authority.substr(sign);
        } else {
            out += authority;
        }
        at = begin + authority.size();
    }
    return out.append(text.substr(at));
}

AuditRecord new_audit(std::string action, std::string stack) {
    AuditRecord record;
    record.action = std::move(action);
    record.stack = std::move(stack);
    record.user = this_user();
    record.host = host_name();
    record.ingot_version = INGOT_VERSION;
    record.started_ms = record.finished_ms = wall_now_ms();
    return record;
}

Bytes encode_audit(const AuditRecord& record) {
    Json problems = Json::array();
    for (const std::string& each : record.problems) problems.push_back(bounded(each));
    Json sources = Json::array();
    for (const AuditSource& each : record.sources) sources.push_back(source_to_json(each));
    const Json json = {{"version", kVersion},
                       {"action", printable(record.action)},
                       {"stack", printable(record.stack)},
                       {"user", printable(record.user)},
                       {"host", printable(record.host)},
                       {"ingot", printable(record.ingot_version)},
                       {"started", iso_utc(record.started_ms)},
                       {"finished", iso_utc(record.finished_ms)},
                       {"outcome", printable(record.outcome)},
                       {"exit", record.exit},
                       {"reason", bounded(record.reason)},
                       {"error", bounded(record.error)},
                       {"hint", bounded(record.hint)},
                       {"problems", problems},
                       {"manifest", record.snapshot ? Json(record.snapshot->hex()) : Json(nullptr)},
                       {"moment", record.snapshot_moment_ms == 0 ? Json(nullptr) : Json(iso_utc(record.snapshot_moment_ms))},
                       {"version_before", bounded(record.version_before)},
                       {"version_snapshot", bounded(record.version_snapshot)},
                       {"restore_id", printable(record.restore_id)},
                       {"targets", record.targets},
                       {"bytes_written", record.bytes_written},
                       {"entries",
                        {{"unchanged", record.unchanged},
                         {"replaced", record.replaced},
                         {"added", record.added},
                         {"removed", record.removed},
                         {"metadata", record.metadata}}},
                       {"outage_ms", record.outage_ms},
                       {"kept_in", path_to_json(record.kept_in)},
                       {"safety", printable(record.safety)},
                       {"steps", steps_to_json(record.steps)},
                       {"sources", sources}};
    const std::string text = json.dump();
    return {text.begin(), text.end()};
}

AuditRecord decode_audit(ByteView bytes) {
    const Json json = parse_object(bytes, "the audit record");
    const int64_t version = int_field(json, "version");
    if (version != kVersion) {
        throw Error(Code::damaged,
                    fmt::format("the audit record is of version {}, and this program reads version {}", version, kVersion),
                    "use a newer ingot");
    }
    AuditRecord record;
    record.action = text_field(json, "action");
    record.stack = text_field(json, "stack");
    record.user = text_field(json, "user");
    record.host = text_field(json, "host");
    record.ingot_version = text_field(json, "ingot");
    record.started_ms = time_field(json, "started");
    record.finished_ms = time_field(json, "finished");
    record.outcome = text_field(json, "outcome");
    const int64_t exit = int_field(json, "exit");
    if (exit < 0 || exit > 255) throw_bad_field("exit");
    record.exit = static_cast<int>(exit);
    record.reason = text_field(json, "reason");
    record.error = text_field(json, "error");
    record.hint = text_field(json, "hint");
    record.problems = texts_field(json, "problems");
    if (!field(json, "manifest").is_null()) record.snapshot = name_field<RecordId>(json, "manifest");
    if (!field(json, "moment").is_null()) record.snapshot_moment_ms = time_field(json, "moment");
    record.version_before = text_field(json, "version_before");
    record.version_snapshot = text_field(json, "version_snapshot");
    record.restore_id = text_field(json, "restore_id");
    record.targets = uint_field(json, "targets");
    record.bytes_written = uint_field(json, "bytes_written");
    const Json& entries = field(json, "entries");
    record.unchanged = uint_field(entries, "unchanged");
    record.replaced = uint_field(entries, "replaced");
    record.added = uint_field(entries, "added");
    record.removed = uint_field(entries, "removed");
    record.metadata = uint_field(entries, "metadata");
    record.outage_ms = int_field(json, "outage_ms");
    record.kept_in = path_from_json(field(json, "kept_in"));
    if (json.contains("safety")) record.safety = text_field(json, "safety");
    for (const Json& each : array_field(json, "steps")) record.steps.push_back(step_from_json(each));
    for (const Json& each : array_field(json, "sources")) record.sources.push_back(source_from_json(each));
    return record;
}

RecordId file_audit(Repository& repository, const AuditRecord& record) {
    const std::unique_ptr<WriteSession> session = repository.begin();
    const RecordId id = session->add_record(RecordKind::audit, encode_audit(record));
    session->commit();
    return id;
}

std::vector<AuditRecord> load_audits(Repository& repository, const std::function<void(const std::string&)>& warn) {
    std::vector<AuditRecord> out;
    std::set<Bytes> seen;
    for (const RecordId& id : repository.records(RecordKind::audit)) {
        try {
            const Bytes bytes = repository.read_record({RecordKind::audit, id});
            AuditRecord record = decode_audit(bytes);
            if (seen.insert(bytes).second) out.push_back(std::move(record));
        } catch (const Error& error) {
            if (error.code() != Code::damaged) throw;
            warn(fmt::format("the audit record {} cannot be read: {}", id.hex().substr(0, 8), error.what()));
        }
    }
    std::ranges::stable_sort(out, {}, &AuditRecord::finished_ms);
    return out;
}

}  // namespace ingot
