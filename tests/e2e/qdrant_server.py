"""Qdrant for tests: a client, and the stand-in (tests/support/qdrant_stand_in.py) as a process of its own, because no Debian package has
the real server."""

import json
import os
import signal
import subprocess
import sys
import urllib.parse
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

from faulted_run import send_signal

HERE = os.path.dirname(os.path.abspath(__file__))
KEY = "s3cret-of-qdrant"
POINTS, DIMENSIONS = 2000, 64
BATCH = 1000


def quoted_name(name):
    return urllib.parse.quote(name, safe="")


class Client:
    """Of the server at `url`; `name` is the collection that it fills, compares and looks after."""

    def __init__(self, url, key="", name="rag"):
        self.url, self.key, self.name = url.rstrip("/"), key, name

    def ask(self, method, path, body=None):
        request = urllib.request.Request(self.url + path, method=method, data=None if body is None else json.dumps(body).encode(),
                                         headers={"Content-Type": "application/json", **({"api-key": self.key} if self.key else {})})
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.loads(answer.read()).get("result")

    def path(self, name=None):
        return "/collections/" + quoted_name(name or self.name)

    def put(self, first, last, seed=0):
        for at in range(first, last, BATCH):
            self.ask("PUT", self.path() + "/points?wait=true", {"points": [
                {"id": n, "vector": [(n * 31 + i * 7 + seed) % 101 + 0.5 for i in range(DIMENSIONS)], "payload": {"text": f"chunk {n + seed}"}}
                for n in range(at, min(last, at + BATCH))]})

    def fill(self):
        self.ask("PUT", self.path(), {"vectors": {"size": DIMENSIONS, "distance": "Cosine"}, "shard_number": 2})
        self.ask("PUT", self.path() + "/index?wait=true", {"field_name": "text", "field_schema": "keyword"})
        self.put(0, POINTS)

    def alias(self, alias):
        self.ask("POST", "/collections/aliases", {"actions": [{"create_alias": {"alias_name": alias, "collection_name": self.name}}]})

    def content(self):
        info = self.ask("GET", self.path())
        points = self.ask("POST", self.path() + "/points/scroll", {"limit": 100_000, "with_vector": True, "with_payload": True})["points"]
        return info["config"], sorted(info["payload_schema"]), points

    def collections(self):
        """Those of this name, and what restores made of them."""
        return sorted(one["name"] for one in self.ask("GET", "/collections")["collections"] if one["name"].startswith(self.name))

    def remove(self):
        for collection in self.collections():
            self.ask("DELETE", self.path(collection))


class Qdrant(Client):
    """The stand-in, on a free port of the loopback."""

    def __init__(self, folder, version="1.19.0", name="rag"):
        super().__init__("", KEY, name)
        os.makedirs(folder)
        self.folder, self.version, self.port = folder, version, 0
        self.start()

    def start(self):
        words = ["/usr/bin/python3", HERE + "/../support/qdrant_stand_in.py", "--folder", self.folder, "--port", str(self.port),
                 "--version", self.version, "--api-key", KEY]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE)
        self.port = int(self.process.stdout.readline())
        self.process.stdout.close()
        self.url = f"http://127.0.0.1:{self.port}"

    def signal(self, number):
        if self.process.poll() is None:
            send_signal(self.process.pid, number)

    def kill(self):
        self.signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait()

    def restart(self, version=None):
        self.kill()
        self.version = version or self.version
        self.start()

    def fault(self, match, do, times=1):
        self.ask("POST", "/stand-in/faults", [{"match": match, "do": do, "times": times}])

    def status(self, status):
        self.ask("POST", "/stand-in/status", {"collection": self.name, "status": status})
