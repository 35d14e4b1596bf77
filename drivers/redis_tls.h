// TLS to a Redis or Valkey server, by OpenSSL, over a socket that is connected already.
//
// The server's certificate is verified, always, and its name or address against the url's host: there is no way to leave that
// out. A private authority is named with `tls_ca`. TLS 1.2 and later.
//
// Thread safety: one thread, but for shutdown(2) on the socket. Lifetime: within the socket's.
// Errors: Error{code given}, with what OpenSSL says and what to do about it.
#pragma once

#include <memory>
#include <string>

#include "base/bytes.h"
#include "base/error.h"
#include "drivers/redis_settings.h"

namespace ingot {

class RedisTls {
public:
    // Reads the certificates; the handshake comes with the first read() or write(). `shown` names the server in errors.
    RedisTls(int socket, const RedisSettings& settings, const std::string& host, const std::string& shown, Code code);
    ~RedisTls();
    RedisTls(const RedisTls&) = delete;
    RedisTls& operator=(const RedisTls&) = delete;

    struct Done {
        size_t bytes = 0;    // 0: nothing yet, or the end
        short wait_for = 0;  // POLLIN or POLLOUT, then the same again; 0: done
    };
    // Neither waits.
    Done write(ByteView bytes);
    Done read(std::span<uint8_t> out);
    // The handshake is over.
    bool begun() const;

private:
    struct Parts;
    Done done(int result) const;

    std::unique_ptr<Parts> parts_;
    const std::string shown_;
    const std::string source_;
    const Code code_;
};

}  // namespace ingot
