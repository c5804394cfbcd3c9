// Whether a trace is what a search looks for, and where in its order it stands: as the server's SQL does it.
// Source: mlflow 3.17, search_traces of its SQL store (tests/e2e/test_search_language.py holds both
// together).
#pragma once

#include <compare>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "ingest/mlflow_api/local_trace.hpp"
#include "ingest/mlflow_api/search_filter.hpp"

namespace spanferry::ingest {

// Any thread.
class SearchMatcher {
 public:
  explicit SearchMatcher(SearchFilter filter);
  ~SearchMatcher();
  SearchMatcher(SearchMatcher&&) noexcept;

  [[nodiscard]] bool matches(const LocalTrace& trace) const;
  [[nodiscard]] const SearchFilter& filter() const { return filter_; }

 private:
  struct Patterns;  // of RLIKE, compiled
  [[nodiscard]] bool holds(std::size_t clause, std::string_view value) const;
  [[nodiscard]] bool holds(std::size_t clause, const std::optional<std::string>& value) const;
  [[nodiscard]] bool holds_among(std::size_t clause, const std::map<std::string, std::string>& values) const;
  [[nodiscard]] bool attribute(std::size_t clause, const LocalTrace& trace) const;
  [[nodiscard]] bool metadata(std::size_t clause, const LocalTrace& trace) const;
  [[nodiscard]] bool assessment(std::size_t clause, const LocalTrace& trace) const;
  [[nodiscard]] bool assessed(std::size_t clause, const JsonObject& assessment) const;
  [[nodiscard]] bool issue(std::size_t clause, const LocalTrace& trace) const;
  [[nodiscard]] bool span(std::size_t clause, const mlflow::StoredSpan& span) const;

  SearchFilter filter_;
  std::unique_ptr<Patterns> patterns_;
};

// SQL's LIKE: the whole of it, % for anything, _ for one character. Ignoring case means ASCII's.
bool is_like(std::string_view text, std::string_view pattern, bool ignore_case);

// Where a trace stands; what has no value comes last, whichever way it goes.
class SearchPlace {
 public:
  SearchPlace() = default;
  SearchPlace(const std::vector<SearchOrder>& order, const LocalTrace& trace, std::string_view experiment_id);
  // Whether it comes before the other, of the same order.
  [[nodiscard]] bool before(const SearchPlace& other) const;

 private:
  struct Key {
    std::optional<std::variant<std::int64_t, std::string>> value;
    bool ascending = true;
  };
  std::vector<Key> keys_;
};

}  // namespace spanferry::ingest
