#include "snapshot/scratch_engine.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/error.h"
#include "base/step.h"
#include "store/hash.h"

namespace ingot {
namespace {

constexpr std::string_view kNotePrefix = "drill-";
constexpr size_t kIdDigits = 16;
constexpr size_t kMostNoteBytes = 4096;

std::string new_id() {
    std::array<uint8_t, kIdDigits / 2> bytes{};
    random_bytes(bytes);
    return to_hex(bytes);
}

// The file's descriptor, locked; -1 where somebody else holds it or it is gone.
int lock_note(const std::string& path) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0 && ::flock(fd, LOCK_EX | LOCK_NB) != 0) {
        ::close(fd);
        return -1;
    }
    return fd;
}

void remove_note(const std::string& path) {
    real_filesystem().remove(path);
    real_filesystem().sync_dir(parent_of(path));
}

}  // namespace

ScratchEngine::ScratchEngine(const Stack& stack, Driver& source, const std::string& artifact_dir, const std::string& work_parent)
    : stack_(stack), source_(source), work_parent_(work_parent), id_(new_id()) {
    ScratchSpec spec;
    spec.fs = &real_filesystem();
    spec.artifact_dir = artifact_dir;
    spec.id = id_;
    // Made before the target, which may put a server's socket into it.
    work_.emplace(real_filesystem(), work_parent_);
    spec.work_dir = work_->path();
    if (stack.make_driver) target_ = source.scratch_target(spec);
}

ScratchEngine::~ScratchEngine() {
    try {
        remove();
    } catch (const Error& error) {
        ignore_error(error, "its note stays: the next drill removes it, or names it");
    }
    if (note_fd_ >= 0) ::close(note_fd_);
}

void ScratchEngine::note() {
    if (stack_.state_dir.empty()) return;
    note_ = join(stack_.state_dir, std::string(kNotePrefix) + id_);
    replace_file(real_filesystem(), note_, view_of(stack_.name + "\n" + source_.spec().name + "\n"));
    note_fd_ = lock_note(note_);
}

Facts ScratchEngine::load() {
    note();
    began_ = true;
    step("drill.engine-noted");
    Facts facts = target_->load();
    driver_ = stack_.make_driver(target_->source());
    step("drill.engine-loaded");
    return facts;
}

void ScratchEngine::remove() {
    driver_.reset();
    if (target_ == nullptr || !began_) return;
    target_->remove();
    began_ = false;
    if (!note_.empty()) remove_note(note_);
    note_.clear();
    step("drill.engine-removed");
}

std::vector<std::string> sweep_scratch_engines(const Stack& stack) {
    std::vector<std::string> notes, left;
    if (stack.state_dir.empty() || !real_filesystem().exists(stack.state_dir)) return left;
    real_filesystem().list(stack.state_dir, [&](const std::string& name) {
        if (name.starts_with(kNotePrefix) && name.size() == kNotePrefix.size() + kIdDigits &&
            name.find_first_not_of("0123456789abcdef", kNotePrefix.size()) == std::string::npos)
            notes.push_back(name);
    });
    for (const std::string& name : notes) {
        const std::string path = join(stack.state_dir, name);
        const int fd = lock_note(path);
        if (fd < 0) continue;  // a drill under way
        try {
            const Bytes bytes = read_file(real_filesystem(), path, kMostNoteBytes);
            const std::string text(text_of(bytes));
            const size_t line = text.find('\n');
            const std::string source = line == std::string::npos || text.substr(0, line) != stack.name
                                           ? std::string()
                                           : text.substr(line + 1, text.find('\n', line + 1) - line - 1);
            const auto driver =
                std::ranges::find_if(stack.sources, [&](const auto& each) { return each->spec().name == source; });
            // One of another stack, or of a source that the config has no more: not ours to judge.
            if (!source.empty() && driver != stack.sources.end()) {
                ScratchSpec spec;
                spec.fs = &real_filesystem();
                spec.work_dir = stack.state_dir;
                spec.id = name.substr(kNotePrefix.size());
                if (const auto target = (*driver)->scratch_target(spec)) target->remove();
                remove_note(path);
            }
        } catch (const Error& error) {
            left.push_back(fmt::format("an earlier drill left something behind, which cannot be removed: {}", error.what()));
        }
        ::close(fd);
    }
    return left;
}

}  // namespace ingot
