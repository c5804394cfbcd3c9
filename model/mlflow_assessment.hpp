// Assessments as MLflow's REST API takes and gives them: JSON objects of which we set only the ids.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace spanferry::mlflow {

// The object with these ids, and with the id of an assessment that it overrides as `translate` gives it. An
// id that is empty is left as it is. Everything else stays. "{}" and the ids for what is no JSON object.
std::string assessment_with_ids(std::string_view assessment, std::string_view id, std::string_view trace_id,
                                const std::function<std::string(std::string_view)>& translate);

// `assessment.assessment_id` of an answer; empty if there is none.
std::string assessment_id_of_answer(std::string_view body);

}  // namespace spanferry::mlflow
