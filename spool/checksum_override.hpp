// RocksDB's CRC-32C, replaced by ours. Distributions build RocksDB for any x86-64, where it takes its
// checksums by table, about five times as slow as the processor's own instruction, over every byte of the
// WAL. The function is exported and RocksDB calls it through the dynamic linker, which prefers a definition
// in the program: linking this file is all it takes. A RocksDB that is linked otherwise just goes on with its
// own.
#pragma once

namespace spanferry::spool {

// Whether RocksDB's calls come to us.
bool checksum_is_overridden();

}  // namespace spanferry::spool
