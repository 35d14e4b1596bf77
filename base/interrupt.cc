#include "base/interrupt.h"

#include <csignal>

#include "base/error.h"

namespace ingot {

static volatile std::sig_atomic_t the_flag = 0;

static void on_signal(int) { the_flag = 1; }

void catch_interrupts() {
    struct sigaction action {};
    action.sa_handler = on_signal;
    sigemptyset(&action.sa_mask);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) sigaction(signal, &action, nullptr);
    std::signal(SIGPIPE, SIG_IGN);  // a closed pipe is EPIPE where it is written to
}

bool interrupted() { return the_flag != 0; }

void set_interrupted(bool value) { the_flag = value ? 1 : 0; }

void check_interrupted() {
    if (interrupted()) {
        throw Error(Code::interrupted, "interrupted", "run the command again: what was stored so far is reused");
    }
}

}  // namespace ingot
