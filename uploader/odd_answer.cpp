#include "uploader/odd_answer.hpp"

#include <array>

#include <fmt/format.h>
#include <simdjson.h>

#include "model/lower.hpp"

namespace spanferry::uploader {
namespace {

// What the answer to a call holds for sure. CONTRACT of these paths: 1.2, 1.4, 1.6, 1.7, 2.2 and 2.3.
struct Expected {
  std::string_view method;
  std::string_view path;  // its last segments; one that ends in `*` is the beginning of a segment
  std::string_view key;   // of the object that is answered
};
constexpr auto kExpected = std::to_array<Expected>({
    {"POST", "/api/3.0/mlflow/traces", "trace"},
    {"POST", "/api/3.0/mlflow/traces/*/assessments", "assessment"},
    {"GET", "/api/3.0/mlflow/traces/*/assessments/*", "assessment"},
    {"PATCH", "/api/3.0/mlflow/traces/*/assessments/*", "assessment"},
    {"GET", "/api/3.0/mlflow/traces/tr-*", "trace"},
    {"POST", "/api/4.0/mlflow/traces/*/*/info", "trace_id"},
    {"GET", "/api/4.0/mlflow/traces/*/*/info", "trace"},
    {"POST", "/api/4.0/mlflow/traces/*/*/assessments", "assessment_id"},
    {"GET", "/api/4.0/mlflow/traces/*/*/assessments/*", "assessment_id"},
    {"PATCH", "/api/4.0/mlflow/traces/*/*/assessments/*", "assessment_id"},
    {"GET", "/mlflow/experiments/get-by-name", "experiment"},
    {"GET", "/mlflow/experiments/get", "experiment"},
    {"POST", "/mlflow/experiments/create", "experiment_id"},
    {"GET", "/credentials-for-data-upload", "credential_info"},
    {"GET", "/credentials-for-data-download", "credential_info"},
});

// Takes the last segment off.
std::string_view last_segment(std::string_view& path) {
  const std::size_t slash = path.rfind('/');
  const std::string_view segment = path.substr(slash == std::string_view::npos ? 0 : slash + 1);
  path = path.substr(0, slash == std::string_view::npos ? 0 : slash);
  return segment;
}

bool fits(const Expected& expected, std::string_view method, std::string_view path) {
  if (method != expected.method) return false;
  for (std::string_view wanted = expected.path; !wanted.empty();) {
    std::string_view pattern = last_segment(wanted);
    const std::string_view segment = last_segment(path);
    const bool is_open = pattern.ends_with('*');
    if (is_open) pattern.remove_suffix(1);
    if (is_open ? !segment.starts_with(pattern) : segment != pattern) return false;
  }
  return true;
}

std::string_view path_of(std::string_view url) { return url.substr(0, url.find('?')); }

bool starts_as_markup(std::string_view body) {
  const std::size_t first = body.find_first_not_of(" \t\r\n\xEF\xBB\xBF");
  return first != std::string_view::npos && body[first] == '<';
}

bool is_html(const net::HttpResponse& response) {
  return lower(response.header("content-type").value_or("")).starts_with("text/html");
}

}  // namespace

std::optional<std::string> why_odd(Surface surface, std::string_view method, std::string_view url,
                                   const net::HttpResponse& response) {
  // Storage answers an upload with nothing, and may call it text/html.
  const bool is_upload = surface == Surface::storage && method != "GET";
  const bool is_page =
      !response.body.empty() && (is_upload || is_html(response) || starts_as_markup(response.body));
  if (is_page)
    return fmt::format(
        "HTTP {} with a page ({}) instead of the answer: a captive portal or the log-in of a proxy stands "
        "between, or the address is not that of the API",
        response.status, response.header("content-type").value_or("no content type").substr(0, 64));
  if (surface != Surface::mlflow_api && surface != Surface::databricks_api) return std::nullopt;
  for (const Expected& expected : kExpected) {
    if (!fits(expected, method, path_of(url))) continue;
    simdjson::dom::parser parser;
    simdjson::dom::element value;
    if (parser.parse(simdjson::padded_string(response.body)).at_key(expected.key).get(value) ==
        simdjson::SUCCESS)
      return std::nullopt;
    return fmt::format("HTTP {} without `{}` in the answer to {} {}: that is no MLflow API, or a broken one",
                       response.status, expected.key, expected.method, expected.path);
  }
  return std::nullopt;
}

}  // namespace spanferry::uploader
