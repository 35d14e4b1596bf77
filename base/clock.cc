#include "base/clock.h"

#include <fmt/format.h>

#include <array>
#include <cctype>
#include <cstdlib>
#include <ctime>

#include "base/error.h"

namespace ingot {

static int64_t read_clock_ns(clockid_t id) {
    timespec ts{};
    clock_gettime(id, &ts);
    return static_cast<int64_t>(ts.tv_sec) * 1'000'000'000 + ts.tv_nsec;
}

int64_t wall_now_ms() { return read_clock_ns(CLOCK_REALTIME) / 1'000'000; }
int64_t mono_now_ns() { return read_clock_ns(CLOCK_MONOTONIC); }
Moment now() { return {wall_now_ms(), mono_now_ns()}; }

static int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }

std::string iso_utc(int64_t wall_ms) {
    const time_t seconds = floor_div(wall_ms, 1000);
    tm parts{};
    gmtime_r(&seconds, &parts);
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday,
                       parts.tm_hour, parts.tm_min, parts.tm_sec, wall_ms - seconds * 1000);
}

std::string local_time(int64_t wall_ms) {
    const time_t seconds = floor_div(wall_ms, 1000);
    tm parts{};
    localtime_r(&seconds, &parts);
    std::array<char, 64> text{};
    strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S %z", &parts);
    return text.data();
}

namespace {

// A reader of fixed-width decimal fields.
class Fields {
public:
    explicit Fields(std::string_view text) : text_(text) {}
    bool number(size_t width, int& out) {
        if (text_.size() < width) return false;
        out = 0;
        for (size_t i = 0; i < width; ++i) {
            if (text_[i] < '0' || text_[i] > '9') return false;
            out = out * 10 + (text_[i] - '0');
        }
        text_.remove_prefix(width);
        return true;
    }
    bool any_of(std::string_view set) {
        if (text_.empty() || set.find(text_[0]) == std::string_view::npos) return false;
        text_.remove_prefix(1);
        return true;
    }
    bool done() const { return text_.empty(); }
    std::string_view rest() const { return text_; }

private:
    std::string_view text_;
};

bool plausible(const tm& t) {
    return t.tm_mon >= 0 && t.tm_mon < 12 && t.tm_mday >= 1 && t.tm_mday <= 31 && t.tm_hour < 24 && t.tm_min < 60 &&
           t.tm_sec < 61;
}

// Milliseconds of a calendar time, or false where the text is not one. A bare day means its last millisecond.
bool parse_calendar(std::string_view text, int64_t& out) {
    Fields f(text);
    tm t{};
    int year, month;
    if (!f.number(4, year) || !f.any_of("-") || !f.number(2, month) || !f.any_of("-") || !f.number(2, t.tm_mday)) {
        return false;
    }
    t.tm_year = year - 1900;
    t.tm_mon = month - 1;
    t.tm_isdst = -1;
    if (f.done()) {
        if (!plausible(t)) return false;
        t.tm_mday += 1;  // mktime normalises the overflow
        out = static_cast<int64_t>(mktime(&t)) * 1000 - 1;
        return true;
    }
    int millis = 0;
    if (!f.any_of("T ") || !f.number(2, t.tm_hour) || !f.any_of(":") || !f.number(2, t.tm_min)) return false;
    if (f.any_of(":")) {
        if (!f.number(2, t.tm_sec)) return false;
        if (f.any_of(".") && !f.number(3, millis)) return false;
    }
    if (!plausible(t)) return false;
    if (f.any_of("Z")) {
        if (!f.done()) return false;
        out = static_cast<int64_t>(timegm(&t)) * 1000 + millis;
        return true;
    }
    std::string_view rest = f.rest();
    while (!rest.empty() && rest[0] == ' ') rest.remove_prefix(1);
    if (!rest.empty() && (rest[0] == '+' || rest[0] == '-')) {
        Fields zone(rest.substr(1));
        int hours, minutes;
        if (!zone.number(2, hours)) return false;
        zone.any_of(":");
        if (!zone.number(2, minutes) || !zone.done()) return false;
        const int64_t offset_s = (hours * 60 + minutes) * 60 * (rest[0] == '-' ? -1 : 1);
        out = (static_cast<int64_t>(timegm(&t)) - offset_s) * 1000 + millis;
        return true;
    }
    if (!rest.empty()) return false;
    out = static_cast<int64_t>(mktime(&t)) * 1000 + millis;
    return true;
}

int64_t end_of_local_day(int64_t wall_ms, int days) {
    const time_t seconds = floor_div(wall_ms, 1000);
    tm t{};
    localtime_r(&seconds, &t);
    t.tm_hour = t.tm_min = t.tm_sec = 0;
    t.tm_mday += days + 1;
    t.tm_isdst = -1;
    return static_cast<int64_t>(mktime(&t)) * 1000 - 1;
}

}  // namespace

int64_t parse_iso_utc(std::string_view text) {
    int64_t out = 0;
    if (text.size() != 24 || text.back() != 'Z' || !parse_calendar(text, out)) {
        throw Error(Code::damaged, fmt::format("\"{}\" is not a time", printable(text)));
    }
    return out;
}

int64_t parse_when(std::string_view text, int64_t now_wall_ms) {
    while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
    while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
    int64_t out = 0;
    if (parse_calendar(text, out)) return out;
    if (text == "now") return now_wall_ms;
    if (text == "today") return end_of_local_day(now_wall_ms, 0);
    if (text == "yesterday") return end_of_local_day(now_wall_ms, -1);
    if (text.ends_with(" ago")) return now_wall_ms - parse_duration_ms(text.substr(0, text.size() - 4));
    throw Error(Code::usage, fmt::format("\"{}\" is not a time", printable(text)),
                "write \"2026-11-19 08:00\" (local time), \"2026-11-19\", \"yesterday\", \"2h ago\" or \"2026-11-19T08:00:00Z\"");
}

int64_t parse_duration_ms(std::string_view text) {
    size_t digits = 0;
    while (digits < text.size() && digits < 12 && std::isdigit(static_cast<unsigned char>(text[digits]))) ++digits;
    const std::string_view unit = text.substr(digits);
    const int64_t factor = unit == "ms"                   ? 1
                           : unit == "s"                  ? 1000
                           : unit == "m" || unit == "min" ? 60'000
                           : unit == "h"                  ? 3'600'000
                           : unit == "d"                  ? 86'400'000
                                                          : 0;
    if (digits == 0 || factor == 0) {
        throw Error(Code::usage, fmt::format("\"{}\" is not a length of time", printable(text)),
                    "write a number and a unit: 250ms, 10s, 5m, 26h, 7d");
    }
    return std::strtoll(std::string(text.substr(0, digits)).c_str(), nullptr, 10) * factor;
}

std::string human_duration(int64_t ms) {
    if (ms < 1000) return fmt::format("{} ms", ms);
    if (ms < 60'000) return fmt::format("{:.1f} s", static_cast<double>(ms) / 1000);
    if (ms < 3'600'000) return fmt::format("{} min {} s", ms / 60'000, ms / 1000 % 60);
    return fmt::format("{} h {} min", ms / 3'600'000, ms / 60'000 % 60);
}

std::string human_bytes(uint64_t bytes) {
    static constexpr std::array<const char*, 6> kUnits = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    double value = static_cast<double>(bytes);
    size_t unit = 0;
    while (value >= 1024 && unit + 1 < kUnits.size()) {
        value /= 1024;
        ++unit;
    }
    return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", value, kUnits[unit]);
}

}  // namespace ingot
