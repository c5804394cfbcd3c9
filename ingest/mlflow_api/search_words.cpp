#include "ingest/mlflow_api/search_words.hpp"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "model/lower.hpp"

namespace spanferry::ingest {
namespace {

using Kind = SearchWord::Kind;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool starts_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '`' || c == '"' ||
         static_cast<unsigned char>(c) >= 0x80;
}
bool continues_name(char c) { return starts_name(c) || is_digit(c) || c == '.' || c == '$' || c == '#'; }

class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  Result<std::vector<SearchWord>> words() {
    std::vector<SearchWord> words;
    while (true) {
      while (at_ < text_.size() && (text_[at_] == ' ' || (text_[at_] >= '\t' && text_[at_] <= '\r'))) ++at_;
      if (at_ == text_.size()) return words;
      const std::size_t from = at_;
      const auto kind = next();
      if (!kind)
        return fail(ErrorKind::invalid_input,
                    fmt::format("Invalid clause(s) in filter string: '{}'", text_.substr(from)));
      words.push_back({*kind, text_.substr(from, at_ - from)});
    }
  }

 private:
  // Nothing: it does not end.
  std::optional<Kind> next() {
    const char c = text_[at_];
    if (c == '\'') return skip_quoted('\'') ? std::optional(Kind::text) : std::nullopt;
    if (starts_name(c)) return skip_name() ? std::optional(Kind::name) : std::nullopt;
    if (is_digit(c) || (at_ + 1 < text_.size() && (c == '-' || c == '.') && is_digit(text_[at_ + 1])) ||
        (at_ + 2 < text_.size() && c == '-' && text_[at_ + 1] == '.' && is_digit(text_[at_ + 2])))
      return skip_number();
    if (c == '(') return skip_list() ? std::optional(Kind::list) : std::nullopt;
    if (c == '<' || c == '>' || c == '=' || c == '!') {
      while (at_ < text_.size() && std::string_view("<>=!").contains(text_[at_])) ++at_;
      return Kind::compare;
    }
    ++at_;
    return Kind::other;
  }

  // A doubled quote, and one after a backslash, is part of what is quoted, unless nothing ends it then.
  bool skip_quoted(char quote) {
    std::size_t otherwise = 0;
    for (++at_; at_ < text_.size(); ++at_) {
      if (text_[at_] == '\\' && quote == '\'') {
        ++at_;
        if (at_ < text_.size() && text_[at_] == quote) otherwise = at_ + 1;
      } else if (text_[at_] == quote) {
        if (at_ + 1 == text_.size() || text_[at_ + 1] != quote) {
          ++at_;
          return true;
        }
        otherwise = ++at_;
      }
    }
    at_ = otherwise == 0 ? text_.size() : otherwise;
    return otherwise != 0;
  }

  bool skip_name() {
    while (at_ < text_.size() && continues_name(text_[at_])) {
      const char c = text_[at_];
      if (c == '`' || c == '"') {
        if (!skip_quoted(c)) return false;
      } else if (c == '.' && at_ + 1 < text_.size() && text_[at_ + 1] == '\'') {
        ++at_;
        if (!skip_quoted('\'')) return false;
      } else {
        ++at_;
      }
    }
    return true;
  }

  Kind skip_number() {
    if (text_[at_] == '-') ++at_;
    while (at_ < text_.size() && (is_digit(text_[at_]) || text_[at_] == '.')) ++at_;
    if (at_ < text_.size() && (text_[at_] == 'e' || text_[at_] == 'E')) {
      std::size_t end = at_ + 1;
      if (end < text_.size() && (text_[end] == '-' || text_[end] == '+')) ++end;
      if (end < text_.size() && is_digit(text_[end])) {
        while (end < text_.size() && is_digit(text_[end])) ++end;
        at_ = end;
      }
    }
    return Kind::number;
  }

  bool skip_list() {
    std::size_t depth = 0;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '\'' || c == '"') {
        if (!skip_quoted(c)) return false;
        continue;
      }
      ++at_;
      if (c == '(') ++depth;
      if (c == ')' && --depth == 0) return true;
    }
    return false;
  }

  const std::string_view text_;
  std::size_t at_ = 0;
};

// What stands between white space. None: a quote does not end.
std::vector<std::string> order_words(std::string_view text) {
  std::vector<std::string> words;
  bool in_word = false;
  char quote = 0;
  for (char c : text) {
    if (c == '`') c = '"';
    if (quote != 0) {
      if (c == quote) {
        quote = 0;
      } else {
        words.back() += c;
      }
      continue;
    }
    if (c == ' ' || (c >= '\t' && c <= '\r')) {
      in_word = false;
      continue;
    }
    if (!in_word) words.emplace_back();
    in_word = true;
    if (c == '"' || c == '\'') {
      quote = c;
    } else {
      words.back() += c;
    }
  }
  return quote == 0 ? words : std::vector<std::string>();
}

}  // namespace

bool SearchWord::is(std::string_view keyword) const {
  return kind == Kind::name && text.size() == keyword.size() && lower(text) == lower(keyword);
}

Result<std::vector<SearchWord>> search_words(std::string_view filter) { return Scanner(filter).words(); }

Result<OrderClause> order_clause(std::string_view text) {
  const auto words = order_words(text);
  if (words.empty() || words.size() > 2)
    return fail(ErrorKind::invalid_input,
                fmt::format("Invalid order_by clause '{}'. Could not be parsed.", text));
  const std::string direction = words.size() == 2 ? lower(words[1]) : "asc";
  if (direction != "asc" && direction != "desc")
    return fail(ErrorKind::invalid_input, fmt::format("Invalid ordering key in order_by clause '{}'.", text));
  return OrderClause{words[0], direction == "asc"};
}

bool is_quoted(std::string_view text, char quote) {
  return text.size() >= 2 && text.front() == quote && text.back() == quote;
}

}  // namespace spanferry::ingest
