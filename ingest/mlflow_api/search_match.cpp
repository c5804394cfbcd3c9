#include "ingest/mlflow_api/search_match.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

#include <re2/re2.h>

#include "model/lower.hpp"
#include "model/mlflow_python_json.hpp"
#include "model/status_code.hpp"

namespace spanferry::ingest {
namespace {

constexpr std::int64_t kPatternMemory = 1 << 20;
constexpr std::string_view kSpanType = "mlflow.spanType";
constexpr std::string_view kAttributes = "attributes.";

// From one character of UTF-8 to the next.
std::size_t next_character(std::string_view text, std::size_t at) {
  ++at;
  while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xc0U) == 0x80) ++at;
  return at;
}

bool is_number(SearchOp op) {
  return op == SearchOp::less || op == SearchOp::less_equal || op == SearchOp::greater ||
         op == SearchOp::greater_equal;
}

std::string quoted(std::string_view text) {
  std::string out;
  mlflow::append_python_string(out, text, mlflow::Escape::non_ascii);
  return out;
}

// Of JSON's text, if that is what it is.
std::string without_quotes(std::string_view json) {
  const bool is_text = json.size() >= 2 && json.front() == '"' && json.back() == '"';
  return std::string(is_text ? json.substr(1, json.size() - 2) : json);
}

std::string attribute_content(const mlflow::JsonAttribute& attribute) {
  const std::string json = mlflow::python_json(attribute.json, mlflow::Escape::needed);
  return quoted(attribute.key) + ": " + quoted(json);
}

// What of a span the server looks through: the names, ids and attributes of its JSON.
std::string content_of(const mlflow::StoredSpan& span) {
  std::string out = R"({"name": )" + quoted(span.name) + R"(, "status": {"code": ")";
  out.append(protobuf_name(span.status)).append(R"(", "message": )").append(quoted(span.status_message));
  out += R"(}, "attributes": {)";
  bool first = true;
  for (const auto& attribute : span.attributes) {
    if (!std::exchange(first, false)) out += ", ";
    out += attribute_content(attribute);
  }
  return out + "}}";
}

// An assessment's value as the server keeps it; every number goes through protobuf's, which is a double.
std::string stored_value(std::string_view json) {
  double number = 0;
  const auto [end, error] = std::from_chars(json.data(), json.data() + json.size(), number);
  if (error != std::errc() || end != json.data() + json.size() || !std::isfinite(number))
    return mlflow::python_json(json, mlflow::Escape::non_ascii);
  std::string out;
  mlflow::append_python_double(out, number);
  return out;
}

std::optional<std::int64_t> number(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

bool is_like(std::string_view text, std::string_view pattern, bool ignore_case) {
  const auto same = [ignore_case](char a, char b) {
    const auto low = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
    return ignore_case ? low(a) == low(b) : a == b;
  };
  std::size_t t = 0, p = 0;
  std::size_t retry_text = 0, retry_pattern = std::string_view::npos;  // after the last %
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '%') {
      retry_pattern = ++p;
      retry_text = t;
    } else if (p < pattern.size() && pattern[p] == '_') {
      ++p;
      t = next_character(text, t);
    } else if (p < pattern.size() && same(text[t], pattern[p])) {
      ++p;
      ++t;
    } else if (retry_pattern != std::string_view::npos) {
      p = retry_pattern;
      t = retry_text = next_character(text, retry_text);
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '%') ++p;
  return p == pattern.size();
}

struct SearchMatcher::Patterns {
  std::vector<std::unique_ptr<RE2>> all;  // one a clause; null: none
};

SearchMatcher::SearchMatcher(SearchFilter filter)
    : filter_(std::move(filter)), patterns_(std::make_unique<Patterns>()) {
  RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(kPatternMemory);
  for (const SearchClause& clause : filter_)
    patterns_->all.push_back(clause.op == SearchOp::rlike ? std::make_unique<RE2>(clause.text, options)
                                                          : nullptr);
}
SearchMatcher::~SearchMatcher() = default;
SearchMatcher::SearchMatcher(SearchMatcher&&) noexcept = default;

// A value that is there. A pattern that is none matches nothing.
bool SearchMatcher::holds(std::size_t clause, std::string_view value) const {
  const SearchClause& wanted = filter_[clause];
  switch (wanted.op) {
    case SearchOp::equal:
      return value == wanted.text;
    case SearchOp::not_equal:
      return value != wanted.text;
    case SearchOp::like:
      return is_like(value, wanted.text, false);
    case SearchOp::ilike:
      return is_like(value, wanted.text, true);
    case SearchOp::rlike: {
      const RE2& pattern = *patterns_->all[clause];
      return pattern.ok() && RE2::PartialMatch(re2::StringPiece(value.data(), value.size()), pattern);
    }
    case SearchOp::in:
      return std::ranges::find(wanted.list, value) != wanted.list.end();
    case SearchOp::not_in:
      return std::ranges::find(wanted.list, value) == wanted.list.end();
    case SearchOp::is_not_null:
      return true;
    default:
      return false;
  }
}

bool SearchMatcher::holds(std::size_t clause, const std::optional<std::string>& value) const {
  if (value) return holds(clause, std::string_view(*value));
  return filter_[clause].op == SearchOp::is_null;
}

bool SearchMatcher::holds_among(std::size_t clause, const std::map<std::string, std::string>& values) const {
  const auto found = values.find(filter_[clause].key);
  if (found == values.end()) return filter_[clause].op == SearchOp::is_null;
  return holds(clause, std::string_view(found->second));
}

bool SearchMatcher::attribute(std::size_t clause, const LocalTrace& trace) const {
  const SearchClause& wanted = filter_[clause];
  const auto& info = trace.info;
  if (wanted.key == "status")
    return holds(clause, info.state.empty() ? std::string_view("STATE_UNSPECIFIED") : info.state);
  if (wanted.key == "request_id") return holds(clause, std::string_view(mlflow::trace_name_of(trace.id)));
  if (wanted.key == "client_request_id") return holds(clause, info.client_request_id);
  if (!wanted.is_number) return false;
  const std::int64_t began = info.request_time_ms.value_or(0);
  if (wanted.key == "timestamp_ms")
    return holds_between(wanted.op, static_cast<double>(began), wanted.number);
  const std::int64_t took = info.execution_duration_ms.value_or(0);
  if (wanted.key == "end_time_ms")
    return holds_between(wanted.op, static_cast<double>(began + took), wanted.number);
  return info.execution_duration_ms && holds_between(wanted.op, static_cast<double>(took), wanted.number);
}

bool SearchMatcher::metadata(std::size_t clause, const LocalTrace& trace) const {
  const SearchClause& wanted = filter_[clause];
  if (wanted.key == "mlflow.sourceRun" && wanted.op == SearchOp::equal &&
      std::ranges::find(trace.runs, wanted.text) != trace.runs.end())
    return true;
  return holds_among(clause, trace.info.metadata);
}

// The value as JSON is what is compared: of a text, with its quotes and without.
bool SearchMatcher::assessed(std::size_t clause, const JsonObject& assessment) const {
  const SearchClause& wanted = filter_[clause];
  const std::string_view kind = wanted.field == SearchField::feedback ? "feedback" : "expectation";
  const std::string* inner = assessment.find(kind);
  if (inner == nullptr || assessment.text("assessment_name") != wanted.key) return false;
  if (const std::string* valid = assessment.find("valid"); valid != nullptr && *valid == "false")
    return false;
  if (wanted.op == SearchOp::is_null || wanted.op == SearchOp::is_not_null) return true;
  const auto parsed = JsonObject::parse(*inner, kind);
  const std::string* json = parsed ? parsed->find("value") : nullptr;
  const std::string value = json == nullptr ? "null" : stored_value(*json);
  if (is_number(wanted.op)) {
    double held = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), held);
    return error == std::errc() && end == value.data() + value.size() && std::isfinite(held) &&
           holds_between(wanted.op, held, wanted.number);
  }
  if (wanted.op != SearchOp::equal && wanted.op != SearchOp::not_equal)
    return holds(clause, std::string_view(value));
  const bool equal = value == wanted.text || value == quoted(wanted.text);
  return equal == (wanted.op == SearchOp::equal);
}

bool SearchMatcher::assessment(std::size_t clause, const LocalTrace& trace) const {
  const bool any = std::ranges::any_of(trace.assessments.all(),
                                       [&](const JsonObject& one) { return assessed(clause, one); });
  return any == (filter_[clause].op != SearchOp::is_null);
}

bool SearchMatcher::issue(std::size_t clause, const LocalTrace& trace) const {
  return std::ranges::any_of(trace.assessments.all(), [&](const JsonObject& one) {
    return one.has("issue") && one.text("assessment_name") == filter_[clause].text;
  });
}

bool SearchMatcher::span(std::size_t clause, const mlflow::StoredSpan& span) const {
  const SearchClause& wanted = filter_[clause];
  if (wanted.key == "name") return holds(clause, std::string_view(span.name));
  if (wanted.key == "status") return holds(clause, name(span.status));
  if (wanted.key == "content") return holds(clause, std::string_view(content_of(span)));
  if (wanted.key == "type") {
    const std::string* type = span.find(kSpanType);
    return holds(clause, std::string_view(type == nullptr ? std::string("UNKNOWN") : without_quotes(*type)));
  }
  // The server looks for `"KEY"` and then the value in the span's JSON, whatever the comparator.
  std::string_view key = std::string_view(wanted.key).substr(kAttributes.size());
  if (key.size() >= 2 && key.front() == '`' && key.back() == '`') key = key.substr(1, key.size() - 2);
  const std::string content = content_of(span);
  const std::string pattern = '%' + quoted(key) + wanted.text + '%';
  switch (wanted.op) {
    case SearchOp::like:
      return is_like(content, pattern, false);
    case SearchOp::ilike:
      return is_like(content, pattern, true);
    case SearchOp::not_equal:
      return content != pattern;
    case SearchOp::rlike: {
      const std::string* json = span.find(key);
      return json != nullptr && holds(clause, std::string_view(without_quotes(*json)));
    }
    default:
      return false;
  }
}

bool SearchMatcher::matches(const LocalTrace& trace) const {
  std::vector<std::size_t> of_spans;
  for (std::size_t i = 0; i < filter_.size(); ++i) {
    bool matched = true;
    switch (filter_[i].field) {
      case SearchField::attribute:
        matched = attribute(i, trace);
        break;
      case SearchField::tag:
        matched = holds_among(i, trace.info.tags);
        break;
      case SearchField::metadata:
        matched = metadata(i, trace);
        break;
      case SearchField::feedback:
      case SearchField::expectation:
        matched = assessment(i, trace);
        break;
      case SearchField::issue:
        matched = issue(i, trace);
        break;
      case SearchField::span:
        of_spans.push_back(i);
        break;
    }
    if (!matched) return false;
  }
  // All that is said about a span is about the same one.
  return of_spans.empty() || std::ranges::any_of(trace.spans, [&](const mlflow::StoredSpan& one) {
           return std::ranges::all_of(of_spans, [&](std::size_t clause) { return span(clause, one); });
         });
}

SearchPlace::SearchPlace(const std::vector<SearchOrder>& order, const LocalTrace& trace,
                         std::string_view experiment_id) {
  const auto& info = trace.info;
  for (const SearchOrder& one : order) {
    Key key{std::nullopt, one.ascending};
    if (one.field != SearchField::attribute) {
      const auto& values = one.field == SearchField::tag ? info.tags : info.metadata;
      if (const auto found = values.find(one.key); found != values.end()) key.value = found->second;
    } else if (one.key == "timestamp_ms") {
      key.value = info.request_time_ms.value_or(0);
    } else if (one.key == "end_time_ms") {
      key.value = info.request_time_ms.value_or(0) + info.execution_duration_ms.value_or(0);
    } else if (one.key == "execution_time_ms") {
      if (info.execution_duration_ms) key.value = *info.execution_duration_ms;
    } else if (one.key == "status") {
      key.value = info.state;
    } else if (one.key == "experiment_id") {
      if (const auto id = number(experiment_id)) key.value = *id;
    } else {
      key.value = mlflow::trace_name_of(trace.id);
    }
    keys_.push_back(std::move(key));
  }
}

bool SearchPlace::before(const SearchPlace& other) const {
  for (std::size_t i = 0; i < std::min(keys_.size(), other.keys_.size()); ++i) {
    const auto& mine = keys_[i].value;
    const auto& theirs = other.keys_[i].value;
    if (mine == theirs) continue;
    if (!mine || !theirs) return mine.has_value();
    return (*mine < *theirs) == keys_[i].ascending;
  }
  return false;
}

}  // namespace spanferry::ingest
