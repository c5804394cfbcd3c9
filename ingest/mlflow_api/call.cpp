#include "ingest/mlflow_api/call.hpp"

#include <algorithm>
#include <charconv>

#include "ingest/endpoint_table.hpp"
#include "ingest/patience.hpp"
#include "model/utf8.hpp"

namespace spanferry::ingest {
namespace {

std::string form_decode(std::string_view text) {
  std::string spaced(text);
  std::ranges::replace(spaced, '+', ' ');
  return repair_utf8(percent_decode(spaced));  // it may become a name, and is repeated in answers
}

// Calls `use` with each value of `key`, as it stands in the query, until it returns false.
template <class F>
void each_value(std::string_view query, std::string_view key, const F& use) {
  while (!query.empty()) {
    const auto end = std::min(query.find('&'), query.size());
    const auto pair = query.substr(0, end);
    const auto equals = std::min(pair.find('='), pair.size());
    if (form_decode(pair.substr(0, equals)) == key)
      if (!use(pair.substr(std::min(equals + 1, pair.size())))) return;
    query.remove_prefix(std::min(end + 1, query.size()));
  }
}

}  // namespace

std::optional<std::string> Call::parameter(std::string_view key) const {
  std::optional<std::string> found;
  each_value(query, key, [&found](std::string_view value) {
    found = form_decode(value);
    return false;
  });
  return found;
}

std::vector<std::string> Call::parameters(std::string_view key) const {
  std::vector<std::string> found;
  each_value(query, key, [&found](std::string_view value) {
    found.push_back(form_decode(value));
    return true;
  });
  return found;
}

bool reads_spans_location(std::string_view user_agent) {
  if (!user_agent.starts_with(kMlflowPythonClient)) return false;
  user_agent.remove_prefix(kMlflowPythonClient.size());
  unsigned major = 0, minor = 0;
  const char* const end = user_agent.data() + user_agent.size();
  const auto [dot, error] = std::from_chars(user_agent.data(), end, major);
  if (error != std::errc() || dot == end || *dot != '.') return false;
  if (std::from_chars(dot + 1, end, minor).ec != std::errc()) return false;
  return major > 3 || (major == 3 && minor >= 6);
}

Call call_of(const Request& request, std::vector<std::string_view> parts) {
  Call call;
  call.method = request.method;
  call.path = request.path;
  call.query = request.query;
  call.body = request.body;
  call.host = request.host;
  call.content_type = request.content_type;
  call.client = request.user_agent;
  call.parts = std::move(parts);
  if (request.user_agent.find(kDatabricksSdk) != std::string_view::npos) call.reader = Reader::databricks;
  call.sends_spans = reads_spans_location(request.user_agent);
  return call;
}

}  // namespace spanferry::ingest
