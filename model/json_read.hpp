// Fields of JSON that was parsed, read without minding those that are missing or of another type.
#pragma once

#include <string>
#include <string_view>

#include <simdjson.h>

namespace spanferry {

// Empty where there is no text of that name.
inline std::string text_in(const simdjson::dom::element& object, std::string_view key) {
  std::string_view text;
  if (object.at_key(key).get_string().get(text) != simdjson::SUCCESS) return {};
  return std::string(text);
}

// Calls `use` for each element of the list of that name, if it is one.
template <class F>
void each_in(const simdjson::dom::element& object, std::string_view key, const F& use) {
  simdjson::dom::array list;
  if (object.at_key(key).get_array().get(list) != simdjson::SUCCESS) return;
  for (const simdjson::dom::element item : list) use(item);
}

}  // namespace spanferry
