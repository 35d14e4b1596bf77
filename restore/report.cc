#include "restore/report.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/clock.h"
#include "base/error.h"

namespace ingot {
namespace {

std::string shown(const Fact& fact) {
    if (const auto* whole = std::get_if<int64_t>(&fact)) return std::to_string(*whole);
    if (const auto* real = std::get_if<double>(&fact)) return fmt::format("{}", *real);
    return markdown_text(std::get<std::string>(fact));
}

// "-12", "+3", "the same", "differs"
std::string change_of(const Fact& before, const Fact& after) {
    if (before == after) return "the same";
    const auto* first = std::get_if<int64_t>(&before);
    const auto* second = std::get_if<int64_t>(&after);
    int64_t change = 0;
    if (first == nullptr || second == nullptr || __builtin_sub_overflow(*second, *first, &change)) return "differs";
    return fmt::format("{:+}", change);
}

class Report {
public:
    Report(const AuditRecord& record, const Manifest* manifest) : record_(record), manifest_(manifest) {
        moment_ms_ = record.snapshot_moment_ms != 0 ? record.snapshot_moment_ms : manifest == nullptr ? 0 : manifest->moment_ms;
    }

    std::string text() {
        summary();
        timeline();
        versions();
        restored();
        lost();
        probes();
        next();
        return std::move(out_);
    }

private:
    void line(std::string_view text = {}) { out_.append(text).append("\n"); }
    void row(std::string_view name, const std::string& value) {
        if (!value.empty()) line(fmt::format("| {} | {} |", name, value));
    }

    // One sentence that says what is live now.
    std::string verdict() const {
        const std::string id = record_.snapshot ? record_.snapshot->hex().substr(0, 8) : "";
        if (record_.outcome == "restored") return fmt::format("Snapshot {} is live, and was found good.", id);
        if (record_.outcome == "rolled_back")
            return fmt::format("Snapshot {} was not taken: the state of before is live again.", id);
        if (record_.outcome == "undone") return "The unfinished restore was taken back: the state of before is live.";
        if (record_.outcome == "rollback_incomplete")
            return "**The restore could not be taken back in whole: a person must act.**";
        if (record_.outcome == "failed") return "Nothing was changed.";
        return markdown_text(fmt::format("Outcome: {}.", record_.outcome));
    }

    void summary() {
        line(fmt::format("# Incident report: {} of {}", markdown_text(record_.action), markdown_text(record_.stack)));
        line();
        line(verdict());
        line();
        line("| | |\n|---|---|");
        row("outcome", markdown_text(fmt::format("{} (exit status {})", record_.outcome, record_.exit)));
        row("reason", markdown_text(record_.reason));
        row("restore", markdown_text(record_.restore_id));
        row("begun", local_time(record_.started_ms));
        row("ended", local_time(record_.finished_ms));
        row("took", human_duration(record_.duration_ms()));
        if (record_.outage_ms > 0) row("services out for", human_duration(record_.outage_ms));
        row("by", markdown_text(fmt::format("{} on {}", record_.user, record_.host)));
        if (record_.snapshot) row("snapshot", record_.snapshot->hex());
        if (moment_ms_ != 0) row("state of", local_time(moment_ms_));
        row("what went wrong", markdown_text(record_.error));
        row("ingot", markdown_text(record_.ingot_version));
        line();
    }

    void timeline() {
        line("## Timeline\n");
        if (record_.steps.empty()) {
            line("No step was recorded.\n");
            return;
        }
        const int64_t zero_ms = std::min(record_.started_ms, record_.steps.front().at_ms);
        line("| time | after | step | took | |\n|---|---:|---|---:|---|");
        for (const AuditStep& step : record_.steps) {
            line(fmt::format("| {} | {} | {} | {} | {} |", iso_utc(step.at_ms), human_duration(step.at_ms - zero_ms),
                             markdown_text(step.name), human_duration(step.ms), step.failed ? "**failed**" : "done"));
        }
        line();
        for (const AuditStep& step : record_.steps) {
            if (step.detail.empty()) continue;
            line(fmt::format("{}{}, {}:\n", markdown_text(step.name), step.failed ? " (failed)" : "", iso_utc(step.at_ms)));
            line(markdown_block(step.detail));
        }
    }

    void versions() {
        const std::string& recorded =
            record_.version_snapshot.empty() && manifest_ != nullptr ? manifest_->application_version : record_.version_snapshot;
        line("## Versions\n");
        if (record_.version_before.empty() && recorded.empty()) {
            line(
                "No version of the application is known: `version` under [stack] in the config names a command that prints "
                "it.\n");
            return;
        }
        line("| | version |\n|---|---|");
        line(fmt::format("| live before | {} |",
                         record_.version_before.empty() ? "not known" : markdown_text(record_.version_before)));
        line(fmt::format("| of the snapshot | {} |\n", recorded.empty() ? "not recorded" : markdown_text(recorded)));
        const bool checked_out =
            std::ranges::any_of(record_.steps, [](const AuditStep& step) { return step.name == "checkout" && !step.failed; });
        if (checked_out) {
            line("`checkout` of [services] was run.\n");
        } else if (record_.version_before != recorded && record_.outcome == "restored") {
            line(
                "The application was not changed: no `checkout` was run. **Its version may not be that of the restored "
                "data.**\n");
        }
    }

    void restored() {
        line("## What was restored\n");
        if (record_.outcome != "restored") {
            line("Nothing: the state of before was kept.\n");
        } else {
            line(fmt::format("{} replaced, {} added, {} removed, {} in metadata only, {} unchanged; {} written.\n",
                             record_.replaced, record_.added, record_.removed, record_.metadata, record_.unchanged,
                             human_bytes(record_.bytes_written)));
        }
        if (!record_.sources.empty()) {
            line("| source | driver |\n|---|---|");
            for (const AuditSource& source : record_.sources) {
                line(fmt::format("| {} | {} |", markdown_text(source.name), markdown_text(source.driver)));
            }
            line();
        }
        if (!record_.kept_in.empty()) line(fmt::format("What was replaced is kept in {}\n", markdown_text(record_.kept_in)));
        if (!record_.safety.empty()) {
            line(fmt::format("What was replaced is stored as snapshot {}.\n", markdown_text(record_.safety.substr(0, 8))));
        }
        for (const std::string& problem : record_.problems) line(fmt::format("- {}", markdown_text(problem)));
        if (!record_.problems.empty()) line();
    }

    const Facts& facts_after(const AuditSource& source) const {
        const ManifestSource* known = source.after.empty() && manifest_ != nullptr ? manifest_->find(source.name) : nullptr;
        return known == nullptr ? source.after : known->facts;
    }

    void lost() {
        const bool gone = record_.outcome == "restored";
        line(gone ? "## What was lost\n" : "## What a restore would have lost\n");
        if (moment_ms_ != 0 && record_.started_ms > moment_ms_) {
            line(fmt::format("{} written after {} ({} before the restore began){}.\n", gone ? "Everything that was" : "What was",
                             local_time(moment_ms_), human_duration(record_.started_ms - moment_ms_),
                             gone ? " is not in the restored state" : ""));
        }
        bool any = false, live = false;
        for (const AuditSource& source : record_.sources) {
            for (const auto& [name, before] : source.before) {
                const Facts& facts = facts_after(source);
                const auto after = facts.find(name);
                if (after == facts.end()) continue;
                if (!any) line("| source | fact | before | known from | snapshot | difference |\n|---|---|---:|---|---:|---:|");
                any = true;
                live = live || source.before_from == "live";
                line(fmt::format("| {} | {} | {} | {}, {} | {} | {} |", markdown_text(source.name), markdown_text(name),
                                 shown(before), markdown_text(source.before_from), iso_utc(source.before_at_ms),
                                 shown(after->second), change_of(before, after->second)));
            }
        }
        line(any ? "" : "No fact is known of the state before: `facts` of a source in the config are compared here.\n");
        if (any && !live) line("The live state was not asked: these are what the newest snapshot recorded.\n");
    }

    void probes() {
        line("## Probes\n");
        bool any = false;
        for (const AuditStep& step : record_.steps) {
            if (!step.name.starts_with("probe ")) continue;
            any = true;
            line(fmt::format("- {}: {} after {}", markdown_text(step.name.substr(6)), step.failed ? "**failed**" : "passed",
                             human_duration(step.ms)));
        }
        line(any ? "" : "None was asked. [[probes]] in the config say what must hold after a restore.\n");
    }

    void next() {
        line("## Next actions\n");
        const auto item = [&](const std::string& text) { line("- [ ] " + text); };
        if (!record_.hint.empty()) item(markdown_text(record_.hint));
        if (record_.outcome == "restored") {
            item("Find out what damaged the state of before, and mend it before writers do it again.");
            item("Bring back what is named under \"What was lost\" from its source, where it matters.");
            if (!record_.safety.empty()) {
                item(fmt::format(
                    "What is missing can be looked up in snapshot {0}: `ingot ls {0}`, `ingot cat {0} PATH`, `ingot diff`; "
                    "`ingot undo {1}` puts all of it back.",
                    markdown_text(record_.safety.substr(0, 8)), markdown_text(record_.restore_id)));
            }
            if (!record_.kept_in.empty()) item("Look into what was kept, then remove that folder.");
            item("Take a new golden snapshot: `ingot snapshot --golden`.");
        } else if (record_.outcome == "rollback_incomplete") {
            // The hint says which of the two it is: what was proven goes forward.
            item(fmt::format("Do what is named above before anything writes to the stack{}.",
                             record_.hint.empty() ? ", then `ingot restore --undo`" : ""));
        } else if (record_.outcome == "rolled_back" || record_.outcome == "failed") {
            item("Mend the cause of the failure named in the summary.");
            item("Restore again, this snapshot or an older one: `ingot list --golden`.");
        } else {
            item("Look whether the stack works, then restore again if it was wanted.");
        }
        if (!record_.problems.empty()) item("See to the problems named under \"What was restored\".");
    }

    const AuditRecord& record_;
    const Manifest* manifest_;
    int64_t moment_ms_ = 0;
    std::string out_;
};

}  // namespace

std::string markdown_text(std::string_view text) {
    std::string out;
    for (const char c : text) {
        // A line break would end a row; in a cell there is none.
        if (c == '\n') {
            out += ' ';
            continue;
        }
        if (std::string_view("\\`*_[]<>|#~").find(c) != std::string_view::npos) out += '\\';
        out += c;
    }
    return out;
}

std::string markdown_block(std::string_view text) {
    size_t longest = 0, run = 0;
    for (const char c : text) longest = std::max(longest, run = c == '`' ? run + 1 : 0);
    const std::string fence(std::max<size_t>(3, longest + 1), '`');
    const bool ended = text.ends_with('\n');
    return fmt::format("{}text\n{}{}{}\n", fence, text, ended ? "" : "\n", fence);
}

std::string incident_report(const AuditRecord& record, const Manifest* manifest) { return Report(record, manifest).text(); }

}  // namespace ingot
