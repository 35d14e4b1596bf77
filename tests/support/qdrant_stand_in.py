#!/usr/bin/python3
"""Stands in for a Qdrant server, which is in no Debian package: the endpoints that Ingot asks, with the envelopes, statuses, plain-text
refusals and tar files of the real one (docs/drivers/qdrant.md says which version has what). What it holds is in a folder and survives
kill -9. It also misbehaves on demand.

    qdrant_stand_in.py --folder DIR [--port N] [--version 1.19.0] [--api-key K] [--tls CERT KEY]       prints its port
    POST /stand-in/faults [{"match": "GET .*/snapshot", "do": "cut:5000", "times": 1}]                 replaces what it does wrong
        do: status:N  hang  hang_after  die  die_after  cut:BYTES  slow:BYTES_PER_SECOND  result:JSON
    GET /stand-in/log                                                                                  requests, one a line
"""

import argparse
import hashlib
import http.server
import json
import math
import os
import pickle
import random
import re
import socketserver
import ssl
import struct
import sys
import threading
import time
import urllib.parse
import uuid

import qdrant_archive as archive


class Refused(Exception):
    def __init__(self, status, text):
        super().__init__(text)
        self.status, self.text = status, text


class Server:
    def __init__(self, options):
        self.folder, self.version, self.api_key = options.folder, tuple(map(int, options.version.split("."))), options.api_key
        self.lock = threading.RLock()
        self.faults, self.log = [], []
        self.queue = []  # updates that were accepted with wait=false: (when they are applied, function)
        self.state = {"collections": {}, "aliases": {}, "snapshots": {}}
        if os.path.exists(self.path()):
            with open(self.path(), "rb") as file:
                self.state = pickle.load(file)

    def path(self):
        return os.path.join(self.folder, "state")

    def save(self):
        with open(self.path() + ".new", "wb") as file:
            pickle.dump(self.state, file)
        os.replace(self.path() + ".new", self.path())

    @property
    def collections(self):
        return self.state["collections"]

    def real_name(self, name):
        return self.state["aliases"].get(name, name)

    def collection(self, name):
        found = self.collections.get(self.real_name(name))
        if found is None:
            raise Refused(404, f"Not found: Collection `{name}` doesn't exist!")
        return found

    def apply_queue(self, everything=False):
        with self.lock:
            due = [entry for entry in self.queue if everything or entry[0] <= time.monotonic()]
            self.queue = [entry for entry in self.queue if entry not in due]
            for _, function in due:
                function()
            if due:
                self.save()

    def update(self, query, function):
        with self.lock:
            if query.get("wait") == "true":
                self.apply_queue(True)
                function()
                self.save()
                return 200, {"operation_id": 1, "status": "completed"}
            self.queue.append((time.monotonic() + 0.2, function))
            return 200, {"operation_id": 1, "status": "acknowledged"}


SERVER = None
ROUTES = []


def route(method, pattern):
    def add(function):
        ROUTES.append((method, re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", pattern) + "$"), function))
        return function
    return add


@route("GET", "/")
def version(_):
    return 200, {"title": "qdrant - vector search engine", "version": ".".join(map(str, SERVER.version)), "commit": "0"}, "bare"


@route("GET", "/readyz")
def ready(_):
    return 200, b"all shards are ready", "text"


@route("GET", "/collections")
def list_collections(_):
    return 200, {"collections": [{"name": name} for name in SERVER.collections]}


@route("GET", "/aliases")
def aliases(_):
    return 200, {"aliases": [{"alias_name": a, "collection_name": c} for a, c in SERVER.state["aliases"].items()]}


@route("POST", "/collections/aliases")
def change_aliases(request):
    with SERVER.lock:
        table = dict(SERVER.state["aliases"])
        for action in request.json()["actions"]:
            if "delete_alias" in action:
                table.pop(action["delete_alias"]["alias_name"], None)
                continue
            alias, target = action["create_alias"]["alias_name"], action["create_alias"]["collection_name"]
            if target not in SERVER.collections:
                raise Refused(404, f"Not found: Collection `{target}` doesn't exist!")
            if alias in SERVER.collections:
                raise Refused(409, f"Wrong input: Collection `{alias}` already exists!")
            table[alias] = target
        SERVER.state["aliases"] = table
        SERVER.save()
    return 200, True


@route("GET", "/collections/{c}")
def info(request):
    found = SERVER.collection(request.c)
    SERVER.apply_queue()
    status = found["status"]
    if status == "yellow":  # an optimizer that ends after a while
        found["yellow"] -= 1
        if found["yellow"] <= 0:
            found["status"] = "green"
    out = {"status": status, "optimizer_status": "ok", "points_count": len(found["points"]), "indexed_vectors_count": 0, "segments_count": 2,
           "config": found["config"], "payload_schema": {name: {"data_type": kind, "points": 1} for name, kind in found["schema"].items()}}
    if SERVER.version >= (1, 17, 0):
        out["update_queue"] = {"length": len(SERVER.queue)}
    return 200, out


@route("GET", "/collections/{c}/cluster")
def cluster(request):
    found = SERVER.collection(request.c)
    shards = [{"shard_id": n, "points_count": 0, "state": "Active"} for n in range(found["config"]["params"]["shard_number"])]
    return 200, {"peer_id": 7, "shard_count": len(shards), "local_shards": shards, "remote_shards": [], "shard_transfers": []}


def new_collection(name, config):
    SERVER.collections[name] = {"config": config, "schema": {}, "points": {}, "status": "green", "yellow": 0,
                                "segments": {n: [str(uuid.uuid4()) for _ in range(2)] for n in range(config["params"]["shard_number"])}}
    return SERVER.collections[name]


@route("PUT", "/collections/{c}")
def create(request):
    body = request.json()
    with SERVER.lock:
        if request.c in SERVER.collections or request.c in SERVER.state["aliases"]:
            raise Refused(409, f"Wrong input: Collection `{request.c}` already exists!")
        params = {"vectors": body["vectors"], "shard_number": body.get("shard_number") or 1, "replication_factor": 1,
                  "write_consistency_factor": 1, "on_disk_payload": body.get("on_disk_payload", True)}
        new_collection(request.c, {"params": params, "hnsw_config": body.get("hnsw_config") or {"m": 16, "ef_construct": 100},
                                   "optimizer_config": body.get("optimizers_config") or {"deleted_threshold": 0.2, "indexing_threshold": None},
                                   "wal_config": body.get("wal_config") or {"wal_capacity_mb": 32, "wal_segments_ahead": 0},
                                   "quantization_config": body.get("quantization_config")})
        SERVER.save()
    return 200, True


@route("PATCH", "/collections/{c}")
def patch(request):
    found = SERVER.collection(request.c)
    if found["status"] == "grey":
        found["status"], found["yellow"] = "yellow", 1
    return 200, True


@route("DELETE", "/collections/{c}")
def delete(request):
    with SERVER.lock:
        was_there = SERVER.collections.pop(request.c, None) is not None
        SERVER.state["aliases"] = {a: c for a, c in SERVER.state["aliases"].items() if c != request.c}
        SERVER.state["snapshots"] = {place: all_of for place, all_of in SERVER.state["snapshots"].items() if place[0] != request.c}
        SERVER.save()
    return 200, was_there


@route("PUT", "/collections/{c}/index")
def index(request):
    body, found = request.json(), SERVER.collection(request.c)
    schema = body["field_schema"]
    with SERVER.lock:
        found["schema"][body["field_name"]] = schema["type"] if isinstance(schema, dict) else schema
        SERVER.save()
    return 200, {"operation_id": 1, "status": "completed"}


@route("PUT", "/collections/{c}/points")
def upsert(request):
    body, found = request.json(), SERVER.collection(request.c)
    size = found["config"]["params"]["vectors"]["size"]
    for point in body["points"]:
        if len(point["vector"]) != size:
            raise Refused(400, f"Wrong input: Vector dimension error: expected dim: {size}, got {len(point['vector'])}")

    def run():
        for point in body["points"]:
            found["points"][point["id"]] = (struct.pack(f"<{size}f", *point["vector"]), point.get("payload") or {})
    return SERVER.update(request.query, run)


@route("POST", "/collections/{c}/points/delete")
def delete_points(request):
    body, found = request.json(), SERVER.collection(request.c)
    return SERVER.update(request.query, lambda: [found["points"].pop(point, None) for point in body["points"]])


def matching(found, body):
    wanted = [(c["key"], c["match"]["value"]) for c in (body.get("filter") or {}).get("must", [])]
    return {key: point for key, point in found["points"].items() if all(point[1].get(name) == value for name, value in wanted)}


@route("POST", "/collections/{c}/points/count")
def count(request):
    found = SERVER.collection(request.c)
    with SERVER.lock:
        return 200, {"count": len(matching(found, request.json()))}


@route("POST", "/collections/{c}/points/scroll")
def scroll(request):
    found, body = SERVER.collection(request.c), request.json()
    with SERVER.lock:
        keys, limit = sorted(matching(found, body), key=id_order), body.get("limit", 10)
        if body.get("offset") is not None:
            keys = [key for key in keys if id_order(key) >= id_order(body["offset"])]
        points = []
        for key in keys[:limit]:
            point = {"id": key}
            if body.get("with_payload", True):
                point["payload"] = found["points"][key][1]
            if body.get("with_vector") is True:
                point["vector"] = vector_of(found, key)
            elif body.get("with_vector"):
                point["vector"] = {}  # of those names; this server's points have one vector without a name
            points.append(point)
    return 200, {"points": points, "next_page_offset": keys[limit] if len(keys) > limit else None}


def id_order(key):
    return isinstance(key, str), key  # numbers before UUIDs


def vector_of(found, key):
    return list(struct.unpack(f"<{found['config']['params']['vectors']['size']}f", found["points"][key][0]))


def length(vector):
    return math.sqrt(sum(x * x for x in vector))


# A similarity is better the larger it is, a distance the smaller.
SCORES = {"Cosine": lambda a, b: sum(x * y for x, y in zip(a, b)) / ((length(a) * length(b)) or 1), "Dot": lambda a, b: sum(x * y for x, y in zip(a, b)),
          "Euclid": lambda a, b: length([x - y for x, y in zip(a, b)]), "Manhattan": lambda a, b: sum(abs(x - y) for x, y in zip(a, b))}


def nearest(found, body, query, name):
    params = found["config"]["params"]["vectors"]
    if name:
        raise Refused(400, f"Wrong input: Not existing vector name error: {name}")
    if len(query) != params["size"]:
        raise Refused(400, f"Wrong input: Vector dimension error: expected dim: {params['size']}, got {len(query)}")
    score, sign = SCORES[params["distance"]], 1 if params["distance"] in ("Euclid", "Manhattan") else -1
    with SERVER.lock:
        scored = [(score(query, vector_of(found, key)), key) for key in matching(found, body)]
    scored.sort(key=lambda one: (sign * one[0], id_order(one[1])))
    return [{"id": key, "version": 0, "score": struct.unpack("<f", struct.pack("<f", value))[0]} for value, key in scored[:body.get("limit", 10)]]


@route("POST", "/collections/{c}/points/query")
def query_points(request):
    if SERVER.version < (1, 10, 0):
        return 404, b"", "text"
    body = request.json()
    return 200, {"points": nearest(SERVER.collection(request.c), body, body["query"], body.get("using"))}


@route("POST", "/collections/{c}/points/search")
def search_points(request):
    body = request.json()
    named = isinstance(body["vector"], dict)
    query = body["vector"]["vector"] if named else body["vector"]
    return 200, nearest(SERVER.collection(request.c), body, query, body["vector"]["name"] if named else None)


def snapshots_of(c, shard=None):
    return SERVER.state["snapshots"].setdefault((SERVER.real_name(c), shard), {})


def described(name, data):
    return {"name": name, "creation_time": time.strftime("%Y-%m-%dT%H:%M:%S"), "size": len(data), "checksum": hashlib.sha256(data).hexdigest()}


def add_snapshot(c, shard, data):
    name = f"{c if shard is None else 'shard'}-7-{time.strftime('%Y-%m-%d-%H-%M-%S')}-{random.randrange(10**6)}.snapshot"
    with SERVER.lock:
        snapshots_of(c, shard)[name] = data
        SERVER.save()
    return described(name, data)


@route("POST", "/collections/{c}/snapshots")
def create_snapshot(request):
    found = SERVER.collection(request.c)
    SERVER.apply_queue(True)
    with SERVER.lock:
        data = archive.collection_snapshot(found, SERVER.version)
    return 200, add_snapshot(request.c, None, data)


@route("GET", "/collections/{c}(/shards/{shard})?/snapshots")
def list_snapshots(request):
    SERVER.collection(request.c)
    return 200, [described(name, data) for name, data in snapshots_of(request.c, request.shard).items()]


@route("GET", "/collections/{c}(/shards/{shard})?/snapshots/{name}")
def download(request):
    data = snapshots_of(request.c, request.shard).get(request.name)
    if data is None:
        raise Refused(404, f"Not found: Snapshot {request.name} not found")
    return 200, data, "octets"


@route("DELETE", "/collections/{c}(/shards/{shard})?/snapshots/{name}")
def delete_snapshot(request):
    with SERVER.lock:
        if snapshots_of(request.c, request.shard).pop(request.name, None) is None:
            raise Refused(404, f"Not found: Snapshot {request.name} not found")
        SERVER.save()
    return 200, True


@route("GET", "/collections/{c}/shards/{shard}/snapshot")
def stream_shard(request):
    if SERVER.version < (1, 12, 0):
        return 404, b"", "text"
    found = SERVER.collection(request.c)
    if SERVER.version >= (1, 19, 0):
        SERVER.apply_queue(True)  # the plunger
    with SERVER.lock:
        data = archive.shard_stream(found, int(request.shard), SERVER.version)
    return 200, data, "chunked"


def take(found, data, shard):
    try:
        points, config, schema = archive.read(data, shard is None)
    except Exception as error:  # whatever a broken archive throws
        raise Refused(500, f"Service internal error: Failed to read segment state: {error}") from error
    if config is not None and found is None:
        return points, config, schema
    size = found["config"]["params"]["vectors"]["size"]
    if any(len(vector) != 4 * size for vector, _ in points.values()):
        raise Refused(400, "Wrong input: Snapshot is not compatible with existing collection: vectors differ")
    return points, config, schema


@route("POST", "/collections/{c}(/shards/{shard})?/snapshots/upload")
def upload(request):
    data = request.form_file("snapshot")
    checksum = request.query.get("checksum")
    if checksum and checksum != hashlib.sha256(data).hexdigest():
        raise Refused(400, f"Bad request: Checksum mismatch: expected {checksum}, actual {hashlib.sha256(data).hexdigest()}")
    found = SERVER.collection(request.c) if request.shard is not None else SERVER.collections.get(SERVER.real_name(request.c))
    points, config, schema = take(found, data, request.shard)
    with SERVER.lock:
        if found is None:
            found = new_collection(request.c, config)
        if request.shard is None:
            found["points"], found["schema"] = points, schema
        else:
            of = archive.shard_of
            count = found["config"]["params"]["shard_number"]
            kept = {key: point for key, point in found["points"].items() if of(key, count) != int(request.shard)}
            found["points"] = {**kept, **points}
        found["status"], found["yellow"] = ("grey", 1) if SERVER.version >= (1, 19, 0) else ("yellow", 2)
        add_snapshot(request.c, request.shard, data)  # it stays there: the caller is to delete it
    return 200, True


@route("POST", "/stand-in/faults")
def faults(request):
    SERVER.faults = request.json()
    return 200, True


@route("POST", "/stand-in/status")
def set_status(request):
    SERVER.collection(request.json()["collection"])["status"] = request.json()["status"]
    return 200, True


@route("GET", "/stand-in/log")
def log(_):
    return 200, "\n".join(SERVER.log).encode(), "text"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def json(self):
        try:
            return json.loads(self.body or b"{}")
        except ValueError as error:
            raise Refused(400, f"Format error in JSON body: {error}") from error

    def form_file(self, field):
        boundary = re.search("boundary=(.*)", self.headers["Content-Type"] or "")
        if boundary is None:
            raise Refused(400, "Bad request: not multipart")
        head, _, rest = self.body.partition(b"\r\n\r\n")
        if f'name="{field}"'.encode() not in head:
            raise Refused(400, f"Bad request: Field `{field}` is required")
        return rest[:rest.rindex(b"\r\n--" + boundary[1].strip('"').encode())]

    def fault(self):
        line = f"{self.command} {self.path}"
        for entry in SERVER.faults if not self.path.startswith("/stand-in") else []:
            if entry.get("times", 1) > 0 and re.search(entry["match"], line):
                entry["times"] = entry.get("times", 1) - 1
                return (entry["do"] + ":").split(":", 1)
        return "", ""

    def handle_one(self):
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        url = urllib.parse.urlsplit(self.path)
        self.query = dict(urllib.parse.parse_qsl(url.query))
        if not url.path.startswith("/stand-in"):
            SERVER.log.append(f"{self.command} {self.path}")
        do, value = self.fault()
        value = value.rstrip(":") if do != "result" else value[:-1]
        if do == "hang":
            time.sleep(3600)
        if do == "die":
            os._exit(9)
        answer = None
        try:
            if SERVER.api_key and url.path not in ("/", "/readyz") and not url.path.startswith("/stand-in"):
                given = self.headers.get("api-key") or (self.headers.get("Authorization") or "").removeprefix("Bearer ")
                if given != SERVER.api_key:
                    text = b"Invalid API key or JWT" if given else b"Must provide an API key or an Authorization bearer token"
                    answer = (401, text, "text")
            if do == "status":
                raise Refused(int(value), "Service internal error: as it was told to")
            for method, pattern, function in ROUTES if answer is None else []:
                match = pattern.match(url.path) if method == self.command else None
                if match:
                    self.c = self.shard = self.name = None
                    for key, text in match.groupdict().items():
                        setattr(self, key, None if text is None else urllib.parse.unquote(text))
                    answer = function(self)
                    break
            answer = answer or (404, b"", "text")
        except Refused as refused:
            answer = (refused.status, {"status": {"error": refused.text}, "time": 0.01}, "bare")
        if do == "result":
            answer = (200, json.loads(value))
        if do == "die_after":
            os._exit(9)
        if do == "hang_after":
            time.sleep(3600)
        self.reply(answer, do, value)

    def reply(self, answer, do, value):
        status, data, kind = answer if len(answer) == 3 else (*answer, "envelope")
        if kind == "envelope":
            data = {"result": data, "status": "ok", "time": 0.01}
        if not isinstance(data, bytes):
            data, mime = json.dumps(data).encode(), "application/json"
        else:
            mime = "text/plain" if kind == "text" else "application/octet-stream"
        self.send_response(status)
        self.send_header("Content-Type", mime)
        if kind == "chunked":
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if do == "cut":  # as the real one: an error in the middle is the end of a chunked answer
            data = data[:int(value)]
        piece = int(value) // 10 if do == "slow" else 1 << 16
        for at in range(0, len(data), piece):
            part = data[at:at + piece]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part) if kind == "chunked" else part)
            if do == "slow":
                time.sleep(0.1)
        if kind == "chunked":
            self.wfile.write(b"0\r\n\r\n")
        self.close_connection = self.close_connection or do == "cut"

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = handle_one


class Threads(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_):
        pass


def main():
    global SERVER
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--version", default="1.19.0")
    parser.add_argument("--api-key", default="")
    parser.add_argument("--tls", nargs=2)
    options = parser.parse_args()
    SERVER = Server(options)
    server = Threads(("127.0.0.1", options.port), Handler)
    if options.tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*options.tls)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    sys.exit(main())
