// The names of the enums of the vocabulary, as they stand in JSON, logs and metrics.
#include <numeric>

#include "model/record.hpp"
#include "model/status.hpp"

namespace spanferry {

std::string_view name(RecordKind kind) {
  switch (kind) {
    case RecordKind::spans:
      return "spans";
    case RecordKind::trace_info:
      return "trace_info";
    case RecordKind::trace_data:
      return "trace_data";
    case RecordKind::trace_edit:
      return "trace_edit";
    case RecordKind::trace_delete:
      return "trace_delete";
    case RecordKind::experiment_edit:
      return "experiment_edit";
    case RecordKind::artifact:
      return "artifact";
  }
  return "unknown";
}

std::string_view name(Source source) {
  switch (source) {
    case Source::http:
      return "http";
    case Source::udp:
      return "udp";
    case Source::unix_socket:
      return "unix";
    case Source::grpc:
      return "grpc";
  }
  return "unknown";
}

std::string_view name(Outcome outcome) {
  switch (outcome) {
    case Outcome::delivered:
      return "delivered";
    case Outcome::dead:
      return "dead";
    case Outcome::deleted:
      return "deleted";
    case Outcome::dropped:
      return "dropped";
    case Outcome::lost:
      return "lost";
    case Outcome::not_applicable:
      return "not_applicable";
    case Outcome::not_routed:
      return "not_routed";
  }
  return "unknown";
}

std::string_view name(DestinationState state) {
  switch (state) {
    case DestinationState::ok:
      return "ok";
    case DestinationState::retrying:
      return "retrying";
    case DestinationState::rate_limited:
      return "rate_limited";
    case DestinationState::paused_auth:
      return "paused_auth";
    case DestinationState::paused_config:
      return "paused_config";
    case DestinationState::down:
      return "down";
    case DestinationState::draining:
      return "draining";
  }
  return "unknown";
}

std::uint64_t SpanCounts::total() const {
  return std::accumulate(by_outcome.begin(), by_outcome.end(), std::uint64_t{0});
}

SpanCounts& SpanCounts::operator+=(const SpanCounts& other) {
  for (std::size_t i = 0; i < by_outcome.size(); ++i) by_outcome[i] += other.by_outcome[i];
  return *this;
}

}  // namespace spanferry
