// The custom format of pg_dump (-Fc), versions 1.12 to 1.16: PostgreSQL 9 to 17 and later (src/bin/pg_dump/pg_backup_archiver.c,
// pg_backup_custom.c; WriteHead, WriteToc, _WriteByte, WriteInt there).
//
//   archive  := "PGDMP" major minor revision int_bytes offset_bytes format=1 compression stamp name server dumped_by count entry*
//   block* int      := sign:1 magnitude:int_bytes (little-endian)          text := int (length; negative: none) bytes compression
//   := int, from 1.15 on one byte                        stamp := 7 ints, the time of the dump entry    := id dumper:int
//   table_oid:text oid:text tag:text desc:text section:int definition drop copy namespace tablespace
//               [access_method >= 1.14] [relation_kind:int >= 1.16] owner with_oids dependency:text* none state:1
//               offset:offset_bytes
//   block    := 1 id frame* 0                                        frame := int (length > 0) bytes; one row, with -Z0
//             | 3 id (oid:int frame* 0)* 0                           large objects
//
// The stamp is all that differs between two dumps of unchanged data; cut apart, it costs one chunk of some 50 bytes.
// A dump that was cut off, also between two blocks, does not parse: every entry with a dumper has its block. (`pg_restore --list`
// reads the entries alone.)
//
// Thread safety: pure. Errors: Error{damaged}; no length is trusted before it was compared with the size.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/filesystem.h"
#include "base/stream.h"

namespace ingot {

struct PgArchiveBlock {
    uint64_t offset = 0;
    uint64_t bytes = 0;
    uint64_t frames = 0;
    uint64_t rows = 0;  // of a table; one frame less, because the end of COPY (a line "\\.") is a frame too
};

struct PgArchive {
    bool understood = true;  // false: a newer version; only what is before `stamp_offset` was read
    int version = 0;         // 1014 for 1.14
    uint64_t stamp_offset = 0, stamp_bytes = 0;
    std::string server, dumped_by;  // "15.18 (Debian 15.18-0+deb12u1)"
    uint64_t entries = 0;
    uint64_t rows = 0;
    std::vector<PgArchiveBlock> blocks;
};

// Reads at an offset, short only at the end.
using ReadAt = std::function<size_t(uint64_t offset, std::span<uint8_t> out)>;

PgArchive parse_pg_archive(const ReadAt& read_at, uint64_t size);

PgArchive read_pg_archive_file(FileSystem& fs, const std::string& path);

// How the archive is cut: its stamp apart, its contents as one, each table's rows for themselves.
std::vector<Section> pg_archive_sections(const PgArchive& archive, uint64_t size);

// 15 of "15.18 (Debian ...)"; 0 where there is none.
int pg_major_of(const std::string& version);

}  // namespace ingot
