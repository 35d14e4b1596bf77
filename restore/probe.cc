#include "restore/probe.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/clock.h"
#include "base/error.h"
#include "base/interrupt.h"
#include "base/process.h"
#include "base/step.h"
#include "restore/target.h"
#include "restore/tcp_probe.h"
#include "restore/top_k_probe.h"

namespace ingot {
namespace {

// How soon a signal is noticed while a probe waits for its next turn.
constexpr int64_t kTickMs = 50;
// What an answer may hold that is looked through; health pages are small.
constexpr uint64_t kBodyLimitBytes = 1 << 20;
// How much of what was found an error quotes.
constexpr size_t kQuotedBytes = 100;

void wait_ms(int64_t ms) {
    const int64_t until_ns = mono_now_ns() + ms * 1'000'000;
    for (int64_t left = ms; left > 0; left = (until_ns - mono_now_ns()) / 1'000'000) {
        if (interrupted()) return;
        std::this_thread::sleep_for(std::chrono::milliseconds(std::min(left, kTickMs)));
    }
}

std::string text_of_fact(const Fact& fact) {
    if (const auto* whole = std::get_if<int64_t>(&fact)) return std::to_string(*whole);
    if (const auto* number = std::get_if<double>(&fact)) return fmt::format("{}", *number);
    return std::get<std::string>(fact);
}

bool number_from(const std::string& text, double& out) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    return error == std::errc() && end == text.data() + text.size() && !text.empty() && std::isfinite(out);
}

std::string quoted(const std::string& text) {
    return "\"" + printable(text.substr(0, kQuotedBytes)) + (text.size() > kQuotedBytes ? "..." : "") + "\"";
}

[[noreturn]] void unlike(const std::string& what) { throw Error(Code::failed, what); }

void require_json(const std::string& body, const std::map<std::string, std::string>& wanted) {
    if (wanted.empty()) return;
    const nlohmann::json answer = nlohmann::json::parse(body, nullptr, false);
    if (answer.is_discarded()) unlike("the answer is not JSON: " + quoted(body));
    for (const auto& [pointer, value] : wanted) {
        const nlohmann::json::json_pointer place(pointer);
        if (!answer.contains(place)) unlike(fmt::format("the answer has nothing at {}", printable(pointer)));
        const nlohmann::json& found = answer.at(place);
        const std::string text = found.is_string() ? found.get<std::string>() : found.dump();
        if (!value_matches(value, text, 0)) {
            unlike(fmt::format("{} is {} and not {}", printable(pointer), quoted(text), quoted(value)));
        }
    }
}

}  // namespace

bool value_matches(const std::string& expected, const std::string& found, double tolerance) {
    double a = 0, b = 0;
    if (number_from(expected, a) && number_from(found, b)) return std::abs(a - b) <= tolerance * std::abs(a);
    return expected == found;
}

std::map<std::string, std::string> expectations(const Stack& stack, const Manifest& manifest,
                                                const std::vector<std::string>& restored) {
    std::map<std::string, std::string> out;
    for (const ProbeSpec& probe : stack.probes) {
        if (probe.fact.empty() || std::ranges::find(restored, probe.source) == restored.end()) continue;
        const ManifestSource* source = manifest.find(probe.source);
        const auto fact = source == nullptr ? Facts::const_iterator() : source->facts.find(probe.fact);
        if (source == nullptr || fact == source->facts.end()) {
            throw Error(Code::failed,
                        fmt::format("the probe {} compares with {}.{}, which this snapshot does not hold", printable(probe.name),
                                    probe.source, probe.fact),
                        "take the probe out of the config for this restore, or give it a `value`");
        }
        out[probe.name] = text_of_fact(fact->second);
    }
    return out;
}

Prober::Prober(const Stack& stack, const std::map<std::string, std::string>& expected, Timeline& timeline, Progress& progress,
               Http* http)
    : stack_(stack), expected_(expected), timeline_(timeline), progress_(progress), http_(http) {}

Http& Prober::http() {
    if (http_ != nullptr) return *http_;
    if (own_http_ == nullptr) own_http_ = make_http();
    return *own_http_;
}

void Prober::run() {
    for (const ProbeSpec& probe : stack_.probes) {
        const bool compares = !probe.fact.empty() || probe.kind == ProbeSpec::Kind::top_k;
        if (!compares || expected_.contains(probe.name)) run(probe);
    }
}

void Prober::run(const ProbeSpec& probe) {
    timeline_.timed("probe " + probe.name, [&]() -> std::string {
        const int64_t until_ns = mono_now_ns() + probe.timeout_ms * 1'000'000;
        for (int tries = 1;; ++tries) {
            check_interrupted();
            const int64_t left_ms = std::max<int64_t>(1, (until_ns - mono_now_ns()) / 1'000'000);
            try {
                attempt(probe, left_ms);
                step("restore.probe-passed");
                return tries == 1 ? "" : fmt::format("at try {}", tries);
            } catch (const Error& error) {
                if (error.code() == Code::interrupted) throw;
                if (tries == 1) {
                    progress_.note(fmt::format("probe {}: {}; asking again for {}", printable(probe.name), error.what(),
                                               human_duration(probe.timeout_ms)));
                }
                if (mono_now_ns() + probe.interval_ms * 1'000'000 >= until_ns) {
                    throw Error(Code::failed,
                                fmt::format("the probe {} failed, {} in {}: {}", printable(probe.name),
                                            tries == 1 ? "asked once" : fmt::format("asked {} times", tries),
                                            human_duration(probe.timeout_ms), error.what()),
                                error.hint().empty()
                                    ? "look at the services' logs of that time; `timeout` is how long it is asked"
                                    : error.hint());
                }
            }
            wait_ms(probe.interval_ms);
        }
    });
}

void Prober::attempt(const ProbeSpec& probe, int64_t limit_ms) {
    switch (probe.kind) {
        case ProbeSpec::Kind::http:
            return ask_http(probe, limit_ms);
        case ProbeSpec::Kind::tcp:
            return connect_tcp(probe.target, limit_ms);
        case ProbeSpec::Kind::command:
            return run_command(probe, limit_ms);
        case ProbeSpec::Kind::sql:
        case ProbeSpec::Kind::count:
            return ask_sql(probe);
        case ProbeSpec::Kind::top_k:
            return ask_top_k(probe, source_of(probe), expected_.at(probe.name));
    }
}

void Prober::ask_http(const ProbeSpec& probe, int64_t limit_ms) {
    HttpRequest request;
    request.url = probe.target;
    request.body_limit = kBodyLimitBytes;
    request.deadlines = {.connect_ms = limit_ms, .total_ms = limit_ms, .idle_ms = limit_ms};
    request.stop_when = [] { return interrupted(); };
    const HttpResponse answer = http().send(request);
    const bool good = probe.status == 0 ? answer.ok() : answer.status == probe.status;
    if (!good) unlike(fmt::format("{} answers with status {}", shown_url(probe.target), answer.status));
    if (answer.body.find(probe.contains) == std::string::npos) {
        unlike(fmt::format("the answer of {} does not contain {}: {}", shown_url(probe.target), quoted(probe.contains),
                           quoted(answer.body)));
    }
    require_json(answer.body, probe.json);
}

void Prober::run_command(const ProbeSpec& probe, int64_t limit_ms) const {
    Command command = Command::shell(probe.target, stack_.root);
    command.limit_ms = limit_ms;
    command.stop_when = [] { return interrupted(); };
    (void)run_checked(command, "its command");
}

Driver& Prober::source_of(const ProbeSpec& probe) const {
    Driver* driver = find_driver_of(stack_, probe.source);
    if (driver == nullptr) unlike(fmt::format("there is no source {} to be asked", printable(probe.source)));
    return *driver;
}

void Prober::ask_sql(const ProbeSpec& probe) const {
    const std::string found = text_of_fact(source_of(probe).ask_live(probe.target));
    const auto expected = expected_.find(probe.name);
    const std::string& wanted = expected == expected_.end() ? probe.value : expected->second;
    if (value_matches(wanted, found, probe.tolerance)) return;
    unlike(fmt::format("{} has {} and not {}{}", probe.source, quoted(found), quoted(wanted),
                       probe.tolerance > 0 ? fmt::format(" within {} %", probe.tolerance * 100) : ""));
}

}  // namespace ingot
