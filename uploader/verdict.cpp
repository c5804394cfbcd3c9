#include "uploader/verdict.hpp"

#include <array>

#include <fmt/format.h>
#include <simdjson.h>

#include "model/utf8.hpp"
#include "spool/dead_letter.hpp"

namespace spanferry::uploader {
namespace {

using enum Surface;
using R = Ruling;

constexpr auto kTable = std::to_array<VerdictRow>({
    {otlp, 200, 299, "", R::done},
    {otlp, 300, 399, "", R::config},
    {otlp, 401, 401, "", R::auth},
    {otlp, 403, 403, "", R::auth},
    {otlp, 404, 405, "", R::config},
    {otlp, 407, 407, "", R::config},
    {otlp, 408, 408, "", R::retry},
    {otlp, 413, 413, "", R::halve},
    {otlp, 415, 415, "", R::config},
    {otlp, 425, 425, "", R::retry},
    {otlp, 429, 429, "", R::rate_limited},
    {otlp, 400, 499, "", R::split},
    {otlp, 500, 500, "", R::retry_few},
    {otlp, 501, 501, "", R::config},
    {otlp, 508, 508, "", R::config},
    {otlp, 0, 999, "", R::retry},

    {mlflow_otlp, 200, 299, "", R::done},
    {mlflow_otlp, 300, 399, "", R::config},
    {mlflow_otlp, 401, 401, "", R::auth},
    {mlflow_otlp, 403, 403, "", R::forbidden},
    {mlflow_otlp, 404, 404, "", R::not_found},
    {mlflow_otlp, 405, 405, "", R::config},
    {mlflow_otlp, 407, 407, "", R::config},
    {mlflow_otlp, 408, 408, "", R::retry},
    {mlflow_otlp, 413, 413, "", R::halve},
    {mlflow_otlp, 415, 415, "", R::config},
    // Whatever goes wrong in the server's store, or something in the request: the answer does not say which.
    {mlflow_otlp, 422, 422, "Failed to log OpenTelemetry spans", R::retry_few},
    {mlflow_otlp, 425, 425, "", R::retry},
    {mlflow_otlp, 429, 429, "", R::rate_limited},
    {mlflow_otlp, 400, 499, "", R::split},
    {mlflow_otlp, 500, 500, "", R::retry_few},
    {mlflow_otlp, 501, 501, "", R::fallback},
    {mlflow_otlp, 508, 508, "", R::config},
    {mlflow_otlp, 0, 999, "", R::retry},

    {mlflow_api, 200, 299, "", R::done},
    {mlflow_api, 300, 399, "", R::config},
    {mlflow_api, 400, 400, "RESOURCE_ALREADY_EXISTS", R::exists},
    {mlflow_api, 400, 400, "ALREADY_EXISTS", R::exists},
    {mlflow_api, 401, 401, "", R::auth},
    {mlflow_api, 403, 403, "", R::forbidden},
    {mlflow_api, 404, 404, "ENDPOINT_NOT_FOUND", R::fallback},
    {mlflow_api, 404, 404, "", R::not_found},
    {mlflow_api, 407, 407, "", R::config},
    {mlflow_api, 408, 408, "", R::retry},
    {mlflow_api, 409, 409, "", R::exists},
    {mlflow_api, 413, 413, "", R::halve},
    {mlflow_api, 425, 425, "", R::retry},
    {mlflow_api, 429, 429, "", R::rate_limited},
    {mlflow_api, 400, 499, "", R::split},
    {mlflow_api, 500, 500, "", R::retry_few},
    {mlflow_api, 501, 501, "", R::fallback},
    {mlflow_api, 508, 508, "", R::config},
    {mlflow_api, 0, 999, "", R::retry},

    {databricks_api, 200, 299, "", R::done},
    {databricks_api, 300, 399, "", R::config},
    {databricks_api, 400, 400, "RESOURCE_ALREADY_EXISTS", R::exists},
    {databricks_api, 400, 400, "ALREADY_EXISTS", R::exists},
    {databricks_api, 401, 401, "", R::auth},
    {databricks_api, 403, 403, "", R::forbidden},
    {databricks_api, 404, 404, "ENDPOINT_NOT_FOUND", R::fallback},
    {databricks_api, 404, 404, "", R::not_found},
    {databricks_api, 407, 407, "", R::config},
    {databricks_api, 408, 408, "", R::retry},
    {databricks_api, 409, 409, "", R::exists},
    {databricks_api, 413, 413, "", R::halve},
    {databricks_api, 425, 425, "", R::retry},
    {databricks_api, 429, 429, "", R::rate_limited},
    {databricks_api, 400, 499, "", R::split},
    {databricks_api, 500, 500, "", R::retry_few},
    {databricks_api, 501, 501, "", R::split},
    {databricks_api, 508, 508, "", R::config},
    {databricks_api, 0, 999, "", R::retry},

    {storage, 200, 299, "", R::done},
    {storage, 300, 399, "", R::new_url},
    {storage, 400, 400, "EntityTooLarge", R::halve},
    {storage, 400, 401, "", R::new_url},
    {storage, 403, 403, "", R::new_url},
    {storage, 407, 407, "", R::config},
    {storage, 408, 408, "", R::retry},
    {storage, 409, 409, "", R::retry_few},
    {storage, 413, 413, "", R::halve},
    {storage, 425, 425, "", R::retry},
    {storage, 429, 429, "", R::rate_limited},
    {storage, 400, 499, "", R::split},
    {storage, 500, 500, "", R::retry_few},
    {storage, 501, 501, "", R::split},
    {storage, 0, 999, "", R::retry},
});

std::string_view element(std::string_view xml, std::string_view tag) {
  const std::string open = fmt::format("<{}>", tag), close = fmt::format("</{}>", tag);
  const std::size_t from = xml.find(open);
  if (from == std::string_view::npos) return {};
  const std::size_t to = xml.find(close, from);
  if (to == std::string_view::npos) return {};
  return xml.substr(from + open.size(), to - from - open.size());
}

void redact(std::string& text, std::string_view secret) {
  constexpr std::size_t kShortestSecret = 6;  // shorter ones would blacken ordinary words
  if (secret.size() < kShortestSecret) return;
  for (std::size_t at = text.find(secret); at != std::string::npos; at = text.find(secret, at))
    text.replace(at, secret.size(), "***");
}

void cut(std::string& text, std::size_t limit) { text.resize(utf8_prefix(text, limit).size()); }

}  // namespace

std::span<const VerdictRow> verdict_table() { return kTable; }

Ruling rule(Surface surface, int status, std::string_view error_code) {
  for (const VerdictRow& row : kTable)
    if (row.surface == surface && status >= row.first && status <= row.last &&
        (row.error_code.empty() || row.error_code == error_code))
      return row.ruling;
  return Ruling::retry;
}

Action action_of(Ruling ruling) {
  switch (ruling) {
    case Ruling::done:
      return Action::done;
    case Ruling::split:
    case Ruling::retry_few:
      return Action::split;
    case Ruling::halve:
      return Action::halve;
    case Ruling::not_found:
      return Action::not_found;
    case Ruling::exists:
      return Action::exists;
    case Ruling::new_url:
      return Action::new_url;
    case Ruling::fallback:
      return Action::fallback;
    case Ruling::retry:
    case Ruling::rate_limited:
    case Ruling::auth:
    case Ruling::forbidden:
    case Ruling::config:
      return Action::stopped;
  }
  return Action::stopped;
}

std::string error_code_of(std::string_view body) {
  constexpr std::size_t kLongest = 128;
  if (body.empty() || body.size() > (64U << 10)) return {};
  if (body.front() == '<') return std::string(element(body, "Code").substr(0, kLongest));
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  std::string_view code;
  if (parser.parse(simdjson::padded_string(body)).get(root) != simdjson::SUCCESS) return {};
  if (root.at_key("error_code").get(code) != simdjson::SUCCESS &&
      root.at_key("detail").get(code) != simdjson::SUCCESS)
    return {};
  return std::string(code.substr(0, kLongest));
}

std::string excerpt_of(Surface surface, std::string_view body, std::span<const std::string> secrets) {
  // Redacted before it is cut, so that no half of a secret stays at the edge.
  std::string text;
  if (surface == storage) {
    const auto code = element(body, "Code"), message = element(body, "Message");
    text = message.empty() ? std::string(code) : fmt::format("{}: {}", code, message);
  } else {
    text = body.substr(0, 4 * spool::kMaxResponseExcerptBytes);
  }
  text = repair_utf8(text);
  for (const std::string& secret : secrets) redact(text, secret);
  cut(text, spool::kMaxResponseExcerptBytes);
  return text;
}

std::string reason_of(int status, std::string_view error_code, std::string_view excerpt) {
  std::string reason = fmt::format("HTTP {}", status);
  if (!error_code.empty() && !excerpt.starts_with(error_code)) reason += fmt::format(" {}", error_code);
  if (!excerpt.empty()) {
    std::string line(excerpt);
    cut(line, 200);
    for (char& c : line)
      if (static_cast<unsigned char>(c) < 0x20U) c = ' ';
    reason += ": " + line;
  }
  return reason;
}

}  // namespace spanferry::uploader
