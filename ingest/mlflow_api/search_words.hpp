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

// A clause of an order: `name`, `name DESC`. What is in backticks or quotes is one word, and loses them.
struct OrderClause {
  std::string name;
  bool ascending = true;
};
// Errors: invalid_input, with the server's sentence.
Result<OrderClause> order_clause(std::string_view text);

// In quotes of that kind.
bool is_quoted(std::string_view text, char quote);

}  // namespace spanferry::ingest
