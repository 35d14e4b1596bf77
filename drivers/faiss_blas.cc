// The BLAS and LAPACK functions that FAISS calls, found when the first of them is called.
//
// Linked in the ordinary way, the two libraries would be loaded whenever this program starts: some 20 ms and 7 MiB, and with
// OpenBLAS a thread for each core. Opening an index calls them for a few kinds only (the tables of residual quantizers), and
// nothing else does. All arguments of Fortran are pointers, so a function here is known by how many it has.
#include "drivers/faiss_blas.h"

#include <dlfcn.h>
#include <unistd.h>

#include <cstdio>

const int ingot::kFaissNoLibrary = 6;

namespace {

void* find(const char* library, const char* name) {
    void* const opened = ::dlopen(library, RTLD_NOW | RTLD_GLOBAL);
    void* const found = opened == nullptr ? nullptr : ::dlsym(opened, name);
    if (found != nullptr) return found;
    // FAISS calls from where no exception may pass.
    std::fprintf(stderr, "%s: %s\n", library, ::dlerror());
    ::_exit(ingot::kFaissNoLibrary);
}

}  // namespace

#define PARAMETERS_6 void *a, void *b, void *c, void *d, void *e, void *f
#define ARGUMENTS_6 a, b, c, d, e, f
#define PARAMETERS_7 PARAMETERS_6, void* g
#define ARGUMENTS_7 ARGUMENTS_6, g
#define PARAMETERS_8 PARAMETERS_7, void* h
#define ARGUMENTS_8 ARGUMENTS_7, h
#define PARAMETERS_9 PARAMETERS_8, void* i
#define ARGUMENTS_9 ARGUMENTS_8, i
#define PARAMETERS_10 PARAMETERS_9, void* j
#define ARGUMENTS_10 ARGUMENTS_9, j
#define PARAMETERS_13 PARAMETERS_10, void *k, void *l, void *m
#define ARGUMENTS_13 ARGUMENTS_10, k, l, m
#define PARAMETERS_14 PARAMETERS_13, void* n
#define ARGUMENTS_14 ARGUMENTS_13, n

#define FORWARD(name, library, count)                                                                 \
    extern "C" int name(PARAMETERS_##count) {                                                         \
        static const auto real = reinterpret_cast<int (*)(PARAMETERS_##count)>(find(library, #name)); \
        return real(ARGUMENTS_##count);                                                               \
    }

FORWARD(dgemm_, "libblas.so.3", 13)
FORWARD(sgemm_, "libblas.so.3", 13)
FORWARD(ssyrk_, "libblas.so.3", 10)
FORWARD(dgesvd_, "liblapack.so.3", 14)
FORWARD(dgetrf_, "liblapack.so.3", 6)
FORWARD(dgetri_, "liblapack.so.3", 7)
FORWARD(dsyev_, "liblapack.so.3", 9)
FORWARD(sgelsd_, "liblapack.so.3", 14)
FORWARD(sgeqrf_, "liblapack.so.3", 8)
FORWARD(sgesvd_, "liblapack.so.3", 14)
FORWARD(sgetrf_, "liblapack.so.3", 6)
FORWARD(sgetri_, "liblapack.so.3", 7)
FORWARD(sorgqr_, "liblapack.so.3", 9)
