// The answers of an OTLP server, in either encoding. Source: collector/trace/v1/trace_service.proto;
// google/rpc/status.proto; protobuf's JSON mapping (a 64-bit integer is a string there).
#include <protozero/pbf_writer.hpp>

#include "model/json_writer.hpp"
#include "model/otlp_json.hpp"

namespace spanferry {

std::string export_response(OtlpEncoding encoding, std::uint64_t rejected_spans, std::string_view message) {
  constexpr protozero::pbf_tag_type kPartialSuccess = 1, kRejectedSpans = 1, kErrorMessage = 2;
  const bool empty = rejected_spans == 0 && message.empty();
  std::string out;
  if (encoding == OtlpEncoding::json) {
    JsonWriter writer(out);
    writer.begin_object();
    if (!empty) {
      writer.key("partialSuccess").begin_object();
      if (rejected_spans != 0) writer.field("rejectedSpans", std::to_string(rejected_spans));
      if (!message.empty()) writer.field("errorMessage", message);
      writer.end_object();
    }
    writer.end_object();
    return out;
  }
  if (empty) return out;
  std::string partial;
  protozero::pbf_writer writer(partial);
  if (rejected_spans != 0) writer.add_int64(kRejectedSpans, static_cast<std::int64_t>(rejected_spans));
  if (!message.empty()) writer.add_string(kErrorMessage, message.data(), message.size());
  protozero::pbf_writer(out).add_message(kPartialSuccess, partial);
  return out;
}

std::string rpc_status(OtlpEncoding encoding, std::int32_t code, std::string_view message) {
  constexpr protozero::pbf_tag_type kCode = 1, kMessage = 2;
  std::string out;
  if (encoding == OtlpEncoding::json) {
    JsonWriter(out).begin_object().field("code", code).field("message", message).end_object();
    return out;
  }
  protozero::pbf_writer writer(out);
  writer.add_int32(kCode, code);
  writer.add_string(kMessage, message.data(), message.size());
  return out;
}

}  // namespace spanferry
