// What the local view keeps of a record: a summary for each of its traces.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/record.hpp"
#include "spool/spool.hpp"
#include "spool/store.hpp"

namespace spanferry::spool {

// Of what is kept; an older one is made anew.
inline constexpr std::uint64_t kSummaryFormat = 2;

// Of one record; empty for kinds that are about no trace. (summarize.cpp)
std::vector<TraceSummary> summarize(const Record& record);
// Folds `other`, of another record, into `into`.
void merge(TraceSummary& into, const TraceSummary& other);

// At most kMaxSummaryBytes, by leaving out facts; key fields are not in it.
std::string encode(const TraceSummary& summary);
// Adds a fact, cut to what is kept of one, unless it is there already.
void add_fact(TraceSummary& summary, TraceFact::Kind kind, std::string_view key, std::string_view value);
// At most kMaxSummaryTextBytes, never cut inside a character.
std::string cut_text(std::string_view text);
// Views into `bytes`. Nothing for those of an older format.
std::optional<TraceGlance> glance_at(Seq seq, const TraceId& trace, std::string_view bytes);
std::optional<TraceSummary> decode_summary(Seq seq, const TraceId& trace, std::string_view bytes);

// The first seq whose summary was received at `received_ns` or later; nothing if there is none.
std::optional<Seq> first_summary_since(Store& store, std::int64_t received_ns);

}  // namespace spanferry::spool
