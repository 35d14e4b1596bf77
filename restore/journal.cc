#include "restore/journal.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>

#include "base/error.h"
#include "store/hash.h"

namespace ingot {
namespace {

constexpr std::string_view kMagic = "INGOTJR3";
constexpr size_t kTextLimitBytes = 65'536;
// What a probe must find may be known queries with their vectors (snapshot/top_k.h).
constexpr size_t kExpectedLimitBytes = 4 << 20;
constexpr size_t kChecksumBytes = 32;
// A journal lists targets and stage folders; more than this is not one.
constexpr uint64_t kJournalLimitBytes = 16 << 20;

constexpr uint8_t kEngine = 1;
constexpr uint8_t kSwapBegun = 2;
constexpr uint8_t kSwapped = 4;
constexpr uint8_t kAfterSwapOwed = 8;

constexpr uint8_t kUndrainOwed = 1;
constexpr uint8_t kStartOwed = 2;
constexpr uint8_t kStartBegun = 4;
constexpr uint8_t kCheckoutBegun = 8;
constexpr uint8_t kGoingBack = 16;

std::string journal_path(const std::string& state_dir, const std::string& stack) { return join(state_dir, stack + ".journal"); }

std::optional<Journal> load_from(FileSystem& fs, const std::string& path) {
    if (!fs.exists(path)) return std::nullopt;
    return read_journal(fs, path);
}

// The lock is on a file that is there for ever; there is nothing in it.
void make_lock_file(const std::string& path) {
    const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) throw Error::from_errno("making the lock file", path, errno);
    ::close(fd);
}

JournalTarget decode_target(Decoder& in) {
    JournalTarget target;
    target.source = in.prefixed_text(kTextLimitBytes);
    target.driver = in.prefixed_text(kTextLimitBytes);
    const uint8_t flags = in.u8();
    if ((flags & ~(kEngine | kSwapBegun | kSwapped | kAfterSwapOwed)) != 0) in.fail("unknown flags");
    target.engine = (flags & kEngine) != 0;
    target.swap_begun = (flags & kSwapBegun) != 0;
    target.swapped = (flags & kSwapped) != 0;
    target.after_swap_owed = (flags & kAfterSwapOwed) != 0;
    for (uint32_t left = in.count(4); left > 0; --left) target.stage_dirs.push_back(in.prefixed_text(kTextLimitBytes));
    target.staged_dir = in.prefixed_text(kTextLimitBytes);
    target.work_dir = in.prefixed_text(kTextLimitBytes);
    for (uint32_t left = in.count(8); left > 0; --left) {
        SourceRoot root;
        root.listing_path = in.prefixed_text(kTextLimitBytes);
        root.live_path = in.prefixed_text(kTextLimitBytes);
        target.roots.push_back(std::move(root));
    }
    return target;
}

void encode_services(Encoder& out, const Journal& journal) {
    const JournalServices& services = journal.services;
    out.prefixed(journal.reason);
    out.u8(static_cast<uint8_t>((services.undrain_owed ? kUndrainOwed : 0) | (services.start_owed ? kStartOwed : 0) |
                                (services.start_begun ? kStartBegun : 0) | (services.checkout_begun ? kCheckoutBegun : 0) |
                                (journal.going_back ? kGoingBack : 0)));
    out.prefixed(services.version_before).prefixed(services.version_after);
    out.u32(static_cast<uint32_t>(journal.expected.size()));
    for (const auto& [probe, value] : journal.expected) out.prefixed(probe).prefixed(value);
    out.u32(static_cast<uint32_t>(journal.steps.size()));
    for (const RestoreStep& step : journal.steps) {
        out.prefixed(step.name).i64(step.at_ms).i64(step.ms).u8(step.failed ? 1 : 0).prefixed(step.detail);
    }
}

void decode_services(Decoder& in, Journal& journal) {
    JournalServices& services = journal.services;
    journal.reason = in.prefixed_text(kTextLimitBytes);
    const uint8_t flags = in.u8();
    if ((flags & ~(kUndrainOwed | kStartOwed | kStartBegun | kCheckoutBegun | kGoingBack)) != 0)
        in.fail("unknown flags of services");
    services.undrain_owed = (flags & kUndrainOwed) != 0;
    services.start_owed = (flags & kStartOwed) != 0;
    services.start_begun = (flags & kStartBegun) != 0;
    services.checkout_begun = (flags & kCheckoutBegun) != 0;
    journal.going_back = (flags & kGoingBack) != 0;
    services.version_before = in.prefixed_text(kTextLimitBytes);
    services.version_after = in.prefixed_text(kTextLimitBytes);
    std::string last;
    for (uint32_t left = in.count(8); left > 0; --left) {
        std::string probe = in.prefixed_text(kTextLimitBytes);
        // In order, each once: a journal has one encoding.
        if (!journal.expected.empty() && probe <= last) in.fail("expectations out of order");
        last = probe;
        journal.expected[std::move(probe)] = in.prefixed_text(kExpectedLimitBytes);
    }
    for (uint32_t left = in.count(25); left > 0; --left) {
        RestoreStep step;
        step.name = in.prefixed_text(kTextLimitBytes);
        step.at_ms = in.i64();
        step.ms = in.i64();
        const uint8_t failed = in.u8();
        if (failed > 1) in.fail("a step neither failed nor done");
        step.failed = failed == 1;
        step.detail = in.prefixed_text(kTextLimitBytes);
        journal.steps.push_back(std::move(step));
    }
}

}  // namespace

Journal read_journal(FileSystem& fs, const std::string& path) {
    return decode_journal(read_file(fs, path, kJournalLimitBytes), path);
}

const char* to_string(RestoreState state) {
    switch (state) {
        case RestoreState::picked:
            return "picked";
        case RestoreState::checked:
            return "checked";
        case RestoreState::staged:
            return "staged";
        case RestoreState::stopped:
            return "stopped";
        case RestoreState::swapped:
            return "swapped";
        case RestoreState::proven:
            return "proven";
    }
    return "?";
}

Bytes encode_journal(const Journal& journal) {
    Encoder out;
    out.raw(kMagic).prefixed(journal.restore_id).prefixed(journal.stack).raw(journal.snapshot.view());
    out.u8(static_cast<uint8_t>(journal.state)).i64(journal.started_ms).prefixed(journal.kept_dir);
    encode_services(out, journal);
    out.u32(static_cast<uint32_t>(journal.targets.size()));
    for (const JournalTarget& target : journal.targets) {
        out.prefixed(target.source).prefixed(target.driver);
        out.u8(static_cast<uint8_t>((target.engine ? kEngine : 0) | (target.swap_begun ? kSwapBegun : 0) |
                                    (target.swapped ? kSwapped : 0) | (target.after_swap_owed ? kAfterSwapOwed : 0)));
        out.u32(static_cast<uint32_t>(target.stage_dirs.size()));
        for (const std::string& folder : target.stage_dirs) out.prefixed(folder);
        out.prefixed(target.staged_dir).prefixed(target.work_dir).u32(static_cast<uint32_t>(target.roots.size()));
        for (const SourceRoot& root : target.roots) out.prefixed(root.listing_path).prefixed(root.live_path);
    }
    const Digest checksum = sha256(out.bytes());
    return out.raw(checksum.view()).take();
}

Journal decode_journal(ByteView bytes, const std::string& path) {
    const std::string what = fmt::format("the restore journal {}", printable(path));
    if (bytes.size() < kChecksumBytes) throw Error(Code::damaged, what + " is damaged: it is too short");
    const ByteView body = bytes.first(bytes.size() - kChecksumBytes);
    if (Digest::from(bytes.last(kChecksumBytes)) != sha256(body)) {
        throw Error(Code::damaged, what + " is damaged: its checksum does not agree");
    }
    Decoder in(body, what);
    in.expect(kMagic);
    Journal journal;
    journal.restore_id = in.prefixed_text(kTextLimitBytes);
    journal.stack = in.prefixed_text(kTextLimitBytes);
    journal.snapshot = in.name<RecordId>();
    const uint8_t state = in.u8();
    if (state > static_cast<uint8_t>(RestoreState::proven)) in.fail("an unknown state");
    journal.state = static_cast<RestoreState>(state);
    journal.started_ms = in.i64();
    journal.kept_dir = in.prefixed_text(kTextLimitBytes);
    decode_services(in, journal);
    for (uint32_t left = in.count(21); left > 0; --left) journal.targets.push_back(decode_target(in));
    in.finish();
    return journal;
}

JournalFile::JournalFile(FileSystem& fs, const std::string& state_dir, const std::string& stack)
    : fs_(fs), path_(journal_path(state_dir, stack)), probing_path_(join(state_dir, stack + ".probing")) {
    make_dirs(fs, state_dir, 0700);
    const std::string lock = join(state_dir, stack + ".lock");
    make_lock_file(lock);
    try {
        lock_ = std::make_unique<Lock>(lock, LockMode::exclusive, 0);
    } catch (const Error& error) {
        throw error.within(fmt::format("another restore of the stack {} is running", printable(stack)));
    }
}

JournalFile::~JournalFile() = default;

std::optional<Journal> JournalFile::load() const { return load_from(fs_, path_); }

void JournalFile::save(const Journal& journal) { replace_file(fs_, path_, encode_journal(journal)); }

void JournalFile::let_probes_decide() { (void)write_new_file(fs_, probing_path_, {}); }

void JournalFile::no_more_probes() {
    if (!fs_.exists(probing_path_)) return;
    fs_.remove(probing_path_);
    fs_.sync_dir(parent_of(probing_path_));
}

bool JournalFile::probes_may_decide() const { return fs_.exists(probing_path_); }

void JournalFile::remove() {
    no_more_probes();
    if (!fs_.exists(path_)) return;
    fs_.remove(path_);
    fs_.sync_dir(parent_of(path_));
}

bool restore_is_running(const std::string& state_dir, const std::string& stack) {
    try {
        Lock(join(state_dir, stack + ".lock"), LockMode::exclusive, 0);
        return false;
    } catch (const Error& error) {
        return error.code() == Code::locked;  // no lock file: there was no restore yet
    }
}

std::optional<Journal> unfinished_restore(FileSystem& fs, const std::string& state_dir, const std::string& stack) {
    return load_from(fs, journal_path(state_dir, stack));
}

}  // namespace ingot
