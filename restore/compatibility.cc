#include "restore/compatibility.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/error.h"
#include "restore/compat_matrix.h"
#include "restore/target.h"
#include "snapshot/component_versions.h"

namespace ingot {
namespace {

// A matrix is written by people. What is larger is another file.
constexpr uint64_t kMostMatrixBytes = 1 << 20;
// Of keys that differ; the rest is counted.
constexpr size_t kMostKeys = 8;

// By what other names a header may call the engine of a driver.
const std::map<std::string, std::vector<std::string>> kEngineWords = {{"postgres", {"postgres", "postgresql", "pg"}},
                                                                      {"redis", {"redis", "valkey"}},
                                                                      {"qdrant", {"qdrant"}},
                                                                      {"mongodb", {"mongodb", "mongo", "ferretdb"}}};

// Sources whose bytes may need the secrets of the day: not settings themselves.
bool is_data(const ManifestSource& source) {
    return source.driver != "env" && source.driver != "nginx" && source.driver != "files";
}

class Compatibility {
public:
    Compatibility(const Repository& repository, const Snapshot& snapshot, const Stack& stack, FileSystem& fs,
                  const CompatQuestion& question)
        : repository_(repository), manifest_(snapshot.manifest), stack_(stack), fs_(fs), question_(question) {}

    CompatReport run() {
        if (question_.all_versions || !stack_.compatibility.matrix.empty()) {
            application();
            for (const VersionSpec& spec : stack_.compatibility.versions) stored_version(spec);
        }
        for (const ManifestSource& source : manifest_.sources) {
            if (restored(source.name)) engine(source);
        }
        for (const ManifestSource& source : manifest_.sources) secrets(source);
        if (!stack_.compatibility.matrix.empty()) matrix();
        return std::move(report_);
    }

private:
    bool restored(const std::string& source) const {
        return question_.only.empty() || std::ranges::find(question_.only, source) != question_.only.end();
    }

    // What an engine or a command throws becomes the line's warning.
    template <class Ask>
    void ask(CompatLine& line, const Ask& question) const {
        try {
            question();
        } catch (const Error& error) {
            if (error.code() == Code::interrupted) throw;
            line.verdict = Verdict::warning;
            line.why = fmt::format("it cannot be told what is there now: {}", error.what());
            line.hint = error.hint();
        }
    }

    void application() {
        CompatLine line{.what = "application", .then = manifest_.application_version, .now = {}, .why = {}, .hint = {}};
        if (stack_.version_command.empty() && line.then.empty()) return;
        ask(line, [&] { line.now = application_version(stack_); });
        const bool checked_out = !stack_.services.checkout.empty() && !line.then.empty();
        if (line.verdict == Verdict::fine && line.then != line.now) {
            line.why =
                checked_out ? "`checkout` puts the snapshot's in place" : "it stays as it is: no `checkout` brings the other";
        }
        versions_["application"] = checked_out ? line.then : line.now;
        report_.lines.push_back(std::move(line));
    }

    void stored_version(const VersionSpec& spec) {
        const auto recorded = manifest_.versions.find(spec.name);
        CompatLine line{.what = spec.name,
                        .then = recorded == manifest_.versions.end() ? "" : recorded->second,
                        .now = {},
                        .why = {},
                        .hint = {}};
        const bool comes_back =
            spec.source.empty() ? question_.only.empty() : restored(spec.source) && manifest_.find(spec.source) != nullptr;
        ask(line, [&] { line.now = live_version(stack_, spec); });
        // What is gone is why it is restored: then only the snapshot's version matters.
        if (comes_back) line.verdict = Verdict::fine, line.hint.clear();
        if (comes_back && line.then.empty()) {
            line.why = "the snapshot does not record it";
        } else if (!comes_back && line.verdict == Verdict::fine && line.then != line.now) {
            line.why = "it stays as it is: it is not restored";
        }
        versions_[spec.name] = comes_back ? line.then : line.now;
        report_.lines.push_back(std::move(line));
    }

    void engine(const ManifestSource& source) {
        Driver* driver = find_driver_of(stack_, source.name);
        if (driver == nullptr || driver->spec().driver != source.driver) return;  // the restore says so itself
        CompatLine line{.what = fmt::format("{} ({})", source.name, source.driver), .then = {}, .now = {}, .why = {}, .hint = {}};
        bool has_engine = true;
        ask(line, [&] {
            const std::optional<EngineMatch> match = driver->match_engine(source.facts);
            has_engine = match.has_value();
            if (match) line = {line.what, match->then, match->now, match->verdict, match->why, match->hint};
        });
        if (!has_engine) return;
        if (line.why.empty() && line.then.empty()) line.why = "the snapshot does not record what it was taken of";
        engines_[source.name] = line.now;
        report_.lines.push_back(std::move(line));
    }

    void secrets(const ManifestSource& source) {
        if (source.secrets.empty()) return;
        CompatLine line{.what = "secrets of " + source.name, .then = counted(source.secrets), .now = {}, .why = {}, .hint = {}};
        Driver* driver = find_driver_of(stack_, source.name);
        if (driver == nullptr || driver->spec().driver != source.driver) return;
        const bool back = restored(source.name);
        std::string data;  // that they would not go together with
        for (const ManifestSource& other : manifest_.sources) {
            if (is_data(other) && restored(other.name) != back) data += (data.empty() ? "" : ", ") + other.name;
        }
        ask(line, [&] {
            const SecretFingerprints now = fingerprints_of(repository_, source.name, driver->secrets());
            line.now = counted(now);
            std::string named;
            size_t secret = 0, other = 0;
            for (const SecretChange& change : compare_fingerprints(source.secrets, now)) {
                if (!change.secret) {
                    ++other;
                } else if (++secret <= kMostKeys) {
                    const char* how = change.what == SecretChange::What::gone    ? " is gone"
                                      : change.what == SecretChange::What::added ? " is new"
                                                                                 : " is another";
                    named += (named.empty() ? "" : ", ") + change.key + how;
                }
            }
            if (secret > kMostKeys) named += fmt::format(" and {} more", secret - kMostKeys);
            if (other > 0) line.why = fmt::format("{} of other settings differ", other);
            if (secret == 0) return;
            line.why = named;
            if (data.empty()) return;
            line.verdict = Verdict::warning;
            line.why +=
                back ? fmt::format("; the .env of that day would be put back beside {} as it is now", data)
                     : fmt::format("; {} of that day would be put back beside the .env of now, and may not open with it", data);
            line.hint =
                back ? fmt::format("restore them together: --only {},{}", source.name, spaceless(data))
                     : fmt::format(
                           "restore them together: add {} to --only; or compare first: `ingot restore ID --only {} --to DIR`",
                           source.name, source.name);
        });
        report_.lines.push_back(std::move(line));
    }

    static std::string counted(const SecretFingerprints& prints) {
        size_t keys = 0;
        for (const auto& [place, values] : prints) keys += values.size();
        return fmt::format("{} {}", keys, keys == 1 ? "key" : "keys");
    }

    static std::string spaceless(std::string names) {
        std::erase(names, ' ');
        return names;
    }

    // A source's own name may stand in a header, unless it is a word for something else: a database called "app".
    std::vector<MatrixComponent> components() const {
        std::vector<MatrixComponent> out = usual_components();
        std::set<std::string> taken;
        for (const MatrixComponent& usual : out) taken.insert(usual.words.begin(), usual.words.end());
        out.front().words.push_back(lower_case(stack_.name));
        for (const std::unique_ptr<Driver>& driver : stack_.sources) {
            MatrixComponent one{driver->spec().name, {}};
            if (const auto words = kEngineWords.find(driver->spec().driver); words != kEngineWords.end())
                one.words = words->second;
            if (!one.words.empty() && !taken.contains(lower_case(one.name))) one.words.push_back(lower_case(one.name));
            if (!one.words.empty()) out.push_back(std::move(one));
        }
        return out;
    }

    void matrix() {
        CompatLine line{.what = kMatrixLine, .then = {}, .now = {}, .why = {}, .hint = {}};
        const std::string& path = stack_.compatibility.matrix;
        try {
            const CompatMatrix matrix = CompatMatrix::parse(text_of(read_file(fs_, path, kMostMatrixBytes)), components());
            report_.notes = matrix.notes();
            if (!matrix.usable()) throw Error(Code::failed, "it has no table that says which versions go together");
            for (const std::string& component : matrix.components()) know(component);
            const MatrixAnswer answer = matrix.judge(versions_);
            line.verdict = answer.verdict;
            line.why =
                answer.line == 0 && answer.verdict == Verdict::fine ? "" : fmt::format("{}: {}", base_name_of(path), answer.why);
            if (answer.verdict == Verdict::refused)
                line.hint =
                    "bring the application's version that goes with it (`checkout` of [services]), choose another snapshot, or "
                    "--allow-incompatible where you know better";
        } catch (const Error& error) {
            if (error.code() == Code::interrupted) throw;
            line.verdict = Verdict::warning;
            line.why = fmt::format("the matrix {} cannot be asked: {}", printable(path), error.what());
        }
        report_.lines.push_back(std::move(line));
    }

    // The version of an engine that a column is about, also where its source is not restored.
    void know(const std::string& component) {
        if (versions_.contains(component)) return;
        if (const auto known = engines_.find(component); known != engines_.end()) {
            versions_[component] = known->second;
            return;
        }
        Driver* driver = find_driver_of(stack_, component);
        if (driver == nullptr) return;
        try {
            if (const auto match = driver->match_engine({})) versions_[component] = match->now;
        } catch (const Error& error) {
            if (error.code() == Code::interrupted) throw;
            ignore_error(error, "its version is not known then, and the matrix warns where that matters");
        }
    }

    const Repository& repository_;
    const Manifest& manifest_;
    const Stack& stack_;
    FileSystem& fs_;
    const CompatQuestion& question_;
    std::map<std::string, std::string> versions_;  // as they will be, by component
    std::map<std::string, std::string> engines_;   // as they are, by source
    CompatReport report_;
};

}  // namespace

Verdict CompatReport::worst() const {
    Verdict worst = Verdict::fine;
    for (const CompatLine& line : lines) worst = std::max(worst, line.verdict);
    return worst;
}

CompatReport judge_compatibility(const Repository& repository, const Snapshot& snapshot, const Stack& stack, FileSystem& fs,
                                 const CompatQuestion& question) {
    return Compatibility(repository, snapshot, stack, fs, question).run();
}

void require_compatible(const CompatReport& report, const Snapshot& snapshot, bool allowed) {
    for (const CompatLine& line : report.lines) {
        if (line.verdict != Verdict::refused || (allowed && line.what == kMatrixLine)) continue;
        throw Error(
            Code::incompatible,
            fmt::format("snapshot {} does not go with what is there: {}; nothing was changed", snapshot.short_id(), line.why),
            line.hint);
    }
}

}  // namespace ingot
