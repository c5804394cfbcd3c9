// Numbers as OTLP/JSON may write them: as a number, as a string, an integer also as `1.0`. Nothing where the
// value is not of that type or out of its range.
#pragma once

#include <cstdint>
#include <optional>

#include <simdjson.h>

namespace spanferry::otlp {

std::optional<std::int64_t> json_int64(simdjson::dom::element element);
std::optional<std::uint64_t> json_uint64(simdjson::dom::element element);
// Also "NaN", "Infinity", "-Infinity".
std::optional<double> json_double(simdjson::dom::element element);

}  // namespace spanferry::otlp
