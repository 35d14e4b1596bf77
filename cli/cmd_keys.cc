// key add, remove, list, passwd: what opens the repository.
#include <fmt/format.h>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/key_file.h"
#include "cli/paths.h"
#include "cli/terminal.h"

namespace ingot {
namespace {

Credentials new_passphrase(Invocation& run) {
    Credentials fresh;
    const std::string& file = run.arguments.key.new_passphrase_file;
    const auto warn = [&](const std::string& line) { run.out.warn(line); };
    if (!file.empty()) {
        fresh.passphrase = read_passphrase_file(run.fs, file, warn);
    } else if (can_ask()) {
        fresh.passphrase = ask_new_passphrase("the repository");
    } else {
        throw Error(Code::usage, "no new passphrase was given, and nobody can be asked", "give --new-passphrase-file FILE");
    }
    return fresh;
}

void refuse_plain(const Repository& repository) {
    if (repository.encrypted()) return;
    throw Error(Code::usage, "the repository is not encrypted: it has no keys", "make an encrypted one with `ingot init`");
}

std::string slot_names(const std::vector<KeySlot>& slots) {
    std::string names;
    for (const KeySlot& slot : slots) names += (names.empty() ? "" : ", ") + slot.name;
    return names;
}

// The passphrase slot that is to be changed.
std::string passphrase_slot(const std::vector<KeySlot>& slots, const std::string& wanted) {
    std::vector<KeySlot> candidates;
    for (const KeySlot& slot : slots) {
        if (slot.kind == "passphrase" && slot.name.starts_with(wanted)) candidates.push_back(slot);
    }
    if (candidates.size() == 1) return candidates[0].name;
    if (candidates.empty()) {
        throw Error(
            Code::not_found,
            wanted.empty() ? "the repository has no passphrase" : fmt::format("there is no passphrase {}", printable(wanted)),
            "add one with `ingot key add`; `ingot key list` shows what there is");
    }
    throw Error(Code::usage, fmt::format("the repository has several passphrases: {}", slot_names(candidates)),
                "say which: ingot key passwd SLOT");
}

}  // namespace

int cmd_key_add(Invocation& run) {
    const auto repository = run.open(LockMode::append);
    refuse_plain(*repository);
    const KeyArguments& arguments = run.arguments.key;
    Credentials fresh;
    bool made = false;
    const std::string path = arguments.new_key_file.empty() ? "" : absolute_path(arguments.new_key_file);
    if (path.empty()) {
        fresh = new_passphrase(run);
    } else if (run.fs.exists(path)) {
        fresh.key_file = read_key_file(run.fs, path, [&](const std::string& line) { run.out.warn(line); });
    } else {
        fresh.key_file = make_key_file(run.fs, path);
        made = true;
    }
    const std::string slot = repository->add_key(fresh, arguments.label.empty() ? "added" : arguments.label, InitOptions{});
    if (made) run.out.warn(fmt::format("made the key file {}: keep a copy of it elsewhere", printable(path)));
    run.out.line(fmt::format("key {} added", slot));
    JsonObject object("key");
    run.out.object(object.add("action", "added").add("slot", slot).add("key_file_made", made));
    return kExitDone;
}

int cmd_key_remove(Invocation& run) {
    const auto repository = run.open(LockMode::append);
    refuse_plain(*repository);
    const std::string& wanted = run.arguments.key.slot;
    const std::vector<KeySlot> slots = repository->key_slots();
    for (const KeySlot& slot : slots) {
        if (slot.name != wanted) continue;
        repository->remove_key(wanted);
        run.out.line(fmt::format("key {} removed", wanted));
        JsonObject object("key");
        run.out.object(object.add("action", "removed").add("slot", wanted));
        return kExitDone;
    }
    throw Error(Code::not_found, fmt::format("there is no key {}", printable(wanted)),
                fmt::format("there are: {}", slot_names(slots)));
}

int cmd_key_list(Invocation& run) {
    const auto repository = run.open(LockMode::shared);
    refuse_plain(*repository);
    Table table({"Slot", "Kind", "Label", "State"});
    for (const KeySlot& slot : repository->key_slots()) {
        JsonObject object("key");
        object.add("slot", slot.name)
            .add("kind", slot.kind)
            .add("label", printable(slot.label))
            .add("problem", printable(slot.problem));
        run.out.object(object);
        table.add({slot.name, slot.kind, printable(slot.label), slot.problem.empty() ? "good" : printable(slot.problem)});
    }
    run.out.table(table);
    return kExitDone;
}

int cmd_key_passwd(Invocation& run) {
    const auto repository = run.open(LockMode::append);
    refuse_plain(*repository);
    const std::vector<KeySlot> slots = repository->key_slots();
    const std::string old_slot = passphrase_slot(slots, run.arguments.key.slot);
    std::string label = run.arguments.key.label;
    for (const KeySlot& slot : slots) {
        if (label.empty() && slot.name == old_slot) label = slot.label;
    }
    // The new one opens before the old one is gone.
    const std::string slot = repository->add_key(new_passphrase(run), label, InitOptions{});
    repository->remove_key(old_slot);
    run.out.line(fmt::format("passphrase changed: key {} in place of {}", slot, old_slot));
    JsonObject object("key");
    run.out.object(object.add("action", "changed").add("slot", slot).add("removed", old_slot));
    return kExitDone;
}

}  // namespace ingot
