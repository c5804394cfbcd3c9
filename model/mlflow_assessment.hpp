// Assessments as MLflow's REST API takes and gives them: JSON objects of which we set only the ids.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace spanferry::mlflow {

// The object with these ids, and with the id of an assessment that it overrides as `translate` gives it. An
// id that is empty is left as it is. Everything else stays. "{}" and the ids for what is no JSON object.
std::string assessment_with_ids(std::string_view assessment, std::string_view id, std::string_view trace_id,
                                const std::function<std::string(std::string_view)>& translate);

// `assessment.assessment_id` of an answer, or that of the assessment itself, as V4 answers; empty if there is
// none.
std::string assessment_id_of_answer(std::string_view body);

// The ids of those in the answer to a GET of a trace info that may be this assessment under another id: made
// at the same moment, by the same source, under the same name. None for one that does not say when it was
// made.
std::vector<std::string> assessments_like(std::string_view trace_answer, std::string_view assessment);

}  // namespace spanferry::mlflow
