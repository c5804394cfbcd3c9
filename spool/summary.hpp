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

// Of one record; empty for kinds that hold no spans.
std::vector<TraceSummary> summarize(const Record& record);
// Folds `other`, of another record, into `into`.
void merge(TraceSummary& into, const TraceSummary& other);

std::string encode(const TraceSummary& summary);  // at most 512 bytes; key fields are not in it
std::optional<TraceSummary> decode_summary(Seq seq, const TraceId& trace, std::string_view bytes);

// The first seq whose summary was received at `received_ns` or later; nothing if there is none.
std::optional<Seq> first_summary_since(Store& store, std::int64_t received_ns);

}  // namespace spanferry::spool
