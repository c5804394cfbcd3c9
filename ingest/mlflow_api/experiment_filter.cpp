#include "ingest/mlflow_api/experiment_filter.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "ingest/mlflow_api/search_comparison.hpp"
#include "ingest/mlflow_api/search_rules.hpp"

namespace spanferry::ingest {
namespace {

using Kind = SearchWord::Kind;
using std::string_view;

constexpr std::array<std::pair<string_view, ExperimentField>, 4> kAttributes{
    {{"name", ExperimentField::name},
     {"experiment_id", ExperimentField::id},
     {"creation_time", ExperimentField::created},
     {"last_update_time", ExperimentField::updated}}};

std::unexpected<Error> refused(std::string sentence) {
  return fail(ErrorKind::invalid_input, std::move(sentence));
}

bool is_number(ExperimentField field) {
  return field == ExperimentField::created || field == ExperimentField::updated;
}

// `tags.a`, `attribute.name`, `name`: the entity without backticks, as the server wants it.
Result<ExperimentClause> clause_of_name(string_view name) {
  const std::size_t dot = name.find('.');
  const string_view entity = dot == string_view::npos ? "attribute" : name.substr(0, dot);
  string_view key = dot == string_view::npos ? name : name.substr(dot + 1);
  if (entity != "attribute" && entity != "tag" && entity != "tags")
    return refused(
        fmt::format("Invalid entity type '{}'. Valid entity types are ('attribute', 'tag', 'tags')", entity));
  for (const string_view quotes : {"'\"", "`"})
    if (!key.empty() && quotes.contains(key.front()) && is_quoted(key, key.front()))
      key = key.substr(1, key.size() - 2);
  ExperimentClause clause;
  if (entity != "attribute") {
    clause.field = ExperimentField::tag;
    clause.key = key;
    return clause;
  }
  const auto found = std::ranges::find(kAttributes, key, &decltype(kAttributes)::value_type::first);
  if (found == kAttributes.end())
    return refused(
        fmt::format("Invalid attribute key '{}' specified. Valid keys are '{{'name', 'creation_time', "
                    "'experiment_id', 'last_update_time'}}'",
                    key));
  clause.field = found->second;
  return clause;
}

// The server takes these in capitals only.
std::optional<SearchOp> op_of(ExperimentField field, string_view comparator) {
  const auto op = search_op(comparator);
  if (!op || comparator != upper(comparator)) return std::nullopt;
  switch (*op) {
    case SearchOp::equal:
    case SearchOp::not_equal:
      return op;
    case SearchOp::less:
    case SearchOp::less_equal:
    case SearchOp::greater:
    case SearchOp::greater_equal:
      return is_number(field) ? op : std::nullopt;
    case SearchOp::like:
    case SearchOp::ilike:
      return field == ExperimentField::name || field == ExperimentField::tag ? op : std::nullopt;
    case SearchOp::in:
    case SearchOp::not_in:
      return field == ExperimentField::id ? op : std::nullopt;
    case SearchOp::is_null:
    case SearchOp::is_not_null:
      return field == ExperimentField::tag ? op : std::nullopt;
    case SearchOp::rlike:
      return std::nullopt;
  }
  return std::nullopt;
}

Result<std::int64_t> whole_number(const SearchWord& word) {
  if (word.kind != Kind::number)
    return refused(fmt::format("Expected numeric value type for numeric attribute. Found {}", word.text));
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(word.text.data(), word.text.data() + word.text.size(), number);
  if (error != std::errc() || end != word.text.data() + word.text.size())
    return refused(fmt::format("Invalid value for numeric attribute: '{}'", word.text));
  return number;
}

Result<> read_ids(const SearchWord& word, ExperimentClause& clause) {
  std::vector<std::string> texts;
  if (word.kind == Kind::list) {
    auto list = search_list(word);
    if (!list) return std::unexpected(std::move(list.error()));
    texts = *std::move(list);
  } else {
    auto text = search_text(word);
    if (!text) return std::unexpected(std::move(text.error()));
    texts.push_back(*std::move(text));
  }
  for (const std::string& text : texts) {
    const auto id = parse_experiment_id(text);
    if (!id) return std::unexpected(id.error());
    clause.ids.push_back(*id);
  }
  return {};
}

Result<> read_value(const SearchWord& word, ExperimentClause& clause) {
  if (is_number(clause.field)) {
    const auto number = whole_number(word);
    if (!number) return std::unexpected(number.error());
    clause.number = *number;
    return {};
  }
  if (word.kind == Kind::number)
    return refused(fmt::format("Expected a quoted string value for attributes. Got value {}", word.text));
  if (clause.field == ExperimentField::id) return read_ids(word, clause);
  if (word.kind == Kind::list)
    return refused(
        "Only ['experiment_id'] attributes support comparison with a list of quoted string values.");
  auto text = search_text(word);
  if (!text) return std::unexpected(std::move(text.error()));
  clause.text = *std::move(text);
  return {};
}

// Of NOT IN alone the server minds no small letters.
std::string comparator_of(const SearchComparison& comparison) {
  const std::string capitals = upper(comparison.comparator);
  return capitals == "NOT IN" ? capitals : comparison.comparator;
}

Result<ExperimentClause> read_clause(string_view filter, const SearchComparison& comparison) {
  auto clause = clause_of_name(comparison.name.text);
  if (!clause) return clause;
  const std::string comparator = comparator_of(comparison);
  const auto op = op_of(clause->field, comparator);
  if (!comparison.value && !op)
    return refused("IS NULL / IS NOT NULL is only supported for tags, not for attributes");
  if (comparison.value) {
    if (auto read = read_value(*comparison.value, *clause); !read)
      return std::unexpected(std::move(read.error()));
    clause->at = static_cast<std::size_t>(comparison.value->text.data() - filter.data());
    clause->size = comparison.value->text.size();
  }
  if (!op) return refused(fmt::format("Invalid comparator '{}' for '{}'", comparator, comparison.name.text));
  clause->op = *op;
  return clause;
}

Result<ExperimentOrder> read_order(const std::string& text) {
  const auto order = order_clause(text);
  if (!order) return std::unexpected(order.error());
  const auto clause = clause_of_name(order->name);
  if (!clause) return std::unexpected(clause.error());
  if (clause->field == ExperimentField::tag) return refused("Invalid order_by entity: tag");
  return ExperimentOrder{clause->field, order->ascending};
}

}  // namespace

// As Python's int(): white space around it, a sign, single underscores between digits.
Result<std::int64_t> parse_experiment_id(string_view text) {
  const auto invalid = [text] {
    return refused(fmt::format("Invalid experiment ID '{}'. Experiment ID must be a valid integer.", text));
  };
  const auto is_space = [](char c) { return c == ' ' || (c >= '\t' && c <= '\r'); };
  string_view rest = text;
  while (!rest.empty() && is_space(rest.front())) rest.remove_prefix(1);
  while (!rest.empty() && is_space(rest.back())) rest.remove_suffix(1);
  if (rest.starts_with('+') && rest.size() > 1 && rest[1] != '-') rest.remove_prefix(1);
  std::string digits;
  for (std::size_t i = 0; i < rest.size(); ++i) {
    if (rest[i] != '_') {
      digits += rest[i];
    } else if (i == 0 || i + 1 == rest.size() || rest[i - 1] == '_' || rest[i - 1] == '-') {
      return invalid();
    }
  }
  std::int64_t id = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), id);
  if (error != std::errc() || end != digits.data() + digits.size()) return invalid();
  return id;
}

Result<ExperimentFilter> parse_experiment_filter(string_view text) {
  ExperimentFilter filter;
  if (text.empty()) return filter;
  const auto comparisons = search_comparisons(text);
  if (!comparisons) return std::unexpected(comparisons.error());
  for (const SearchComparison& comparison : *comparisons) {
    auto clause = read_clause(text, comparison);
    if (!clause) return std::unexpected(std::move(clause.error()));
    filter.push_back(*std::move(clause));
  }
  return filter;
}

Result<std::vector<ExperimentOrder>> parse_experiment_order(const std::vector<std::string>& order_by) {
  std::vector<ExperimentOrder> orders;
  for (const std::string& one : order_by) {
    const auto order = read_order(one);
    if (!order) return std::unexpected(order.error());
    orders.push_back(*order);
  }
  if (order_by.empty()) orders = {{ExperimentField::created, false}, {ExperimentField::id, true}};
  const bool has_id =
      std::ranges::any_of(orders, [](const auto& order) { return order.field == ExperimentField::id; });
  if (!has_id) orders.push_back({ExperimentField::id, false});
  return orders;
}

}  // namespace spanferry::ingest
