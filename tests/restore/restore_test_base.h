// A repository, a stack of three sources (a tree, .env files, and one behind a fake engine), and a snapshot of it.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <map>

#include "base/error.h"
#include "base/interrupt.h"
#include "base/step.h"
#include "drivers/env.h"
#include "drivers/files.h"
#include "restore/journal.h"
#include "restore/restore.h"
#include "snapshot/take.h"
#include "tests/base/temp_dir.h"
#include "tests/support/faulty_filesystem.h"
#include "tests/support/tree_model.h"

namespace ingot::test {

// One file, put back by writing it: all or nothing, as an engine's transaction is. What is staged is loaded beside it first, as
// a server takes it into a spare database.
class FakeEngine : public EngineTarget {
public:
    FakeEngine(TargetSpec target, SourceRoot root) : target_(std::move(target)), root_(std::move(root)) {}
    void preflight() override {
        if (refuses) throw Error(Code::failed, "the fake engine is locked", "wait");
    }
    void ping() override {
        if (silent) throw Error(Code::failed, "the fake engine does not answer");
    }
    void stage() override {
        const Bytes staged = read_file(*target_.fs, join(target_.staged_dir, root_.listing_path), 1 << 20);
        replace_file(*target_.fs, beside(), staged);
        if (full) throw Error(Code::failed, "the fake engine is full");
    }
    void prepare_undo() override { replace_file(*target_.fs, saved(), read_file(*target_.fs, root_.live_path, 1 << 20)); }
    void swap() override {
        if (breaks) throw Error(Code::failed, "the fake engine broke");
        replace_file(*target_.fs, root_.live_path, read_file(*target_.fs, beside(), 1 << 20));
    }
    void undo() override { replace_file(*target_.fs, root_.live_path, read_file(*target_.fs, saved(), 1 << 20)); }
    void discard() override {
        if (target_.fs->exists(beside())) target_.fs->remove(beside());
    }
    std::vector<ReplacedFile> replaced() override {
        if (!target_.fs->exists(saved())) return {};
        return {{saved(), root_.listing_path}};
    }

    static inline bool refuses = false;
    static inline bool breaks = false;
    static inline bool full = false;
    static inline bool silent = false;

private:
    std::string beside() const { return parent_of(root_.live_path) + "/.ingot-engine-" + target_.restore_id; }
    std::string saved() const { return join(target_.work_dir, "saved"); }
    TargetSpec target_;
    SourceRoot root_;
};

class FakeEngineDriver : public FilesDriver {
public:
    using FilesDriver::FilesDriver;
    Facts open_artifact(const std::string& dir) override {
        if (read_whole(join(dir, roots().front().listing_path)).starts_with("corrupt"))
            throw Error(Code::damaged, "the fake engine rejects it");
        return {};
    }
    std::unique_ptr<EngineTarget> engine_target(const TargetSpec& target) override {
        return std::make_unique<FakeEngine>(target, roots().front());
    }
};

// Files that an engine reads: it opens them before a swap, and takes notice of them after it.
class FakeServerDriver : public FilesDriver {
public:
    using FilesDriver::FilesDriver;
    Facts open_artifact(const std::string& dir) override {
        ++opened;
        if (read_whole(join(dir, roots().front().listing_path)).find("syntax error") != std::string::npos)
            throw Error(Code::damaged, "the fake server rejects it");
        return {};
    }
    bool artifact_needs_files() const override { return true; }
    bool open_before_swap() const override { return opens_golden; }
    void activate() override {
        serving.push_back(read_whole(roots().front().live_path));
        if (serving.back() == rejects) throw Error(Code::failed, "the fake server does not start");
    }

    static inline int opened = 0;
    static inline bool opens_golden = false;
    static inline std::string rejects;
    static inline std::vector<std::string> serving;  // what it found at each activate()
};

class LastNotes : public Progress {
public:
    void phase(std::string_view, uint64_t) override {}
    void advance(uint64_t) override {}
    void note(std::string_view line) override { notes.emplace_back(line); }
    std::vector<std::string> notes;
};

// Where the scene is: a folder of its own, or, in a process that a test started to kill it, that test's.
class SceneDir {
public:
    SceneDir() : path_(given() != nullptr ? given() : own_.path()) {}
    static const char* given() { return std::getenv("INGOT_TEST_SCENE"); }
    const std::string& path() const { return path_; }
    std::string at(const std::string& name) const { return path_ + "/" + name; }

private:
    TempDir own_;
    std::string path_;
};

class RestoreTest : public testing::Test {
protected:
    RestoreTest() {
        stack_.name = "test";
        stack_.root = root();
        stack_.state_dir = dir_.at("state");
        add<FilesDriver>("docs", "files", {"docs"});
        add<EnvDriver>("env", "env", {".env"});
        add<FakeEngineDriver>("db", "fake", {"fake.db"});
        if (SceneDir::given() != nullptr) return;
        InitOptions plain;
        plain.encryption = false;
        Repository::init(real_filesystem(), dir_.at("repo"), {}, plain);
        std::filesystem::create_directories(root() + "/docs/deep");
        std::filesystem::create_directories(dir_.at("state"));
        open(LockMode::append);
        fill();
    }
    ~RestoreTest() override {
        set_interrupted(false);
        FakeEngine::refuses = FakeEngine::breaks = FakeEngine::full = FakeEngine::silent = false;
        FakeServerDriver::opened = 0;
        FakeServerDriver::opens_golden = false;
        FakeServerDriver::rejects.clear();
        FakeServerDriver::serving.clear();
    }

    std::string root() const { return dir_.at("stack"); }
    std::string at(const std::string& path) const { return root() + "/" + path; }

    void open(LockMode mode) {
        repository_.reset();
        OpenOptions options;
        options.mode = mode;
        options.state_dir = dir_.at("state");
        options.lock_wait_ms = 0;
        repository_ = Repository::open(real_filesystem(), dir_.at("repo"), {}, options);
    }
    template <class D>
    void add(const std::string& name, const std::string& driver, std::vector<std::string> paths,
             std::vector<std::string> exclude = {}) {
        SourceSpec spec;
        spec.name = name;
        spec.driver = driver;
        spec.root = root();
        spec.paths = std::move(paths);
        spec.exclude = std::move(exclude);
        spec.spool_dir = dir_.path();
        stack_.sources.push_back(std::make_unique<D>(std::move(spec)));
    }
    void fill() {
        write_file(at("docs/same"), "the same in both");
        write_file(at("docs/a"), std::string(50'000, 'a'));
        write_file(at("docs/deep/b"), "b", 0600);
        write_file(at("docs/gone"), "was there");
        std::filesystem::create_symlink("a", at("docs/link"));
        std::filesystem::create_hard_link(at("docs/a"), at("docs/a-too"));
        write_file(at(".env"), "KEY=old value\n", 0600);
        write_file(at("fake.db"), "rows of then");
    }
    // Everything differs from what fill() wrote.
    void change() {
        write_file(at("docs/a"), std::string(50'000, 'x'));  // the same size
        write_file(at("docs/deep/b"), "other");
        std::filesystem::remove(at("docs/gone"));
        std::filesystem::create_directories(at("docs/extra/below"));
        write_file(at("docs/extra/below/c"), "not in the snapshot");
        std::filesystem::remove(at("docs/link"));
        std::filesystem::create_directory(at("docs/link"));
        std::filesystem::permissions(at("docs"), std::filesystem::perms::owner_all);
        write_file(at(".env"), "KEY=new value\n", 0644);
        write_file(at("fake.db"), "rows of now");
    }
    Snapshot take() {
        TakeOptions options;
        options.wait = [](int64_t) {};
        return listed(take_snapshot(*repository_, stack_, options, progress_).id);
    }
    Snapshot listed(const RecordId& id) {
        for (Snapshot& snapshot : load_snapshots(*repository_, "test", [](const std::string& line) { ADD_FAILURE() << line; })) {
            if (snapshot.id == id) return snapshot;
        }
        throw Error(Code::failed, "the snapshot is not listed");
    }
    // All that is live, the engine's file by its content: its times are the engine's business.
    TreeState live() const {
        TreeState state = state_of(root());
        state["./fake.db"] = read_whole(at("fake.db"));
        state.erase(".");  // the stack's root is no source's entry
        return state;
    }
    RestoreResult run(const Snapshot& snapshot, const RestoreOptions& options = {}) {
        return restore(*repository_, snapshot, stack_, fs_, options, progress_);
    }
    Error error_of(const std::function<void()>& call) {
        try {
            call();
        } catch (const Error& error) {
            return error;
        }
        ADD_FAILURE() << "nothing was thrown";
        return {Code::failed, ""};
    }
    // Stage folders, work folders and journals that are still there.
    std::vector<std::string> leftovers() const {
        std::vector<std::string> found;
        for (const std::string& top : {root(), dir_.at("state")}) {
            for (const auto& entry : std::filesystem::recursive_directory_iterator(top)) {
                const std::string name = entry.path().filename().string();
                if (name.starts_with(".ingot-") || name.starts_with("restore-") || name.ends_with(".journal") ||
                    name.starts_with(".tmp-")) {
                    found.push_back(entry.path().string());
                }
            }
        }
        return found;
    }

    SceneDir dir_;
    FaultyFileSystem fs_;  // under the restore, not under the repository
    std::unique_ptr<Repository> repository_;
    Stack stack_;
    LastNotes progress_;
};

// Runs one test of this program, of those that are disabled, as a process of its own: a fork would have none of the threads that
// the store's pipelines count on. Its exit status, or 128 + the signal that ended it.
inline int in_own_process(const std::string& test, const std::map<std::string, std::string>& environment) {
    std::fflush(nullptr);  // else a child would print it again
    const pid_t child = ::fork();
    if (child == 0) {
        for (const auto& [name, value] : environment) ::setenv(name.c_str(), value.c_str(), 1);
        ::execl("/proc/self/exe", "restore_tests", "--gtest_also_run_disabled_tests", "--gtest_brief=1",
                ("--gtest_filter=" + test).c_str(), nullptr);
        ::_exit(98);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

// Runs `body` in a child; its exit status, or 128 + the signal that ended it.
inline int in_child(const std::function<int()>& body) {
    std::fflush(nullptr);  // else a child would print it again
    const pid_t child = ::fork();
    if (child == 0) {
        int status = 99;
        try {
            status = body();
        } catch (const std::exception& error) {
            std::fprintf(stderr, "child: %s\n", error.what());
        }
        std::fflush(nullptr);
        ::_exit(status);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

inline int steps_to_live = 0;
// From now on the process kills itself at its nth step.
inline void die_at_step(int nth) {
    steps_to_live = nth;
    set_step_listener([](const char*) {
        if (--steps_to_live == 0) ::kill(::getpid(), SIGKILL);
    });
}

inline std::string step_to_die_at;
// The same, at the first step of that name.
inline void die_at_name(const std::string& name) {
    step_to_die_at = name;
    set_step_listener([](const char* passed) {
        if (step_to_die_at == passed) ::kill(::getpid(), SIGKILL);
    });
}

}  // namespace ingot::test
