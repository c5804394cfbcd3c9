#include "ingest/mlflow_api/search_glance.hpp"

#include <algorithm>
#include <array>
#include <ranges>

#include "model/lower.hpp"
#include "model/utf8.hpp"

namespace spanferry::ingest {
namespace {

using std::string_view;

constexpr std::int64_t kNsInMs = 1'000'000;

// Found in what a client sent, letter by letter; of others the server or we may have made the value.
bool is_as_sent(const SearchClause& clause) {
  constexpr std::array<string_view, 4> kOurs{"mlflow.traceName", "mlflow.trace.session", "mlflow.trace.user",
                                             "mlflow.sourceRun"};
  if (clause.field != SearchField::tag && clause.field != SearchField::metadata)
    return clause.field == SearchField::attribute && clause.key == "client_request_id";
  return !clause.key.starts_with("mlflow.") || std::ranges::find(kOurs, clause.key) != kOurs.end();
}

// No other spelling of it: in JSON inside JSON these are written otherwise.
bool is_plain(string_view text) {
  return std::ranges::none_of(text, [](char c) { return c == '"' || c == '\\' || c < ' '; });
}

// At most what a summary surely keeps of a value's beginning.
string_view sure_part(string_view text) { return utf8_prefix(text, spool::kSureTextBytes); }

// What a value must begin with to be like that.
string_view beginning(string_view pattern) { return pattern.substr(0, pattern.find_first_of("%_")); }

// The longest text that every match of the pattern has; a value is kept by its beginning alone, so in one
// that may stand later nothing is sure but in short values.
string_view text_in(const SearchClause& clause) {
  if (!is_as_sent(clause)) {
    const bool assessed =
        (clause.field == SearchField::feedback || clause.field == SearchField::expectation) &&
        clause.op != SearchOp::is_null;
    return assessed ? sure_part(clause.key) : string_view();
  }
  if (clause.op == SearchOp::equal) return sure_part(clause.text);
  if (clause.op == SearchOp::like || clause.op == SearchOp::ilike) return sure_part(beginning(clause.text));
  return {};
}

}  // namespace

SearchGlance::SearchGlance(const SearchFilter& filter, const mlflow::Defaults& defaults) : filter_(filter) {
  for (const SearchClause& clause : filter) {
    const string_view text = text_in(clause);
    const bool by_default =
        std::ranges::any_of(defaults, [&](const auto& one) { return one.second.starts_with(text); });
    if (text.size() <= text_.size() || !is_plain(text) || by_default) continue;
    text_ = text;
    any_case_ = clause.op == SearchOp::ilike;
  }
  if (any_case_) text_ = lower(text_);
}

bool SearchGlance::may_match(const spool::TraceGlance& glance) const {
  if (!glance.whole) return true;
  if (text_.empty()) return fits(glance);
  if (!any_case_) return glance.texts.contains(text_);
  return lower(glance.texts).contains(text_);
}

// What a trace is in one word or number, the record that says it last says: its trace info or its root, and
// of the time its first span.
bool SearchGlance::fits(const spool::TraceGlance& glance) const {
  const bool tells_time = glance.start_ns != 0;
  const std::int64_t began_ms = glance.start_ns / kNsInMs;
  for (const SearchClause& clause : filter_) {
    if (clause.field != SearchField::attribute) continue;
    if (clause.key == "status" && !glance.state.empty()) {
      if (clause.op == SearchOp::equal && glance.state != clause.text) return false;
      if (clause.op == SearchOp::not_equal && glance.state == clause.text) return false;
    }
    if (clause.key == "timestamp_ms" && clause.is_number && tells_time &&
        !holds_between(clause.op, static_cast<double>(began_ms), clause.number))
      return false;
  }
  return true;
}

}  // namespace spanferry::ingest
