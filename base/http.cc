#include "base/http.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <exception>
#include <mutex>

#include "base/clock.h"
#include "base/interrupt.h"
#include "base/secret.h"

namespace ingot {
namespace {

// How long one wait for the network takes at most, before deadlines and interrupts are looked at.
constexpr int kTickMs = 50;
// Answers that are not 2xx say why in a few lines; a page of a proxy may be longer, and its beginning is enough.
constexpr uint64_t kMostRefusalBytes = 64 << 10;
// A thousand headers of 64 KiB are none of a server's that means well.
constexpr size_t kMostHeaderBytes = 1 << 20;

struct UrlFree {
    void operator()(CURLU* url) const { curl_url_cleanup(url); }
};
struct CharFree {
    void operator()(char* text) const { curl_free(text); }
};
using Url = std::unique_ptr<CURLU, UrlFree>;

Url parse_url(const std::string& text) {
    Url out(curl_url());
    if (!out || curl_url_set(out.get(), CURLUPART_URL, text.c_str(), CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK) return nullptr;
    return out;
}

std::string part_of(const Url& url, CURLUPart part) {
    char* text = nullptr;
    if (curl_url_get(url.get(), part, &text, 0) != CURLUE_OK) return {};
    const std::unique_ptr<char, CharFree> owner(text);
    return text;
}

bool is_loopback(std::string host) {
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    std::transform(host.begin(), host.end(), host.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    if (host == "localhost" || host.ends_with(".localhost") || host == "::1") return true;
    return host.starts_with("127.") && host.find_first_not_of("0123456789.") == std::string::npos;
}

// A list of headers, which may hold keys.
class Headers {
public:
    Headers() = default;
    Headers(const Headers&) = delete;
    Headers& operator=(const Headers&) = delete;
    ~Headers() {
        for (curl_slist* line = list_; line != nullptr; line = line->next)
            wipe({reinterpret_cast<uint8_t*>(line->data), std::char_traits<char>::length(line->data)});
        curl_slist_free_all(list_);
    }
    void add(std::string line) {
        curl_slist* longer = curl_slist_append(list_, line.c_str());
        wipe({reinterpret_cast<uint8_t*>(line.data()), line.size()});
        if (longer == nullptr) throw std::bad_alloc();
        list_ = longer;
    }
    curl_slist* get() const { return list_; }

private:
    curl_slist* list_ = nullptr;
};

// One request under way: what the library's callbacks see.
struct Exchange {
    explicit Exchange(const HttpRequest& asked) : request(asked) {}
    Exchange(const Exchange&) = delete;
    Exchange& operator=(const Exchange&) = delete;
    ~Exchange() { curl_mime_free(mime); }

    const HttpRequest& request;
    HttpResponse response;
    std::exception_ptr thrown;  // by a callback, which must not throw through C
    bool too_large = false;
    bool upload_short = false;
    bool headers_ended = false;  // the library takes a head that is cut off for a whole one
    uint64_t upload_offset = 0;
    size_t header_bytes = 0;
    int64_t moved_ns = 0;  // when a byte was last seen to move
    curl_mime* mime = nullptr;

    void moved() { moved_ns = mono_now_ns(); }
    bool wants_sink() const { return request.body_to && response.ok(); }
};

size_t take_header(char* data, size_t, size_t size, void* into) {
    Exchange& exchange = *static_cast<Exchange*>(into);
    exchange.moved();
    exchange.header_bytes += size;
    if (exchange.header_bytes > kMostHeaderBytes) {
        exchange.too_large = true;
        return 0;
    }
    std::string_view line(data, size);
    while (line.ends_with('\n') || line.ends_with('\r')) line.remove_suffix(1);
    if (line.starts_with("HTTP/")) {  // of an answer before the last one: 100 Continue, a redirect
        exchange.response = {};
        exchange.headers_ended = false;
        const size_t blank = line.find(' ');
        if (blank != std::string_view::npos && line.size() >= blank + 4) {
            for (const char digit : line.substr(blank + 1, 3)) {
                exchange.response.status = exchange.response.status * 10 + (digit >= '0' && digit <= '9' ? digit - '0' : 0);
            }
        }
        return size;
    }
    if (line.empty()) exchange.headers_ended = true;
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos) return size;
    std::string name(line.substr(0, colon));
    std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    std::string_view value = line.substr(colon + 1);
    while (value.starts_with(' ') || value.starts_with('\t')) value.remove_prefix(1);
    while (value.ends_with(' ') || value.ends_with('\t')) value.remove_suffix(1);
    exchange.response.headers.emplace_back(std::move(name), value);
    return size;
}

size_t take_body(char* data, size_t, size_t size, void* into) {
    Exchange& exchange = *static_cast<Exchange*>(into);
    exchange.moved();
    try {
        if (exchange.wants_sink()) {
            exchange.request.body_to({reinterpret_cast<const uint8_t*>(data), size});
            exchange.moved();  // the time that the sink took is not the server's
            return size;
        }
    } catch (...) {
        exchange.thrown = std::current_exception();
        return 0;
    }
    std::string& body = exchange.response.body;
    const uint64_t limit = exchange.response.ok() ? exchange.request.body_limit : kMostRefusalBytes;
    const uint64_t room = limit - std::min<uint64_t>(limit, body.size());
    body.append(data, static_cast<size_t>(std::min<uint64_t>(room, size)));
    if (size <= room || !exchange.response.ok()) return size;
    exchange.too_large = true;
    return 0;
}

size_t give_upload(char* data, size_t, size_t size, void* from) {
    Exchange& exchange = *static_cast<Exchange*>(from);
    exchange.moved();
    const HttpUpload& upload = *exchange.request.upload;
    const auto wanted = static_cast<size_t>(std::min<uint64_t>(size, upload.size - exchange.upload_offset));
    if (wanted == 0) return 0;
    try {
        const size_t n = upload.read_at(exchange.upload_offset, {reinterpret_cast<uint8_t*>(data), wanted});
        exchange.upload_offset += n;
        exchange.upload_short = n == 0;
        return n == 0 ? CURL_READFUNC_ABORT : n;
    } catch (...) {
        exchange.thrown = std::current_exception();
        return CURL_READFUNC_ABORT;
    }
}

// Called to begin again, where a kept connection turns out to be closed.
int seek_upload(void* from, curl_off_t offset, int origin) {
    if (origin != SEEK_SET) return CURL_SEEKFUNC_CANTSEEK;
    static_cast<Exchange*>(from)->upload_offset = static_cast<uint64_t>(offset);
    return CURL_SEEKFUNC_OK;
}

class CurlHttp : public Http {
public:
    CurlHttp() {
        static std::once_flag once;
        std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
        multi_ = curl_multi_init();
        easy_ = curl_easy_init();
        if (multi_ == nullptr || easy_ == nullptr) throw Error(Code::failed, "libcurl could not be started");
    }
    CurlHttp(const CurlHttp&) = delete;
    CurlHttp& operator=(const CurlHttp&) = delete;
    ~CurlHttp() override {
        curl_easy_cleanup(easy_);
        curl_multi_cleanup(multi_);
    }

    HttpResponse send(const HttpRequest& request) override {
        const std::string shown = request.shown.empty() ? shown_url(request.url) : request.shown;
        const Url url = parse_url(request.url);
        const std::string scheme = url ? part_of(url, CURLUPART_SCHEME) : "";
        if (scheme != "http" && scheme != "https")
            throw Error(Code::usage, shown + " is no http:// or https:// address", "write it as http://127.0.0.1:6333");
        Exchange exchange(request);
        Headers headers;
        const Forget forget{easy_};
        prepare(exchange, headers, is_loopback(part_of(url, CURLUPART_HOST)));
        const CURLcode result = run(exchange, shown);
        if (exchange.thrown) std::rethrow_exception(exchange.thrown);
        if (result != CURLE_OK) throw why(result, exchange, shown);
        if (!exchange.headers_ended) throw why(CURLE_GOT_NOTHING, exchange, shown);
        return std::move(exchange.response);
    }

private:
    // The handle outlives the request, and must not point to what does not.
    struct Forget {
        CURL* easy;
        ~Forget() { curl_easy_reset(easy); }
    };

    template <class T>
    void set(CURLoption option, T value) {
        if (const CURLcode result = curl_easy_setopt(easy_, option, value); result != CURLE_OK) {
            throw Error(Code::failed,
                        fmt::format("libcurl does not take option {}: {}", static_cast<int>(option), curl_easy_strerror(result)));
        }
    }

    static void require_line(const std::string& text) {
        if (text.find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos)
            throw Error(Code::usage, "a header or method of an HTTP request holds a line end", "look for one in a key or token");
    }

    void prepare(Exchange& exchange, Headers& headers, bool loopback) {
        const HttpRequest& request = exchange.request;
        curl_easy_reset(easy_);
        error_[0] = '\0';
        require_line(request.method);
        set(CURLOPT_URL, request.url.c_str());
        set(CURLOPT_PROTOCOLS_STR, "http,https");
        set(CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
        set(CURLOPT_NOSIGNAL, 1L);
        set(CURLOPT_ERRORBUFFER, error_.data());
        set(CURLOPT_HTTP_VERSION, long{CURL_HTTP_VERSION_1_1});
        set(CURLOPT_USERAGENT, "ingot");
        // "" is no proxy at all, whatever the environment says.
        if (loopback) set(CURLOPT_PROXY, "");
        if (!request.ca_file.empty()) set(CURLOPT_CAINFO, request.ca_file.c_str());
        set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(request.deadlines.connect_ms));
        if (request.deadlines.total_ms > 0) set(CURLOPT_TIMEOUT_MS, static_cast<long>(request.deadlines.total_ms));
        if (request.redirects > 0) {
            set(CURLOPT_FOLLOWLOCATION, 1L);
            set(CURLOPT_MAXREDIRS, static_cast<long>(request.redirects));
        }
        set(CURLOPT_HEADERFUNCTION, take_header);
        set(CURLOPT_HEADERDATA, static_cast<void*>(&exchange));
        set(CURLOPT_WRITEFUNCTION, take_body);
        set(CURLOPT_WRITEDATA, static_cast<void*>(&exchange));

        if (request.upload && !request.upload->field.empty()) {
            exchange.mime = curl_mime_init(easy_);
            curl_mimepart* part = curl_mime_addpart(exchange.mime);
            curl_mime_name(part, request.upload->field.c_str());
            curl_mime_filename(part, request.upload->file_name.c_str());
            curl_mime_type(part, "application/octet-stream");
            curl_mime_data_cb(part, static_cast<curl_off_t>(request.upload->size), give_upload, seek_upload, nullptr, &exchange);
            set(CURLOPT_MIMEPOST, exchange.mime);
        } else if (request.upload) {
            set(CURLOPT_UPLOAD, 1L);
            set(CURLOPT_READFUNCTION, give_upload);
            set(CURLOPT_READDATA, static_cast<void*>(&exchange));
            set(CURLOPT_SEEKFUNCTION, seek_upload);
            set(CURLOPT_SEEKDATA, static_cast<void*>(&exchange));
            set(CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(request.upload->size));
        } else if (request.method == "HEAD") {
            set(CURLOPT_NOBODY, 1L);
        } else if (request.method != "GET" && (request.method == "POST" || request.method == "PUT" || !request.body.empty())) {
            set(CURLOPT_POST, 1L);
            set(CURLOPT_POSTFIELDS, request.body.c_str());
            set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
        }
        if (request.method != "HEAD") set(CURLOPT_CUSTOMREQUEST, request.method.c_str());
        // A server that does not know "Expect: 100-continue" would cost a second each time.
        headers.add("Expect:");
        for (const auto& [name, value] : request.headers) {
            require_line(name);
            require_line(value);
            headers.add(value.empty() ? name + ";" : name + ": " + value);
        }
        set(CURLOPT_HTTPHEADER, headers.get());
    }

    CURLcode run(Exchange& exchange, const std::string& shown) {
        const HttpRequest& request = exchange.request;
        curl_multi_add_handle(multi_, easy_);
        struct Remove {
            CURLM* multi;
            CURL* easy;
            ~Remove() { curl_multi_remove_handle(multi, easy); }
        } remove{multi_, easy_};
        exchange.moved();
        // What was sent of a body from memory shows in the counter alone.
        curl_off_t sent_before = 0;
        for (;;) {
            int running = 0;
            if (const CURLMcode result = curl_multi_perform(multi_, &running); result != CURLM_OK)
                throw Error(request.code, fmt::format("{}: {}", shown, curl_multi_strerror(result)));
            int queued = 0;
            while (const CURLMsg* message = curl_multi_info_read(multi_, &queued)) {
                if (message->msg == CURLMSG_DONE) return message->data.result;
            }
            if ((interrupted() && !request.despite_interrupt) || (request.stop_when && request.stop_when()))
                throw Error(Code::interrupted, "interrupted while waiting for " + shown);
            curl_off_t sent = 0;
            curl_easy_getinfo(easy_, CURLINFO_SIZE_UPLOAD_T, &sent);
            if (sent != sent_before) exchange.moved();
            sent_before = sent;
            const int64_t idle_ms = (mono_now_ns() - exchange.moved_ns) / 1'000'000;
            if (idle_ms > request.deadlines.idle_ms + (connected() ? 0 : request.deadlines.connect_ms)) {
                throw Error(request.code, fmt::format("{} sent nothing for {}", shown, human_duration(idle_ms)),
                            "the server hangs or is overloaded: look at its log");
            }
            curl_multi_poll(multi_, nullptr, 0, kTickMs, nullptr);
        }
    }

    bool connected() {
        curl_off_t us = 0;
        curl_easy_getinfo(easy_, CURLINFO_PRETRANSFER_TIME_T, &us);
        return us > 0;
    }

    Error why(CURLcode result, const Exchange& exchange, const std::string& shown) const {
        const HttpRequest& request = exchange.request;
        if (exchange.too_large) {
            return {request.code, fmt::format("the answer of {} is larger than {}", shown, human_bytes(request.body_limit)),
                    "is this the address of the right server?"};
        }
        if (exchange.upload_short) return {request.code, fmt::format("what was to be sent to {} ended too early", shown)};
        const std::string cause = error_[0] != '\0' ? error_.data() : curl_easy_strerror(result);
        const std::string what = fmt::format("{} {}: {}", request.method, shown, printable(cause));
        switch (result) {
            case CURLE_COULDNT_CONNECT:
            case CURLE_COULDNT_RESOLVE_HOST:
            case CURLE_COULDNT_RESOLVE_PROXY:
                return {request.code, what, "is the server running, and is its address right?"};
            case CURLE_OPERATION_TIMEDOUT:
                return {request.code, what, "the server hangs, or needs longer than the time limit"};
            case CURLE_PEER_FAILED_VERIFICATION:
            case CURLE_SSL_CACERT_BADFILE:
                return {request.code, what, "name the certificate authority of the server in `ca_file`, in PEM form"};
            case CURLE_PARTIAL_FILE:
            case CURLE_RECV_ERROR:
            case CURLE_SEND_ERROR:
            case CURLE_GOT_NOTHING:
                return {request.code, what, "the server ended the connection: look at its log"};
            default:
                return {request.code, what};
        }
    }

    CURLM* multi_ = nullptr;
    CURL* easy_ = nullptr;
    std::array<char, CURL_ERROR_SIZE> error_{};
};

}  // namespace

std::string_view HttpResponse::header(std::string_view name) const {
    for (const auto& [key, value] : headers) {
        if (key == name) return value;
    }
    return {};
}

std::unique_ptr<Http> make_http() { return std::make_unique<CurlHttp>(); }

std::string shown_url(const std::string& text) {
    const Url url = parse_url(text);
    if (!url) return "(not a url)";
    for (const CURLUPart part : {CURLUPART_USER, CURLUPART_PASSWORD, CURLUPART_OPTIONS, CURLUPART_QUERY, CURLUPART_FRAGMENT})
        curl_url_set(url.get(), part, nullptr, 0);
    return printable(part_of(url, CURLUPART_URL));
}

std::string percent_encoded(std::string_view text) {
    std::string out;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        const bool plain = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') ||
                           byte == '-' || byte == '.' || byte == '_' || byte == '~';
        out += plain ? std::string(1, c) : fmt::format("%{:02X}", byte);
    }
    return out;
}

}  // namespace ingot
