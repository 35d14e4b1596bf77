#include "drivers/postgres_temporary.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <chrono>
#include <set>

#include "base/clock.h"
#include "base/error.h"
#include "base/filesystem.h"
#include "base/interrupt.h"
#include "drivers/postgres_connection.h"

namespace ingot {
namespace {

// Where Debian keeps the programs of each major version.
constexpr const char* kVersions = "/usr/lib/postgresql";
// Every user can reach it, it is on a disk, and it outlives a boot: what a drill that was killed left there is found again.
constexpr const char* kShared = "/var/tmp";
constexpr int64_t kInitMs = 120'000, kStartMs = 60'000, kStopMs = 60'000;
constexpr std::chrono::milliseconds kStartTick{20};
// The longest name of a socket in the server's folder: "/s/.s.PGSQL.5432".
constexpr size_t kSocketBytes = 20;

bool reachable(const std::string& folder, const Account& account) {
    for (std::string at = folder;; at = parent_of(at)) {
        struct stat st {};
        if (::stat(at.c_str(), &st) != 0) return false;
        const mode_t needed = st.st_uid == account.uid ? S_IXUSR : S_IXOTH;
        if ((st.st_mode & needed) == 0) return false;
        if (at == "/") return true;
    }
}

}  // namespace

std::optional<int> PgTemporary::installed(int at_least) {
    std::set<int> majors;
    if (!real_filesystem().exists(kVersions)) return std::nullopt;
    real_filesystem().list(kVersions, [&](const std::string& name) {
        int major = 0;
        const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), major);
        if (error != std::errc() || end != name.data() + name.size() || major < at_least) return;
        const std::string programs = join(join(kVersions, name), "bin");
        if (::access(join(programs, "initdb").c_str(), X_OK) == 0 && ::access(join(programs, "postgres").c_str(), X_OK) == 0)
            majors.insert(major);
    });
    if (majors.empty()) return std::nullopt;
    return *majors.begin();
}

PgTemporary::~PgTemporary() {
    try {
        remove();
    } catch (const Error& error) {
        ignore_error(error, "remove() said so, or nobody asked");
    }
}

std::vector<std::string> PgTemporary::folders() const {
    const std::string name = "ingot-drill-" + id_;
    return {join(work_dir_, name), join(kShared, name)};
}

std::string PgTemporary::conninfo() const {
    return fmt::format("host='{}' port='5432' user='postgres' dbname='postgres'", join(folder_, "s"));
}

void PgTemporary::start(int major, const std::string& source) {
    programs_ = fmt::format("{}/{}/bin/", kVersions, major);
    if (::geteuid() == 0) {
        account_ = Account::named("postgres");
        if (!account_) account_ = Account::named("nobody");
        if (!account_) throw Error(Code::failed, "there is no user `postgres` or `nobody` to run a temporary server as");
    }
    // conninfo() quotes it.
    const bool near = work_dir_.find_first_of("'\\") == std::string::npos &&
                      folders()[0].size() + kSocketBytes < sizeof(sockaddr_un::sun_path) &&
                      (!account_ || reachable(work_dir_, *account_));
    folder_ = folders()[near ? 0 : 1];
    FileSystem& fs = real_filesystem();
    // Not there before: in a folder that everybody writes to it could be somebody else's.
    if (!fs.make_dir(folder_, 0700)) throw Error(Code::failed, printable(folder_) + " is there already", "remove it");
    fs.make_dir(join(folder_, "s"), 0700);
    for (const std::string& each : {join(folder_, "s"), folder_}) {
        if (account_ && ::lchown(each.c_str(), account_->uid, account_->gid) != 0)
            throw Error::from_errno("giving away", each, errno);
    }
    const std::string data = join(folder_, "data");
    Command init;
    init.argv = as_user(
        account_, {programs_ + "initdb", "-D", data, "-U", "postgres", "--auth=trust", "-N", "-E", "UTF8", "--locale=C.UTF-8"});
    init.folder = folder_;
    init.environment = {{"LC_ALL", "C.UTF-8"}};
    init.limit_ms = kInitMs;
    init.stop_when = [] { return interrupted(); };
    (void)run_checked(init, "making a temporary server for " + source);
    Command serve;
    serve.argv = {programs_ + "postgres",
                  "-D",
                  data,
                  "-k",
                  join(folder_, "s"),
                  "-p",
                  "5432",
                  "-c",
                  "listen_addresses=",
                  "-c",
                  "fsync=off",
                  "-c",
                  "full_page_writes=off",
                  "-c",
                  "synchronous_commit=off",
                  "-c",
                  "autovacuum=off",
                  "-c",
                  "max_connections=20",
                  "-c",
                  "wal_level=minimal",
                  "-c",
                  "max_wal_senders=0",
                  "-c",
                  "logging_collector=off"};
    serve.folder = folder_;
    server_ = std::make_unique<RunningCommand>(serve, account_);
    for (const int64_t until_ns = mono_now_ns() + kStartMs * 1'000'000;;) {
        check_interrupted();
        if (server_->ended()) throw Error(Code::failed, "a temporary server of PostgreSQL ended: " + server_->words());
        try {
            PgConnection(PgAddress::parse(conninfo(), "the temporary server", Code::failed), Code::failed).execute("SELECT 1");
            return;
        } catch (const Error& error) {
            if (mono_now_ns() >= until_ns) throw error.within("a temporary server of PostgreSQL does not start");
            std::this_thread::sleep_for(kStartTick);
        }
    }
}

void PgTemporary::stop() noexcept {
    if (server_ == nullptr) return;
    try {
        Command stop;
        stop.argv = as_user(account_, {programs_ + "pg_ctl", "-D", join(folder_, "data"), "-m", "immediate", "-w", "stop"});
        stop.folder = folder_;
        stop.limit_ms = kStopMs;
        if (!server_->ended()) (void)run(stop);
    } catch (const std::exception& error) {
        ignore_error(error, "it is ended by signals then");
    }
    server_.reset();
}

void PgTemporary::remove() {
    stop();
    for (const std::string& folder : folders()) {
        struct stat st {};
        if (::lstat(folder.c_str(), &st) != 0 || !S_ISDIR(st.st_mode)) continue;
        remove_tree(real_filesystem(), folder);
    }
}

}  // namespace ingot
