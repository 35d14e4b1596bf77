#include "cli/terminal.h"

#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <mutex>

#include "base/error.h"
#include "base/interrupt.h"

namespace ingot {

bool is_terminal(FILE* stream) { return ::isatty(::fileno(stream)) == 1; }

bool can_ask() { return is_terminal(stdin) && is_terminal(stderr); }

size_t terminal_width() {
    winsize size{};
    if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
    return size.ws_col;
}

namespace {

// Turns off the echo of standard input for as long as it lives.
class NoEcho {
public:
    NoEcho() {
        if (::tcgetattr(STDIN_FILENO, &before_) != 0) throw Error::from_errno("asking on", "the terminal", errno);
        termios quiet = before_;
        quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
        ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
    }
    NoEcho(const NoEcho&) = delete;
    NoEcho& operator=(const NoEcho&) = delete;
    ~NoEcho() { ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_); }

private:
    termios before_{};
};

}  // namespace

Secret ask_secret(const std::string& question) {
    if (!can_ask()) throw Error(Code::usage, "nobody can be asked: standard input is not a terminal");
    clear_progress_line();
    const NoEcho no_echo;  // before the question: what is typed ahead is dropped, not shown
    std::fputs(question.c_str(), stderr);
    // Read by hand, byte by byte into locked memory: stdio's buffer would keep a copy.
    Secret line(1024);
    size_t length = 0;
    for (;;) {
        char c = 0;
        const ssize_t n = ::read(STDIN_FILENO, &c, 1);
        if (n < 0 && errno == EINTR && !interrupted()) continue;
        if (n <= 0 || c == '\n') break;
        if (length == line.size()) throw Error(Code::usage, "a passphrase has at most 1024 bytes");
        line.writable()[length++] = static_cast<uint8_t>(c);
    }
    std::fputs("\n", stderr);
    check_interrupted();
    return Secret::copy_of(line.view().first(length));
}

bool ask_yes(const std::string& question) {
    if (!can_ask()) return false;
    clear_progress_line();
    std::fputs((question + " [y/N] ").c_str(), stderr);
    std::string answer;
    for (;;) {
        char c = 0;
        const ssize_t n = ::read(STDIN_FILENO, &c, 1);
        if (n < 0 && errno == EINTR && !interrupted()) continue;
        if (n <= 0 || c == '\n') break;
        answer += c;
    }
    check_interrupted();
    return answer == "y" || answer == "Y" || answer == "yes";
}

static std::mutex the_line_mutex;
static std::function<void()> the_line;

void set_progress_line(std::function<void()> clear) {
    const std::lock_guard lock(the_line_mutex);
    the_line = std::move(clear);
}

void clear_progress_line() {
    const std::lock_guard lock(the_line_mutex);
    if (the_line) the_line();
}

}  // namespace ingot
