#include "base/step.h"

#include <atomic>

namespace ingot {

static std::atomic<StepListener> the_listener{nullptr};

void step(const char* name) {
    if (const StepListener listener = the_listener.load(std::memory_order_acquire)) listener(name);
}

void set_step_listener(StepListener listener) { the_listener.store(listener, std::memory_order_release); }

}  // namespace ingot
