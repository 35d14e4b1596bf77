"""Snapshots as Qdrant writes them, of what qdrant_stand_in.py holds: GNU tar with sparse members, real times in the headers, members in
another order each time; segments as folders (a shard's stream) or as tar files in the tar file (a collection's snapshot). They are read
back by Python's own tarfile."""

import io
import json
import os
import random
import struct
import tarfile
import time
import uuid

PAGE_BYTES = 1 << 20  # 32 MiB in the real one


def shard_of(key, count):
    return (key if isinstance(key, int) else uuid.UUID(key).int) % count


def header(name, size, kind=b"0", mtime=0):
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime, info.type = size, 0o644, mtime, kind
    return bytearray(info.tobuf(tarfile.GNU_FORMAT))


def padded(data):
    return data + bytes(-len(data) % 512)


def summed(block):
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block[:512])
    return bytes(block)


def member(name, data, mtime=0):
    return bytes(header(name, len(data), mtime=mtime)) + padded(data)


def sparse_member(name, data, size, mtime=0):
    """One run of data at the beginning, and a hole up to `size`."""
    block = header(name, len(data), b"S", mtime)
    long_name, block = block[:-512], block[-512:]
    block[386:410] = b"%011o\0%011o\0" % (0, len(data))
    block[410:434] = b"%011o\0%011o\0" % (size, 0)
    block[482] = 0
    block[483:495] = b"%011o\0" % size
    return bytes(long_name) + summed(block) + padded(data)


def segment_files(found, shard, number):
    count, size = found["config"]["params"]["shard_number"], found["config"]["params"]["vectors"]["size"]
    keys = sorted(key for key in found["points"] if shard_of(key, count) == shard)
    # The last ones are in the segment that is appended to.
    half = len(keys) * 3 // 4
    keys = keys[:half] if number == 0 else keys[half:]
    vectors = b"".join(found["points"][key][0] for key in keys)
    payloads = json.dumps([found["points"][key][1] for key in keys]).encode()
    files = {"segment.json": json.dumps({"version": 1, "config": {"vector_data": {"": {"size": size}}}}).encode(), "version.info": b"0.6.0",
             "id_tracker.mappings": json.dumps(keys).encode(), "id_tracker.versions": struct.pack("<Q", len(keys)),
             "id_tracker.deleted": b"", "vector_storage/deleted.dat": b"drop" + bytes(len(keys) // 8 + 1),
             "vector_index/hnsw_config.json": b'{"m":16}', "payload_index/config.json": json.dumps(found["schema"]).encode(),
             "payload_storage/config.json": b'{"page_size_bytes":33554432}'}
    sparse = {"payload_storage/page_0.dat": (struct.pack("<Q", len(payloads)) + payloads, PAGE_BYTES + len(payloads))}
    if number == 0:
        files["vector_storage/matrix.dat"] = b"data" + vectors
    else:
        sparse["vector_storage/vectors/chunk_0.mmap"] = (vectors, PAGE_BYTES + len(vectors))
    return files, sparse


def segment(found, shard, number, prefix):
    files, sparse = segment_files(found, shard, number)
    now = random.randrange(10**9, 2 * 10**9)  # other times in the headers each time: the worst that a server could do
    out = [member(prefix + name, data, now) for name, data in files.items()]
    out += [sparse_member(prefix + name, data, size, now) for name, (data, size) in sparse.items()]
    random.shuffle(out)
    return b"".join(out)


def tail(prefix, found):
    wal = b"wal\0" + os.urandom(4) + bytes(100)
    return (member(prefix + "newest_clocks.json", b"{}") + member(prefix + "oldest_clocks.json", b"{}") +
            sparse_member(prefix + "wal/closed-0", wal, PAGE_BYTES, time.time()) + member(prefix + "replica_state.json", b'{"is_local":true}') +
            member(prefix + "shard_config.json", b'{"type":"Local"}'))


def shard_stream(found, shard, version):
    out = member("segments_manifest.json", b"{}") if version >= (1, 19, 0) else b""
    for number, name in enumerate(found["segments"][shard]):
        out += segment(found, shard, number, f"segments/{name}/files/")
    return out + tail("", found) + bytes(1024)


def collection_snapshot(found, version):
    out = b""
    for shard, names in found["segments"].items():
        for number, name in enumerate(names):
            inner = segment(found, shard, number, "snapshot/files/") + bytes(1024)
            out += member(f"{shard}/segments/{name}.tar", inner, time.time())
        out += tail(f"{shard}/", found)
    out += member("version.info", ".".join(map(str, version)).encode()) + member("config.json", json.dumps(found["config"]).encode())
    out += member("shard_key_mapping.json", b"null") + member("payload_index.json", json.dumps({"schema": found["schema"]}).encode())
    return out + bytes(1024)


def read_segments(files):
    """Points of all segments among the files."""
    out = {}
    for name in files:
        if not name.endswith("id_tracker.mappings"):
            continue
        folder = name.removesuffix("id_tracker.mappings")
        keys = json.loads(files[name])
        size = 4 * json.loads(files[folder + "segment.json"])["config"]["vector_data"][""]["size"]
        page = files[folder + "payload_storage/page_0.dat"]
        payloads = json.loads(page[8:8 + struct.unpack("<Q", page[:8])[0]])
        matrix = files.get(folder + "vector_storage/matrix.dat")
        vectors = matrix[4:] if matrix is not None else files[folder + "vector_storage/vectors/chunk_0.mmap"]
        for number, key in enumerate(keys):
            out[key] = (vectors[number * size:(number + 1) * size], payloads[number])
    return out


def files_of(data):
    if not data.endswith(bytes(1024)):
        raise ValueError("the archive is cut off")
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {info.name: tar.extractfile(info).read() for info in tar if info.isfile() or info.type == tarfile.GNUTYPE_SPARSE}


def read(data, whole_collection):
    files = files_of(data)
    if not whole_collection:
        files["shard_config.json"], files["replica_state.json"]
        return read_segments(files), None, None
    inner = {}
    for name, bytes_of in files.items():
        if name.endswith(".tar"):
            inner.update({name + "/" + path: content for path, content in files_of(bytes_of).items()})
    return read_segments(inner), json.loads(files["config.json"]), json.loads(files["payload_index.json"])["schema"]
