#include "uploader/odd_answer.hpp"

#include <array>

#include <fmt/format.h>
#include <simdjson.h>

#include "model/lower.hpp"

namespace spanferry::uploader {
namespace {

// What the answer to a call holds for sure. CONTRACT of these paths: 1.2, 1.4, 1.7 and 2.2.
struct Expected {
  std::string_view method;
  std::string_view path;  // ends in this; a `*` at its end: holds it
  std::string_view key;   // of the object that is answered
};
constexpr auto kExpected = std::to_array<Expected>({
    {"POST", "/api/3.0/mlflow/traces", "trace"},
    {"GET", "/api/3.0/mlflow/traces/tr-*", "trace"},
    {"GET", "/mlflow/experiments/get-by-name", "experiment"},
    {"GET", "/mlflow/experiments/get", "experiment"},
    {"POST", "/mlflow/experiments/create", "experiment_id"},
    {"GET", "/credentials-for-data-upload", "credential_info"},
    {"GET", "/credentials-for-data-download", "credential_info"},
});

bool fits(const Expected& expected, std::string_view method, std::string_view path) {
  if (method != expected.method) return false;
  std::string_view wanted = expected.path;
  if (!wanted.ends_with('*')) return path.ends_with(wanted);
  wanted.remove_suffix(1);
  return path.find(wanted) != std::string_view::npos;
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
