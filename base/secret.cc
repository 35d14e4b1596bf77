#include "base/secret.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/error.h"

namespace ingot {

Secret::Secret(size_t size) : size_(size) {
    if (size == 0) return;
    const auto page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
    mapped_ = (size + page - 1) / page * page;
    void* memory = ::mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw Error::from_errno("getting memory for", "a secret", errno);
    // Best effort: an unprivileged user's limit of locked memory may be smaller than what is asked for.
    (void)::mlock(memory, mapped_);
    (void)::madvise(memory, mapped_, MADV_DONTDUMP);
    data_ = static_cast<uint8_t*>(memory);
}

Secret Secret::copy_of(ByteView bytes) {
    Secret secret(bytes.size());
    if (!bytes.empty()) memcpy(secret.data_, bytes.data(), bytes.size());
    return secret;
}

Secret::Secret(Secret&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      mapped_(std::exchange(other.mapped_, 0)) {}

Secret& Secret::operator=(Secret&& other) noexcept {
    if (this != &other) {
        wipe();
        data_ = std::exchange(other.data_, nullptr);
        size_ = std::exchange(other.size_, 0);
        mapped_ = std::exchange(other.mapped_, 0);
    }
    return *this;
}

Secret::~Secret() { wipe(); }

void Secret::wipe() noexcept {
    if (data_ == nullptr) return;
    explicit_bzero(data_, mapped_);
    ::munmap(data_, mapped_);
    data_ = nullptr;
}

void wipe(std::span<uint8_t> bytes) noexcept {
    if (!bytes.empty()) explicit_bzero(bytes.data(), bytes.size());  // an empty span may have no address at all
}

}  // namespace ingot
