// What of a trace is at the far side already, remembered in the spool, so that spans that come late never
// replace more by less and a StartTrace that is sent again undoes nothing. Bounded: the oldest of
// kMaxTraceMarks is forgotten for each new one.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "model/ids.hpp"
#include "model/record.hpp"
#include "model/result.hpp"
#include "spool/spool.hpp"

namespace spanferry::uploader {

inline constexpr std::uint64_t kMaxTraceMarks = 100'000;

// A part of a trace that is parked, as its spool::ParkedKey has it.
struct AsidePart {
  Seq seq = 0;
  SpanId span;
  auto operator<=>(const AsidePart&) const = default;
};

struct TraceMark {
  std::uint64_t spans = 0;  // distinct, uploaded
  Seq last = 0;             // of the records up to this one all is done
  bool has_root = false;    // the root was among them
  bool info_sent = false;   // the trace info that its client wrote is there, with its tags
  bool edited = false;      // something of it was edited: tags must not be told again
  bool deleted = false;     // for good: what comes later is deleted too
  // Of a table, which is only appended to, what went is told apart from what did not.
  std::vector<Seq> left_out{};     // records up to `last` that were settled in another way: they did not go
  std::vector<AsidePart> aside{};  // parts in the parked space that went
  std::vector<SpanId> refused{};   // spans that the table would not take of what went

  // The far side heard of the trace from here.
  [[nodiscard]] bool told() const { return spans > 0 || has_root || info_sent; }
  bool operator==(const TraceMark&) const = default;
};

class TraceMarks {
 public:
  // `reader`: the name of the cursor these marks belong to.
  TraceMarks(spool::Spool& spool, const std::string& reader, std::uint64_t max_marks = kMaxTraceMarks);

  Result<std::optional<TraceMark>> load(const TraceId& trace);
  // `done` as spool::Spool::put calls it. Lists that are too long for the spool are left out, and `last` is 0
  // then: what went is sent again.
  void put(const TraceId& trace, const TraceMark& mark, std::move_only_function<void(Result<>)> done = {});

 private:
  void make_room(const TraceId& trace);

  spool::Spool& spool_;
  const std::string marks_, ring_, count_;  // prefixes of keys, and a key
  const std::uint64_t max_marks_;
  std::optional<std::uint64_t> next_;  // marks ever made
};

}  // namespace spanferry::uploader
