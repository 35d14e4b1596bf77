#include "drivers/command_run.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/interrupt.h"

namespace ingot {
namespace {

constexpr const char* kBash = "/bin/bash";
// Of error output: enough for the reason that stands at its end, and no memory for a command that prints there for ever.
constexpr size_t kErrorBytes = 4 << 10;
// Of an error message: tools print the reason in one line and details in one or two more.
constexpr size_t kLastLines = 3;
constexpr size_t kMostWordsBytes = 400;
constexpr size_t kMostShownBytes = 100;
// What the shell makes of these is known only once it runs.
constexpr std::string_view kExpanded = "$`\"'\\*?[]{}()<>|&;~=!#";
// Looking for a program waits for nothing but a folder of PATH on a network.
constexpr int64_t kLookMs = 10'000;

// Exit statuses that the shell itself gives (POSIX, 2.8.2), and signals.
std::string hint_for(int status, const CommandSettings& settings) {
    const std::string by_hand = fmt::format("run it by hand in {}: it must end with status 0", printable(settings.directory));
    if (status == 127) return "install the program it names, or write its whole path; " + by_hand;
    if (status == 126) return "make the program it names executable; " + by_hand;
    if (status == 128 + SIGKILL) return "it was killed: look for \"out of memory\" in the kernel's log; " + by_hand;
    if (status == 128 + SIGPIPE) return "a program of its pipe ended before it had read all of its input; " + by_hand;
    return by_hand;
}

// A command line in a message. The config has all of it.
std::string shown(const std::string& text) {
    return "\"" + printable(text.size() > kMostShownBytes ? text.substr(0, kMostShownBytes) + "..." : text) + "\"";
}

std::string first_word(const std::string& text) {
    const size_t from = text.find_first_not_of(" \t\n");
    if (from == std::string::npos) return {};
    return text.substr(from, text.find_first_of(" \t\n;|&<>()", from) - from);
}

}  // namespace

bool shell_sees_pipes() {
    static const bool there = ::access(kBash, X_OK) == 0;
    return there;
}

Command source_command(const CommandSettings& settings, const std::string& text) {
    Command command = Command::shell(text, settings.directory);
    if (shell_sees_pipes()) command.argv = {kBash, "-o", "pipefail", "-c", text};
    command.limit_ms = settings.timeout_ms;
    command.output_limit_bytes = kErrorBytes;
    return command;
}

void require_runnable(const CommandSettings& settings, const std::string& text, const std::string& what, Code code) {
    struct stat st {};
    if (::stat(settings.directory.c_str(), &st) != 0) {
        if (errno != ENOENT && errno != ENOTDIR) throw Error::from_errno("looking at", settings.directory, errno, code);
        throw Error(code, fmt::format("{}: the folder {} is not there", what, printable(settings.directory)),
                    "make it, or mend `directory` (else the stack's root) in the config");
    }
    if (!S_ISDIR(st.st_mode)) {
        throw Error(code, fmt::format("{}: {} is no folder to run it in", what, printable(settings.directory)),
                    "mend `directory` in the config");
    }
    const std::string word = first_word(text);
    if (word.empty() || word.find_first_of(kExpanded) != std::string::npos) return;
    Command look = source_command(settings, "command -v -- \"$1\"");
    look.argv.insert(look.argv.end(), {"look", word});
    look.limit_ms = kLookMs;
    if (run(look).status == 0) return;
    throw Error(code, fmt::format("{}: the program \"{}\" is not there", what, printable(word)),
                "install it, write its whole path, or mend PATH where ingot is started (systemd gives a short one)");
}

std::string last_words(const std::string& error_output) {
    std::vector<std::string> lines;
    for (size_t end = error_output.size(); end > 0 && lines.size() < kLastLines;) {
        const size_t newline = error_output.rfind('\n', end - 1);
        const size_t from = newline == std::string::npos ? 0 : newline + 1;
        std::string line = error_output.substr(from, end - from);
        line.erase(line.find_last_not_of(" \t\r") + 1);
        if (!line.empty()) lines.push_back(printable(line));
        end = newline == std::string::npos ? 0 : newline;
    }
    std::reverse(lines.begin(), lines.end());
    std::string out = fmt::format("{}", fmt::join(lines, "; "));
    return out.size() <= kMostWordsBytes ? out : "..." + out.substr(out.size() - kMostWordsBytes);
}

void require_success(const CommandSettings& settings, const std::string& text, const std::string& what,
                     const CommandResult& result, Code code) {
    if (result.status == 0) return;
    const std::string words = last_words(result.err);
    throw Error(code,
                fmt::format("{} {} ended with status {}{}{}", what, shown(text), result.status, words.empty() ? "" : ": ", words),
                hint_for(result.status, settings));
}

CommandResult run_on_file(const CommandSettings& settings, const std::string& text, const std::string& what, int fd, Code code) {
    Command command = source_command(settings, text);
    command.input_fd = fd;
    CommandResult result;
    try {
        result = run(command);
    } catch (const Error& error) {
        throw Error(error.code(), fmt::format("{}: {}", what, error.what()),
                    error.hint().empty() ? "give it more time with `timeout`, or end what it waits for" : error.hint());
    }
    require_success(settings, text, what, result, code);
    return result;
}

CommandRun::CommandRun(const CommandSettings& settings, const std::string& what, const std::string& spool_dir)
    : settings_(settings),
      what_(what),
      output_(std::in_place, spool_dir),
      started_(now()),
      thread_([this](const std::stop_token& stop) { work(stop); }) {}

void CommandRun::work(const std::stop_token& stop) {
    Command command = source_command(settings_, settings_.snapshot);
    command.idle_limit_ms = settings_.idle_timeout_ms;
    command.stop_when = [&] { return interrupted() || stop.stop_requested(); };
    bool any = false;
    command.output_to = [&](std::span<const uint8_t> bytes) {
        output_->append(bytes);
        if (std::exchange(any, true)) return;
        const std::lock_guard lock(mutex_);
        first_byte_ = now();
        changed_.notify_all();
    };
    CommandResult result;
    std::exception_ptr error;
    try {
        result = run(command);
    } catch (...) {
        error = std::current_exception();
    }
    const std::lock_guard lock(mutex_);
    empty_ = output_->size() == 0;
    if (error || result.status != 0) output_.reset();
    result_ = std::move(result);
    error_ = error;
    ended_ = now();
    changed_.notify_all();
}

Moment CommandRun::wait_for_first_byte() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return first_byte_ || ended_; });
    return first_byte_ ? *first_byte_ : *ended_;
}

Moment CommandRun::wait_for_end() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return ended_.has_value(); });
    return *ended_;
}

bool CommandRun::ended() const {
    const std::lock_guard lock(mutex_);
    return ended_.has_value();
}

bool CommandRun::failed_by_itself() const {
    const std::lock_guard lock(mutex_);
    return ended_ && !error_ && (result_.status != 0 || (empty_ && !settings_.allow_empty));
}

void CommandRun::require_good() const {
    const std::lock_guard lock(mutex_);
    if (error_) {
        try {
            std::rethrow_exception(error_);
        } catch (const Error& error) {
            if (error.code() == Code::interrupted) throw;
            throw Error(
                Code::source, fmt::format("{}: {}", what_, error.what()),
                error.hint().empty() ? "find out what it waits for; `timeout` and `idle_timeout` are its limits" : error.hint());
        }
    }
    require_success(settings_, settings_.snapshot, what_, result_, Code::source);
    if (!empty_ || settings_.allow_empty) return;
    const std::string words = last_words(result_.err);
    throw Error(Code::source,
                fmt::format("{} {} printed nothing{}{}", what_, shown(settings_.snapshot), words.empty() ? "" : ": ", words),
                "run it by hand; say `allow_empty = true` where nothing is what it may print");
}

std::string CommandRun::warnings() const {
    const std::lock_guard lock(mutex_);
    return last_words(result_.err);
}

}  // namespace ingot
