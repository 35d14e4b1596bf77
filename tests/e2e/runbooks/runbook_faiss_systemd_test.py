#!/usr/bin/python3
"""Runbook 4 (docs/runbooks/4-faiss-systemd.md): one FAISS index, picked by date, with owner and mode, the corrupt copy kept.

Called by ctest with the program's path, the build folder and the source folder.
"""

import json
import os
import sys

for place in ("..", "../../support"):
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), place))

from faulted_run import require
from faulted_stack import entry_state
from http_receiver import Receiver
from runbook import Host, RunbookTest, main

try:
    import faiss
    import faiss_indexes
except ImportError:
    faiss = None

INDEX = "/srv/search/index/main.faiss"
KEPT = "/var/lib/ingot/replaced"
OWNER = (33, 33) if os.geteuid() == 0 else (os.geteuid(), os.getegid())  # www-data's numbers on Debian


class FaissSystemd(RunbookTest):
    page = "4-faiss-systemd"
    needs = {"python3-faiss": faiss}

    def setUp(self):
        super().setUp()
        self.health = self.enterContext(Receiver())
        self.host = Host(self.folder, ["systemctl"], {"127.0.0.1:8010": f"127.0.0.1:{self.health.port}"})
        self.health.answer = self.service
        self.index = self.host.path(INDEX)
        self.host.commands.start("rag-search.service")
        self.save(1000)
        self.host.install(self.config)
        self.of_the_date = self.state()
        self.host.golden()
        self.host.a_date_from_now_on()

    def service(self):
        """The search service: it answers where it runs and FAISS reads its index."""
        if self.host.commands.running() != ["rag-search.service"]:
            return 503, ""
        try:
            return 200, json.dumps({"status": "ok", "vectors": faiss.read_index(self.index).ntotal})
        except RuntimeError:
            return 500, json.dumps({"status": "no index"})

    def save(self, count):
        faiss_indexes.make_index("IVF16,Flat", self.index, count)
        os.chmod(self.index, 0o640)
        os.chown(self.index, *OWNER)

    def state(self):
        return {"the index, its owner and its mode": entry_state(self.index, {}, b"")}

    def corrupt(self):
        """Two days of work, then a save that was cut short; and the nightly snapshot found it so."""
        self.save(1200)
        os.truncate(self.index, os.path.getsize(self.index) // 2)
        os.chmod(self.index, 0o600)
        with open(self.index, "rb") as file:
            self.corrupt_bytes = file.read()
        done = self.host.ingot("snapshot", "--golden").expect(3)
        require(done.summary["partial"], "a torn index is stored as a whole one", done)
        self.host.commands.calls()

    def test_three_commands(self):
        self.corrupt()
        listed, planned, restore = self.three
        done = self.host.follow(listed)
        require(b"golden" in done.out and b"partial" in done.out, "not both snapshots are listed", done)
        before = self.state()
        self.host.follow(planned)
        self.require_state(before, self.state())
        require(not self.host.commands.calls(), "a dry run stopped something")
        done = self.host.follow(restore)
        self.require_state(self.of_the_date, self.state(), done)
        self.host.commands.require_calls(["systemctl stop rag-search.service", "systemctl start rag-search.service"], done)
        require(self.service()[0] == 200, "the service does not answer", done)
        kept = [os.path.join(at, name) for at, _, names in os.walk(self.host.path(KEPT)) for name in names]
        require(len(kept) == 1 and kept[0].endswith("/vectors/index/main.faiss"), "what was kept", kept, done)
        with open(kept[0], "rb") as file:
            require(file.read() == self.corrupt_bytes, "the corrupt copy is not the corrupt copy", done)
        require(os.stat(kept[0]).st_mode & 0o777 == 0o600, "its mode")
        require(not self.host.leftovers(), f"left behind: {self.host.leftovers()}")
        names, failed = self.host.steps()
        require(names[2:] == ["stop", "swap", "activate", "start", "probe search answers"] and not failed, "the steps", names)

    def test_a_unit_that_does_not_stop(self):
        self.corrupt()
        before = self.state()
        self.host.commands.fail("systemctl stop rag-search.service")
        done = self.host.follow(self.wrong[0], 21)
        self.require_state(before, self.state(), done)
        self.host.commands.require_calls(["systemctl stop rag-search.service", "systemctl start rag-search.service"], done)
        require(self.host.commands.running() == ["rag-search.service"], "the service does not run", done)
        self.host.commands.fail()
        self.host.follow(self.three[2])
        self.require_state(self.of_the_date, self.state())


if __name__ == "__main__":
    main()
