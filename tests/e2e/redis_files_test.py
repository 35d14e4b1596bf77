#!/usr/bin/python3
"""A Redis whose data is dead (its server does not start), or that is stopped: the restore puts files in place of its files, keeps the old
ones byte for byte, and is old or new whatever kills it. With the built binary and the real server.

Called by ctest with the program's path, the build folder and the source folder.
"""

import os
import subprocess
import sys

from stack import main
from faulted_run import FAULTED, Counts, require, run
from faulted_stack import tree_state
from redis_server import SERVER
from redis_test import RedisStackTest

COUNTS = Counts()
STEPS = ("restore.redis.files-staged", "restore.redis.undo-saved", "restore.redis.swap-begun", "restore.redis.swapped", "restore.swapped")
# How a server keeps its data, and the files of which it then lives.
KINDS = {"rdb": ((), ("dump.rdb",)), "aof": (("--appendonly", "yes"), ("appendonlydir",)),
         "named": (("--dbfilename", "rag.rdb"), ("rag.rdb",))}


def files_below(folder):
    return [os.path.join(at, name) for at, _, names in os.walk(folder) for name in names if name != "log"]


class DeadData(RedisStackTest):
    def dead(self, kind):
        """A server that was stopped, and whose files no server takes any more; the golden snapshot, and what it held."""
        options, names = KINDS[kind]
        server = self.server(*options, name=kind)
        stack = self.cache(server, f'data_dir = "{server.folder}"', name="stack-" + kind)
        wanted = server.content()
        snapshot = self.golden(stack)
        server.damage()
        if kind != "aof":
            server.ask("SAVE")
        server.kill()
        hurt = 0
        for path in files_below(server.folder):
            if path.endswith((".rdb", ".aof")) and os.path.getsize(path):
                with open(path, "r+b") as file:
                    file.truncate(max(1, os.path.getsize(path) // 2))
                    file.seek(0)
                    file.write(b"\0garbage\0")
                hurt += 1
        require(hurt and all(os.path.exists(f"{server.folder}/{name}") for name in names), f"nothing to damage in {os.listdir(server.folder)}")
        words = [SERVER, "--port", str(server.port), "--bind", "127.0.0.1", "--dir", server.folder, "--save", "", "--logfile", server.folder + "/log", *options]
        require(subprocess.run(words, timeout=20, check=False).returncode != 0, "the server takes what was to be dead")
        return server, stack, snapshot, wanted

    def state(self, server):
        return {path: state for path, state in tree_state(server.folder).items() if path not in (b"", b"/log")}

    def test_it_is_restored_by_files_and_kept_as_raw_bytes(self):
        for kind in KINDS:
            server, stack, snapshot, wanted = self.dead(kind)
            old = {}
            for path in files_below(server.folder):
                with open(path, "rb") as file:
                    old[os.path.relpath(path, server.folder)] = file.read()
            done = stack.ingot("restore", snapshot, "--yes").expect(0)
            require(not done.summary["problems"], "problems", done)
            server.start()
            self.require_content(server, wanted, kind, done)
            require(server.ask("FCALL", "answer", 0) == 42, "the function did not come back", done)
            require(not stack.leftovers() and not [name for name in os.listdir(server.folder) if name.startswith(".ingot")], "left behind", done)
            safety = done.summary["safety_snapshot_id"]
            require(safety and "kept as the files that its engine had" in done.said, "the old state was not kept", done)
            stack.ingot("restore", safety, "--only", "cache", "--to", f"{self.folder}/look-{kind}").expect(0)
            kept = f"{self.folder}/look-{kind}/cache/cache.redis/files"
            for name, data in old.items():
                with open(f"{kept}/{name}", "rb") as file:
                    require(file.read() == data, f"{name} was kept with other bytes")
                COUNTS.add("dead files kept byte for byte")
            refused = stack.ingot("undo", "--yes").expect(1)
            require("raw bytes" in refused.said, "an undo to dead data is not refused", refused)
            server.restart()
            self.require_content(server, wanted, kind, "after kill -9")
            COUNTS.add("servers that start again")

    def test_killed_at_every_step_the_files_are_as_they_were(self):
        for kind in KINDS:
            server, stack, snapshot, wanted = self.dead(kind)
            old = self.state(server)
            for step in STEPS:
                run(stack.words("restore", snapshot, "--yes", program=FAULTED), {"INGOT_TEST_KILL_AT": step}, 60).expect(-9)
                undone = stack.ingot("restore", "--undo").expect(0)
                require(self.state(server) == old, f"{kind}: other files after a kill at {step}", undone)
                require(not stack.leftovers(), f"left behind: {stack.leftovers()}", step, undone)
                COUNTS.add("kills recovered to the old files")
            # A server that was started upon the new files has made others of them: they go, and the old ones come back.
            run(stack.words("restore", snapshot, "--yes", program=FAULTED), {"INGOT_TEST_KILL_AT": "restore.swapped"}, 60).expect(-9)
            server.start()
            self.require_content(server, wanted, kind)
            refused = stack.ingot("restore", "--undo").expect(22)
            require("answers now" in refused.said and "stop it" in refused.said, "files were exchanged under a server", refused)
            server.ask("SET", "later", "1")
            server.kill()
            stack.ingot("restore", "--undo").expect(0)
            require(self.state(server) == old, f"{kind}: other files after a server ran upon the new ones")
            COUNTS.add("taken back after a server ran upon the new files")

    def test_what_is_stopped_comes_back_as_it_was_stored(self):
        """A snapshot of a stopped server with an append-only file, put back where it came from."""
        server = self.server("--appendonly", "yes")
        stack = self.cache(server, f'data_dir = "{server.folder}"')
        wanted = server.content()
        server.kill()
        snapshot = self.golden(stack)
        server.start()
        server.damage()
        server.kill()
        stack.ingot("restore", snapshot, "--yes").expect(0)
        server.start()
        self.require_content(server, wanted)

    def test_without_its_folder_it_is_refused_and_says_what_to_do(self):
        server = self.server()
        stack = self.cache(server)
        snapshot = self.golden(stack)
        server.kill()
        done = stack.ingot("restore", snapshot, "--yes").expect(1)
        require("data_dir" in done.said and "nothing was changed" in done.said, "it does not say how", done)
        require(not stack.leftovers(), "left behind", done)

    def test_a_server_that_runs_elsewhere_is_not_undercut(self):
        server = self.server("--appendonly", "yes")
        stack = self.cache(server, f'data_dir = "{server.folder}"')
        snapshot = self.golden(stack)
        live = server.content()
        with open(stack.config, encoding="utf-8") as file:
            text = file.read()
        with open(stack.config, "w", encoding="utf-8") as file:
            file.write(text.replace(f":{server.port}\"", ":1\""))
        done = stack.ingot("restore", snapshot, "--yes").expect(1)
        require("open for writing" in done.said, "it does not say why", done)
        self.require_content(server, live, done)


def tearDownModule():
    print(f"\ncounted: {COUNTS}", file=sys.stderr)


if __name__ == "__main__":
    main()
