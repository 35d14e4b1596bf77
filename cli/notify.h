// Telling others what a command did: a webhook, a command, a healthchecks url (https://healthchecks.io/docs/http_api/).
//
// Never changes how the command ends, and never holds it up longer than kNotifyLimitMs: what does not answer by then is given up,
// and named in a warning. Each is told once; nothing is tried again, because a person who was not told must not wait for it.
// Urls are secrets: they are never shown, nor put on a command line.
//
// Thread safety: one thread; it starts and joins its own. Errors: none: they become warnings.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/filesystem.h"
#include "base/http.h"
#include "cli/event.h"
#include "cli/notify_spec.h"

namespace ingot {

// Webhooks answer in tenths of a second. At night five seconds are nothing, and a minute is.
inline constexpr int64_t kNotifyLimitMs = 5000;

using MakeHttp = std::function<std::unique_ptr<Http>()>;

// One line for people: "restore of rag on box: restored, snapshot 3f2a91bc; out for 1.2 s, 3.4 s in all".
std::string event_text(const Event& event);
// One object with every field of the event, and `text`.
std::string event_json(const Event& event);
// The word of kNotifyEvents that it is, beside "failure"; empty for none.
std::string event_kind(const Event& event);

// Names that a template may hold between {{ and }}.
const std::vector<std::string>& template_fields();
// The names in the template that are none of those, and whether what comes out is JSON. Empty: it is good.
std::string template_problem(const std::string& webhook_template);
std::string filled_template(const std::string& webhook_template, const Event& event);

class Notifier {
public:
    using Warn = std::function<void(const std::string&)>;

    // `folder`: where the command runs. All of it outlives this.
    Notifier(FileSystem& fs, const NotifySpec& spec, std::string folder, Warn warn, MakeHttp make = make_http,
             int64_t limit_ms = kNotifyLimitMs);
    Notifier(const Notifier&) = delete;
    Notifier& operator=(const Notifier&) = delete;
    ~Notifier();

    // A snapshot begins: the healthchecks url is told, beside what comes next.
    void began();
    // Tells everybody who wants to hear of this, all at the same time.
    void ended(const Event& event);

private:
    bool wanted(const Event& event) const;
    void ping(const std::string& suffix, const std::string& body);
    void post_webhook(const Event& event);
    void run_command(const Event& event);
    void send(HttpRequest request, const std::string& to, int64_t limit_ms);

    FileSystem& fs_;
    const NotifySpec& spec_;
    std::string folder_;
    Warn warn_;
    MakeHttp make_;
    int64_t limit_ms_;
    std::atomic<int64_t> ended_ns_{0};
    std::jthread starting_;  // last: it is joined before what it uses goes
};

}  // namespace ingot
