#include "drivers/mongodb_library.h"

#include <dlfcn.h>
#include <fmt/format.h>
#include <unistd.h>

#include "base/error.h"
#include "base/filesystem.h"

namespace ingot {
namespace {

constexpr const char* kLibrary = "libmongoc-1.0.so.0";

template <class Function>
Function find(void* library, const char* name) {
    void* const found = ::dlsym(library, name);
    if (found == nullptr) {
        throw Error(Code::failed, fmt::format("{} has no {}", kLibrary, name), "install Debian's package libmongoc-1.0-0");
    }
    return reinterpret_cast<Function>(found);
}

void* open_library() {
    // Counters of a dead process that had our number: the library would say so on standard error.
    try {
        real_filesystem().remove(fmt::format("/dev/shm/mongoc-{}", ::getpid()));
    } catch (const Error& error) {
        ignore_error(error, "there is none, or it is another user's: the library does without counters");
    }
    void* const library = ::dlopen(kLibrary, RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) {
        throw Error(Code::failed, fmt::format("loading {}: {}", kLibrary, ::dlerror()), "install the package libmongoc-1.0-0");
    }
    return library;
}

MongocLibrary load() {
    void* const library = open_library();
    find<decltype(&::mongoc_init)>(library, "mongoc_init")();
    find<decltype(&::mongoc_log_set_handler)>(library, "mongoc_log_set_handler")(
        [](mongoc_log_level_t, const char*, const char*, void*) {}, nullptr);
    MongocLibrary out{};
#define INGOT_FIND(name) out.name = find<decltype(out.name)>(library, "mongoc_" #name);
    INGOT_MONGOC_FUNCTIONS(INGOT_FIND)
#undef INGOT_FIND
    return out;
}

}  // namespace

const MongocLibrary& mongoc() {
    static const MongocLibrary library = load();
    return library;
}

}  // namespace ingot
