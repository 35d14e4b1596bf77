#!/usr/bin/python3
"""A stand-in for MongoDB on the wire (OP_MSG): what `ingot` says to a replica set, answered as MongoDB 6 documents it.

It keeps every version of every document by cluster time, so that reads in a snapshot session are real ones: a find with
readConcern snapshot answers its cluster time, one with atClusterTime is of that time. What it was told is in a journal before it
is answered: killed and started again, it holds what it acknowledged. Passwords are checked by SCRAM-SHA-256.

    mongo_server.py --port N --dir FOLDER [--standalone] [--mongos] [--version V] [--user U --password P] [--rights read]

Real servers are tested with MONGO_URL (tests/e2e/mongodb_test.py), and FerretDB where Go is.
"""

import argparse
import base64
import hashlib
import hmac
import json
import os
import socket
import socketserver
import struct
import threading
import uuid

import bson
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from bson.son import SON

ORDERED = CodecOptions(document_class=SON, tz_aware=True)
FIRST_BATCH, BATCH_BYTES = 101, 4 << 20
EPOCH = 1_700_000_000
READ = ["find", "listCollections", "listIndexes", "collStats", "dbStats"]
READ_WRITE = READ + ["insert", "remove", "update", "createCollection", "createIndex", "dropCollection", "renameCollectionSameDB"]


def decode(raw):
    return bson.BSON(raw).decode(ORDERED)


def order(value):
    """How a server sorts _id, for the types that tests use."""
    ranks = [(type(None), 1), (bool, 8), ((int, float, bson.Int64), 2), (str, 3), (dict, 4), (bytes, 6), (bson.ObjectId, 7)]
    for kind, rank in ranks:
        if isinstance(value, kind):
            break
    else:
        rank = 9
    if rank == 1:
        return (1, 0)
    if rank == 4:
        return (4, bson.BSON.encode(value))
    if rank == 7:
        return (7, value.binary)
    return (rank, value if rank != 9 else repr(value))


class Refused(Exception):
    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


class Collection:
    def __init__(self, options, at, view=False):
        self.options, self.view, self.since = options, view, at
        self.uuid = uuid.uuid4()
        self.docs = {}  # key -> [(time, raw or None)]
        self.ids = {}   # key -> _id, in the order of insertion
        self.indexes = [] if view else [SON(v=2, key=SON(_id=1), name="_id_")]

    def put(self, at, raw):
        value = RawBSONDocument(raw)["_id"] if b"_id" in raw[:16] else decode(raw)["_id"]
        if isinstance(value, RawBSONDocument):
            value = decode(value.raw)
        key = bson.BSON.encode({"": value})
        versions = self.docs.setdefault(key, [])
        if versions and versions[-1][1] is not None:
            raise Refused(11000, f"E11000 duplicate key error: {value!r}")
        versions.append((at, bytes(raw)))
        self.ids.setdefault(key, value)

    def change(self, at, key, raw):
        self.docs[key].append((at, raw))

    def at(self, key, time):
        """The document as of a time; None: now."""
        for when, raw in reversed(self.docs[key]):
            if time is None or when <= time:
                return raw
        return None

    def keys(self, sort):
        return sorted(self.ids, key=lambda key: order(self.ids[key])) if sort else list(self.ids)

    def count(self):
        return sum(1 for key in self.docs if self.at(key, None) is not None)


def matches(document, query):
    for key, wanted in query.items():
        value = document.get(key)
        if isinstance(wanted, dict) and any(name.startswith("$") for name in wanted):
            for name, operand in wanted.items():
                holds = {"$gte": lambda: value is not None and value >= operand, "$lt": lambda: value is not None and value < operand,
                         "$gt": lambda: value is not None and value > operand, "$ne": lambda: value != operand}[name]()
                if not holds:
                    return False
        elif value != wanted:
            return False
    return True


class Store:
    """All databases. Every change goes through apply(), in the journal first."""

    def __init__(self, folder):
        self.names = {}  # (database, name) -> Collection
        self.clock = 1
        path = os.path.join(folder, "journal")
        if os.path.exists(path):
            with open(path, "rb") as file:
                held = file.read()
            whole = 0
            while len(held) - whole >= 4:
                size = struct.unpack_from("<i", held, whole)[0]
                if size > len(held) - whole:
                    break  # killed while it wrote: it was never acknowledged
                self.apply(decode(held[whole:whole + size]))
                whole += size
            os.truncate(path, whole)
        self.journal = open(path, "ab", buffering=0)

    def change(self, **record):
        raw = bson.BSON.encode(SON(record))
        result = self.apply(decode(raw))
        self.journal.write(raw)
        return result

    def apply(self, record):
        self.clock += 1
        at, db, name = self.clock, record["db"], record["name"]
        if record["op"] == "create":
            options = record["options"]
            self.names[db, name] = Collection(options, at, "viewOn" in options)
        if record["op"] == "insert":
            self.names[db, name].put(at, record["raw"])
        if record["op"] == "replace":
            key = bson.BSON.encode({"": record["id"]})
            self.names[db, name].change(at, key, record.get("raw"))
        if record["op"] == "drop":
            del self.names[db, name]
        if record["op"] == "rename":
            collection = self.names.pop((db, name))
            collection.since = at
            self.names[db, record["to"]] = collection
        if record["op"] == "index":
            self.names[db, name].indexes.append(record["index"])


class Server:
    def __init__(self, options):
        self.options = options
        self.store = Store(options.dir)
        self.lock = threading.RLock()
        self.cursors = {}
        self.next_cursor = 1000
        self.faults = []  # [command, how many are let through, code, how often]
        self.log = open(os.path.join(options.dir, "commands"), "a", encoding="utf-8")

    def hello(self):
        reply = SON(ismaster=True, isWritablePrimary=True, helloOk=True, maxBsonObjectSize=16 << 20, maxMessageSizeBytes=48000000,
                    maxWriteBatchSize=100000, logicalSessionTimeoutMinutes=30, connectionId=1, minWireVersion=0, maxWireVersion=17, readOnly=False, ok=1.0)
        me = f"127.0.0.1:{self.options.port}"
        if self.options.mongos:
            reply["msg"] = "isdbgrid"
        elif not self.options.standalone:
            reply.update(setName="rs0", hosts=[me], primary=me, me=me, setVersion=1, secondary=False)
        if self.options.secondary:
            reply.update(ismaster=False, isWritablePrimary=False, secondary=True)
        if self.options.user:
            reply["saslSupportedMechs"] = ["SCRAM-SHA-256"]
        return reply

    def timestamp(self, time=None):
        return bson.timestamp.Timestamp(EPOCH + (self.store.clock if time is None else time), 1)

    def collection(self, db, name):
        return self.store.names.get((db, name))

    def snapshot_of(self, command, collection):
        """The time that a read is of, or None for now."""
        concern = command.get("readConcern", {})
        if concern.get("level") != "snapshot":
            return None
        if self.options.standalone:
            raise Refused(246, "node needs to be a replica set member to use readConcern: snapshot")
        if collection is not None and collection.options.get("capped"):
            raise Refused(72, "Snapshot reads on capped collections are not supported")
        time = concern["atClusterTime"].time - EPOCH if "atClusterTime" in concern else self.store.clock
        if collection is not None and collection.since > time:
            raise Refused(246, "Unable to read from a snapshot due to pending collection catalog changes")
        return time

    def run(self, command, state):
        name = next(iter(command))
        db = command["$db"]
        concern = command.get("readConcern", {})
        line = {"command": name, "on": command[name] if isinstance(command[name], str) else "", "level": concern.get("level", ""),
                "at": concern["atClusterTime"].time if "atClusterTime" in concern else 0, "lsid": "lsid" in command}
        self.log.write(json.dumps(line) + "\n")
        self.log.flush()
        free = ("hello", "isMaster", "ismaster", "saslStart", "saslContinue", "ping", "buildInfo", "endSessions")
        if self.options.user and not state.user and name not in free:
            raise Refused(13, f"command {name} requires authentication")
        if self.options.rights == "read" and name in ("insert", "create", "drop", "createIndexes", "renameCollection", "dropDatabase"):
            raise Refused(13, f"not authorized on {db} to execute command {name}")
        for fault in self.faults:
            if fault[0] == name:
                if fault[1] == 0 and fault[3] != 0:
                    fault[3] -= 1
                    raise Refused(fault[2], f"{name} fails as it was told to")
                fault[1] = max(0, fault[1] - 1)
        handler = getattr(self, "do_" + name, None)
        if handler is None:
            raise Refused(59, f"no such command: '{name}'")
        reply = SON(handler(db, command, state) or {})
        reply["ok"] = 1.0
        if not self.options.standalone:
            reply["operationTime"] = self.timestamp()
            reply["$clusterTime"] = SON(clusterTime=self.timestamp(), signature=SON(hash=b"\0" * 20, keyId=0))
        return reply

    def do_hello(self, *_):
        return self.hello()

    do_isMaster = do_ismaster = do_hello

    def do_ping(self, *_):
        return {}

    do_endSessions = do_ping

    def do_buildInfo(self, *_):
        return SON(version=self.options.version)

    def do_standInFaults(self, _db, command, _state):
        """{ standInFaults: [ { command, after, code, times } ] }: from now on those fail, after so many that do not, so often (-1: always)."""
        self.faults = [[one["command"], one["after"], one["code"], one.get("times", -1)] for one in command["standInFaults"]]

    def do_saslStart(self, _db, command, state):
        first = bytes(command["payload"]).decode()
        state.bare = first.split(",", 2)[2]
        fields = dict(part.split("=", 1) for part in state.bare.split(","))
        state.login, state.salt = fields["n"], os.urandom(28)
        state.nonce = fields["r"] + base64.b64encode(os.urandom(18)).decode()
        state.first = f"r={state.nonce},s={base64.b64encode(state.salt).decode()},i=4096"
        return SON(conversationId=1, done=False, payload=state.first.encode())

    def do_saslContinue(self, _db, command, state):
        text = bytes(command["payload"]).decode()
        if not text:
            return SON(conversationId=1, done=True, payload=b"")
        bare, proof = text.rsplit(",p=", 1)
        message = ",".join([state.bare, state.first, bare]).encode()
        salted = hashlib.pbkdf2_hmac("sha256", self.options.password.encode(), state.salt, 4096)
        client = hmac.digest(salted, b"Client Key", "sha256")
        signature = hmac.digest(hashlib.sha256(client).digest(), message, "sha256")
        wanted = bytes(a ^ b for a, b in zip(client, signature))
        if state.login != self.options.user or not hmac.compare_digest(wanted, base64.b64decode(proof)):
            raise Refused(18, "Authentication failed.")
        state.user = state.login
        server = hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), message, "sha256")
        return SON(conversationId=1, done=False, payload=b"v=" + base64.b64encode(server))

    def do_connectionStatus(self, _db, _command, state):
        users = [SON(user=state.user, db="admin")] if state.user else []
        actions = READ if self.options.rights == "read" else READ_WRITE
        privileges = [SON(resource=SON(db="", collection=""), actions=actions)] if state.user else []
        return SON(authInfo=SON(authenticatedUsers=users, authenticatedUserPrivileges=privileges))

    def do_listDatabases(self, *_):
        names = sorted({db for db, _ in self.store.names} | {"admin", "local"})
        return SON(databases=[SON(name=name) for name in names])

    def batch(self, db, documents):
        return SON(cursor=SON(id=bson.Int64(0), ns=f"{db}.$cmd", firstBatch=documents))

    def do_listCollections(self, db, _command, _state):
        out = []
        for (held, name), collection in sorted(self.store.names.items(), key=lambda item: item[0]):
            if held != db:
                continue
            options = SON((key, value) for key, value in collection.options.items())
            kind = "view" if collection.view else "timeseries" if "timeseries" in options else "collection"
            info = SON(readOnly=collection.view)
            if not collection.view:
                info["uuid"] = bson.Binary(collection.uuid.bytes, 4)
            out.append(SON(name=name, type=kind, options=options, info=info))
        return self.batch(db, out)

    def do_listIndexes(self, db, command, _state):
        collection = self.collection(db, command["listIndexes"])
        if collection is None:
            raise Refused(26, f"ns does not exist: {db}.{command['listIndexes']}")
        return self.batch(db, collection.indexes)

    def do_find(self, db, command, _state):
        collection = self.collection(db, command["find"])
        time = self.snapshot_of(command, collection)
        keys = collection.keys("sort" in command) if collection else []
        query = command.get("filter", {})
        cursor = {"collection": collection, "keys": iter(keys), "time": time, "left": command.get("limit", 0) or 1 << 60, "query": query}
        first = self.take(cursor, min(FIRST_BATCH, command.get("batchSize", FIRST_BATCH)))
        number = 0
        if not cursor.get("done") and not command.get("singleBatch"):
            self.next_cursor += 1
            number = self.next_cursor
            self.cursors[number] = cursor
        inner = SON(id=bson.Int64(number), ns=f"{db}.{command['find']}", firstBatch=first)
        if time is not None:
            inner["atClusterTime"] = self.timestamp(time)
        return SON(cursor=inner)

    @staticmethod
    def take(cursor, most):
        out, size = [], 0
        while len(out) < most and size < BATCH_BYTES and cursor["left"] > 0:
            key = next(cursor["keys"], None)
            if key is None:
                break
            raw = cursor["collection"].at(key, cursor["time"])
            if raw is None or (cursor["query"] and not matches(decode(raw), cursor["query"])):
                continue
            out.append(RawBSONDocument(raw))
            size += len(raw)
            cursor["left"] -= 1
        else:
            if cursor["left"] > 0:
                return out
        cursor["done"] = True
        return out

    def do_getMore(self, db, command, _state):
        number = command["getMore"]
        cursor = self.cursors.get(number)
        if cursor is None:
            raise Refused(43, f"cursor id {number} not found")
        batch = self.take(cursor, command.get("batchSize", 1 << 30))
        if cursor.get("done"):
            del self.cursors[number]
            number = 0
        return SON(cursor=SON(id=bson.Int64(number), ns=f"{db}.{command['collection']}", nextBatch=batch))

    def do_killCursors(self, _db, command, _state):
        for number in command["cursors"]:
            self.cursors.pop(number, None)

    def do_count(self, db, command, _state):
        collection = self.collection(db, command["count"])
        return SON(n=collection.count() if collection else 0)

    def do_aggregate(self, db, command, _state):
        collection = self.collection(db, command["aggregate"])
        time = self.snapshot_of(command, collection)
        query = command["pipeline"][0]["$match"]
        raws = [collection.at(key, time) for key in collection.docs] if collection else []
        n = sum(1 for raw in raws if raw is not None and (not query or matches(decode(raw), query)))
        reply = self.batch(db, [SON(_id=1, n=n)] if n else [])
        if time is not None:
            reply["cursor"]["atClusterTime"] = self.timestamp(time)
        return reply

    def do_create(self, db, command, _state):
        name = command["create"]
        if self.collection(db, name) is not None:
            raise Refused(48, f"Collection {db}.{name} already exists.")
        skip = ("create", "writeConcern", "lsid")
        options = SON((key, value) for key, value in command.items() if key not in skip and not key.startswith("$"))
        self.store.change(op="create", db=db, name=name, options=options)

    def do_insert(self, db, command, _state):
        name = command["insert"]
        if self.collection(db, name) is None:
            self.store.change(op="create", db=db, name=name, options=SON())
        collection = self.collection(db, name)
        for raw in command["documents"]:
            raw = raw.raw if isinstance(raw, RawBSONDocument) else bytes(bson.BSON.encode(raw))
            required = collection.options.get("validator", {}).get("$jsonSchema", {}).get("required", [])
            if required and not command.get("bypassDocumentValidation"):
                document = decode(raw)
                if any(key not in document for key in required):
                    raise Refused(121, "Document failed validation")
            self.store.change(op="insert", db=db, name=name, raw=raw)
        return SON(n=len(command["documents"]))

    def do_update(self, db, command, _state):
        """Whole documents, by _id: { q: { _id }, u: document }."""
        for one in command["updates"]:
            self.store.change(op="replace", db=db, name=command["update"], id=one["q"]["_id"], raw=bytes(bson.BSON.encode(one["u"])))
        return SON(n=len(command["updates"]))

    def do_delete(self, db, command, _state):
        collection = self.collection(db, command["delete"])
        for one in command["deletes"]:
            for key in list(collection.docs):
                raw = collection.at(key, None)
                if raw is not None and matches(decode(raw), one["q"]):
                    self.store.change(op="replace", db=db, name=command["delete"], id=collection.ids[key], raw=None)
        return SON(n=1)

    def do_createIndexes(self, db, command, _state):
        if self.collection(db, command["createIndexes"]) is None:
            self.store.change(op="create", db=db, name=command["createIndexes"], options=SON())
        for given in command["indexes"]:
            index = SON([("v", given.get("v", 2))] + [(key, value) for key, value in given.items() if key != "v"])
            self.store.change(op="index", db=db, name=command["createIndexes"], index=index)

    def do_drop(self, db, command, _state):
        if self.collection(db, command["drop"]) is None:
            raise Refused(26, "ns not found")
        self.store.change(op="drop", db=db, name=command["drop"])

    def do_dropDatabase(self, db, _command, _state):
        for held, name in [key for key in self.store.names if key[0] == db]:
            self.store.change(op="drop", db=held, name=name)
        return SON(dropped=db)

    def do_renameCollection(self, _db, command, _state):
        (db, name), (other, to) = command["renameCollection"].split(".", 1), command["to"].split(".", 1)
        collection = self.collection(db, name)
        if collection is None:
            raise Refused(26, f"Source collection {db}.{name} does not exist")
        if db != other or collection.view:
            raise Refused(72, "that would be a copy, or is a view")
        if len(command["to"].encode()) > 255:
            raise Refused(73, "Fully qualified namespace is too long")
        if self.collection(db, to) is not None:
            raise Refused(48, "target namespace exists")
        self.store.change(op="rename", db=db, name=name, to=to)


class State:
    user = None


class Handler(socketserver.BaseRequestHandler):
    def exactly(self, size):
        out = b""
        while len(out) < size:
            more = self.request.recv(size - len(out))
            if not more:
                raise ConnectionError
            out += more
        return out

    def handle(self):
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        state, server = State(), self.server.mongo
        try:
            while True:
                size, request, _, opcode = struct.unpack("<iiii", self.exactly(16))
                body = self.exactly(size - 16)
                if opcode == 2004:  # OP_QUERY: the handshake of drivers
                    reply = bson.BSON.encode(server.hello())
                    head = struct.pack("<iqii", 8, 0, 0, 1)
                    self.request.sendall(struct.pack("<iiii", 16 + len(head) + len(reply), 1, request, 1) + head + reply)
                    continue
                command = self.command(body)
                with server.lock:
                    try:
                        reply = bson.BSON.encode(server.run(command, state))
                    except Refused as refused:
                        reply = bson.BSON.encode(SON(ok=0.0, errmsg=str(refused), code=refused.code, codeName=f"Code{refused.code}"))
                self.request.sendall(struct.pack("<iiiiiB", 21 + len(reply), 1, request, 2013, 0, 0) + reply)
        except (ConnectionError, OSError):
            pass

    @staticmethod
    def command(body):
        command, documents, at = None, {}, 4
        while at < len(body):
            kind, at = body[at], at + 1
            size = struct.unpack_from("<i", body, at)[0]
            if kind == 0:
                command = decode(body[at:at + size])
            else:
                end = body.index(b"\0", at + 4)
                name, inner = body[at + 4:end].decode(), end + 1
                documents[name] = []
                while inner < at + size:
                    length = struct.unpack_from("<i", body, inner)[0]
                    raw = body[inner:inner + length]
                    documents[name].append(RawBSONDocument(raw) if name == "documents" else decode(raw))
                    inner += length
            at += size
        command.update(documents)
        return command


class Listener(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--dir", required=True)
    parser.add_argument("--version", default="6.0.5")
    parser.add_argument("--user", default="")
    parser.add_argument("--password", default="")
    parser.add_argument("--rights", default="readWrite")
    for flag in ("--standalone", "--mongos", "--secondary"):
        parser.add_argument(flag, action="store_true")
    options = parser.parse_args()
    with Listener(("127.0.0.1", options.port), Handler) as listener:
        listener.mongo = Server(options)
        listener.serve_forever()


if __name__ == "__main__":
    main()
