#include "ingest/mlflow_api/answers.hpp"

#include <fmt/format.h>

#include "ingest/counters.hpp"
#include "model/json_writer.hpp"
#include "model/mlflow_span.hpp"
#include "model/utf8.hpp"

namespace spanferry::ingest {

Response json_answer(std::string body) { return {.body = std::move(body)}; }

Response error_answer(int status, std::string_view code, std::string_view message) {
  Response answer;
  answer.status = status;
  // A message may repeat what the caller wrote in its path, which may be any bytes.
  JsonWriter(answer.body)
      .begin_object()
      .field("error_code", code)
      .field("message", repair_utf8(message))
      .end_object();
  return answer;
}

Response invalid(std::string_view message) {
  auto answer = error_answer(400, "INVALID_PARAMETER_VALUE", message);
  answer.rejection = Rejection::malformed;
  return answer;
}

Response missing(std::string_view parameter) {
  return invalid(fmt::format("Missing value for required parameter '{}'", parameter));
}

Response not_there(std::string_view message) { return error_answer(404, "RESOURCE_DOES_NOT_EXIST", message); }

Response no_such_trace(std::string_view name) {
  return not_there(fmt::format("Trace with ID '{}' not found.", name));
}

Response no_such_trace(const TraceId& id) { return no_such_trace(mlflow::trace_name_of(id)); }

Response not_served(std::string_view method, std::string_view path) {
  auto answer = error_answer(404, "ENDPOINT_NOT_FOUND",
                             fmt::format("{} {} is not served here", method, path.substr(0, 256)));
  answer.rejection = Rejection::not_found;
  return answer;
}

Response answer_of(const Error& error) {
  switch (error.kind) {
    case ErrorKind::invalid_input:
    case ErrorKind::unsupported:
      return invalid(error.sentence);
    case ErrorKind::too_large: {
      auto answer = error_answer(413, "INVALID_PARAMETER_VALUE", error.sentence);
      answer.rejection = Rejection::too_large;
      return answer;
    }
    case ErrorKind::not_found:
      return not_there(error.sentence);
    case ErrorKind::full:
    case ErrorKind::held:
    case ErrorKind::unavailable:
    case ErrorKind::cancelled: {
      auto answer = error_answer(503, "TEMPORARILY_UNAVAILABLE", error.sentence);
      answer.headers.emplace_back("Retry-After", "1");
      answer.rejection = error.kind == ErrorKind::full   ? Rejection::full
                         : error.kind == ErrorKind::held ? Rejection::route_held
                                                         : Rejection::internal;
      return answer;
    }
    default: {
      auto answer = error_answer(500, "INTERNAL_ERROR", error.sentence);
      answer.rejection = Rejection::internal;
      return answer;
    }
  }
}

void mark_partial(Response& answer) {
  answer.headers.emplace_back("X-Spanferry-Partial", "the destination did not answer");
}

}  // namespace spanferry::ingest
