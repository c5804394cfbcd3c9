// What a trace says about the request it belongs to, taken from plain OpenTelemetry: request id, session,
// user, environment, version, deployment, region, and tags.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "model/mlflow_span.hpp"

namespace spanferry::mlflow {

// What fills a tag that neither span nor resource gives, by tag.
using Defaults = std::map<std::string, std::string>;
using Tags = std::map<std::string, std::string>;

struct Context {
  std::optional<std::string> client_request_id;
  std::optional<std::string> session, user;
  std::optional<std::string> name;  // by mlflow.traceTag.mlflow.traceName
  Tags tags;                        // all of them, session and user included, the name not
};

// The first that is present on the root, then on any span, then in the resource, then in the defaults; then
// the resource's other attributes; `mlflow.traceTag.KEY` of the root wins over all. `root` may be null.
Context context_of(const std::vector<StoredSpan>& spans, const StoredSpan* root,
                   const JsonAttributes& resource, const Defaults& defaults);

// What an open-source MLflow server finds by itself in the same spans, sent by OTLP.
Context context_derived_by_server(const std::vector<StoredSpan>& spans, const StoredSpan* root,
                                  const JsonAttributes& resource);

}  // namespace spanferry::mlflow
