// A span file that an MLflow client uploaded, for a destination that takes spans by OTLP.
#pragma once

#include <string>

#include "model/mlflow_otlp.hpp"
#include "spool/spool.hpp"

namespace spanferry::uploader {

// The spans of a record of kind trace_data as one OTLP request. What came by OTLP too, as far as the spool
// has it, stands there as it came that way: that copy counts. Errors: invalid_input, and those of the spool.
Result<std::string> otlp_of_span_file(spool::Spool& spool, const Record& record,
                                      mlflow::TextValues texts = mlflow::TextValues::in_quotes);

}  // namespace spanferry::uploader
