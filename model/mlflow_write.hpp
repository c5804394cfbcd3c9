// What an MLflow client writes beside spans, as the log keeps it: the payloads of the record kinds
// trace_info, trace_edit, trace_delete, experiment_edit and artifact (trace_data is the traces.json as it
// came). Ingest encodes, the uploader and the local reads decode. All but the artifact are JSON;
// docs/spool-format.md has the fields. A record that is about one trace has it in header.only_trace and in
// the index.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "model/ids.hpp"
#include "model/result.hpp"

namespace spanferry::mlflow {

// The trace info of a StartTrace (V3 or V4) as its client gave it. CONTRACT 0, 1.2.
struct WrittenInfo {
  TraceId trace;
  std::string experiment_id;  // digits, perhaps provisional; empty: the location is a table
  std::string location;       // Unity Catalog: catalog.schema[.prefix]; else empty
  std::optional<std::string> client_request_id, request_preview, response_preview;
  std::optional<std::int64_t> request_time_ms, execution_duration_ms;
  std::string state;  // OK, ERROR, IN_PROGRESS, STATE_UNSPECIFIED; empty: not said
  std::map<std::string, std::string> metadata, tags;
  std::vector<std::string> assessments;  // JSON objects, each with an assessment_id
};
// `json`: a TraceInfo object, in snake_case or camelCase. What the server drops in silence (a time that is
// none, a state that is none) is dropped here too. Errors: invalid_input (no JSON object, a trace id that is
// not tr-HEX, trace:/…/HEX or HEX).
Result<WrittenInfo> parse_written_info(std::string_view json);
// A TraceInfo object in snake_case without its location: the payload of a trace_info record has it as
// `experiment_id` and `location` beside.
std::string encode(const WrittenInfo& info);

// "tr-HEX", "trace:/LOCATION/HEX" or "HEX". Nothing for all other ids: spans could never be found under them.
std::optional<TraceId> parse_trace_id(std::string_view id);

struct SetTag {
  std::string key;
  std::optional<std::string> value;  // none: the tag is deleted
  bool operator==(const SetTag&) const = default;
};
// Feedback or an expectation. Its id is minted before the first try, so that a replay makes no second one.
struct EditAssessment {
  enum class Way : std::uint8_t { create, update, remove };
  Way way = Way::create;
  std::string id;           // a-HEX, or as the far side named it
  std::string assessment;   // the JSON object; empty to remove
  std::string update_mask;  // to update: camelCase, comma separated (CONTRACT 0)
  bool operator==(const EditAssessment&) const = default;
};
// The trace came about in that run.
struct LinkToRun {
  std::string run_id;
  bool operator==(const LinkToRun&) const = default;
};
// Feedback of a caller who does not know the trace: it is for the newest trace with that request id.
struct FeedbackByRequest {
  std::string client_request_id;
  std::string id;          // of the assessment, minted
  std::string assessment;  // the JSON object without a trace id
  bool operator==(const FeedbackByRequest&) const = default;
};
using TraceEdit = std::variant<SetTag, EditAssessment, LinkToRun, FeedbackByRequest>;
std::string encode(const TraceEdit& edit);
// Errors: invalid_input; unsupported (an `op` that we do not know: written by a later version).
Result<TraceEdit> parse_trace_edit(std::string_view payload);

// Deletes the trace of the header; without one, those of the route's experiment that began at
// `max_timestamp_ms` or before, at most `max_traces` (0: all), the oldest first.
struct TraceDelete {
  std::int64_t max_timestamp_ms = 0;
  std::uint32_t max_traces = 0;
  bool operator==(const TraceDelete&) const = default;
};
std::string encode(const TraceDelete& deletion);
Result<TraceDelete> parse_trace_delete(std::string_view payload);

struct CreateExperiment {
  std::string name;
  std::string provisional_id;  // what the client was given; empty: none
  std::vector<std::pair<std::string, std::string>> tags;
  bool operator==(const CreateExperiment&) const = default;
};
struct SetExperimentTag {  // of the route's experiment
  std::string key, value;
  bool operator==(const SetExperimentTag&) const = default;
};
struct MakeLocation {  // in Unity Catalog
  std::string path;    // catalog.schema.prefix
  std::string sql_warehouse_id;
  bool operator==(const MakeLocation&) const = default;
};
struct LinkLocation {  // to the route's experiment
  std::string path;
  bool operator==(const LinkLocation&) const = default;
};
using ExperimentEdit = std::variant<CreateExperiment, SetExperimentTag, MakeLocation, LinkLocation>;
std::string encode(const ExperimentEdit& edit);
Result<ExperimentEdit> parse_experiment_edit(std::string_view payload);

// A file beside a trace. The payload is a line of JSON, then the bytes.
struct Artifact {
  std::string path;  // below the trace's artifacts: attachments/ID
  std::string content_type;
  std::string_view bytes;  // of the payload it was parsed from
};
std::string encode(const Artifact& artifact);
Result<Artifact> parse_artifact(std::string_view payload);

}  // namespace spanferry::mlflow
