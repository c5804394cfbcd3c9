// One request to the MLflow API, in the terms of its handlers.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ingest/handler.hpp"
#include "ingest/mlflow_api/trace_json.hpp"

namespace spanferry::ingest {

using Reply = std::move_only_function<void(Response)>;

// Views into the request, which lives as long as its Reply.
struct Call {
  std::string_view method, path, query, body, host, content_type;
  std::string_view client;              // User-Agent
  std::string_view location;            // of a V4 path: catalog.schema[.prefix]
  std::vector<std::string_view> parts;  // what stands in the path where the route has {}
  Reader reader = Reader::http;         // whose client it is
  bool sends_spans = false;             // it reads mlflow.trace.spansLocation, and then sends no file

  // Of the query, percent-encoding undone.
  [[nodiscard]] std::optional<std::string> parameter(std::string_view key) const;
  [[nodiscard]] std::vector<std::string> parameters(std::string_view key) const;
};

Call call_of(const Request& request, std::vector<std::string_view> parts);

// "mlflow-python-client/3.17.2" is 3.6 or later, and alone reads where spans are to go (CONTRACT 1.9).
bool reads_spans_location(std::string_view user_agent);

}  // namespace spanferry::ingest
