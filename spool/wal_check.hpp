// Keeps damage in a write-ahead log local. RocksDB refuses to open a log in which a record that spans blocks
// fails its check, even in its loosest mode; so after an unclean stop we read the logs first, by RocksDB's
// public log format (32 KiB blocks of fragments: masked CRC-32C, length, type), and rewrite one that fails
// without the records that do. The original stays in quarantine.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model/result.hpp"
#include "spool/directory.hpp"

namespace spanferry::spool {

// One log record (a write batch) in its fragments, views into the file.
using WalRecord = std::vector<std::string_view>;

struct WalScan {
  std::vector<WalRecord> good;
  std::uint64_t damaged = 0;  // records that fail; a lower bound where neighbours fail together
  bool torn_tail = false;     // ends in the middle of a record: what a kill leaves
  bool failing_tail = false;  // its last bytes are there but fail, and nothing good follows
  bool foreign = false;       // fragments of a kind we do not write: not ours to judge
};
WalScan scan_wal(std::string_view file);

// The bytes of a log that holds these records.
std::string write_wal(const std::vector<WalRecord>& records);

struct WalReport {
  std::uint64_t damaged_records = 0;
  std::vector<std::string> rewritten;  // names of the files whose original is in quarantine now
};
// Checks every log of the store and rewrites the damaged ones, durably. Call while nothing has it open.
Result<WalReport> repair_wals(const Layout& layout);

}  // namespace spanferry::spool
