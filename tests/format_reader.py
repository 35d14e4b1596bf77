#!/usr/bin/python3
"""Restores a repository without encryption, written from docs/format.md alone.

    format_reader.py REPO --list                 the snapshots: id, moment, sources
    format_reader.py REPO --to DIR [--snapshot ID]
                                                 the newest one (or ID, a prefix) into DIR/<source>/<path>

Every check that the page asks of a reader is made: lengths, reserved bytes, the config's line, names of packs and records, XXH3
of segments and tags, chunk ids and digests, tree heights and lengths, the chain of heads with MACs and live digests, the order
of a listing. Anything else than what the page says ends with "damaged: ..." and exit status 20.

Needs Debian's python3-zstandard and python3-xxhash. It reads every pack directory into memory: it is a check of the page, not
a tool for large repositories.
"""

import argparse
import array
import hashlib
import hmac
import json
import os
import re
import stat
import sys

import xxhash
import zstandard

NO_KEY = bytes(32)
DATA, META = 1, 2
KINDS = {1: "manifest", 2: "attestation", 3: "audit", 4: "tombstone"}
MAX_CHUNK = 1_048_576
MAX_SEGMENT = 2_097_152
MAX_SEGMENTS = 65_535
MAX_CHUNKS = 262_144


class Damaged(Exception):
    pass


def sha256(data):
    return hashlib.sha256(data).digest()


def hmac256(key, data):
    return hmac.new(key, data, hashlib.sha256).digest()


class Cursor:
    """Reads little-endian fields; compares every length with what is left before it believes it."""

    def __init__(self, data, what):
        self.data, self.at, self.what = data, 0, what

    def fail(self, why):
        raise Damaged(f"{self.what}: {why}")

    def left(self):
        return len(self.data) - self.at

    def raw(self, length):
        if length > self.left():
            self.fail(f"{length} bytes wanted at {self.at}, {self.left()} left")
        self.at += length
        return bytes(self.data[self.at - length:self.at])

    def number(self, size, signed=False):
        return int.from_bytes(self.raw(size), "little", signed=signed)

    def u8(self):
        return self.number(1)

    def u16(self):
        return self.number(2)

    def u32(self):
        return self.number(4)

    def u64(self):
        return self.number(8)

    def i64(self):
        return self.number(8, signed=True)

    def prefixed(self):
        return self.raw(self.u32())

    def count(self, element_bytes):
        count = self.u32()
        if count * element_bytes > self.left():
            self.fail(f"{count} elements do not fit in {self.left()} bytes")
        return count

    def expect(self, wanted):
        if self.raw(len(wanted)) != wanted:
            self.fail(f"{wanted!r} expected at {self.at - len(wanted)}")

    def finish(self):
        if self.left():
            self.fail(f"{self.left()} bytes too many")


def read_file(path):
    with open(path, "rb") as file:
        return file.read()


def names_in(folder, pattern):
    """Names that fit; what does not is ignored, as the page says."""
    try:
        return sorted(name for name in os.listdir(folder) if re.fullmatch(pattern, name))
    except FileNotFoundError:
        return []


def read_config(repo):
    """config, or config.copy where config is damaged."""
    errors = []
    for name in ("config", "config.copy"):
        try:
            lines = read_file(os.path.join(repo, name)).split(b"\n")
            if len(lines) != 3 or lines[2] != b"":
                raise Damaged(f"{name}: not two lines")
            if lines[1] != b"sha256 " + sha256(lines[0]).hex().encode():
                raise Damaged(f"{name}: the second line is not the SHA-256 of the first")
            config = json.loads(lines[0])
            break
        except (Damaged, OSError, ValueError) as error:
            errors.append(str(error))
    else:
        raise Damaged("; ".join(errors))
    if config["format"] > 1:
        sys.exit(f"this reader knows format 1, the repository has {config['format']}")
    if config["required"]:
        sys.exit(f"this reader does not know {config['required']}")
    if config["encryption"] != "none":
        sys.exit("this reader reads repositories without encryption only")
    return bytes.fromhex(config["id"])


def unpack(stored, length):
    """One zstd frame, and nothing after it."""
    decompressor = zstandard.ZstdDecompressor().decompressobj()
    plain = decompressor.decompress(stored)
    if not decompressor.eof or decompressor.unused_data:
        raise zstandard.ZstdError("not exactly one frame")
    if len(plain) != length:
        raise zstandard.ZstdError(f"{len(plain)} bytes, {length} expected")
    return plain


def join_planes(stored, plain_length, what):
    """Section "Float planes"."""
    n = plain_length // 4
    cursor = Cursor(stored, what)
    lengths = [cursor.u32() for _ in range(4)]
    if max(lengths) > n:
        cursor.fail("a plane is longer than its floats")
    planes = [cursor.raw(length) if length == n else unpack(cursor.raw(length), n) for length in lengths]
    tail = cursor.raw(plain_length % 4)
    cursor.finish()
    words = bytearray(4 * n)
    for p, plane in enumerate(planes):
        words[p::4] = plane
    rotated = array.array("I", bytes(words))
    if sys.byteorder == "big":
        rotated.byteswap()
    plain = array.array("I", ((word >> 1) | (word & 1) << 31 for word in rotated))
    if sys.byteorder == "big":
        plain.byteswap()
    return plain.tobytes() + tail


def decompress(compression, stored, plain_length, what):
    if compression == 0:
        return stored
    return unpack(stored, plain_length) if compression == 1 else join_planes(stored, plain_length, what)


class Segment:
    def __init__(self, pack, offset, length, tag, xxh3, table):
        self.pack, self.offset, self.length, self.tag, self.xxh3 = pack, offset, length, tag, xxh3
        self.compression = table.u8()
        if self.compression > 2:
            table.fail(f"compression {self.compression} is unknown")
        if table.u8() > 1:
            table.fail("an unknown content class")
        table.expect(bytes(2))
        self.plain_length = table.u32()
        if self.plain_length > MAX_SEGMENT:
            table.fail(f"a segment of {self.plain_length} bytes")
        self.chunks = []
        offset = 0
        for _ in range(table.count(36)):
            chunk_id, length = table.raw(32), table.u32()
            if not 1 <= length <= MAX_CHUNK:
                table.fail(f"a chunk of {length} bytes")
            self.chunks.append((chunk_id, offset, length))
            offset += length
        if offset != self.plain_length:
            table.fail(f"chunks of {offset} bytes in a segment of {self.plain_length}")

    def read(self):
        with open(self.pack, "rb") as file:
            file.seek(self.offset)
            stored = file.read(self.length)
        where = f"{self.pack}, segment at {self.offset}"
        if len(stored) != self.length or xxhash.xxh3_64_intdigest(stored) != self.xxh3:
            raise Damaged(f"{where}: XXH3-64 differs")
        if xxhash.xxh3_128_digest(stored) != self.tag:
            raise Damaged(f"{where}: the tag differs")
        try:
            plain = decompress(self.compression, stored, self.plain_length, where)
        except zstandard.ZstdError as error:
            raise Damaged(f"{where}: {error}") from error
        if len(plain) != self.plain_length:
            raise Damaged(f"{where}: {len(plain)} bytes, {self.plain_length} expected")
        return plain


def read_pack(path, name):
    """(kind, segments) of a pack, from its directory."""
    data = read_file(path)
    if len(data) < 48 + 52:
        raise Damaged(f"{path}: too short for a pack")
    footer = Cursor(data[-52:], f"{path}, footer")
    offset, length, pack_id = footer.u64(), footer.u32(), footer.raw(32)
    footer.expect(b"INGTPEND")
    if pack_id.hex() != name:
        footer.fail(f"it is pack {pack_id.hex()}")
    if offset < 48 or offset + length + 52 != len(data):
        footer.fail("the directory does not lie between segments and footer")
    header, directory = data[:48], data[offset:offset + length]
    if sha256(header + directory) != pack_id:
        raise Damaged(f"{path}: header and directory do not have the pack's id")

    head = Cursor(header, f"{path}, header")
    head.expect(b"INGTPACK")
    if head.u16() != 1:
        head.fail("an unknown version")
    kind, seal, key_mode = head.u8(), head.u8(), head.u8()
    if kind not in (DATA, META) or seal != 0 or key_mode != 0:
        head.fail(f"kind {kind}, seal {seal}, key mode {key_mode}")
    head.expect(bytes(3))
    head.u32()  # epoch
    head.expect(bytes(4))
    head.raw(24)  # salt

    entries = Cursor(directory, f"{path}, directory")
    count = entries.count(28)
    if count > MAX_SEGMENTS:
        entries.fail(f"{count} segments")
    stored = [(entries.u32(), entries.raw(16), entries.u64()) for _ in range(count)]
    table_length, table_tag = entries.u32(), entries.raw(16)
    table_bytes = entries.raw(table_length)
    entries.finish()
    if xxhash.xxh3_128_digest(table_bytes) != table_tag:
        raise Damaged(f"{path}, table: the tag differs")

    table, segments, at = Cursor(table_bytes, f"{path}, table"), [], 48
    for length, tag, xxh3 in stored:
        segments.append(Segment(path, at, length, tag, xxh3, table))
        at += length
    table.finish()
    if at != offset:
        raise Damaged(f"{path}: segments end at {at}, the directory begins at {offset}")
    if sum(len(segment.chunks) for segment in segments) > MAX_CHUNKS:
        raise Damaged(f"{path}: too many chunks")
    return kind, segments


class Repository:
    def __init__(self, path):
        self.path = path
        self.id = read_config(path)
        self.chunks = {}  # id -> (segment, offset, length)
        self.last = (None, None)  # the segment read last, and its plaintext
        packs = os.path.join(path, "packs")
        for folder in names_in(packs, "[0-9a-f]{2}"):
            for name in names_in(os.path.join(packs, folder), "[0-9a-f]{64}"):
                if not name.startswith(folder):
                    raise Damaged(f"packs/{folder}/{name} lies in the wrong folder")
                _, segments = read_pack(os.path.join(packs, folder, name), name)
                for segment in segments:
                    for chunk_id, offset, length in segment.chunks:
                        self.chunks.setdefault(chunk_id, (segment, offset, length))
        self.records = self.read_heads()

    def read_head(self, writer, n):
        """(full, previous, added, removed, live count, live digest, SHA-256 of the file) of one head."""
        path = os.path.join(self.path, "heads", writer, f"{n:010d}")
        data = read_file(path)
        head = Cursor(data, path)
        head.expect(b"INGTHEAD")
        if head.u16() != 1:
            head.fail("an unknown version")
        full = head.u8()
        if full > 1:
            head.fail(f"full is {full}")
        head.expect(bytes(5))
        head.expect(self.id)
        head.expect(bytes.fromhex(writer))
        head.expect(n.to_bytes(8, "little"))
        head.i64()  # time
        previous = head.raw(32)
        added = {(head.u8(), head.raw(32)) for _ in range(head.count(33))}
        removed = {(head.u8(), head.raw(32)) for _ in range(head.count(33))}
        for kind, _ in added | removed:
            if kind not in KINDS:
                head.fail(f"record kind {kind}")
        live, live_digest = head.u64(), head.raw(32)
        if not hmac.compare_digest(head.raw(32), hmac256(NO_KEY, data[:-32])):
            head.fail("the MAC differs")
        head.finish()
        return full, previous, added, removed, live, live_digest, sha256(data)

    def read_heads(self):
        """The live records of the repository: (kind, id)."""
        all_added, all_removed = set(), set()
        heads = os.path.join(self.path, "heads")
        for writer in names_in(heads, "[0-9a-f]{32}"):
            # From the newest full head on, or from the first.
            chain = []
            numbers = [int(name) for name in names_in(os.path.join(heads, writer), "[0-9]{10}")]
            for n in reversed(numbers):
                if chain and chain[-1][0] != n + 1:
                    break
                chain.append((n, self.read_head(writer, n)))
                if chain[-1][1][0]:
                    break
            if not chain:
                continue
            n, first = chain[-1]
            if not first[0] and n != 1:
                raise Damaged(f"heads/{writer}: head {n - 1} is missing")
            before, live = bytes(32), set()
            for n, (full, previous, added, removed, count, digest, file_hash) in reversed(chain):
                if not full and previous != before:
                    raise Damaged(f"heads/{writer}/{n:010d}: it does not follow the head before it")
                live = (live | added) - removed
                if count != len(live) or digest != sha256(b"".join(sorted(bytes([kind]) + name for kind, name in live))):
                    raise Damaged(f"heads/{writer}/{n:010d}: other live records than it says")
                all_added |= added
                all_removed |= removed
                before = file_hash
        return all_added - all_removed

    def read_record(self, kind, record_id):
        path = os.path.join(self.path, "records", KINDS[kind], record_id.hex())
        data = read_file(path)
        if sha256(data) != record_id:
            raise Damaged(f"{path}: its SHA-256 is not its name")
        record = Cursor(data, path)
        record.expect(b"INGTREC1")
        if record.u16() != 1 or record.u8() != kind or record.u8() != 0 or record.u8() != 0:
            record.fail("another version, kind, seal or key mode")
        record.expect(bytes(3))
        record.u32()  # epoch
        record.expect(bytes(4))
        record.raw(24)  # salt
        length, tag = record.u32(), record.raw(16)
        plain = record.raw(length)
        record.finish()
        if xxhash.xxh3_128_digest(plain) != tag:
            record.fail("the tag differs")
        return plain

    def manifests(self):
        """(id in hex, manifest), by moment."""
        found = []
        for kind, record_id in self.records:
            if kind == 1:
                manifest = json.loads(self.read_record(kind, record_id))
                if manifest["version"] != 1:
                    raise Damaged(f"manifest {record_id.hex()}: version {manifest['version']}")
                found.append((record_id.hex(), manifest))
        return sorted(found, key=lambda item: (item[1]["moment"], item[0]))

    def chunk(self, kind, digest):
        chunk_id = hmac256(NO_KEY, bytes([kind]) + digest)
        if chunk_id not in self.chunks:
            raise Damaged(f"chunk {digest.hex()} is in no pack")
        segment, offset, length = self.chunks[chunk_id]
        if self.last[0] is not segment:
            self.last = (segment, segment.read())
        plain = self.last[1][offset:offset + length]
        if sha256(plain) != digest:
            raise Damaged(f"{segment.pack}: chunk {digest.hex()} has other bytes")
        return plain

    def stream(self, kind, height, digest, size):
        """The chunks of a stream, in order."""
        if height == 0:
            if size == 0:
                if digest != sha256(b""):
                    raise Damaged("an empty stream of another digest")
                return
            plain = self.chunk(kind, digest)
            if len(plain) != size:
                raise Damaged(f"chunk {digest.hex()}: {len(plain)} bytes, {size} expected")
            yield plain
            return
        node = Cursor(self.chunk(META, digest), f"node {digest.hex()}")
        node.expect(b"\x4e")
        if node.u8() != height:
            node.fail("another height")
        entries = [(node.raw(32), node.u64()) for _ in range(node.u16())]
        node.finish()
        if sum(length for _, length in entries) != size:
            node.fail("lengths do not add up")
        for child, length in entries:
            if height == 1 and not 1 <= length <= MAX_CHUNK:
                node.fail(f"a chunk of {length} bytes")
            yield from self.stream(kind, height - 1, child, length)


class Entry:
    def __init__(self, cursor):
        self.type, self.flags = cursor.u8(), cursor.u8()
        if not 1 <= self.type <= 7 or self.flags > 3:
            cursor.fail(f"type {self.type}, flags {self.flags}")
        self.mode, self.uid, self.gid, self.mtime_ns = cursor.u32(), cursor.u32(), cursor.u32(), cursor.i64()
        self.path = cursor.prefixed()
        self.sha256 = None
        if self.type == 1:
            self.root = (cursor.u8(), cursor.raw(32), cursor.u64())
            known = cursor.u8()
            if known > 1:
                cursor.fail(f"known is {known}")
            if known:
                self.sha256 = cursor.raw(32)
        elif self.type in (3, 4):
            self.link = cursor.prefixed()
        elif self.type in (6, 7):
            self.device = (cursor.u32(), cursor.u32())
        self.xattrs = [(cursor.prefixed(), cursor.prefixed()) for _ in range(cursor.count(8))]
        cursor.finish()
        parts = self.path.lstrip(b"/").split(b"/")
        if b"\0" in self.path or any(part in (b"", b".", b"..") for part in parts):
            cursor.fail(f"path {self.path!r}")


LISTING_ORDER = bytes(0 if byte == 0x2f else byte + 1 if byte < 0x2f else byte for byte in range(256))


def order(path):
    """Listing order: `/` before every other byte."""
    return path.translate(LISTING_ORDER)


def entries_of(repository, listing):
    data = b"".join(repository.stream(META, listing["height"], bytes.fromhex(listing["digest"]), listing["size"]))
    all_entries, before = Cursor(data, "listing"), None
    number = 0
    while all_entries.left():
        entry = Entry(Cursor(all_entries.prefixed(), f"listing, entry {number}"))
        if before is not None and not order(before) < order(entry.path):
            all_entries.fail(f"{entry.path!r} comes after {before!r}")
        before, number = entry.path, number + 1
        yield entry


def put_back(repository, entry, folder):
    """Writes one entry below `folder`, which only this program writes to."""
    path = os.path.join(folder, entry.path.lstrip(b"/"))
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if entry.type == 1:
        whole = hashlib.sha256()
        with open(path, "xb") as file:
            for chunk in repository.stream(DATA, *entry.root):
                whole.update(chunk)
                file.write(chunk)
        if entry.sha256 is not None and whole.digest() != entry.sha256:
            raise Damaged(f"{entry.path!r}: the whole file's SHA-256 differs")
    elif entry.type == 2:
        os.makedirs(path, exist_ok=True)
    elif entry.type == 3:
        os.symlink(entry.link, path)
    elif entry.type == 4:
        os.link(os.path.join(folder, entry.link.lstrip(b"/")), path, follow_symlinks=False)
    elif entry.type == 5:
        os.mkfifo(path)
    else:
        kind = stat.S_IFBLK if entry.type == 6 else stat.S_IFCHR
        os.mknod(path, kind, os.makedev(*entry.device))
    return path


def put_metadata_back(entry, path):
    if entry.type == 4:
        return
    if os.geteuid() == 0:
        os.chown(path, entry.uid, entry.gid, follow_symlinks=False)
    for name, value in entry.xattrs:
        os.setxattr(path, name, value, follow_symlinks=False)
    if entry.type != 3:
        os.chmod(path, entry.mode)
    os.utime(path, ns=(entry.mtime_ns, entry.mtime_ns), follow_symlinks=False)


def restore(repository, manifest, to):
    for source in manifest["sources"]:
        if source["listing"] is None:
            print(f"{source['name']}: {source['status']}, nothing stored")
            continue
        folder = os.path.join(os.fsencode(to), os.fsencode(source["name"]))
        os.makedirs(folder)
        done = []
        for entry in entries_of(repository, source["listing"]):
            done.append((entry, put_back(repository, entry, folder)))
        # Folders last and deepest first, so that writing below them does not change their times.
        for entry, path in reversed(done):
            put_metadata_back(entry, path)
        if len(done) != source["entries"]:
            raise Damaged(f"{source['name']}: {len(done)} entries, the manifest says {source['entries']}")
        print(f"{source['name']}: {len(done)} entries")


def main():
    parser = argparse.ArgumentParser(description="Restores a repository without encryption, from docs/format.md alone.")
    parser.add_argument("repo")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--snapshot", default="", help="id or the start of one; default: the newest")
    parser.add_argument("--to", help="a new folder")
    options = parser.parse_args()
    try:
        repository = Repository(options.repo)
        manifests = repository.manifests()
        if options.list:
            for name, manifest in manifests:
                sources = ", ".join(f"{source['name']} ({source['status']})" for source in manifest["sources"])
                print(f"{name[:8]}  {manifest['moment']}  {manifest['consistency']}  {sources}")
        if options.to:
            wanted = [(name, manifest) for name, manifest in manifests if name.startswith(options.snapshot)]
            if not wanted or (options.snapshot and len(wanted) > 1):
                sys.exit(f"{len(wanted)} snapshots are called {options.snapshot or 'that'}")
            restore(repository, wanted[-1][1], options.to)
    except (Damaged, ValueError, KeyError) as error:
        print(f"damaged: {error}", file=sys.stderr)
        return 20
    return 0


if __name__ == "__main__":
    sys.exit(main())
