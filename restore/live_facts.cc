#include "restore/live_facts.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/clock.h"
#include "base/error.h"
#include "snapshot/application_version.h"
#include "snapshot/json_text.h"

namespace ingot {
namespace {

// A source has a few facts, of a line each.
constexpr size_t kMostAnswerBytes = 1 << 20;

void say(int fd, const Json& line) {
    const std::string text = line.dump() + "\n";
    for (size_t at = 0; at < text.size();) {
        const ssize_t n = ::write(fd, text.data() + at, text.size() - at);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return;
        at += static_cast<size_t>(n);
    }
}

// In the child: one line for each answer, as it comes, so that a question that takes too long costs only itself and those after
// it.
void ask_all(const Stack& stack, int64_t limit_ms, int fd) {
    try {
        // First, and ended by its own limit: what is killed with this process leaves a command behind.
        say(fd, {{"version", printable(application_version(stack, limit_ms / 2))}});
    } catch (const std::exception& error) {
        ignore_error(error, "the report then does not name the version that was live");
    }
    for (const auto& source : stack.sources) {
        for (const auto& [name, question] : source->spec().facts) {
            try {
                say(fd, {{"source", source->spec().name}, {"facts", facts_to_json({{name, source->ask_live(question)}})}});
            } catch (const std::exception& error) {
                ignore_error(error, "a live state that is damaged is why it is restored: its facts are left out");
            }
        }
    }
}

void take_line(ByteView line, LiveState& state) {
    const Json json = parse_object(line, "an answer");
    if (json.contains("version")) {
        state.version = text_field(json, "version");
        return;
    }
    for (const auto& [name, fact] : facts_from_json(field(json, "facts"))) state.facts[text_field(json, "source")][name] = fact;
}

}  // namespace

LiveFacts::LiveFacts(const Stack& stack, int64_t limit_ms) : until_ns_(mono_now_ns() + limit_ms * 1'000'000) {
    state_.at_ms = wall_now_ms();
    std::array<int, 2> ends{-1, -1};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) return;
    const pid_t parent = ::getpid();
    child_ = ::fork();
    if (child_ == 0) {
        // It dies with its parent, also one that died before now.
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (::getppid() == parent) ask_all(stack, limit_ms, ends[1]);
        ::_exit(0);
    }
    ::close(ends[1]);
    if (child_ < 0) {
        ::close(ends[0]);
        return;
    }
    answers_fd_ = ends[0];
}

LiveFacts::~LiveFacts() { end(); }

void LiveFacts::end() {
    if (child_ > 0) {
        ::kill(child_, SIGKILL);
        while (::waitpid(child_, nullptr, 0) < 0 && errno == EINTR) {
        }
        child_ = -1;
    }
    if (answers_fd_ >= 0) ::close(answers_fd_);
    answers_fd_ = -1;
}

LiveState LiveFacts::collect() {
    Bytes answers;
    std::array<uint8_t, 65536> buffer{};
    while (answers_fd_ >= 0 && answers.size() < kMostAnswerBytes) {
        const int64_t left_ms = (until_ns_ - mono_now_ns() + 999'999) / 1'000'000;
        pollfd waiting{answers_fd_, POLLIN, 0};
        const int ready = left_ms <= 0 ? ::poll(&waiting, 1, 0) : ::poll(&waiting, 1, static_cast<int>(left_ms));
        if (ready < 0 && errno == EINTR) continue;
        if (ready <= 0) break;
        const ssize_t n = ::read(answers_fd_, buffer.data(), buffer.size());
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) break;
        answers.insert(answers.end(), buffer.begin(), buffer.begin() + n);
    }
    end();
    // A line that was cut off by its end has no newline, and is none.
    auto line = answers.begin();
    for (auto at = answers.begin(); at != answers.end(); ++at) {
        if (*at != '\n') continue;
        try {
            take_line(ByteView(&*line, static_cast<size_t>(at - line)), state_);
        } catch (const Error& error) {
            ignore_error(error, "a fact that cannot be told is left out");
        }
        line = at + 1;
    }
    return std::move(state_);
}

}  // namespace ingot
