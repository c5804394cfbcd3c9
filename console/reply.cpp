#include "console/reply.hpp"

#include "model/json_writer.hpp"

namespace spanferry::console {

Reply error_reply(int status, std::string_view code, std::string_view message) {
  Reply reply;
  reply.status = status;
  JsonWriter(reply.body).begin_object().field("error_code", code).field("message", message).end_object();
  return reply;
}

Reply error_reply(const Error& error) {
  switch (error.kind) {
    case ErrorKind::invalid_input:
      return error_reply(400, "INVALID_PARAMETER_VALUE", error.sentence);
    case ErrorKind::not_found:
      return error_reply(404, "RESOURCE_DOES_NOT_EXIST", error.sentence);
    case ErrorKind::unavailable:
    case ErrorKind::full:
    case ErrorKind::cancelled:
      return error_reply(503, "TEMPORARILY_UNAVAILABLE", error.sentence);
    default:
      return error_reply(500, "INTERNAL_ERROR", error.sentence);
  }
}

}  // namespace spanferry::console
