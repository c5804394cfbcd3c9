// Reads what the daemon answers, tolerant of fields that are not there: a command line may be older or newer
// than the daemon it asks.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <simdjson.h>

#include "model/result.hpp"

namespace spanferry::daemon {

using Json = simdjson::dom::element;

// Errors: invalid_input. The document lives as long as `parser`.
Result<Json> parse_json(simdjson::dom::parser& parser, std::string_view text);

std::string_view text_of(Json object, std::string_view key);
// Numbers, and texts that hold one (64-bit times are texts).
double number_of(Json object, std::string_view key);
std::int64_t integer_of(Json object, std::string_view key);
bool flag_of(Json object, std::string_view key);
// Empty when absent or of another kind.
simdjson::dom::array list_of(Json object, std::string_view key);
simdjson::dom::object object_of(Json object, std::string_view key);

}  // namespace spanferry::daemon
