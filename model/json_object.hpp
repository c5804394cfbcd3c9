// A JSON object taken apart one level deep: for those who look at some members, change them, and hand the
// others on as they came.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/result.hpp"

namespace spanferry {

class JsonObject {
 public:
  // Errors: invalid_input (not JSON, or no object), with `what` it was to be.
  static Result<JsonObject> parse(std::string_view json, std::string_view what);

  // The member's value as JSON text, or null; a member that is null counts as absent.
  [[nodiscard]] const std::string* find(std::string_view key) const;
  // The member's text, if it is a string.
  [[nodiscard]] std::optional<std::string> text(std::string_view key) const;
  [[nodiscard]] std::optional<std::int64_t> integer(std::string_view key) const;
  // The member's elements as JSON text; empty if it is no list.
  [[nodiscard]] std::vector<std::string> list(std::string_view key) const;
  [[nodiscard]] bool has(std::string_view key) const { return find(key) != nullptr; }
  [[nodiscard]] bool empty() const { return members_.empty(); }
  [[nodiscard]] const std::vector<std::pair<std::string, std::string>>& members() const { return members_; }

  // At the place of the member of that name, else at the end. `json` must be one JSON value.
  void set(std::string_view key, std::string json);
  void set_text(std::string_view key, std::string_view text);
  // At the beginning, whatever was there of that name.
  void set_first(std::string_view key, std::string json);
  void erase(std::string_view key);

  [[nodiscard]] std::string json() const;

 private:
  std::vector<std::pair<std::string, std::string>> members_;  // of a name that is there twice the last value
};

}  // namespace spanferry
