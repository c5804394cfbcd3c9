// Headers as OTEL_EXPORTER_OTLP_HEADERS holds them: NAME=VALUE, with commas between, values percent-encoded
// (OpenTelemetry, "Specifying headers via environment variables"). In a file, lines separate them as well.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/result.hpp"

namespace spanferry {

using Headers = std::vector<std::pair<std::string, std::string>>;

// Errors: invalid_input (no NAME=VALUE, a name that is none, a control character in a value). The sentence
// holds no value: they are secrets.
Result<Headers> parse_otlp_headers(std::string_view text);

}  // namespace spanferry
