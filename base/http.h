// HTTP requests: one at a time, answered whole or to a sink, and never waited for without end.
//
// Http is an interface so that tests can answer in its place; make_http() is libcurl, which is named in base/http.cc only.
//
//   A status is an answer, not an error: 404 and 500 are returned. What is thrown is Error{request.code}: no connection, a
//   certificate that is not trusted, a deadline, an answer that ends before its end or is larger than its limit; or
//   Error{interrupted}. Errors name the url without what may be secret in it (shown_url), never headers or bodies.
//   Certificates are always verified. Proxies of the environment (http_proxy ...) are used, but never for the loopback.
//   Redirects are not followed unless asked: a header with a key would go along to wherever they point.
//
// Thread safety: an Http is used by one thread at a time; connections are kept open between its requests.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"

namespace ingot {

// Bytes to be sent that need not be in memory: read by offset, so that they can be sent again.
struct HttpUpload {
    uint64_t size = 0;
    // Fills as much of `out` as it can; less than that, or 0, before `size` is an error of the request.
    std::function<size_t(uint64_t offset, std::span<uint8_t> out)> read_at;
    // Empty: they are the body. Else the body is multipart/form-data with this one field, as a file of this name.
    std::string field;
    std::string file_name;
};

struct HttpDeadlines {
    int64_t connect_ms = 10'000;  // name, TCP and TLS
    int64_t total_ms = 0;         // everything; 0: none but the others
    int64_t idle_ms = 60'000;     // not one byte in either direction, counted from the connection on
};

struct HttpRequest {
    std::string method = "GET";
    std::string url;                                           // http:// or https://
    std::vector<std::pair<std::string, std::string>> headers;  // wiped from the library's memory after the request
    std::string body;                                          // sent with every method but GET and HEAD where not empty
    std::optional<HttpUpload> upload;                          // in place of `body`
    // Gets the body of an answer 2xx as it comes; what it throws ends the request and is thrown on. Empty: HttpResponse::body.
    std::function<void(ByteView)> body_to;
    uint64_t body_limit = 16 << 20;  // of HttpResponse::body; a longer answer 2xx is an error, other answers are cut
    HttpDeadlines deadlines;
    std::string ca_file;              // PEM; empty: the system's
    int redirects = 0;                // how many are followed
    std::function<bool()> stop_when;  // true: give up, as Error{interrupted}; asked several times a second
    // Goes on when a signal came: it takes back what must not stay (deletes what was made, undoes what was changed).
    bool despite_interrupt = false;
    Code code = Code::failed;
    std::string shown;  // what errors call the url; empty: shown_url(url)
};

struct HttpResponse {
    int status = 0;
    std::vector<std::pair<std::string, std::string>> headers;  // of the last answer, names in lower case
    std::string body;

    bool ok() const { return status >= 200 && status < 300; }
    // The first of that name (in lower case), or "".
    std::string_view header(std::string_view name) const;
};

class Http {
public:
    virtual ~Http() = default;
    virtual HttpResponse send(const HttpRequest& request) = 0;
};

std::unique_ptr<Http> make_http();

// The url with user, password, query and fragment left out; "(not a url)" where it cannot be parsed.
std::string shown_url(const std::string& url);
// One path component or query value: all but letters, digits, '-', '.', '_' and '~' percent-encoded.
std::string percent_encoded(std::string_view text);

}  // namespace ingot
