#include "cli/progress_bar.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "base/clock.h"
#include "base/error.h"
#include "cli/terminal.h"

namespace ingot {

// Ten a second is as much as an eye follows; more costs time and floods slow links.
static constexpr int64_t kRedrawNs = 100'000'000;
// A rate over less than this jumps about.
static constexpr int64_t kRateAfterMs = 500;

static std::string clock_text(int64_t seconds) {
    if (seconds >= 3600) return fmt::format("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    return fmt::format("{}:{:02}", seconds / 60, seconds % 60);
}

std::string format_bar(const BarState& state, size_t width) {
    std::string right;
    const uint64_t done = state.total_bytes != 0 ? std::min(state.done_bytes, state.total_bytes) : state.done_bytes;
    double share = 0;
    if (state.total_bytes != 0) {
        share = static_cast<double>(done) / static_cast<double>(state.total_bytes);
        right = fmt::format("{:3.0f} %  {} of {}", share * 100, human_bytes(done), human_bytes(state.total_bytes));
    } else if (done != 0) {
        right = human_bytes(done);
    }
    if (state.elapsed_ms >= kRateAfterMs && done != 0) {
        const double rate = static_cast<double>(done) * 1000 / static_cast<double>(state.elapsed_ms);
        right += fmt::format("  {}/s", human_bytes(static_cast<uint64_t>(rate)));
        if (state.total_bytes != 0 && rate >= 1) {
            right +=
                fmt::format("  {} left", clock_text(static_cast<int64_t>(static_cast<double>(state.total_bytes - done) / rate)));
        }
    }
    // What does not fit is left out, from the least important on: the bar, the end of the figures, the end of the phase.
    std::string line = state.phase;
    constexpr size_t kBarColumns = 20;
    if (state.total_bytes != 0 && line.size() + 2 + kBarColumns + 4 + right.size() <= width) {
        const auto filled = static_cast<size_t>(share * static_cast<double>(kBarColumns));
        line += fmt::format("  [{}{}]", std::string(filled, '#'), std::string(kBarColumns - filled, '-'));
    }
    if (!right.empty()) line += "  " + right;
    if (line.size() > width) line.resize(width);
    return line;
}

ProgressBar::ProgressBar(Output& output, bool draw) : output_(output), draw_(draw && is_terminal(stderr)) {
    set_progress_line([this] { clear(); });
}

ProgressBar::~ProgressBar() {
    set_progress_line({});
    clear();
}

void ProgressBar::phase(std::string_view name, uint64_t total_bytes) {
    const std::lock_guard lock(mutex_);
    state_ = {printable(name), 0, total_bytes, 0};
    phase_began_ns_ = mono_now_ns();
    active_ = true;
    draw_locked(true);
}

void ProgressBar::advance(uint64_t bytes) {
    const std::lock_guard lock(mutex_);
    state_.done_bytes += bytes;
    if (active_) draw_locked(false);
}

void ProgressBar::note(std::string_view line) { output_.note(line); }

void ProgressBar::clear() {
    const std::lock_guard lock(mutex_);
    clear_locked();
}

void ProgressBar::clear_locked() {
    if (!drawn_) return;
    std::fputs("\r\x1b[K", stderr);
    std::fflush(stderr);
    drawn_ = false;
}

void ProgressBar::draw_locked(bool now) {
    if (!draw_) return;
    const int64_t time_ns = mono_now_ns();
    if (!now && time_ns - drawn_ns_ < kRedrawNs) return;
    drawn_ns_ = time_ns;
    state_.elapsed_ms = (time_ns - phase_began_ns_) / 1'000'000;
    std::fputs(fmt::format("\r{}\x1b[K", format_bar(state_, terminal_width() - 1)).c_str(), stderr);
    std::fflush(stderr);
    drawn_ = true;
}

}  // namespace ingot
