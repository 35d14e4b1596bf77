// The driver interface: one driver knows one kind of source, how to pin it, stream it, open it and put it back.
//
//   prepare -> pin -> (writers go on) -> next/open ... -> settle -> release        a snapshot
//   open_artifact                                                                    golden, promote, drill, restore
//   scratch_target: load -> questions -> remove                                      drill, known queries of a golden snapshot
//   swap by tree (the default) or an EngineTarget                                     a restore
//
// Promises every driver keeps (tests/contract/driver_contract.h checks them on each one):
//   D1  After pin() returned, the entries and bytes delivered are those of one moment inside [moment().first, moment().last],
//       whatever writers do later; or consistency() says fuzzy; or an Error{source} is thrown. Never a silent mixture.
//   D2  Entries come in listing order (drivers/entry.h), each path once; a stream's bytes are exactly entry.size long,
//       unless its last section is kToEnd.
//   D3  A Pin releases what it holds (locks, transactions, leases) when it is destroyed, and when the process dies.
//   D4  A driver never changes its source, except in EngineTarget::swap and undo. A ScratchTarget never does.
//   D5  Every failure of the source is Error{source}; no bytes of the source, however corrupt, abort, hang, or allocate by a
//       length that was not checked.
//
// Thread safety: prepare() and pin() of different drivers run in parallel; one driver and its Pin are used by one thread at a
// time. Lifetime: a Driver outlives its Pins, a Pin its Streams.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/filesystem.h"
#include "base/progress.h"
#include "base/secret.h"
#include "base/stream.h"
#include "drivers/entry.h"
#include "drivers/top_k.h"

namespace ingot {

// A fact recorded at a pin: "chunks" = 4312, "journal_mode" = "wal". Facts are part of the evidence, never secret.
using Fact = std::variant<int64_t, double, std::string>;
using Facts = std::map<std::string, Fact>;

// Empty where there is no such fact, or it is a number.
inline std::string text_fact(const Facts& facts, const std::string& name) {
    const auto found = facts.find(name);
    const auto* text = found == facts.end() ? nullptr : std::get_if<std::string>(&found->second);
    return text == nullptr ? std::string() : *text;
}

// What the config says of one source.
struct SourceSpec {
    std::string name;
    std::string driver;
    std::string root;                  // absolute; relative paths start here
    std::vector<std::string> paths;    // `path` or `paths`
    std::vector<std::string> exclude;  // glob patterns (drivers/glob.h)
    std::vector<std::string> growing;
    std::map<std::string, std::string> facts;    // fact name -> query, where the driver takes queries
    std::map<std::string, std::string> options;  // the driver's own keys, as text
    double min_ratio = 0.5;                      // coverage contract: least size relative to the last golden
    std::string spool_dir;                       // where spools and scratch copies may go
};

// A place of the source in the live file system, and the listing path it has.
struct SourceRoot {
    std::string listing_path;
    std::string live_path;  // empty: it has none there, and is put back through its engine (a server, a command)
};

enum class PinConsistency : uint8_t { pinned, fuzzy };

struct PinMoment {
    Moment first;  // no earlier state is shown
    Moment last;   // no later state is shown
};

class Pin {
public:
    virtual ~Pin() = default;

    virtual PinMoment moment() const = 0;
    // How long this source's own writers were kept from committing by the pin itself: a lock or lease held while copying. Asked
    // after the last stream was stored, because a lease may be given up only while streams are read.
    virtual int64_t writers_blocked_ms() const { return 0; }

    // While this pin is held something of its source waits or grows: its streams are read before those of other pins.
    virtual bool read_first() const { return false; }
    // All of it is going to be read: what must be copied first may be copied from now on, beside what the caller does. After
    // facts(), if at all.
    virtual void read_ahead() {}

    // The next entry in listing order, or nothing. Entries may be found to have changed only while their bytes are read.
    // Throws Error{source} in the place of an entry that could not be read; the call after it goes on with the next one.
    virtual std::optional<Entry> next() = 0;
    // The bytes of the file entry that next() returned last. May be called again after Stream::settled() said false.
    virtual std::unique_ptr<Stream> open(const Entry& entry) = 0;
    // What was delivered: the entry that next() returned last, brought up to date with the state its bytes were read in. Called
    // after Stream::settled() said true; size, times and fingerprint may differ from next()'s where the file changed after the
    // pin.
    virtual Entry described(Entry entry) const { return entry; }

    // Facts about the pinned state, read from inside the pin after the writers were resumed. Called before next().
    virtual Facts facts() { return {}; }

    // After the last entry: is what was delivered still one moment's? Fuzzy when some entry was read in a later state.
    virtual PinConsistency consistency() const = 0;
    // What a person should know: skipped sockets, entries read later than the pin. One line each.
    virtual std::vector<std::string> notes() const { return {}; }
};

// A file of what a swap replaced: a raw copy, and the listing path it had ("app.db-wal").
struct ReplacedFile {
    std::string path;
    std::string listing_path;
};

// Puts a source back through its engine instead of by exchanging files. Made from the same values after a crash: it keeps all
// it needs to know in `work_dir`. Every call is idempotent.
class EngineTarget {
public:
    virtual ~EngineTarget() = default;
    // Throws Error{failed} naming what is in the way (no rights, locked, read-only, too small). Changes nothing.
    virtual void preflight() = 0;
    // After the services were stopped, before the swap: does the engine still answer? `stop` is to stop writers, not engines.
    // Throws Error{failed}. Changes nothing. An engine that is a file has nobody to ask.
    virtual void ping() {}
    // Loads the staged artifact into the engine beside the live state, where the engine can hold both (a new database, a spare
    // one, a new collection), and counts it. Long; nothing live changes and writers go on. Before the services are stopped.
    virtual void stage() {}
    // Makes undo possible: afterwards the live state is held durably in work_dir.
    virtual void prepare_undo() = 0;
    // The staged artifact becomes the live one: all or nothing, durable when it returns.
    virtual void swap() = 0;
    // The state prepare_undo() saw is live again, durably. Also after a swap that died half way, or never began.
    virtual void undo() = 0;
    // Removes from the engine what lies beside the live state: what stage() loaded where no swap follows, and the old state that
    // swap() set aside once no undo is wanted any more. Never what is live.
    virtual void discard() {}
    // After swap(): where a driver of this kind can read the old state that was set aside, as a source of its own ("app__old").
    // Nothing where the old state is files, which replaced() names.
    virtual std::optional<SourceSpec> old_state() { return std::nullopt; }
    // And where that lies, for a person: "the database app__old". Without old_state(): replaced() is no snapshot of its engine.
    virtual std::string old_place() { return {}; }
    // After swap(), where that driver cannot read the old state because its engine cannot: its bytes as the engine keeps them,
    // with entries below `listing_path`. Null where the engine can read it, or cannot give them either.
    virtual std::unique_ptr<Pin> raw_old_state(const std::string& listing_path) {
        (void)listing_path;
        return nullptr;
    }
    // After swap(): the files that held the old state, as prepare_undo() copied them; for `restore --keep-replaced`, which moves
    // them elsewhere when no undo is wanted any more. Empty where the engine keeps its old state in another form.
    virtual std::vector<ReplacedFile> replaced() { return {}; }
};

struct TargetSpec {
    FileSystem* fs = nullptr;
    std::string staged_dir;        // the snapshot's entries of this source, materialised under their listing paths
    std::string work_dir;          // this target's own folder, on the live file system, durable
    std::string restore_id;        // 16 hexadecimal digits, for the names of what is made beside the live state
    int64_t deadline_ms = 60'000;  // how long to wait for locks of the engine
};

enum class Verdict : uint8_t { fine, warning, refused };  // from best to worst

// The engine that a snapshot was taken of beside the live one: can the live one take what the snapshot holds?
struct EngineMatch {
    Verdict verdict = Verdict::fine;
    std::string then;  // what decides of it, as its engine says it: a version, a kind; empty: the snapshot does not record it
    std::string now;
    std::string why;  // where it is not fine
    std::string hint;
};

// A value that the source holds live and that nobody may see. What is kept of it is a keyed fingerprint.
struct LiveSecret {
    std::string place;  // listing path
    std::string key;
    Secret value;
};

struct ScratchSpec {
    FileSystem* fs = nullptr;
    std::string artifact_dir;  // the snapshot's entries of this source, materialised under their listing paths
    std::string work_dir;      // a folder that is there, for what a temporary server keeps and for its socket
    std::string id;            // 16 hexadecimal digits: names of what is made end in it, or hold it
};

// A copy of a source in an engine, beside what is live or in a server of its own: for drills, and for known queries that only an
// engine answers. Never what is live, and never what a restore makes. Made from the same id after a crash, remove() removes what
// an earlier process made. What runs for it (a temporary server) ends with the object, and with the process.
class ScratchTarget {
public:
    virtual ~ScratchTarget() = default;
    // What it is and where, for messages: "the database ingot_drill_0123456789abcdef on 127.0.0.1:5432".
    virtual std::string shown() const = 0;
    // Makes it, loads the artifact, whole, and counts it. Returns facts as this engine tells them, under the names they have at a
    // pin; all of them are to be what they were. Throws Error{failed} (no rights, no room, not there), Error{damaged} where the
    // engine rejects the artifact, Error{usage} where scratch and live would be the same, Error{interrupted}. remove() follows.
    virtual Facts load() = 0;
    // After load(): a driver of this spec asks it, by ask_live() and top_k_live(), as the live one is asked.
    virtual SourceSpec source() const = 0;
    // Nothing of it stays. Idempotent; also where load() threw or never ran. No signal ends it. Throws Error{failed} that names
    // what stays.
    virtual void remove() = 0;
};

class Driver {
public:
    virtual ~Driver() = default;

    const SourceSpec& spec() const { return spec_; }

    // Connects, checks, warms up, before any writer is paused. Throws Error{source} where the source is missing or unreadable.
    virtual void prepare() = 0;
    // Fixes the source at its moment. Milliseconds where the source allows it: this runs while writers are paused.
    virtual std::unique_ptr<Pin> pin() = 0;

    // Where the source's entries live now. Listing paths are those of Pin entries' roots.
    virtual std::vector<SourceRoot> roots() const = 0;
    // Roots that a snapshot has of this source; a restore says them before it asks for roots(). A driver that finds its roots by
    // itself may have found others then (nginx: a certificate that today's config does not name) and takes them as its own.
    virtual void adopt_roots(const std::vector<std::string>& listing_paths) { (void)listing_paths; }
    // False: roots are only where a restore puts the entries (a command's output), so a source whose roots are not there is not
    // missing.
    virtual bool lives_at_roots() const { return true; }
    // True: holding no byte at all is one of its ordinary states, which the coverage contract does not object to.
    virtual bool may_be_empty() const { return false; }
    // Is this live path one that the source leaves alone (an excluded path)? A restore never moves or deletes those.
    virtual bool excluded(const std::string& listing_path) const {
        (void)listing_path;
        return false;
    }

    // Opens a materialised artifact (entries under their listing paths below `dir`) with the source's own engine.
    // Returns what it found as evidence; throws Error{damaged} when the engine rejects it. May write to `dir`.
    virtual Facts open_artifact(const std::string& dir) = 0;
    // False: this kind of source has no engine to be opened with, and reading its bytes back proves all there is to prove;
    // open_artifact() is then not called when a snapshot is made golden, so that large trees are not copied for nothing.
    virtual bool artifact_needs_files() const { return true; }
    // A restore opens the artifact before it swaps a tree in, unless the snapshot is golden: this very content was opened before
    // then. True: also then, because the verdict depends on this host too and not on the bytes alone (`nginx -t` looks up names
    // and reads certificates). Only asked where artifact_needs_files() is true; what goes through an EngineTarget is always
    // opened.
    virtual bool open_before_swap() const { return false; }

    // Called by a restore once every target was swapped, and again once they were swapped back, also by the recovery from a
    // crash: the engine takes notice of its new files (nginx tests them and reloads). Idempotent. Throws Error{failed} where it
    // rejects them: the restore is then taken back; where it rejects the old ones, that is reported and ends nothing.
    virtual void activate() {}

    // One question to the live engine, in its own language, for a probe; one value. Never writes. Throws Error{failed} where it
    // does not answer, Error{usage} where this kind of source has no engine that could.
    virtual Fact ask_live(const std::string& question) {
        (void)question;
        throw Error(Code::usage, "source " + spec_.name + " has no engine that could be asked", "probe it with a command");
    }

    // Would the live engine take a snapshot whose pin had these facts? One cheap question, before anything is touched; what the
    // engine refuses later is refused here, with the same words. Nothing where no engine's version matters. Throws Error{failed}
    // where the engine does not answer.
    virtual std::optional<EngineMatch> match_engine(const Facts& then) {
        (void)then;
        return std::nullopt;
    }

    // What the source holds that must go together with other sources' data: keys and passwords by their names. Those of places
    // that are not there are left out. Throws Error{source}.
    virtual std::vector<LiveSecret> secrets() { return {}; }
    // The nearest neighbours of known queries, in the live engine, or in one that is opened upon the live file. Never writes.
    // Throws Error{failed} where it cannot be asked, Error{usage} where this kind of source has no vectors.
    virtual std::vector<TopKQuery> top_k_live(const TopKRequest& request) {
        (void)request;
        throw Error(Code::usage, "source " + spec_.name + " has no vectors that could be searched", "probe it with a command");
    }
    // The same of a materialised artifact, which open_artifact() took. Nothing where a file alone cannot be searched: a scratch
    // target of it can. Throws Error{damaged}, Error{failed}.
    virtual std::optional<std::vector<TopKQuery>> top_k_artifact(const std::string& dir, const TopKRequest& request) {
        (void)dir, (void)request;
        return std::nullopt;
    }
    // A copy of the source in an engine, from a materialised artifact. Null: this kind has none, the config wants none, or there
    // is no engine here that could hold one; opening its files is then all that a drill can do. Connects to nothing.
    virtual std::unique_ptr<ScratchTarget> scratch_target(const ScratchSpec& scratch) {
        (void)scratch;
        return nullptr;
    }

    // Null: the source is put back as a tree, entry by entry (restore/tree_swap.h).
    virtual std::unique_ptr<EngineTarget> engine_target(const TargetSpec& target) {
        (void)target;
        return nullptr;
    }

protected:
    explicit Driver(SourceSpec spec) : spec_(std::move(spec)) {}

private:
    SourceSpec spec_;
};

}  // namespace ingot
