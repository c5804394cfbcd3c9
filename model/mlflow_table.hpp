// Traces in Unity Catalog, as MLflow keeps them there: the location behind an experiment, the spans as rows
// of its table, and the trace info (V4). CONTRACT 0 and 2.3.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>

#include "model/json_writer.hpp"
#include "model/mlflow_json.hpp"
#include "model/mlflow_trace.hpp"
#include "model/mlflow_write.hpp"

namespace spanferry::mlflow {

// The tags by which an experiment says that it is linked: the location's path, and its spans table in full.
inline constexpr std::string_view kDestinationPathTag = "mlflow.experiment.databricksTraceDestinationPath";
inline constexpr std::string_view kSpansTableTag = "mlflow.experiment.databricksTraceSpanStorageTable";

struct TableLocation {
  std::string path;         // catalog.schema.prefix, or catalog.schema in the older form; empty: not known
  std::string spans_table;  // its full name; empty: not known

  bool operator==(const TableLocation&) const = default;
  [[nodiscard]] bool empty() const { return path.empty() && spans_table.empty(); }
};

// With what either tells of the other. A table that is not named as MLflow names them has no path: it takes
// spans, but no trace info.
TableLocation table_location(std::string_view path, std::string_view spans_table);

// Two or three names that are not empty, with dots between.
bool is_location_path(std::string_view path);

// "trace:/PATH/HEX"; without a path "tr-HEX".
std::string trace_name_in(const TableLocation& location, const TraceId& id);

// The body of POST /api/4.0/mlflow/traces/PATH/HEX/info. `info` as trace_info makes it for a workspace.
std::string table_info_body(TraceInfo info, const TraceId& id, const TableLocation& location, WithTags tags);
// The same as the trace's own client gave it.
std::string table_info_body(WrittenInfo info, const TableLocation& location, WithTags tags);

// The location as the 5.0 and 4.0 APIs write it: {"catalog_name", "schema_name", "table_prefix"}, with the
// table's name where one is given.
void write_location(JsonWriter& json, std::string_view path, std::string_view spans_table);

// The value of trace_location.
void write_trace_location(JsonWriter& json, const TableLocation& location);

// The span as its row shows it: a string stays a string, also where it holds JSON text that MLflow's server
// would unwrap; not so in the attributes that MLflow gives a meaning.
StoredSpan span_of_row(const Span& span);

// Writes spans as rows: what MLflow means by an attribute stands there as a real value (its readers take a
// string for a string), everything else as it came.
class TableSpans {
 public:
  // `metadata`: of the trace info; its session and user go to the root. All outlive it.
  using Metadata = std::map<std::string, std::string>;
  TableSpans(const Trace& trace, const Metadata& metadata, const TableLocation& location);

  // Those spans of the trace in `request` that `keep` takes; it is asked once for each, in their order. Empty
  // when there are none.
  [[nodiscard]] std::string write(std::string_view request,
                                  const std::function<bool(const SpanId&)>& keep) const;

 private:
  void write_attributes(const StoredSpan& span, std::string& out) const;

  const Trace& trace_;
  const Metadata& metadata_;
  const std::string name_;
  std::unordered_map<SpanId, const StoredSpan*> spans_;
};

}  // namespace spanferry::mlflow
