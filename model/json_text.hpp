// Texts as JSON.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "model/json_writer.hpp"

namespace spanferry {

// Quotes included.
inline std::string quoted_json(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

// An object of them, under that key.
inline void write_texts(JsonWriter& json, std::string_view key,
                        const std::map<std::string, std::string>& texts) {
  json.key(key).begin_object();
  for (const auto& [name, text] : texts) json.field(name, text);
  json.end_object();
}

}  // namespace spanferry
