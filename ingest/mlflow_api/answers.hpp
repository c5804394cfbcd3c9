// Answers as MLflow's server gives them: JSON, errors as {"error_code", "message"}. CONTRACT 0.
#pragma once

#include <string>
#include <string_view>

#include "ingest/handler.hpp"
#include "model/ids.hpp"
#include "model/result.hpp"

namespace spanferry::ingest {

Response json_answer(std::string body);
Response error_answer(int status, std::string_view code, std::string_view message);

// 400 INVALID_PARAMETER_VALUE, 404 RESOURCE_DOES_NOT_EXIST, 404 ENDPOINT_NOT_FOUND: clients fall back on the
// last one.
Response invalid(std::string_view message);
Response missing(std::string_view parameter);
Response not_there(std::string_view message);
// Of that id or name no trace is known.
Response no_such_trace(std::string_view name);
Response no_such_trace(const TraceId& id);
Response not_served(std::string_view method, std::string_view path);

// What an error of the spool or of reading a body is to a client.
Response answer_of(const Error& error);

// Tells that what only the far side knows is not in it: X-Spanferry-Partial.
void mark_partial(Response& answer);

}  // namespace spanferry::ingest
