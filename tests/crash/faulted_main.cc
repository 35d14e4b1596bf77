// The command line of Ingot as the binary has it, with a listener at the named steps. The crash tests run this.
//
//   INGOT_TEST_STEPS=FILE            appends the name of each step as it is passed, one per line
//   INGOT_TEST_KILL_AT=NAME:COUNT    kill -9 of this process when that step is passed for the COUNT-th time (1 without a count)
//   INGOT_TEST_STOP_AT=NAME:COUNT    stops (SIGSTOP) there instead, so that a test can cut the power at that moment
#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <string>

#include "base/filesystem.h"
#include "base/step.h"
#include "cli/app.h"

namespace {

struct Place {
    std::string name;
    int count = 1;
    std::atomic<int> passed{0};

    void read(const char* variable) {
        const char* value = std::getenv(variable);
        if (value == nullptr) return;
        name = value;
        const size_t colon = name.find(':');
        if (colon == std::string::npos) return;
        count = std::atoi(name.c_str() + colon + 1);
        name.resize(colon);
    }
    bool is_now(const char* step) { return !name.empty() && name == step && ++passed == count; }
};

Place kill_at;
Place stop_at;
int steps_fd = -1;

void at_step(const char* name) {
    if (steps_fd >= 0) {
        const std::string line = std::string(name) + "\n";
        if (::write(steps_fd, line.data(), line.size()) < 0) std::abort();
    }
    if (kill_at.is_now(name)) ::kill(::getpid(), SIGKILL);
    if (stop_at.is_now(name)) ::kill(::getpid(), SIGSTOP);
}

}  // namespace

int main(int argc, char** argv) {
    kill_at.read("INGOT_TEST_KILL_AT");
    stop_at.read("INGOT_TEST_STOP_AT");
    if (const char* file = std::getenv("INGOT_TEST_STEPS")) {
        steps_fd = ::open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        if (steps_fd < 0) return 99;
    }
    ingot::set_step_listener(at_step);
    return ingot::run_ingot(argc, argv, ingot::real_filesystem());
}
