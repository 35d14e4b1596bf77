#include "restore/drill_source.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/step.h"
#include "restore/probe.h"
#include "snapshot/materialise.h"
#include "snapshot/top_k.h"

namespace ingot {
namespace {

std::string fact_as_text(const Fact& fact) {
    if (const auto* integer = std::get_if<int64_t>(&fact)) return std::to_string(*integer);
    if (const auto* number = std::get_if<double>(&fact)) return fmt::format("{}", *number);
    return printable(std::get<std::string>(fact));
}

std::string with_hint(const Error& error) {
    return error.hint().empty() ? error.what() : fmt::format("{}; {}", error.what(), error.hint());
}

}  // namespace

DrillSource::DrillSource(const Stack& stack, const ManifestSource& source, Driver& driver, std::string folder,
                         std::string scratch, DrillResult& result)
    : stack_(stack),
      source_(source),
      driver_(driver),
      folder_(std::move(folder)),
      scratch_(std::move(scratch)),
      result_(result) {}

void DrillSource::open() {
    Facts& facts = result_.attestation.evidence[source_.name];
    try {
        for (auto& [name, fact] : driver_.open_artifact(folder_)) facts[name] = std::move(fact);
    } catch (const Error& error) {
        if (error.code() == Code::interrupted) throw;
        auto& list = error.code() == Code::damaged ? result_.damaged : result_.problems;
        list.push_back(fmt::format("{} cannot be opened: {}", source_.name, error.what()));
        return;
    }
    step("drill.opened");
    load(facts);
}

void DrillSource::load(Facts& facts) {
    try {
        engine_ = std::make_unique<ScratchEngine>(stack_, driver_, folder_, scratch_);
        if (!engine_->possible()) return engine_.reset();
        const Facts found = engine_->load();
        compare(found);
        for (const auto& [name, fact] : found) facts[name] = fact;
        ++result_.scratch_engines;
    } catch (const Error& error) {
        if (error.code() == Code::interrupted || error.code() == Code::usage) throw;
        auto& list = error.code() == Code::damaged ? result_.damaged : result_.problems;
        list.push_back(fmt::format("{} cannot be loaded into a scratch engine: {}", source_.name, with_hint(error)));
        remove();
    }
}

void DrillSource::compare(const Facts& found) {
    for (const auto& [name, fact] : found) {
        const auto recorded = source_.facts.find(name);
        if (recorded == source_.facts.end() || recorded->second == fact) continue;
        result_.problems.push_back(fmt::format("{}.{} is {} in {}, and was {} in the snapshot", source_.name, printable(name),
                                               fact_as_text(fact), engine_->shown(), fact_as_text(recorded->second)));
    }
}

// Who answers instead of the live engine: the scratch one, or the engine upon the restored file.
Driver* DrillSource::restored() {
    if (engine_) return &engine_->driver();
    if (file_) return file_.get();
    if (!stack_.make_driver) return nullptr;
    const std::vector<SourceRoot> roots = driver_.roots();
    if (roots.size() != 1 || roots[0].live_path.empty()) return nullptr;
    SourceSpec spec = driver_.spec();
    spec.paths = {join(folder_, path_below(roots[0].listing_path))};
    file_ = stack_.make_driver(std::move(spec));
    return file_.get();
}

bool DrillSource::ask(const ProbeSpec& probe, const std::string& wanted, const TopKRecord* record) {
    try {
        const std::optional<std::string> problem = answer(probe, wanted, record);
        if (!problem) return false;
        if (problem->empty()) {
            ++result_.probes_passed;
        } else {
            result_.problems.push_back(
                fmt::format("the probe {} found {} in the restored {}", printable(probe.name), *problem, source_.name));
        }
    } catch (const Error& error) {
        if (error.code() == Code::interrupted) throw;
        result_.problems.push_back(
            fmt::format("the probe {} of the restored {}: {}", printable(probe.name), source_.name, error.what()));
    }
    return true;
}

// Nothing: nobody can be asked. Empty: as it should be.
std::optional<std::string> DrillSource::answer(const ProbeSpec& probe, const std::string& wanted, const TopKRecord* record) {
    if (probe.kind == ProbeSpec::Kind::top_k) {
        if (record == nullptr) return std::nullopt;
        std::optional<std::vector<TopKQuery>> found;
        if (engine_) {
            found = engine_->driver().top_k_live(record->request());
        } else {
            found = driver_.top_k_artifact(folder_, record->request());
        }
        if (!found) return std::nullopt;
        return top_k_difference(record->queries, *found, probe.tolerance);
    }
    Driver* asked = restored();
    if (asked == nullptr) return std::nullopt;
    const std::string found = fact_as_text(asked->ask_live(probe.target));
    if (value_matches(wanted, found, probe.tolerance)) return std::string();
    return fmt::format("{} and not {}", printable(found), printable(wanted));
}

void DrillSource::remove() {
    file_.reset();
    if (!engine_) return;
    try {
        engine_->remove();
    } catch (const Error& error) {
        result_.left.push_back(fmt::format("{}: left behind by this drill: {}; the next drill tries again, or by hand: {}",
                                           source_.name, error.what(), error.hint()));
    }
    engine_.reset();
}

}  // namespace ingot
