#include "drivers/redis_tls.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>

namespace ingot {
namespace {

// The last words of OpenSSL's queue, which is emptied.
std::string openssl_says() {
    std::string out;
    while (const unsigned long code = ERR_get_error()) {
        const char* text = ERR_reason_error_string(code);
        out = text == nullptr ? fmt::format("error {:x}", code) : text;
    }
    return out;
}

bool is_address(const std::string& host) {
    in6_addr address{};
    return ::inet_pton(AF_INET, host.c_str(), &address) == 1 || ::inet_pton(AF_INET6, host.c_str(), &address) == 1;
}

// A socket that raises no SIGPIPE: OpenSSL's own BIO writes with write(2).
int socket_of(BIO* bio) { return static_cast<int>(reinterpret_cast<intptr_t>(BIO_get_data(bio))); }

int bio_result(BIO* bio, ssize_t n, bool writing) {
    BIO_clear_retry_flags(bio);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) writing ? BIO_set_retry_write(bio) : BIO_set_retry_read(bio);
    if (n == 0 && !writing) BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
    return static_cast<int>(n);
}

int bio_write(BIO* bio, const char* bytes, int size) {
    return bio_result(bio, ::send(socket_of(bio), bytes, static_cast<size_t>(size), MSG_NOSIGNAL | MSG_DONTWAIT), true);
}

int bio_read(BIO* bio, char* out, int size) {
    return bio_result(bio, ::recv(socket_of(bio), out, static_cast<size_t>(size), MSG_DONTWAIT), false);
}

long bio_control(BIO* bio, int command, long, void*) {
    if (command == BIO_CTRL_EOF) return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0 ? 1 : 0;
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

BIO* socket_bio(int socket) {
    static BIO_METHOD* const method = [] {
        BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket");
        BIO_meth_set_write(made, bio_write);
        BIO_meth_set_read(made, bio_read);
        BIO_meth_set_ctrl(made, bio_control);
        return made;
    }();
    BIO* bio = BIO_new(method);
    if (bio == nullptr) return nullptr;
    BIO_set_data(bio, reinterpret_cast<void*>(static_cast<intptr_t>(socket)));
    BIO_set_init(bio, 1);
    return bio;
}

}  // namespace

struct RedisTls::Parts {
    std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context{nullptr, SSL_CTX_free};
    std::unique_ptr<SSL, decltype(&SSL_free)> session{nullptr, SSL_free};
};

RedisTls::RedisTls(int socket, const RedisSettings& settings, const std::string& host, const std::string& shown, Code code)
    : parts_(std::make_unique<Parts>()), shown_(shown), source_(settings.source), code_(code) {
    const auto require = [&](bool good, const std::string& what, const std::string& hint = {}) {
        const std::string said = openssl_says();
        if (!good)
            throw Error(code_, fmt::format("{} ({}): {}{}{}", shown_, source_, what, said.empty() ? "" : ": ", said), hint);
    };
    ERR_clear_error();
    parts_->context.reset(SSL_CTX_new(TLS_client_method()));
    SSL_CTX* context = parts_->context.get();
    require(context != nullptr, "TLS");
    require(SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1, "TLS 1.2");
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (settings.tls_ca.empty()) {
        require(SSL_CTX_set_default_verify_paths(context) == 1, "the system's certificates");
    } else {
        require(SSL_CTX_load_verify_locations(context, settings.tls_ca.c_str(), nullptr) == 1,
                "reading the certificates of `tls_ca` in " + printable(settings.tls_ca),
                "name a file of certificates in PEM form that this user may read");
    }
    if (!settings.tls_cert.empty()) {
        require(SSL_CTX_use_certificate_chain_file(context, settings.tls_cert.c_str()) == 1,
                "reading the certificate of `tls_cert` in " + printable(settings.tls_cert),
                "name a file in PEM form that this user may read");
        require(SSL_CTX_use_PrivateKey_file(context, settings.tls_key.c_str(), SSL_FILETYPE_PEM) == 1,
                "reading the key of `tls_key` in " + printable(settings.tls_key),
                "name the key of that certificate, in PEM form without a passphrase, that this user may read");
    }
    parts_->session.reset(SSL_new(context));
    SSL* session = parts_->session.get();
    require(session != nullptr, "TLS");
    const std::string name = settings.tls_name.empty() ? host : settings.tls_name;
    if (is_address(name)) {
        require(X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(session), name.c_str()) == 1, "the address " + printable(name));
    } else {
        require(SSL_set1_host(session, name.c_str()) == 1 && SSL_set_tlsext_host_name(session, name.c_str()) == 1,
                "the name " + printable(name));
    }
    BIO* bio = socket_bio(socket);
    require(bio != nullptr, "TLS");
    SSL_set_bio(session, bio, bio);  // owned by the session
    SSL_set_connect_state(session);
}

RedisTls::~RedisTls() = default;

bool RedisTls::begun() const { return SSL_is_init_finished(parts_->session.get()) == 1; }

RedisTls::Done RedisTls::write(ByteView bytes) {
    ERR_clear_error();
    return done(SSL_write(parts_->session.get(), bytes.data(), static_cast<int>(std::min<size_t>(bytes.size(), 1 << 30))));
}

RedisTls::Done RedisTls::read(std::span<uint8_t> out) {
    ERR_clear_error();
    return done(SSL_read(parts_->session.get(), out.data(), static_cast<int>(std::min<size_t>(out.size(), 1 << 30))));
}

RedisTls::Done RedisTls::done(int result) const {
    if (result > 0) return {static_cast<size_t>(result), 0};
    const int system = errno;
    SSL* session = parts_->session.get();
    switch (SSL_get_error(session, result)) {
        case SSL_ERROR_WANT_READ:
            return {0, POLLIN};
        case SSL_ERROR_WANT_WRITE:
            return {0, POLLOUT};
        case SSL_ERROR_ZERO_RETURN:
            return {};
        default:
            break;
    }
    const std::string said = openssl_says();
    // A server that ends without a goodbye: what came before was authenticated piece by piece, and RESP tells its own ends.
    if (begun() && (said == "unexpected eof while reading" || (said.empty() && system == 0))) return {};
    if (const long verdict = SSL_get_verify_result(session); verdict != X509_V_OK) {
        throw Error(
            code_,
            fmt::format("{} ({}): its certificate is not trusted: {}", shown_, source_, X509_verify_cert_error_string(verdict)),
            fmt::format(
                "name the authority that signed it, tls_ca = \"/etc/redis/ca.crt\" in [sources.{}], and the name that it is "
                "for: tls_name",
                source_));
    }
    const std::string why = said.empty() ? (system == 0 ? "the connection ended" : std::strerror(system)) : said;
    throw Error(
        code_, fmt::format("{} ({}): {}: {}", shown_, source_, begun() ? "TLS" : "beginning TLS", why),
        begun()
            ? "see the server's log"
            : "see that this is the server's TLS port (tls-port), and whether it asks for a certificate: tls_cert and tls_key");
}

}  // namespace ingot
