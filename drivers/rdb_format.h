// Redis's RDB file in numbers, and the bytes that an RdbInput reads (Redis 7.0 rdb.h and rdb.c; newer versions as noted).
//
//   file    = "REDIS" 4 digits of the version, item*, 0xff, u64 CRC of all before it (0: the server was told to make none)
//   item    = 0xfa string string (an auxiliary field) | 0xf5 string (a library of functions) | 0xf7 module data
//           | 0xfe length (the database of what follows) | 0xfb length length (keys, and those that expire)
//           | [0xfc i64 milliseconds | 0xfd i32 seconds] [0xf8 length idle seconds | 0xf9 u8 frequency] type string value
//   length  = 00xxxxxx | 01xxxxxx u8 | 0x80 u32 big-endian | 0x81 u64 big-endian
//   string  = length, bytes | 0xc0 i8 | 0xc1 i16 | 0xc2 i32 | 0xc3 length length (of the LZF bytes, and decompressed) LZF bytes
#pragma once

#include <cstdint>
#include <functional>
#include <span>

namespace ingot {

enum RdbOpcode : uint8_t {
    kRdbSlotInfo = 0xf4,  // RDB 12, clusters: three lengths
    kRdbFunction = 0xf5,
    kRdbModuleAux = 0xf7,
    kRdbIdle = 0xf8,
    kRdbFrequency = 0xf9,
    kRdbAux = 0xfa,
    kRdbResizeDb = 0xfb,
    kRdbExpireMs = 0xfc,
    kRdbExpireS = 0xfd,
    kRdbSelectDb = 0xfe,
    kRdbEnd = 0xff,
};

enum RdbType : uint8_t {
    kRdbString = 0,
    kRdbList = 1,
    kRdbSet = 2,
    kRdbZset = 3,  // scores as text
    kRdbHash = 4,
    kRdbZset2 = 5,  // scores as doubles
    kRdbModule2 = 7,
    kRdbHashZipmap = 9,
    kRdbListZiplist = 10,
    kRdbSetIntset = 11,
    kRdbZsetZiplist = 12,
    kRdbHashZiplist = 13,
    kRdbListQuicklist = 14,
    kRdbStream = 15,
    kRdbHashListpack = 16,
    kRdbZsetListpack = 17,
    kRdbListQuicklist2 = 18,
    kRdbStream2 = 19,
    kRdbSetListpack = 20,         // RDB 11
    kRdbStream3 = 21,             // RDB 11
    kRdbHashMetadata = 24,        // RDB 12: fields that expire
    kRdbHashListpackExpire = 25,  // RDB 12
};

// A run of bytes that can be read anywhere: a spool, or a file. Short reads only at the end.
struct RdbBytes {
    uint64_t size = 0;
    std::function<size_t(uint64_t offset, std::span<uint8_t> out)> read_at;
};

}  // namespace ingot
