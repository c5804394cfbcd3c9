// The words that filters and orders of searches are made of.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model/result.hpp"

namespace spanferry::ingest {

struct SearchWord {
  enum class Kind : std::uint8_t {
    name,    // a.b, `a b`, tags."a.b": with quotes and dots as they stand
    text,    // '…' with its quotes
    number,  // with its sign
    compare,
    list,   // (…) as a whole
    other,  // what no filter has
  };
  Kind kind = Kind::other;
  std::string_view text;
  // Of a name: AND, IN and the like.
  [[nodiscard]] bool is(std::string_view keyword) const;
};

// Errors: invalid_input (a quote or parenthesis that does not end).
Result<std::vector<SearchWord>> search_words(std::string_view filter);

// Of a clause of an order: what stands between white space; what is in backticks or quotes is one word, and
// loses them. None: a quote does not end.
std::vector<std::string> order_words(std::string_view clause);

// In quotes of that kind.
bool is_quoted(std::string_view text, char quote);

}  // namespace spanferry::ingest
