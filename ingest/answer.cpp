#include "ingest/answer.hpp"

#include <ctime>
#include <iterator>

#include <fmt/format.h>

#include "ingest/mlflow_api/signed_urls.hpp"
#include "model/json_writer.hpp"

namespace spanferry::ingest {
namespace {

inline constexpr std::string_view kProtobuf = "application/x-protobuf";
inline constexpr std::string_view kJson = "application/json";

std::string_view phrase(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 204:
      return "No Content";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 411:
      return "Length Required";
    case 413:
      return "Content Too Large";
    case 415:
      return "Unsupported Media Type";
    case 417:
      return "Expectation Failed";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 503:
      return "Service Unavailable";
    case 508:
      return "Loop Detected";
    default:
      return "Answer";
  }
}

// google.rpc.Code of an HTTP status.
std::int32_t rpc_code(int status) {
  switch (status) {
    case 401:
      return 16;  // UNAUTHENTICATED
    case 403:
      return 7;  // PERMISSION_DENIED
    case 404:
      return 5;  // NOT_FOUND
    case 405:
      return 12;  // UNIMPLEMENTED
    case 408:
      return 4;  // DEADLINE_EXCEEDED
    case 413:
    case 431:
      return 8;  // RESOURCE_EXHAUSTED
    case 500:
      return 13;  // INTERNAL
    case 503:
      return 14;  // UNAVAILABLE
    case 508:
      return 9;  // FAILED_PRECONDITION
    default:
      return 3;  // INVALID_ARGUMENT
  }
}

std::string_view error_code(int status) {
  switch (status) {
    case 401:
      return "UNAUTHENTICATED";
    case 403:
      return "PERMISSION_DENIED";
    case 404:
      return "ENDPOINT_NOT_FOUND";
    case 405:
      return "METHOD_NOT_ALLOWED";
    case 408:
      return "DEADLINE_EXCEEDED";
    case 413:
    case 431:
      return "RESOURCE_EXHAUSTED";
    case 500:
      return "INTERNAL_ERROR";
    case 503:
      return "TEMPORARILY_UNAVAILABLE";
    case 508:
      return "LOOP_DETECTED";
    default:
      return "INVALID_PARAMETER_VALUE";
  }
}

// The Date header's value, made once a second.
std::string_view http_date() {
  thread_local std::time_t made_for = 0;
  thread_local std::array<char, 40> text{};
  thread_local std::size_t size = 0;
  const std::time_t now = std::time(nullptr);
  if (now != made_for) {
    std::tm utc{};
    gmtime_r(&now, &utc);
    size = std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", &utc);
    made_for = now;
  }
  return {text.data(), size};
}

// Whose callers read {"error_code", "message"}.
bool speaks_mlflow(const Head& head) {
  return (head.path.starts_with("/api/") && !is_traces_path(head.path)) ||
         head.path.starts_with(kStoragePath);
}

}  // namespace

OtlpEncoding encoding_of(const Head& head) {
  return is_media_type(head.content_type, kProtobuf) ? OtlpEncoding::protobuf : OtlpEncoding::json;
}

Answer refusal(const Head& head, int status, Rejection reason, std::string_view message) {
  Answer answer;
  answer.status = status;
  answer.reason = reason;
  if (speaks_mlflow(head)) {
    answer.content_type = kJson;
    JsonWriter(answer.body)
        .begin_object()
        .field("error_code", error_code(status))
        .field("message", message)
        .end_object();
    return answer;
  }
  const OtlpEncoding encoding = encoding_of(head);
  answer.content_type = encoding == OtlpEncoding::protobuf ? kProtobuf : kJson;
  answer.body = rpc_status(encoding, rpc_code(status), message);
  return answer;
}

Answer try_later(const Head& head, Rejection reason, std::string_view message) {
  Answer answer = refusal(head, 503, reason, message);
  answer.headers.emplace_back("Retry-After", "1");
  return answer;
}

Answer accepted(const Head& head, std::uint64_t refused_spans, std::string_view refused_reason) {
  const OtlpEncoding encoding = encoding_of(head);
  Answer answer;
  answer.content_type = encoding == OtlpEncoding::protobuf ? kProtobuf : kJson;
  answer.body =
      export_response(encoding, refused_spans, refused_spans > 0 ? refused_reason : std::string_view{});
  return answer;
}

std::string serialize(const Answer& answer, bool head_only, bool close, bool is_http_1_0) {
  std::string out;
  out.reserve(192 + answer.body.size());
  auto to = std::back_inserter(out);
  fmt::format_to(to, "HTTP/1.1 {} {}\r\nDate: {}\r\n", answer.status, phrase(answer.status), http_date());
  if (!answer.content_type.empty()) fmt::format_to(to, "Content-Type: {}\r\n", answer.content_type);
  for (const auto& [name, value] : answer.headers) fmt::format_to(to, "{}: {}\r\n", name, value);
  if (close) {
    out += "Connection: close\r\n";
  } else if (is_http_1_0) {
    out += "Connection: keep-alive\r\n";
  }
  fmt::format_to(to, "Content-Length: {}\r\n\r\n", answer.body.size());
  if (!head_only) out += answer.body;
  return out;
}

}  // namespace spanferry::ingest
