// RocksDB's files, where a failed write is told at the next sync and not before.
//
// Debian builds RocksDB with live assertions, and one of them (writable_file_writer.h) ends the process when anything is asked of
// a file after a write to it failed: a full disk would abort us. Errors of a sync it takes well, and nothing that was written
// counts before its sync; so an append that fails is remembered, and the sync or the close says so.
//
// Thread safety: any thread. Lifetime: the process's.
#pragma once

namespace rocksdb {
class Env;
}

namespace ingot {

rocksdb::Env* index_files();

// How many files the index may hold open: all that the process may, but for 256 of our own. Raises the process's limit.
int open_file_budget();

}  // namespace ingot
