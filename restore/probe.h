// Probes: questions that the restored stack must answer before the restore is taken for good.
//
// Each is asked again every `interval` until it is answered well, or `timeout` is over; one attempt gets what is left of that.
// Thread safety: one thread. Errors: Error{failed} names the probe, its tries and what it last found; Error{interrupted}.
#pragma once

#include <map>
#include <string>

#include "base/http.h"
#include "base/progress.h"
#include "restore/timeline.h"
#include "snapshot/manifest.h"
#include "snapshot/stack.h"

namespace ingot {

class Prober {
public:
    // `expected`: what facts were in the snapshot (expectations), and known queries with their answers (expect_top_k). `http`
    // stands in for the network in tests.
    Prober(const Stack& stack, const std::map<std::string, std::string>& expected, Timeline& timeline, Progress& progress,
           Http* http = nullptr);

    // Every probe, in the order of the config; ends at the first that fails.
    void run();
    // One probe, one time. Throws where it does not find what it should.
    void attempt(const ProbeSpec& probe, int64_t limit_ms);

private:
    void run(const ProbeSpec& probe);
    void ask_http(const ProbeSpec& probe, int64_t limit_ms);
    void run_command(const ProbeSpec& probe, int64_t limit_ms) const;
    void ask_sql(const ProbeSpec& probe) const;
    Driver& source_of(const ProbeSpec& probe) const;
    Http& http();

    const Stack& stack_;
    const std::map<std::string, std::string>& expected_;
    Timeline& timeline_;
    Progress& progress_;
    Http* http_;
    std::unique_ptr<Http> own_http_;
};

// What probes that compare with a fact must find, from the snapshot's manifest: probe -> value. Those of sources that are not
// among `restored` are left out, and then not asked. Error{failed} where the snapshot does not hold the fact.
std::map<std::string, std::string> expectations(const Stack& stack, const Manifest& manifest,
                                                const std::vector<std::string>& restored);

// Equal as numbers, within `tolerance` as a share of `expected`, where both are numbers; else as text.
bool value_matches(const std::string& expected, const std::string& found, double tolerance);

}  // namespace ingot
