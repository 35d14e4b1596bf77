// The progress bar: one line on standard error, where that is a terminal.
//
//   reading db  [#########-----------]  45 %  1.2 GiB of 2.6 GiB  210.0 MiB/s  0:07 left
//
// Drawn at most ten times a second, cleared at the end; notes are printed above it. On a pipe only the notes appear.
// Thread safety: any thread.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>

#include "base/progress.h"
#include "cli/output.h"

namespace ingot {

struct BarState {
    std::string phase;
    uint64_t done_bytes = 0;
    uint64_t total_bytes = 0;  // 0: unknown
    int64_t elapsed_ms = 0;
};

// At most `width` columns. The rate appears after half a second, the time left once it can be said.
std::string format_bar(const BarState& state, size_t width);

class ProgressBar : public Progress {
public:
    // `draw` false: no bar, whatever standard error is.
    ProgressBar(Output& output, bool draw);
    ProgressBar(const ProgressBar&) = delete;
    ProgressBar& operator=(const ProgressBar&) = delete;
    ~ProgressBar() override;

    void phase(std::string_view name, uint64_t total_bytes) override;
    void advance(uint64_t bytes) override;
    void note(std::string_view line) override;
    // Takes the bar away until the next phase.
    void clear();

private:
    void draw_locked(bool now);
    void clear_locked();

    Output& output_;
    const bool draw_;
    std::mutex mutex_;
    BarState state_;
    bool active_ = false;
    bool drawn_ = false;
    int64_t phase_began_ns_ = 0;
    int64_t drawn_ns_ = 0;
};

}  // namespace ingot
