#include "ingest/mlflow_api/search_rules.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "model/lower.hpp"

namespace spanferry::ingest {
namespace {

using Kind = SearchWord::Kind;
using std::string_view;

constexpr std::array<std::pair<string_view, SearchOp>, 13> kOps{{{"=", SearchOp::equal},
                                                                 {"!=", SearchOp::not_equal},
                                                                 {"<", SearchOp::less},
                                                                 {"<=", SearchOp::less_equal},
                                                                 {">", SearchOp::greater},
                                                                 {">=", SearchOp::greater_equal},
                                                                 {"LIKE", SearchOp::like},
                                                                 {"ILIKE", SearchOp::ilike},
                                                                 {"RLIKE", SearchOp::rlike},
                                                                 {"IN", SearchOp::in},
                                                                 {"NOT IN", SearchOp::not_in},
                                                                 {"IS NULL", SearchOp::is_null},
                                                                 {"IS NOT NULL", SearchOp::is_not_null}}};

constexpr std::array<std::pair<string_view, SearchField>, 11> kEntities{
    {{"attribute", SearchField::attribute},
     {"attributes", SearchField::attribute},
     {"trace", SearchField::attribute},
     {"tag", SearchField::tag},
     {"tags", SearchField::tag},
     {"metadata", SearchField::metadata},
     {"request_metadata", SearchField::metadata},
     {"span", SearchField::span},
     {"feedback", SearchField::feedback},
     {"expectation", SearchField::expectation},
     {"issue", SearchField::issue}}};

constexpr std::array<string_view, 13> kFilterKeys{"name",
                                                  "timestamp",
                                                  "timestamp_ms",
                                                  "request_id",
                                                  "client_request_id",
                                                  "execution_time",
                                                  "execution_time_ms",
                                                  "end_time",
                                                  "end_time_ms",
                                                  "prompt",
                                                  "status",
                                                  "text",
                                                  "run_id"};
constexpr std::array<string_view, 12> kOrderKeys{
    "experiment_id",     "timestamp", "timestamp_ms", "execution_time",
    "execution_time_ms", "end_time",  "end_time_ms",  "status",
    "request_id",        "name",      "run_id",       ""};
constexpr std::array<string_view, 6> kNumericKeys{"timestamp_ms",   "timestamp", "execution_time_ms",
                                                  "execution_time", "end_time",  "end_time_ms"};
constexpr std::array<string_view, 5> kListKeys{"name", "status", "request_id", "run_id", "client_request_id"};
constexpr std::array<string_view, 6> kNumericOps{">", ">=", "!=", "=", "<", "<="};
constexpr std::array<string_view, 7> kStringOps{"!=", "=", "IN", "NOT IN", "LIKE", "ILIKE", "RLIKE"};
constexpr std::array<string_view, 7> kTagOps{"!=", "=", "LIKE", "ILIKE", "RLIKE", "IS NULL", "IS NOT NULL"};
constexpr std::array<string_view, 11> kAssessmentOps{
    "!=", "=", ">", ">=", "<", "<=", "LIKE", "ILIKE", "RLIKE", "IS NULL", "IS NOT NULL"};

template <class Range>
bool holds(const Range& all, string_view one) {
  return std::ranges::find(all, one) != std::ranges::end(all);
}

template <class Range>
std::string listed(const Range& all) {
  std::vector<std::string> quoted;
  for (const string_view one : all)
    if (!one.empty()) quoted.push_back(fmt::format("'{}'", one));
  return fmt::format("{{{}}}", fmt::join(quoted, ", "));
}

std::unexpected<Error> refused(std::string sentence) {
  return fail(ErrorKind::invalid_input, std::move(sentence));
}

string_view name(SearchField field) {
  switch (field) {
    case SearchField::attribute:
      return "attribute";
    case SearchField::tag:
      return "tag";
    case SearchField::metadata:
      return "request_metadata";
    case SearchField::feedback:
      return "feedback";
    case SearchField::expectation:
      return "expectation";
    case SearchField::issue:
      return "issue";
    case SearchField::span:
      return "span";
  }
  return "";
}

template <class Range>
Result<> one_of(const Range& valid, string_view comparator) {
  if (holds(valid, upper(comparator))) return {};
  return refused(fmt::format("Invalid comparator '{}' not one of '{}'", upper(comparator), listed(valid)));
}

template <class Range>
Result<> one_of(const Range& valid, string_view comparator, string_view of, string_view key) {
  if (holds(valid, upper(comparator))) return {};
  return refused(
      fmt::format("{}.{} comparator '{}' not one of '{}'", of, key, upper(comparator), listed(valid)));
}

Result<> check_span(const SearchClause& clause, string_view comparator) {
  constexpr std::array<string_view, 2> kContentOps{"LIKE", "ILIKE"};
  constexpr string_view kAttributes = "attributes.";
  const string_view key = clause.key;
  if (key.starts_with(kAttributes) && key.size() == kAttributes.size())
    return refused("Span attribute name cannot be empty after 'attributes.'");
  if (key.starts_with(kAttributes) || key == "name" || key == "type" || key == "status")
    return one_of(kStringOps, comparator, "span", key);
  if (key == "content") return one_of(kContentOps, comparator, "span", key);
  return refused(
      fmt::format("Invalid span attribute '{}'. Supported attributes: name, status, type, "
                  "attributes.<attribute_name>.",
                  key));
}

Result<> check_prompt(const SearchClause& clause, string_view comparator) {
  if (upper(comparator) != "=")
    return refused(
        fmt::format("Invalid comparator '{}' for prompts filter. Only '=' is supported with format: "
                    "prompt = \"name/version\"",
                    upper(comparator)));
  if (std::ranges::count(clause.text, '/') != 1)
    return refused(fmt::format(
        "Invalid prompts filter value '{}'. Expected format: prompt = \"name/version\"", clause.text));
  return {};
}

// An assessment's value is text for some comparators and a number for the others.
Result<> check_assessment_value(const SearchClause& clause, const SearchWord& value) {
  const bool numeric = clause.op == SearchOp::less || clause.op == SearchOp::less_equal ||
                       clause.op == SearchOp::greater || clause.op == SearchOp::greater_equal;
  const bool is_number = value.kind == Kind::number;
  if (value.kind != Kind::list && numeric == is_number) return {};
  if (numeric)
    return refused(fmt::format("Expected a numeric value for {} when using the comparator. Got value {}",
                               name(clause.field), value.text));
  return refused(fmt::format("Expected a quoted string value for {} (e.g. 'my-value'). Got value {}",
                             name(clause.field), value.text));
}

}  // namespace

std::string upper(string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  return out;
}

bool is_reserved(string_view word) {
  constexpr std::array<string_view, 10> kReserved{"and",  "or",   "not",   "in",    "is",
                                                  "like", "null", "ilike", "rlike", "text"};
  return holds(kReserved, lower(word));
}

bool is_bare_time(string_view name) { return name == "timestamp"; }

bool is_numeric(string_view comparator) { return holds(kNumericOps, comparator); }

std::optional<SearchOp> search_op(string_view comparator) {
  const auto found = std::ranges::find(kOps, upper(comparator), &decltype(kOps)::value_type::first);
  return found == kOps.end() ? std::nullopt : std::optional(found->second);
}

Result<SearchClause> clause_of_name(string_view name, bool to_order) {
  const auto trim = [](string_view text, char quote) {
    return is_quoted(text, quote) ? text.substr(1, text.size() - 2) : text;
  };
  const std::size_t dot = name.find('.');
  SearchClause clause;
  string_view key = name;
  if (dot != string_view::npos) {
    const string_view entity = trim(name.substr(0, dot), '`');
    const auto found = std::ranges::find(kEntities, entity, &decltype(kEntities)::value_type::first);
    if (found == kEntities.end()) {
      std::vector<string_view> valid;
      for (const auto& [one, field] : kEntities) valid.push_back(one);
      return refused(fmt::format("Invalid entity type '{}'. Valid values are {}", entity, listed(valid)));
    }
    clause.field = found->second;
    key = name.substr(dot + 1);
  }
  key = is_quoted(key, '\'') ? trim(key, '\'') : trim(key, '"');
  key = trim(key, '`');
  clause.key = key;
  const bool valid = to_order ? holds(kOrderKeys, key) : holds(kFilterKeys, key);
  if (clause.field == SearchField::attribute && (!valid || key.empty()))
    return refused(fmt::format("Invalid attribute key '{}' specified. Valid keys are '{}'", key,
                               to_order ? listed(kOrderKeys) : listed(kFilterKeys)));
  return clause;
}

void name_as_stored(SearchClause& clause) {
  if (clause.field == SearchField::span) return;
  const std::string key = lower(clause.key);
  if (key == "name" || key == "prompt") {
    clause.field = SearchField::tag;
    clause.key = key == "name" ? "mlflow.traceName" : "mlflow.linkedPrompts";
  } else if (key == "run_id") {
    clause.field = SearchField::metadata;
    clause.key = "mlflow.sourceRun";
  } else if (key == "text") {
    clause.field = SearchField::span;
    clause.key = "content";
  } else if (key == "timestamp" || key == "execution_time" || key == "end_time") {
    clause.key = key + "_ms";
  }
}

Result<> check_kind_of_value(const SearchClause& clause, const SearchWord& value) {
  const auto expected_text = [&] {
    return refused(fmt::format("Expected a quoted string value for {} (e.g. 'my-value'). Got value {}",
                               name(clause.field), value.text));
  };
  switch (clause.field) {
    case SearchField::attribute:
      if (value.kind == Kind::list && !holds(kListKeys, clause.key))
        return refused(
            fmt::format("Only attributes in {} supports comparison with a list of quoted string values.",
                        listed(kListKeys)));
      if (value.kind == Kind::number && !holds(kNumericKeys, clause.key))
        return refused(fmt::format("Only the '{}' attributes support comparison with numeric values.",
                                   listed(kNumericKeys)));
      return {};
    case SearchField::tag:
    case SearchField::span:
      if (value.kind == Kind::number) return expected_text();
      return {};
    case SearchField::metadata:
    case SearchField::issue:
      if (value.kind == Kind::number || value.kind == Kind::list) return expected_text();
      return {};
    case SearchField::feedback:
    case SearchField::expectation:
      return check_assessment_value(clause, value);
  }
  return {};
}

Result<> check_comparator(const SearchClause& clause, string_view comparator) {
  switch (clause.field) {
    case SearchField::issue:
      if (clause.key != "id")
        return refused(fmt::format("Invalid issue attribute '{}'. Supported attributes: id", clause.key));
      return one_of(std::array<string_view, 1>{"="}, comparator, "issue", clause.key);
    case SearchField::attribute:
      return holds(kNumericKeys, clause.key) ? one_of(kNumericOps, comparator)
                                             : one_of(kStringOps, comparator);
    case SearchField::tag:
      if (auto fits = one_of(kTagOps, comparator); !fits) return fits;
      return clause.key == "mlflow.linkedPrompts" ? check_prompt(clause, comparator) : Result<>{};
    case SearchField::metadata:
      return one_of(kTagOps, comparator);
    case SearchField::span:
      return check_span(clause, comparator);
    case SearchField::feedback:
    case SearchField::expectation:
      if (clause.key.empty()) return refused("Assessment field name cannot be empty");
      return one_of(kAssessmentOps, comparator, "assessment", clause.key);
  }
  return {};
}

}  // namespace spanferry::ingest
