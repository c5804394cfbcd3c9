// Attributes from JSON text: the way back from what append_json and MLflow's span files write.
#pragma once

#include <string>
#include <string_view>

namespace spanferry {

// The bytes of an AnyValue message. Integers stay integers where they fit into 64 bits with a sign, null is a
// value that holds nothing. A larger integer becomes a string of its digits; text that is not sound JSON, or
// nested deeper than kMaxNestingDepth, becomes a string of itself.
std::string any_value_of(std::string_view json);

// The bytes of a KeyValue message with that value.
std::string key_value_of(std::string_view key, std::string_view json);

}  // namespace spanferry
