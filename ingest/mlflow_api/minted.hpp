// Ids that we give to what comes without one.
#pragma once

#include <string>

#include "ingest/mlflow_api/api.hpp"
#include "model/mlflow_write.hpp"

namespace spanferry::ingest {

// a-HEX. The same for a request that is repeated within ten minutes, after a restart too: a client repeats a
// request whose answer was lost, and a second assessment of it would be wrong.
std::string minted_assessment_id(const Api& api, const Call& call);

// Those of a trace info that have no id get one from their text and the trace's, so that a repeated
// StartTrace makes no second one.
void mint_assessment_ids(mlflow::WrittenInfo& info);

}  // namespace spanferry::ingest
