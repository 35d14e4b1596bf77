#include "cli/notify.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "base/error.h"
#include "base/process.h"
#include "cli/credentials.h"
#include "cli/json.h"

namespace ingot {
namespace {

constexpr std::string_view kDefaultTemplate = R"({"text": "{{text}}"})";
// An answer is not read for what it says; of a page of HTML its beginning is enough.
constexpr uint64_t kAnswerLimitBytes = 64 << 10;
// A url is a line.
constexpr uint64_t kUrlLimitBytes = 8192;

JsonObject event_object(const Event& event) {
    JsonObject object;
    object.add("event", event.failed() ? std::string("failure") : event_kind(event)).add("command", event.command);
    object.add("stack", event.stack).add("host", event.host).add("outcome", event.outcome).add("exit", event.exit);
    object.add("began", iso_utc(event.began_ms)).add("duration_s", static_cast<double>(event.duration_ms) / 1000);
    object.add("outage_ms", event.outage_ms);
    object.add("snapshot_id", event.snapshot_id).add("restore_id", event.restore_id).add("reason", event.reason);
    object.add("error", printable(event.error)).add("hint", printable(event.hint)).add("text", event_text(event));
    return object;
}

// Every value as it stands in a JSON string, without its quotes.
std::map<std::string, std::string> values_of(const Event& event) {
    std::map<std::string, std::string> values;
    const nlohmann::json object = nlohmann::json::parse(event_object(event).text());
    for (const auto& [name, value] : object.items()) {
        const std::string text = json_text(value.is_string() ? value.get<std::string>() : value.dump());
        values[name] = text.substr(1, text.size() - 2);
    }
    return values;
}

// Calls `each` with what stands between {{ and }}, and puts what it returns there.
std::string replaced(const std::string& text, const std::function<std::string(const std::string&)>& each) {
    std::string out;
    for (size_t at = 0;;) {
        const size_t open = text.find("{{", at);
        const size_t close = open == std::string::npos ? open : text.find("}}", open);
        if (close == std::string::npos) return out.append(text, at, std::string::npos);
        std::string name = text.substr(open + 2, close - open - 2);
        name.erase(0, name.find_first_not_of(' '));
        name.erase(name.find_last_not_of(' ') + 1);
        out.append(text, at, open - at).append(each(name));
        at = close + 2;
    }
}

// The url is a secret: from the environment, or one of systemd's credentials.
std::string secret_url(FileSystem& fs, const std::string& name) {
    std::string url;
    if (const auto value = environment(name.c_str())) {
        url = *value;
    } else if (const auto folder = environment("CREDENTIALS_DIRECTORY"); folder && fs.exists(join(*folder, name))) {
        url = std::string(text_of(read_file(fs, join(*folder, name), kUrlLimitBytes)));
        url = url.substr(0, url.find('\n'));
    }
    if (url.empty()) throw Error(Code::failed, fmt::format("the environment variable {} is not set", printable(name)));
    return url;
}

}  // namespace

std::string event_kind(const Event& event) {
    if (event.command == "rollback" || event.command == "undo") return "restore";
    return std::ranges::find(kNotifyEvents, event.command) == kNotifyEvents.end() ? "" : event.command;
}

std::string event_text(const Event& event) {
    std::string text = fmt::format("ingot: {} of {} on {}", event.command, event.stack.empty() ? "?" : event.stack, event.host);
    text += event.failed() ? fmt::format(" FAILED (exit {})", event.exit) : "";
    if (!event.outcome.empty()) text += ": " + event.outcome;
    if (!event.snapshot_id.empty()) text += ", snapshot " + event.snapshot_id.substr(0, 8);
    if (event.outage_ms > 0) text += fmt::format(", services out for {}", human_duration(event.outage_ms));
    text += fmt::format(", {} in all", human_duration(event.duration_ms));
    if (!event.reason.empty()) text += "; reason: " + event.reason;
    if (!event.error.empty()) text += "; " + event.error;
    if (!event.hint.empty()) text += "; next: " + event.hint;
    return printable(text);
}

std::string event_json(const Event& event) { return event_object(event).text(); }

const std::vector<std::string>& template_fields() {
    static const std::vector<std::string> names = [] {
        std::vector<std::string> out;
        for (const auto& [name, value] : values_of({})) out.push_back(name);
        return out;
    }();
    return names;
}

std::string template_problem(const std::string& webhook_template) {
    std::string problem;
    const std::string filled = replaced(webhook_template, [&](const std::string& name) {
        const bool known = std::ranges::find(template_fields(), name) != template_fields().end();
        if (!known && problem.empty()) {
            problem = fmt::format("there is no {{{{{}}}}}; there are: {}", printable(name), fmt::join(template_fields(), ", "));
        }
        return std::string("0");  // good between quotes and without them
    });
    if (problem.empty() && !nlohmann::json::accept(filled)) {
        problem = "what comes out is not JSON; values stand between quotes: { \"text\": \"{{text}}\" }";
    }
    return problem;
}

std::string filled_template(const std::string& webhook_template, const Event& event) {
    const auto values = values_of(event);
    return replaced(webhook_template.empty() ? std::string(kDefaultTemplate) : webhook_template, [&](const std::string& name) {
        const auto found = values.find(name);
        return found == values.end() ? std::string() : found->second;
    });
}

Notifier::Notifier(FileSystem& fs, const NotifySpec& spec, std::string folder, Warn warn, MakeHttp make, int64_t limit_ms)
    : fs_(fs), spec_(spec), folder_(std::move(folder)), warn_(std::move(warn)), make_(std::move(make)), limit_ms_(limit_ms) {}

Notifier::~Notifier() {
    if (ended_ns_ == 0) ended_ns_ = mono_now_ns();
}

bool Notifier::wanted(const Event& event) const {
    if (event.failed()) return spec_.on.contains("failure");
    // A restore to a folder, or one that only planned, is nothing that anybody has to know of.
    if (event_kind(event) == "restore" && !event.changes_live) return false;
    return spec_.on.contains(event_kind(event));
}

void Notifier::send(HttpRequest request, const std::string& to, int64_t limit_ms) {
    request.shown = to;
    request.body_limit = kAnswerLimitBytes;
    request.deadlines = {limit_ms, limit_ms, limit_ms};
    request.despite_interrupt = true;  // that it was interrupted is what there is to tell
    const HttpResponse response = make_()->send(request);
    if (!response.ok()) throw Error(Code::failed, fmt::format("{} answered with status {}", to, response.status));
}

void Notifier::ping(const std::string& suffix, const std::string& body) {
    if (spec_.healthchecks.empty() && spec_.healthchecks_env.empty()) return;
    try {
        std::string url = spec_.healthchecks.empty() ? secret_url(fs_, spec_.healthchecks_env) : spec_.healthchecks;
        // "https://hc.example/ping/uuid?create=1": the suffix belongs to the path.
        const size_t query = std::min(url.find_first_of("?#"), url.size());
        std::string path = url.substr(0, query);
        while (path.ends_with('/')) path.pop_back();
        HttpRequest request;
        request.method = body.empty() ? "GET" : "POST";
        request.url = path + suffix + url.substr(query);
        request.headers = {{"Content-Type", "text/plain; charset=utf-8"}};
        request.body = body;
        // The end is told after the beginning, and both within the limit: a fifth of it for what is left of the first.
        if (suffix == "/start")
            request.stop_when = [this] { return ended_ns_ != 0 && mono_now_ns() > ended_ns_ + limit_ms_ * 200'000; };
        send(std::move(request), "the healthchecks url", suffix == "/start" ? limit_ms_ : limit_ms_ * 4 / 5);
    } catch (const std::exception& error) {
        warn_(fmt::format("the healthchecks url was not told: {}", error.what()));
    }
}

void Notifier::post_webhook(const Event& event) {
    if (spec_.webhook_env.empty()) return;
    try {
        HttpRequest request;
        request.method = "POST";
        request.url = secret_url(fs_, spec_.webhook_env);
        request.headers = {{"Content-Type", "application/json"}};
        request.body = filled_template(spec_.webhook_template, event);
        send(std::move(request), "the webhook", limit_ms_);
    } catch (const std::exception& error) {
        warn_(fmt::format("the webhook was not told: {}", error.what()));
    }
}

void Notifier::run_command(const Event& event) {
    if (spec_.command.empty()) return;
    try {
        Command command = Command::shell(spec_.command, folder_);
        command.limit_ms = limit_ms_;
        command.input = event_json(event) + "\n";
        (void)run_checked(command, "`command` of [notify]");
    } catch (const std::exception& error) {
        warn_(error.what());
    }
}

void Notifier::began() {
    if (spec_.healthchecks.empty() && spec_.healthchecks_env.empty()) return;
    starting_ = std::jthread([this] { ping("/start", ""); });
}

void Notifier::ended(const Event& event) {
    ended_ns_ = mono_now_ns();
    std::jthread checks, hook;
    if (event.command == "snapshot") {
        checks = std::jthread([&] {
            if (starting_.joinable()) starting_.join();
            ping(event.failed() ? "/fail" : "", event_text(event));
        });
    }
    if (!wanted(event)) return;
    hook = std::jthread([&] { post_webhook(event); });
    run_command(event);
}

}  // namespace ingot
