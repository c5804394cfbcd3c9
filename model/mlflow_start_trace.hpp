// StartTrace (V3) with the trace info that a client gave: nothing is added to it, its location is replaced.
#pragma once

#include <string>
#include <string_view>

#include "model/mlflow_json.hpp"
#include "model/mlflow_write.hpp"

namespace spanferry::mlflow {

// What a server holds after both StartTraces, `next` the later one: scalars are replaced (also by nothing),
// previews if there are new ones, tags and metadata merged, assessments merged by their id. CONTRACT 1.2.
void merge_written_info(WrittenInfo& info, WrittenInfo next);

// A TraceInfo object, `trace_id` and the value of trace_location by whoever knows where it is.
void write_info(JsonWriter& json, const WrittenInfo& info, std::string_view trace_id, WithTags tags,
                const std::function<void()>& write_location);

// The body of POST /api/3.0/mlflow/traces.
std::string start_trace_body(const WrittenInfo& info, std::string_view experiment_id, WithTags tags);

}  // namespace spanferry::mlflow
