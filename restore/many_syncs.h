// Many syncs at once: a journaling file system writes its journal once for all that wait for it, so sixteen waiting threads are
// many times as fast as one, also on one core. Within a swap this time is outage.
//
// Thread safety: `sync` is called on several threads. Errors: the first that a call throws, once all threads have ended; calls
// that had not begun by then are not made.
#pragma once

#include <cstddef>
#include <functional>

namespace ingot {

// Calls sync(0), ..., sync(count - 1), each once, in no order.
void sync_many(size_t count, const std::function<void(size_t number)>& sync);

}  // namespace ingot
