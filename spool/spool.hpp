// The spool: one durable log of records in RocksDB, with a cursor for each destination that reads it.
//
// Threads: one commit thread writes groups and syncs them; one housekeeping thread trims, measures budgets
// and feeds the local view. Everything public may be called from any thread unless it says otherwise.
// Completion handlers run on the commit thread and must only post.
//
// Promise: an append that completes with success is on disk (settings.durability = commit) and every reader
// sees it from then on; none sees it before. What is on disk is read by each destination until that
// destination settled it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/otlp_span.hpp"
#include "model/record.hpp"
#include "model/result.hpp"
#include "model/status.hpp"
#include "spool/cursor.hpp"
#include "spool/dead_letter.hpp"
#include "spool/settings.hpp"

namespace spanferry::spool {

// What is to be appended. The log sets the header's running totals.
struct Entry {
  RecordHeader header;
  std::shared_ptr<const std::string> payload;
  std::vector<TraceId> traces;  // distinct: each gets an index entry
};

struct Appended {
  Seq first = 0, last = 0;
};
using AppendHandler = std::move_only_function<void(Result<Appended>)>;

// A hole in the log: records that were damaged or lost, with their exact size where the running totals tell
// it.
struct Gap {
  Seq first = 0, last = 0;
  std::uint64_t records = 0, spans = 0;
};

struct ReadBatch {
  std::vector<Record> records;  // in order of seq
  std::vector<Gap> gaps;        // met on the way
  Seq next = 0;                 // where to read on
};

// Something that a record says of a trace, as far as searches ask for it.
struct TraceFact {
  enum class Kind : std::uint8_t {
    tag = 1,
    no_tag,  // it was deleted
    metadata,
    attribute,   // of a span or a resource: tags and metadata are found in them
    assessment,  // its name, and what was said
  };
  Kind kind = Kind::tag;
  bool cut = false;  // the value is longer
  std::string key, value;
  bool operator==(const TraceFact&) const = default;
};

// One trace as the local view lists it: merged over the records seen so far.
struct TraceSummary {
  TraceId trace_id;
  Seq first_seq = 0, last_seq = 0;
  std::string name;  // of the root span, else of the first
  std::string service;
  StatusCode status = StatusCode::unset;
  bool has_root = false;
  std::string session, user, request_id;
  std::int64_t start_ns = 0, end_ns = 0;
  std::int64_t received_ns = 0;
  std::uint32_t spans = 0;
  std::int64_t input_tokens = 0, output_tokens = 0;
  bool started = false;                        // somebody sent its trace info
  bool deleted = false;                        // by a client
  std::string state;                           // of the trace info: OK, ERROR, IN_PROGRESS
  std::string experiment_id, experiment_name;  // of the first record that names one
  bool whole = true;                           // nothing was left out of what follows
  std::vector<TraceFact> facts;                // in the order of the records
};

// What one record says about one trace, before it is taken apart.
struct TraceGlance {
  Seq seq = 0;
  TraceId trace;
  std::int64_t received_ns = 0, start_ns = 0;
  bool has_root = false, started = false, deleted = false, whole = true;
  std::string_view state;  // of the trace info, else of the root span; empty: neither is in that record
  std::string_view experiment_id, experiment_name;
  std::string_view texts;  // holds the bytes of every name and fact; a value's first kSureTextBytes at least
};
inline constexpr std::size_t kSureTextBytes = 64;

class Spool {
 public:
  // Opens or creates the spool. Takes the directory's lock, waiting settings.lock_wait for another process to
  // leave it
  // (`on_wait` is told once, with the holder's pid). Errors: unavailable (lock), io, configuration, damaged.
  static Result<std::unique_ptr<Spool>> open(const Settings& settings,
                                             const std::function<void(std::string_view)>& on_wait = {});
  // Flushes, so that the next start has no log to replay, and gives up the lock.
  virtual ~Spool() = default;

  // Joins the next commit group; all entries become durable together or none does. `done` is called exactly
  // once. Errors: full (a budget or the filesystem; `sentence` names which), held (see hold_routes),
  // unavailable (the store is being reopened), cancelled.
  virtual void append(std::vector<Entry> entries, AppendHandler done) = 0;
  // Whether an append would be let in now; cheap, for answering before a body is read.
  [[nodiscard]] virtual bool accepting() const = 0;

  // Durable records from `from` on, at least one if there is any, else as many as fit. From memory while hot.
  virtual Result<ReadBatch> read(Seq from, std::size_t max_bytes, std::size_t max_records) = 0;
  // One durable record; nothing if it is trimmed, lost or not there yet.
  virtual Result<std::optional<Record>> get(Seq seq) = 0;
  // The seqs of the durable records that hold spans of that trace and are not trimmed, ascending.
  virtual Result<std::vector<Seq>> records_of(const TraceId& trace) = 0;
  // One past the last durable record.
  [[nodiscard]] virtual Seq end() const = 0;
  [[nodiscard]] virtual Seq first() const = 0;

  // `notify` is called on the commit thread after each group that made records durable, until the returned
  // handle dies. It must only post. The handle must die before the spool.
  using Subscription = std::shared_ptr<void>;
  [[nodiscard]] virtual Subscription subscribe(std::function<void()> notify) = 0;

  // The durable progress of one reader, by name; made if there is none, starting at the oldest record or at
  // the end. The first one ever made starts at the oldest. It holds the log's trimming. Owned by the spool.
  enum class From : std::uint8_t { now, oldest };
  virtual Result<Cursor*> cursor(const std::string& name, From from) = 0;
  // Cursors on disk that nobody asked for in this process: they hold the log no longer; what they had pending
  // is known.
  virtual std::vector<std::string> orphaned_cursors() = 0;
  // Nobody reads by that cursor any more: it no longer holds the log, and what it has pending now is told by
  // status() until somebody asks for it again. Nothing happens if there is none of that name.
  virtual void release(const std::string& name) = 0;
  // Removes a released destination's cursors (NAME and NAME#...), with its dead letters. `done` is called
  // once that is durable; it may be called at once. Errors: not_found, invalid_input (somebody reads by it),
  // those of put.
  virtual void forget(const std::string& name, std::move_only_function<void(Result<>)> done) = 0;
  // Takes over local_only, retain_bytes and retain_age.
  virtual void retain(const Settings& settings) = 0;

  // The routes of which one destination takes nothing now. While parked_max_bytes is reached an append with a
  // record of such a route is refused as a whole (held). Replaces what was said of that destination before.
  virtual void hold_routes(const std::string& destination, std::vector<Route> routes) = 0;

  // Small durable values of the readers (experiment map, per-trace marks), up to 4 KiB each, under a reader's
  // own prefix. A put joins the next group, `done` (may be empty) is called when it is durable. A get sees
  // puts at once.
  virtual void put(std::string key, std::string value, std::move_only_function<void(Result<>)> done = {}) = 0;
  virtual void erase(std::string key) = 0;
  virtual Result<std::optional<std::string>> load(std::string_view key) = 0;

  virtual Result<std::vector<DeadLetter>> dead_letters(std::string_view destination, std::size_t limit) = 0;
  virtual Result<std::optional<DeadLetter>> dead_letter(std::string_view id) = 0;
  // Gives up one dead letter, by its id, or all of a destination, by its name: their spans count as dropped.
  // Waits until that is in the kernel; returns how many they were. Errors: not_found, io, unavailable. Not to
  // be called on the commit thread.
  virtual Result<std::uint64_t> drop_dead_letters(std::string_view which) = 0;
  // Takes them back instead: they are parked and pending, and their destination tries them again. Those that
  // hold nothing to send stay. Errors also: full (parked_max_bytes), invalid_input (none of them can be
  // sent).
  virtual Result<std::uint64_t> retry_dead_letters(std::string_view which) = 0;

  // The local view: at most `limit`, by newest record, the newest first, of those before `before_seq` (0:
  // all).
  virtual Result<std::vector<TraceSummary>> traces(std::size_t limit, Seq before_seq = 0) = 0;
  // All that is kept of one trace, also where its records are gone; nothing if that is nothing.
  virtual Result<std::optional<TraceSummary>> summary_of(const TraceId& trace) = 0;
  // Calls `visit` with what each durable record says about each of its traces, the newest record first, until
  // it returns false. What it is given lives as long as the call.
  virtual Result<> glance(const std::function<bool(const TraceGlance&)>& visit) = 0;

  [[nodiscard]] virtual SpoolStatus status() const = 0;
};

}  // namespace spanferry::spool
