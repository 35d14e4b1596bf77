#include "drivers/postgres_raw.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/error.h"
#include "drivers/postgres_drop.h"
#include "drivers/whole_stream.h"

namespace ingot {
namespace {

// For a table to be counted, or a piece to come.
constexpr int64_t kReadMs = 600'000;
// Raw bytes of a damaged state are nobody else's.
constexpr uint32_t kMode = 0600;
// SQLSTATE classes: 58 is a system error of the server (a file it cannot read), XX an internal one (a page or index that is
// not what it should be).
constexpr const char* kSystemError = "58";
constexpr const char* kInternalError = "XX";

// What holds rows: tables, materialised views, and the long values of both.
constexpr const char* kRelations =
    "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'm', "
    "'t') "
    "AND c.relpersistence <> 't' ORDER BY c.oid";
// The folders of a database, below the server's data folder.
constexpr const char* kFolders =
    "SELECT 'base/' || oid FROM pg_database WHERE datname = {0} UNION ALL SELECT 'pg_tblspc/' || t.oid || '/' || v || '/' || "
    "d.oid "
    "FROM pg_tablespace t, pg_database d, pg_ls_dir('pg_tblspc/' || t.oid, true, false) v WHERE t.spcname NOT IN ('pg_default', "
    "'pg_global') AND d.datname = {0} ORDER BY 1";
constexpr const char* kFiles =
    "SELECT f, s.size, (extract(epoch FROM s.modification) * 1000000)::bigint FROM pg_ls_dir({0}, true, false) f, "
    "pg_stat_file({0} || '/' || f, true) s WHERE NOT s.isdir";

// What a server says of a database whose own files it cannot read, when a session is to begin: no SQLSTATE comes with that. A
// refusal for any other reason (pg_hba.conf, a limit), or in another language, is none.
constexpr std::array<const char*, 6> kUnreadable = {"could not open file", "could not read", "invalid page",
                                                    "PG_VERSION",          "corrupt",        "relation mapping file"};

struct RawFile {
    std::string path;  // below the data folder
    uint64_t size = 0;
    int64_t mtime_ns = 0;
};

uint64_t number(const std::optional<std::string>& text) { return text ? std::stoull(*text) : 0; }

class PgRawPin : public Pin {
public:
    PgRawPin(std::unique_ptr<PgConnection> session, const std::string& database, std::string below)
        : session_(std::move(session)), below_(std::move(below)) {
        moment_.first = now();
        session_->execute("CHECKPOINT", kPgDatabaseMs);  // what the server holds in memory goes into the files
        for (const PgRow& folder : session_->query(fmt::format(kFolders, session_->quoted(database)))) {
            const std::string path = folder[0].value_or("");
            for (const PgRow& file : session_->query(fmt::format(kFiles, session_->quoted(path)))) {
                files_.push_back(
                    {join(path, file[0].value_or("")), number(file[1]), static_cast<int64_t>(number(file[2])) * 1000});
            }
        }
        std::ranges::sort(files_, [](const RawFile& a, const RawFile& b) { return listing_less(a.path, b.path); });
        moment_.last = now();
    }

    PinMoment moment() const override { return moment_; }

    std::optional<Entry> next() override {
        if (at_ == files_.size()) return std::nullopt;
        const RawFile& file = files_[at_++];
        Entry entry;
        entry.path = join(below_, file.path);
        entry.mode = kMode;
        entry.uid = ::geteuid();
        entry.gid = ::getegid();
        entry.mtime_ns = file.mtime_ns;
        entry.size = file.size;
        return entry;
    }

    std::unique_ptr<Stream> open(const Entry&) override {
        const RawFile file = files_[at_ - 1];
        return std::make_unique<WholeStream>(file.size, [this, file](uint64_t offset, std::span<uint8_t> out) {
            return read_at(file, offset, out.first(std::min<uint64_t>(out.size(), file.size - offset)));
        });
    }
    PinConsistency consistency() const override { return PinConsistency::pinned; }

private:
    size_t read_at(const RawFile& file, uint64_t offset, std::span<uint8_t> out) {
        if (out.empty()) return 0;
        const Bytes bytes = from_hex(session_->value(
            fmt::format("SELECT encode(pg_read_binary_file({}, {}, {}), 'hex')", session_->quoted(file.path), offset, out.size()),
            kReadMs));
        if (bytes.size() != out.size())
            throw Error(Code::source, fmt::format("{} is shorter than it was", printable(file.path)),
                        "see who writes to that server");
        copy_bytes(bytes, out);
        return bytes.size();
    }

    std::unique_ptr<PgConnection> session_;
    const std::string below_;
    PinMoment moment_;
    std::vector<RawFile> files_;
    size_t at_ = 0;
};

}  // namespace

std::string pg_damage(PgConnection& session, const PgSettings& settings, const std::string& database, Code code) {
    if (pg_presence(session, database) != PgPresence::whole) return "";
    std::unique_ptr<PgConnection> inside;
    try {
        inside = std::make_unique<PgConnection>(settings.address(code).with_database(database), code);
    } catch (const Error& error) {
        session.execute("SELECT 1");  // the server itself answers
        const std::string said = error.what();
        const bool unreadable =
            std::ranges::any_of(kUnreadable, [&](const char* each) { return said.find(each) != std::string::npos; });
        return unreadable ? said : "";
    }
    try {
        for (const PgRow& row : inside->query(kRelations)) {
            inside->execute(fmt::format("SELECT count(*) FROM ONLY {}.{}", inside->quoted_name(row[0].value_or("")),
                                        inside->quoted_name(row[1].value_or(""))),
                            kReadMs);
        }
    } catch (const Error& error) {
        const std::string& state = inside->refused_state();
        if (state.starts_with(kSystemError) || state.starts_with(kInternalError)) return error.what();
    }
    return "";
}

std::unique_ptr<Pin> make_pg_raw_pin(std::unique_ptr<PgConnection> session, const std::string& database,
                                     const std::string& below) {
    return std::make_unique<PgRawPin>(std::move(session), database, below);
}

}  // namespace ingot
