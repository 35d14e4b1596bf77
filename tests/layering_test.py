#!/usr/bin/python3
"""The house rules that a compiler does not check (docs/architecture.md), read from the sources themselves:

  - which room may include which, and which third-party headers may appear in which file
  - no rename, fsync or unlink outside base/: there is one durable replace, and faults are put under it
  - RocksDB calls that lose data or read it without checking are not made
  - tests/<room>/x_test.cc and <room>/x.cc come in pairs
  - a file of more than 400 lines is on a list, with its reason
  - no path of one developer's machine is in the tree

Called by ctest with the program's path, the build folder and the source folder; only the last is used.
"""

import collections
import fnmatch
import os
import re
import subprocess
import sys

ROOMS = ["base", "store", "drivers", "snapshot", "restore", "cli"]

# Room -> what its files may include from the tree, as patterns. A room's own headers always may be.
MAY_INCLUDE = {
    "base": [],
    "store": ["base/*"],
    "drivers": ["base/*"],
    "snapshot": ["base/*", "store/*", "drivers/driver.h", "drivers/entry.h"],
    "restore": ["base/*", "store/*", "snapshot/*", "drivers/driver.h", "drivers/entry.h"],
    "cli": ["base/*", "store/*", "snapshot/*", "restore/*", "drivers/driver.h", "drivers/entry.h", "drivers/registry.h"],
}

# Third-party header -> the files it may appear in.
THIRD_PARTY = [
    ("rocksdb/*", ["store/index*.cc"]),
    ("zstd*.h", ["store/compress.cc"]),
    ("sodium.h", ["store/hash*.cc", "store/seal.cc", "store/keys.cc"]),
    ("openssl/*", ["store/hash*.cc", "store/seal.cc", "store/keys.cc", "drivers/redis_tls.cc"]),
    ("tbb/*", ["store/*pipeline*.cc"]),
    ("oneapi/tbb/*", ["store/*pipeline*.cc"]),
    ("xxhash.h", ["store/*.cc"]),
    ("tsl/*", ["store/pending_chunks.cc"]),
    ("immintrin.h", ["store/*.cc"]),
    ("cpuid.h", ["store/sha256_lanes.cc"]),
    ("curl/*", ["base/http.cc"]),
    ("archive*.h", ["drivers/tar*.cc", "snapshot/export*.cc"]),
    ("faiss/*", ["drivers/faiss_child.cc", "drivers/faiss_search.cc"]),
    ("pqxx/*", ["drivers/postgres_connection.cc"]),
    ("libpq-fe.h", ["drivers/postgres_address.cc"]),
    ("mongoc/*", ["drivers/mongodb_library.h"]),
    ("bson/*", ["drivers/mongodb_bson.cc"]),
    ("hiredis/*", ["drivers/redis_connection.cc"]),
    ("SQLiteCpp/*", ["drivers/sqlite*.cc"]),
    ("sqlite3.h", ["drivers/sqlite*.cc"]),
    ("nlohmann/*", ["store/config_file.cc", "drivers/qdrant_*.cc", "snapshot/*.cc", "restore/*.cc", "cli/*.cc"]),
    ("CLI/*", ["cli/*.cc"]),
    ("toml++/*", ["cli/*.cc"]),
    ("fmt/*", [room + "/*.cc" for room in ROOMS]),
]

# Exceptions to the two tables above: (file, header) -> why.
INCLUDE_EXCEPTIONS = {
    ("snapshot/json_text.h", "nlohmann/json.hpp"): "the wrapper of that library for the two codecs of this room",
    ("cli/cmd_diff.cc", "drivers/env_parse.h"): "the parser of .env key names, which is no driver",
}

STANDARD = re.compile(r"[a-z_]+$")  # <vector>; no suffix
POSIX = {
    "arpa/inet.h", "dirent.h", "dlfcn.h", "endian.h", "errno.h", "fcntl.h", "fnmatch.h", "glob.h", "grp.h", "limits.h", "malloc.h", "netdb.h", "poll.h", "pthread.h", "pwd.h",
    "sched.h", "signal.h", "spawn.h", "stdio.h", "stdlib.h", "string.h", "termios.h", "time.h", "unistd.h", "utime.h",
}

# Calls of the system, not methods of the same name: `fs.rename(` and `fs->remove(` go through base/filesystem.h.
DURABLE = r"(rename|renameat|renameat2|fsync|fdatasync|syncfs|sync_file_range|unlink|unlinkat|rmdir)\s*\("
DURABLE_QUALIFIED = re.compile(r"(?<!\w)(?:std)?::" + DURABLE
                               + r"|std::filesystem::(?:rename|remove|remove_all|resize_file)\s*\(|SYS_rename\w*")
DURABLE_BARE = re.compile(r"(?<![\w.>:])" + DURABLE)
# A member function of such a name, in the file or its header: a bare call is then a call of that.
DECLARED = re.compile(r"\b(?!return\b|else\b)\w[\w:>&*]*\s+(?:\w+::)?" + DURABLE)
DURABLE_EXCEPTIONS = {
}

BANNED_ROCKSDB = re.compile(
    r"\b(RepairDB|DestroyDB|OpenAsSecondary|DeleteRange|DeleteFilesInRange|IngestExternalFile|SetOptions|SetDBOptions|"
    r"BackupEngine\w*|EncryptedEnv|NewEncryptedEnv|blob_db)\b|verify_checksums\s*=\s*false")

# <room>/x.cc without tests/<room>/x_test.cc -> (the test that covers it instead, why it has none of its own).
TREE_SWAP = ("tests/restore/tree_swap_test.cc", "a stage of the tree's swap, driven whole: random trees, a kill and a failure at each call")
REDIS_TARGET = ("tests/drivers/redis_target_test.cc", "a part of putting a server back, which is tested with real servers there")
FAISS_KINDS = ("tests/drivers/faiss_layout_test.cc", "kinds of FAISS structures, by files that FAISS wrote and by each file damaged")
QDRANT = ("tests/drivers/qdrant_test.cc", "a part of the driver, which is tested there against a server that misbehaves at each request")
UNTESTED = {
    "drivers/postgres_dump.cc": ("tests/drivers/postgres_test.cc", "what a pin is made of; it is only met there"),
    "drivers/postgres_load.cc": ("tests/drivers/postgres_target_test.cc", "what a restore loads; it is only met there"),
    "drivers/postgres_pin.cc": ("tests/drivers/postgres_test.cc", "the driver's pin, on a real server"),
    "drivers/mongodb_load.cc": ("tests/drivers/mongodb_target_test.cc", "what a restore loads; it is only met there"),
    "drivers/mongodb_pin.cc": ("tests/drivers/mongodb_test.cc", "the driver's pin, on a server"),
    "drivers/mongodb_scope.cc": ("tests/drivers/mongodb_test.cc", "which collections a source is, on a server"),
    "drivers/faiss_binary.cc": FAISS_KINDS,
    "drivers/faiss_codes.cc": FAISS_KINDS,
    "drivers/faiss_index.cc": FAISS_KINDS,
    "drivers/faiss_ivf.cc": FAISS_KINDS,
    "drivers/faiss_quantizers.cc": FAISS_KINDS,
    "drivers/qdrant_download.cc": QDRANT,
    "drivers/qdrant_load.cc": ("tests/drivers/qdrant_target_test.cc", "what a restore loads; it is only met there"),
    "drivers/qdrant_pin.cc": QDRANT,
    "drivers/redis_load.cc": REDIS_TARGET,
    "drivers/redis_persist.cc": REDIS_TARGET,
    "snapshot/guard_child.cc": ("tests/snapshot/guard_test.cc", "the guard's other process; it is only met through the guard"),
    "cli/cmd_compat.cc": ("tests/e2e/compat_test.py", "the whole program"),
    "cli/compat_check.cc": ("tests/e2e/compat_test.py", "what a restore says and refuses first; restore/compatibility.cc judges"),
    "cli/damage_advice.cc": ("tests/e2e/damaged_stream_test.py", "the words; snapshot/damaged_streams.cc finds"),
    "cli/cmd_drill.cc": ("tests/e2e/drill_guard_test.py", "the whole program"),
    "cli/cmd_guard.cc": ("tests/e2e/drill_guard_test.py", "the whole program"),
    "cli/guarded_command.cc": ("tests/e2e/drill_guard_test.py", "signals and terminals belong to a whole program"),
    "cli/cmd_undo.cc": ("tests/e2e/undo_test.py", "the whole program"),
    "cli/keep_old.cc": ("tests/e2e/undo_test.py", "the whole program"),
    "restore/drill_source.cc": ("tests/restore/drill_test.cc", "one source of a drill; it is only met there"),
    "restore/left_alone.cc": ("tests/restore/tree_compare_test.cc", "what the comparison leaves alone; it is only met there"),
    "restore/link_groups.cc": TREE_SWAP,
    "restore/live_entry.cc": TREE_SWAP,
    "restore/stage_folder.cc": TREE_SWAP,
    "restore/tree_draft.cc": TREE_SWAP,
    "restore/tree_plan.cc": TREE_SWAP,
    "cli/main.cc": ("tests/cli/app_test.cc", "one line, which calls what that tests"),
    "cli/command_table.cc": ("tests/cli/arguments_test.cc", "the table by which arguments.cc parses"),
    "cli/follow_up.cc": ("tests/cli/cmd_audit_test.cc", "what follows commands; its parts have tests of their own"),
    "cli/restore_audit.cc": ("tests/cli/cmd_audit_test.cc", "the record that `ingot audit` lists"),
    "cli/invocation.cc": ("tests/cli/app_test.cc", "every command begins with it"),
    "cli/pick.cc": ("tests/cli/cmd_look_test.cc", "every command that takes an id goes through it"),
    "cli/pending.cc": ("tests/cli/cmd_verify_test.cc", "an attestation that waits, and is filed by the next command"),
}

# Files of more than 400 lines -> why they hold one idea nevertheless.
LONG_FILES = {
}
LINES = 400

TEXT = (".cc", ".h", ".py", ".md", ".sh", ".toml", ".txt", ".cmake", ".yml", ".service", ".timer")


class Check:
    def __init__(self, root):
        self.root = root
        self.counts = collections.Counter()
        self.problems = []
        self.used = set()  # exceptions that excused something

    def problem(self, where, what):
        self.problems.append(f"{where}: {what}")

    def excused(self, table, key):
        if key not in table:
            return False
        self.used.add((id(table), key))
        return True

    def lines(self, path):
        with open(os.path.join(self.root, path), encoding="utf-8", errors="surrogateescape") as file:
            return file.read().split("\n")

    def sources(self, rooms):
        for room in rooms:
            for folder, _, names in sorted(os.walk(os.path.join(self.root, room))):
                for name in sorted(names):
                    if name.endswith((".cc", ".h")):
                        yield os.path.relpath(os.path.join(folder, name), self.root)


def without_comments(lines):
    """The code of each line: no comments, string literals emptied. Good enough for calls and includes."""
    in_block = False
    for line in lines:
        out, i, quote = [], 0, None
        while i < len(line):
            two = line[i:i + 2]
            if in_block:
                if two == "*/":
                    in_block, i = False, i + 1
            elif quote:
                if line[i] == "\\":
                    i += 1
                elif line[i] == quote:
                    quote = None
                    out.append(line[i])
            elif two == "//":
                break
            elif two == "/*":
                in_block, i = True, i + 1
            else:
                # A digit separator (1'000) is no quote.
                if line[i] == '"' or (line[i] == "'" and not (out and out[-1].isalnum())):
                    quote = line[i]
                out.append(line[i])
            i += 1
        yield "".join(out)


def check_includes(check):
    include = re.compile(r'\s*#\s*include\s*([<"])([^>"]+)[>"]')
    for path in check.sources(ROOMS):
        room = path.split("/")[0]
        for number, line in enumerate(check.lines(path), 1):
            found = include.match(line)
            if not found:
                continue
            check.counts["includes"] += 1
            quoted, header = found[1] == '"', found[2]
            where = f"{path}:{number}"
            if check.excused(INCLUDE_EXCEPTIONS, (path, header)):
                continue
            if quoted:
                if not os.path.isfile(os.path.join(check.root, header)):
                    check.problem(where, f'"{header}" is not a file of this tree; third-party headers stand in <>')
                elif not any(fnmatch.fnmatch(header, may) for may in MAY_INCLUDE[room] + [room + "/*"]):
                    check.problem(where, f"{room}/ may not include {header}")
                elif header == "drivers/registry.h" and room not in ("cli", "drivers"):
                    check.problem(where, "only cli/ names concrete drivers")
            elif STANDARD.match(header) or header in POSIX or header.startswith(("sys/", "linux/")):
                pass
            else:
                owners = [places for pattern, places in THIRD_PARTY if fnmatch.fnmatch(header, pattern)]
                if not owners:
                    check.problem(where, f"<{header}> belongs to no known package; add it to THIRD_PARTY with its place")
                elif not any(fnmatch.fnmatch(path, place) for place in owners[0]):
                    check.problem(where, f"<{header}> may appear only in {', '.join(owners[0])}")
                else:
                    check.counts["third-party includes"] += 1


def own_functions(check, path):
    header = path[:-3] + ".h" if path.endswith(".cc") else path
    files = [path] + ([header] if os.path.isfile(os.path.join(check.root, header)) else [])
    return {found[1] for file in files for line in without_comments(check.lines(file)) for found in DECLARED.finditer(line)}


def check_calls(check):
    for path in check.sources(ROOMS):
        check.counts["source files"] += 1
        own = own_functions(check, path)
        for number, line in enumerate(without_comments(check.lines(path)), 1):
            check.counts["lines"] += 1
            if not path.startswith("base/"):
                calls = list(DURABLE_QUALIFIED.finditer(line)) + [call for call in DURABLE_BARE.finditer(line) if call[1] not in own]
                if calls and not check.excused(DURABLE_EXCEPTIONS, path):
                    check.problem(f"{path}:{number}", f"{calls[0][0].strip('( ')} outside base/: go through base/filesystem.h")
            banned = BANNED_ROCKSDB.search(line)
            if banned:
                check.problem(f"{path}:{number}", f"{banned[0]} loses data, or reads it unchecked")


def check_pairs(check):
    for room in ROOMS:
        for path in check.sources([room]):
            if not path.endswith(".cc"):
                continue
            test = f"tests/{path[:-3]}_test.cc"
            if os.path.isfile(os.path.join(check.root, test)):
                check.counts["tested files"] += 1
            elif check.excused(UNTESTED, path):
                check.counts["files tested elsewhere"] += 1
                if not os.path.isfile(os.path.join(check.root, UNTESTED[path][0])):
                    check.problem("UNTESTED", f"{path} is covered by {UNTESTED[path][0]}, which does not exist")
            else:
                check.problem(path, f"has no {test}, and no entry in UNTESTED of this script")
        folder = os.path.join(check.root, "tests", room)
        for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
            if not name.endswith("_test.cc"):
                continue
            tested = f"{room}/{name[:-len('_test.cc')]}"
            if not any(os.path.isfile(os.path.join(check.root, tested + end)) for end in (".cc", ".h")):
                check.problem(f"tests/{room}/{name}", f"tests nothing: there is no {tested}.cc or .h")


def check_lengths(check):
    for path in check.sources(ROOMS + ["tests"]):
        count = len(check.lines(path)) - 1
        check.counts["longest file"] = max(check.counts["longest file"], count)
        if count > LINES and not check.excused(LONG_FILES, path):
            check.problem(path, f"{count} lines usually hold two ideas; split it, or list it in LONG_FILES with the reason")


def tree_files(root):
    """What git knows or would add; without git, all but build folders."""
    try:
        out = subprocess.run(["git", "-c", "safe.directory=*", "-C", root, "ls-files", "-z", "-co", "--exclude-standard"],
                             capture_output=True, check=True).stdout
        return [os.fsdecode(name) for name in out.split(b"\0") if name]
    except (OSError, subprocess.CalledProcessError):
        found = []
        for folder, folders, names in os.walk(root):
            folders[:] = [name for name in folders if name != ".git" and not name.startswith("build")]
            found += [os.path.relpath(os.path.join(folder, name), root) for name in names]
        return found


def check_paths(check):
    # Spelled in pieces, so that this file does not find itself.
    machine = re.compile("/" + "(?:root|work)" + r"(?=[/\s\"'`),;]|$)")
    for path in tree_files(check.root):
        if not (path.endswith(TEXT) or os.path.basename(path) in ("dev", "run", "LICENSE", ".clang-tidy", ".clang-format")):
            continue
        if not os.path.isfile(os.path.join(check.root, path)):
            continue
        check.counts["text files"] += 1
        for number, line in enumerate(check.lines(path), 1):
            for found in machine.finditer(line):
                before = line[:found.start()]
                # A last component of some other path ("source/work") is none of a machine's.
                if not re.search(r"[\w.}*~>)-]$", before):
                    check.problem(f"{path}:{number}", "names a path of one machine")


def check_exceptions(check):
    for name, table in (("INCLUDE_EXCEPTIONS", INCLUDE_EXCEPTIONS), ("DURABLE_EXCEPTIONS", DURABLE_EXCEPTIONS),
                        ("UNTESTED", UNTESTED), ("LONG_FILES", LONG_FILES)):
        for key in table:
            if (id(table), key) not in check.used:
                check.problem(name, f"the entry for {key} excuses nothing any more; remove it")


def main():
    check = Check(os.path.abspath(sys.argv[3] if len(sys.argv) > 3 else os.path.join(os.path.dirname(__file__), "..")))
    check_includes(check)
    check_calls(check)
    check_pairs(check)
    check_lengths(check)
    check_paths(check)
    check_exceptions(check)
    print("counted: " + ", ".join(f"{count} {what}" for what, count in sorted(check.counts.items())))
    if not check.counts["includes"] or not check.counts["text files"]:
        check.problem("this test", "it found nothing to read; is the source folder right?")
    for line in check.problems:
        print(line)
    print(f"{len(check.problems)} problems")
    return 1 if check.problems else 0


if __name__ == "__main__":
    sys.exit(main())
