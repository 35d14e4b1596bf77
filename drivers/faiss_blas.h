// BLAS and LAPACK for FAISS, loaded when they are first called (drivers/faiss_blas.cc).
#pragma once

namespace ingot {

// The exit status of a process whose FAISS needed a library that is not installed; which one is on standard error. Whoever links
// FAISS must name it: the linker then takes the functions along, which only FAISS calls.
extern const int kFaissNoLibrary;

}  // namespace ingot
