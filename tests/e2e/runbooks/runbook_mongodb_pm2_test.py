#!/usr/bin/python3
"""Runbook 2 (docs/runbooks/2-mongodb-pm2.md): MongoDB and vectors as JSON files under pm2: an emergency snapshot of the damage, the golden
state back, the monthly drill.

The server is FerretDB where it is built (tests/e2e/mongo.py), else the stand-in.
Called by ctest with the program's path, the build folder and the source folder.
"""

import json
import os
import sys

for place in ("..", "../../support"):
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), place))

from faulted_run import require
from faulted_stack import tree_state
from http_receiver import Receiver
from runbook import COUNTS, Host, RunbookTest, main

try:
    from bson.son import SON

    import mongo
except ImportError:
    mongo = None

ROOT = "/srv/kb"
SERVICES = ["kb-api", "kb-worker"]
STOP, START = "pm2 stop kb-api kb-worker", "pm2 restart kb-api kb-worker"


class MongodbPm2(RunbookTest):
    page = "2-mongodb-pm2"
    needs = {"python3-bson": mongo}

    def setUp(self):
        super().setUp()
        program, why = mongo.ferretdb()
        if not program:
            print(why)
        self.server = mongo.FerretDB(self.folder + "/mongo", program) if program else mongo.StandIn(self.folder + "/mongo")
        self.addCleanup(self.server.kill)
        self.api = self.enterContext(Receiver())
        self.host = Host(self.folder, ["pm2"], {"127.0.0.1:3000": f"127.0.0.1:{self.api.port}"}, {"MONGODB_URI": self.server.uri()})
        self.root = self.host.path(ROOT + "/x")[:-2]
        self.vectors = self.root + "/data/vectors"
        os.makedirs(self.vectors)
        self.host.commands.start(*SERVICES)
        self.server.insert("chunks", [SON(_id=n, text=f"the text of chunk {n} " * (n % 7 + 1), embedded=n % 5 != 0) for n in range(250)])
        self.server.ask(createIndexes="chunks", indexes=[SON(key=SON(text=1), name="text_1")])
        self.server.insert("users", [SON(_id=n, name=f"user {n}") for n in range(20)])
        for n in range(250):
            if n % 5:
                self.write_vector(n, [n / 7 + i for i in range(32)])
        self.host.write(ROOT + "/.env", "OPENAI_KEY=s3cret\n")
        self.host.write(ROOT + "/ecosystem.config.js", 'module.exports = { apps: [{ name: "kb-api" }, { name: "kb-worker" }] };\n')
        self.host.install(self.config)
        self.good = self.state()
        self.host.golden()
        self.host.commands.require_calls(["pm2 stop kb-worker", "pm2 restart kb-worker"])

    def write_vector(self, n, vector):
        with open(f"{self.vectors}/{n}.json", "w", encoding="utf-8") as file:
            json.dump({"id": n, "vector": vector}, file)

    def state(self):
        found = {path: tree_state(f"{self.root}/{path}") for path in ("data/vectors", ".env", "ecosystem.config.js")}
        return {**found, **{f"collection {name}": content for name, content in self.server.content().items()}}

    def go_wrong(self):
        """A script that cleans up, and cleans up too much."""
        self.server.ask(delete="chunks", deletes=[SON(q=SON(_id=SON([("$gte", 20)])), limit=0)])
        self.server.ask(drop="users")
        self.server.insert("imported", [SON(_id=1, wrong=True)])
        for n in range(100, 250):
            if n % 5:
                os.remove(f"{self.vectors}/{n}.json")
        self.write_vector(1, [])
        return self.state()

    def require_left_nothing(self, *evidence):
        require(not self.host.leftovers() and not self.server.beside(), f"left behind: {self.host.leftovers()} {self.server.beside()}", *evidence)

    def test_three_commands(self):
        wrong = self.go_wrong()
        emergency, restore, drill = self.three
        self.host.follow(emergency, 3)
        self.require_state(wrong, self.state())
        self.host.commands.require_calls(["pm2 stop kb-worker", "pm2 restart kb-worker"])
        done = self.host.follow(restore)
        self.require_state(self.good, self.state(), done)
        self.host.commands.require_calls([STOP, START], done)
        require(self.host.commands.running() == SERVICES, "services", done)
        self.require_left_nothing(done)
        # The damage can be looked at, beside.
        tagged = [one for one in self.host.listed() if "emergency" in one["tags"]]
        require(len(tagged) == 1 and tagged[0]["partial"], "the emergency snapshot", tagged)
        to = self.folder + "/look"
        self.host.ingot("restore", tagged[0]["id"], "--to", to).expect(0)
        require(len(os.listdir(to + "/vectors/data/vectors")) == len(wrong["data/vectors"]) - 1, "the damage was stored otherwise")

        done = self.host.follow(drill)
        self.require_state(self.good, self.state(), done)
        golden = [one for one in self.host.listed() if one["golden"]]
        require(golden[0]["drilled"], "list does not say when it was drilled", golden)
        require(not self.host.commands.calls(), "a drill stopped something", done)
        # As cron runs it: nothing said, and the address from a file.
        self.host.write("/etc/ingot/environment", f"MONGODB_URI='{self.host.environment.pop('MONGODB_URI')}'\n")
        done = self.host.sh(self.runbook.line(r"`0 5 1 \* \*  root  (.*?)`")).expect(0)
        require(len(done.out.splitlines()) == 1, "cron would mail more than the result", done)
        COUNTS.add("drills")

    def test_processes_that_do_not_start(self):
        wrong = self.go_wrong()
        self.host.follow(self.three[0], 3)
        self.host.commands.fail(START)
        self.host.commands.calls()
        restore, undo = self.wrong
        done = self.host.follow(restore, 22)
        self.host.commands.require_calls([STOP, START, STOP, START], done)
        self.host.commands.fail()
        done = self.host.follow(undo)
        self.host.commands.require_calls([STOP, START], done)
        self.require_state(wrong, self.state(), done)
        require(self.host.commands.running() == SERVICES, "services", done)
        self.require_left_nothing(done)
        self.host.follow(self.three[1])
        self.require_state(self.good, self.state())


if __name__ == "__main__":
    main()
