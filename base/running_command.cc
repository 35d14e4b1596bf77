#include "base/running_command.h"

#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <limits>

#include "base/error.h"
#include "base/filesystem.h"

namespace ingot {
namespace {

constexpr size_t kMostWords = 500;

std::vector<std::string> setpriv(const std::optional<Account>& account, std::vector<std::string> words) {
    words.insert(words.begin(), "setpriv");
    if (account) {
        words.push_back("--reuid=" + std::to_string(account->uid));
        words.push_back("--regid=" + std::to_string(account->gid));
        words.emplace_back("--clear-groups");
    }
    words.emplace_back("--");
    return words;
}

std::string last_of(std::string text) {
    while (text.ends_with('\n')) text.pop_back();
    return text.substr(text.size() - std::min(text.size(), kMostWords));
}

}  // namespace

struct RunningCommand::State {
    std::atomic<bool> ended = false;
    std::string words;  // once it ended
};

std::optional<Account> Account::named(const std::string& user) {
    const passwd* found = ::getpwnam(user.c_str());
    if (found == nullptr) return std::nullopt;
    return Account{found->pw_uid, found->pw_gid};
}

std::vector<std::string> as_user(const std::optional<Account>& account, std::vector<std::string> argv) {
    if (!account) return argv;
    const std::vector<std::string> words = setpriv(account, {});
    argv.insert(argv.begin(), words.begin(), words.end());
    return argv;
}

std::string find_program(const std::string& name) {
    const char* text = std::getenv("PATH");
    const std::string path = text == nullptr ? "/usr/local/bin:/usr/bin:/bin" : text;
    for (size_t from = 0; from <= path.size();) {
        const size_t end = std::min(path.find(':', from), path.size());
        const std::string at = join(path.substr(from, end - from), name);
        if (end > from && ::access(at.c_str(), X_OK) == 0) return at;
        from = end + 1;
    }
    return {};
}

RunningCommand::RunningCommand(Command command, const std::optional<Account>& account) : state_(std::make_unique<State>()) {
    // SIGQUIT: a server of PostgreSQL ends at once by it, with all of its sessions; others by what it does to any program.
    const std::vector<std::string> words = setpriv(account, {"--pdeathsig=QUIT"});
    command.argv.insert(command.argv.begin(), words.begin(), words.end());
    command.limit_ms = std::numeric_limits<int32_t>::max();
    thread_ = std::jthread([state = state_.get(), command = std::move(command)](const std::stop_token& stop) mutable {
        command.stop_when = [&] { return stop.stop_requested(); };
        try {
            const CommandResult result = run(command);
            state->words = last_of(result.err.empty() ? result.out : result.err);
            if (state->words.empty()) state->words = "it ended with status " + std::to_string(result.status);
        } catch (const Error& error) {
            state->words = error.what();
        }
        state->ended = true;
    });
}

RunningCommand::~RunningCommand() { stop(); }

bool RunningCommand::ended() const { return state_->ended; }

std::string RunningCommand::words() const { return state_->ended ? printable(state_->words) : std::string(); }

void RunningCommand::stop() {
    if (!thread_.joinable()) return;
    thread_.request_stop();
    thread_.join();
}

}  // namespace ingot
