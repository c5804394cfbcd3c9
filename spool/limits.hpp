// Every bound and memory budget of the spool, in one place. What stands here is what memory use adds up to:
// hot records + write buffers + block cache + what was searched + one commit group and its queue.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace spanferry::spool {

// --- memory
inline constexpr std::size_t kHotBytes = 16U << 20;       // newest payloads, shared with readers
inline constexpr std::size_t kUnreadHotBytes = 4U << 20;  // instead, while the slowest reader is far behind
inline constexpr std::uint64_t kHotReachBytes = 64ULL << 20;  // from where on it is
inline constexpr std::size_t kHotRecords = 64U << 10;         // headers count too when payloads are tiny
inline constexpr std::size_t kHotRecordOverheadBytes = 256;   // header, pointers and counters of one record
inline constexpr std::size_t kBlockCacheBytes = 8U << 20;
inline constexpr std::size_t kLogBufferBytes = 16U << 20;  // one memtable of the log
inline constexpr std::size_t kHeldBytes = 64U << 20;       // instead, while the disk is full
inline constexpr int kLogBuffers = 3;                      // being filled, and waiting for their flush
inline constexpr std::size_t kIndexBufferBytes = 2U << 20;
inline constexpr std::size_t kSmallBufferBytes = 1U << 20;  // of state, traces, parked, dead
inline constexpr int kOpenTables = 128;                     // table readers kept open

// --- commit
inline constexpr std::size_t kGroupBytes = 8U << 20;         // of one commit group
inline constexpr std::size_t kBatchBytes = 32U << 10;        // of one write batch: about one WAL block
inline constexpr std::size_t kQueueBytes = 160U << 20;       // waiting for their group
inline constexpr std::size_t kMaxEntryBytes = 512U << 20;    // one append
inline constexpr std::size_t kCompressFromBytes = 4U << 10;  // smaller payloads are stored as they are
// Behind the end of the log, compressing begins: beyond what is on its way to destinations that keep up.
inline constexpr std::uint64_t kFarBehindBytes = 256ULL << 20;
inline constexpr std::size_t kMaxPutValueBytes = 4U << 10;
inline constexpr std::size_t kMaxPutKeyBytes = 512;
inline constexpr std::size_t kQueuedPuts = 64U << 10;
inline constexpr std::chrono::milliseconds kLoneMoveDelay{200};  // until moves without appends are synced
inline constexpr std::size_t kBigProgressBytes = 1U << 10;       // a larger cursor is written less often:
inline constexpr std::chrono::milliseconds kBigProgressDelay{50};
inline constexpr std::size_t kUnsyncedParkedBytes = 8U << 20;  // what is parked stays in memory until synced

// --- disk
inline constexpr std::uint64_t kWalBytes = 16ULL << 20;         // replayed by a start after a kill
inline constexpr std::uint64_t kResumeBytes = 2ULL << 20;       // free again before appends resume
inline constexpr std::uint64_t kReserveFileBytes = 8ULL << 20;  // given up when the disk is full
inline constexpr std::uint64_t kNoSpaceResumeBytes = 24ULL
                                                     << 20;    // free before we write to a disk that was full
inline constexpr std::uint64_t kDiskGuardBytes = 16ULL << 20;  // less free: appends are not even tried
inline constexpr std::uint64_t kDropStepBytes = 8ULL << 20;    // dropped at once by when_full: drop_oldest
inline constexpr std::uint64_t kParkedStepBytes = 4ULL << 20;  // of what is parked, looked at in one go
// What is parked is looked through for max_age so many times within it, but not more or less often than this.
inline constexpr int kParkedLooks = 16;
inline constexpr std::chrono::seconds kParkedLookMin{1};
inline constexpr std::chrono::seconds kParkedLookMax{600};
inline constexpr std::size_t kRocksLogBytes = 256U << 10;
inline constexpr std::size_t kRocksLogFiles = 3;

// --- housekeeping
inline constexpr std::chrono::milliseconds kHousekeepingStep{40};
inline constexpr std::chrono::milliseconds kMeasureDelay{100};  // between two walks over the spool's files
inline constexpr std::chrono::milliseconds kTrimDelay{40};
inline constexpr std::chrono::seconds kSideFileDelay{10};  // totals in the side file may be this old
inline constexpr std::size_t kOdometerMarks = 4096;
inline constexpr std::chrono::seconds kRetainWindow{10};  // retention pays only if it lasts this long

// --- local view
inline constexpr std::size_t kViewStepBytes = 2U << 20;
inline constexpr std::size_t kViewStepRecords = 2000;
inline constexpr std::uint64_t kViewHoldRecords = 20'000;  // not viewed yet: a longer tail is trimmed
inline constexpr std::uint64_t kViewYieldBytes =
    800ULL << 10;  // appended within one step (20 MB/s): ingest goes first
inline constexpr std::uint64_t kMaxSummarizedRecords = 100'000;  // kept beyond the trimmed payloads
inline constexpr std::size_t kMaxTailRecords = 2000;             // read by a list beyond the view's cursor
inline constexpr std::size_t kGlanceTailRecords = 500;           // of those, looked at in one go
inline constexpr std::size_t kMaxListedTraces = 1000;
inline constexpr std::size_t kMaxVisitedSummaries = 50'000;  // looked at for one list
inline constexpr std::size_t kMaxSummaryTextBytes = 96;
inline constexpr std::size_t kMaxSummaryBytes = 2048;
inline constexpr std::size_t kMaxFactsOfTrace = 512;
inline constexpr std::size_t kSearchedBytes = 12U << 20;     // of the newest summaries, kept between searches
inline constexpr std::chrono::seconds kSearchedKept{60};     // as long as there are searches
inline constexpr std::size_t kGlanceReadAhead = 256U << 10;  // bytes of a table, when all are looked through
inline constexpr std::size_t kStretchBytes = 256U << 10;     // of those, read forwards before they are told
inline constexpr std::uint64_t kFirstStretchRecords = 64, kMostStretchRecords = 4096;
inline constexpr std::size_t kMaxRecordsOfTrace = 10'000;

// --- recovery
inline constexpr std::uint64_t kFreshStoreSeqs = 1ULL << 40;  // skipped when a damaged store is set aside
inline constexpr std::chrono::milliseconds kReopenDelayMin{100};
inline constexpr std::chrono::milliseconds kReopenDelayMax{2000};

}  // namespace spanferry::spool
