// Making a span that is too large for a far side smaller: its largest values are cut, each with a marker that
// says how long it was. Values that are not text become the marker alone.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/mlflow_span.hpp"

namespace spanferry {

// What stands at the end of a value that was cut, or in its place.
std::string cut_marker(std::size_t bytes_before);

// The length that values have to be cut to so that all together lose `excess` bytes and more: the largest are
// cut, the others stay. Nothing when cutting is not enough.
std::optional<std::size_t> cut_length(std::vector<std::size_t> sizes, std::size_t excess);

// The first `length` bytes of it at most, whole characters, and the marker.
std::string cut_text(std::string_view text, std::size_t length);

// An ExportTraceServiceRequest with its attributes (of spans, events, links, scopes and resources) cut, in at
// most `max_bytes`. Nothing when it cannot be made that small, or is no request.
std::optional<std::string> cut_traces_request(std::string_view request, std::size_t max_bytes);

namespace mlflow {

// Takes `excess` bytes and more from what these spans take as JSON. Returns those that were cut; none, and
// nothing is changed, when that cannot be had.
std::vector<SpanId> cut_spans(std::vector<StoredSpan>& spans, std::size_t excess);

}  // namespace mlflow
}  // namespace spanferry
