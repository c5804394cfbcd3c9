#include "uploader/deleted_traces.hpp"

#include <algorithm>
#include <charconv>

namespace spanferry::uploader {

DeletedTraces::DeletedTraces(spool::Spool& spool, const std::string& destination, std::uint64_t max_traces)
    : spool_(spool),
      ring_("deleted/" + destination + "/"),
      count_("deleted-count/" + destination),
      max_traces_(max_traces) {
  const auto count = spool_.load(count_);
  if (!count || !*count) return;
  std::from_chars((*count)->data(), (*count)->data() + (*count)->size(), ever_);
  for (std::uint64_t n = 0; n < std::min(ever_, max_traces_); ++n) {
    const auto hex = spool_.load(slot(n));
    const auto trace = hex && *hex ? TraceId::from_hex(**hex) : std::nullopt;
    if (trace) traces_.insert(*trace);
  }
}

std::string DeletedTraces::slot(std::uint64_t n) const { return ring_ + std::to_string(n % max_traces_); }

void DeletedTraces::add(const TraceId& trace) {
  if (!traces_.insert(trace).second) return;
  const std::string place = slot(ever_);
  if (ever_ >= max_traces_) {
    const auto hex = spool_.load(place);
    const auto oldest = hex && *hex ? TraceId::from_hex(**hex) : std::nullopt;
    if (oldest) traces_.erase(*oldest);
  }
  spool_.put(place, trace.hex());
  spool_.put(count_, std::to_string(++ever_));
}

}  // namespace spanferry::uploader
