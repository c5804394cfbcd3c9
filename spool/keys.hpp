// The keys of every column family; docs/spool-format.md is their grammar.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "model/ids.hpp"
#include "model/record.hpp"
#include "spool/parked.hpp"

namespace spanferry::spool {

// log: SEQ, eight bytes, big-endian.
std::string log_key(Seq seq);
std::optional<Seq> parse_log_key(std::string_view key);

// index: TRACE SEQ; traces: SEQ TRACE.
std::string index_key(const TraceId& trace, Seq seq);
std::optional<Seq> parse_index_key(std::string_view key, const TraceId& trace);
std::string summary_key(Seq seq, const TraceId& trace);
struct SeqAndTrace {
  Seq seq = 0;
  TraceId trace;
};
std::optional<SeqAndTrace> parse_summary_key(std::string_view key);
// traces: where the local view reads on; sorts before every summary (no record has seq 0).
std::string view_cursor_key();

// state: one letter says what it is.
inline constexpr std::string_view kFormatKey = "f";
inline constexpr std::string_view kTotalsKey = "t";
inline constexpr std::string_view kTrimKey = "l";
inline constexpr std::string_view kCursorPrefix = "c/";
inline constexpr std::string_view kMarkPrefix = "m/";
inline constexpr std::string_view kPutPrefix = "p/";
std::string cursor_key(std::string_view name);
std::string mark_prefix(std::string_view name);  // of all marks of one cursor
std::string mark_key(std::string_view name, Seq seq, const TraceId& trace);
struct Mark {
  std::string_view cursor;  // a view into the key
  Seq seq = 0;
  TraceId trace;
};
std::optional<Mark> parse_mark_key(std::string_view key);
std::string put_key(std::string_view key);

// dead: DESTINATION 0 SEQ TRACE SPAN.
std::string dead_prefix(std::string_view destination);
std::string dead_key(std::string_view destination, Seq seq, const TraceId& trace, const SpanId& span);
// From "DESTINATION/SEQ/TRACE/SPAN"; nothing if it is not of that form.
std::optional<std::string> dead_key_of_id(std::string_view id);
// parked: CURSOR 0 TRACE SEQ SPAN.
std::string parked_prefix(std::string_view cursor, const TraceId* trace = nullptr);
std::string parked_key(std::string_view cursor, const ParkedKey& key);
ParkedKey parse_parked_key(std::string_view key);  // of a key of that form

// What the keys begin with that `which` names: one letter by its id, all of a destination by its name, all if
// it is empty. Nothing if it looks like an id and is none.
std::optional<std::string> dead_range(std::string_view which);

// The first key that does not start with `prefix`, for iterating it; empty when there is none.
std::string prefix_end(std::string_view prefix);

}  // namespace spanferry::spool
