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

// The body of POST /api/3.0/mlflow/traces.
std::string start_trace_body(const WrittenInfo& info, std::string_view experiment_id, WithTags tags);

}  // namespace spanferry::mlflow
