#include <simdjson.h>

#include "model/json_read.hpp"
#include "model/mlflow_json.hpp"
#include "model/status_code.hpp"

namespace spanferry::mlflow {
namespace {

namespace dom = simdjson::dom;

std::string object_of(const dom::element& object, std::string_view key) {
  dom::object found;
  if (object.at_key(key).get_object().get(found) != simdjson::SUCCESS) return "{}";
  return simdjson::minify(found);
}

// Base64, as it is written since MLflow 3.5.1; hex before.
template <class T>
std::optional<T> id_of(const dom::element& object, std::string_view key) {
  std::string_view text;
  if (object.at_key(key).get_string().get(text) != simdjson::SUCCESS) return std::nullopt;
  if (text.size() == 2 * T::kSize) return T::from_hex(text);
  const auto raw = base64_decode(text);
  return raw ? T::from_raw(*raw) : std::nullopt;
}

std::uint64_t time_of(const dom::element& object, std::string_view key) {
  std::uint64_t time = 0;
  return object.at_key(key).get_uint64().get(time) == simdjson::SUCCESS ? time : 0;
}

void read_texts(const dom::element& object, std::string_view key, std::map<std::string, std::string>& texts) {
  dom::object found;
  if (object.at_key(key).get_object().get(found) != simdjson::SUCCESS) return;
  for (const auto& [name, value] : found) {
    std::string_view text;
    if (value.get_string().get(text) == simdjson::SUCCESS) texts.emplace(name, text);
  }
}

std::optional<StoredSpan> read_span(const dom::element& item) {
  const auto trace_id = id_of<TraceId>(item, "trace_id");
  const auto span_id = id_of<SpanId>(item, "span_id");
  if (!trace_id || !span_id) return std::nullopt;
  StoredSpan span;
  span.trace_id = *trace_id;
  span.span_id = *span_id;
  span.parent_id = id_of<SpanId>(item, "parent_span_id");
  span.name = text_in(item, "name");
  span.start_ns = time_of(item, "start_time_unix_nano");
  span.end_ns = time_of(item, "end_time_unix_nano");
  dom::element status;
  if (item.at_key("status").get(status) == simdjson::SUCCESS && status.is_object()) {
    span.status = status_code_named(text_in(status, "code"));
    span.status_message = text_in(status, "message");
  }
  dom::object attributes;
  if (item.at_key("attributes").get_object().get(attributes) == simdjson::SUCCESS) {
    for (const auto& [key, value] : attributes) {
      std::string_view text;
      const bool is_text = value.get_string().get(text) == simdjson::SUCCESS;
      span.attributes.push_back({std::string(key), is_text ? std::string(text) : simdjson::minify(value)});
    }
  }
  each_in(item, "events", [&span](const dom::element& e) {
    span.events.push_back({text_in(e, "name"), time_of(e, "time_unix_nano"), object_of(e, "attributes")});
  });
  each_in(item, "links", [&span](const dom::element& l) {
    span.links.push_back({text_in(l, "trace_id"), text_in(l, "span_id"), object_of(l, "attributes")});
  });
  return span;
}

}  // namespace

Result<std::vector<StoredSpan>> parse_spans_file(std::string_view json) {
  dom::parser parser;
  dom::array list;
  if (parser.parse(json.data(), json.size()).at_key("spans").get_array().get(list) != simdjson::SUCCESS)
    return fail(ErrorKind::invalid_input, "not a span file: no JSON object with a list named spans");
  std::vector<StoredSpan> spans;
  for (const dom::element item : list) {
    auto span = read_span(item);
    if (!span)
      return fail(ErrorKind::invalid_input,
                  "spans[" + std::to_string(spans.size()) + "] of the span file has no readable ids");
    spans.push_back(*std::move(span));
  }
  return spans;
}

Result<KnownInfo> parse_trace_info(std::string_view json) {
  dom::parser parser;
  dom::element info;
  if (parser.parse(json.data(), json.size()).at_key("trace").at_key("trace_info").get(info) !=
          simdjson::SUCCESS ||
      !info.is_object())
    return fail(ErrorKind::invalid_input, "the answer holds no trace.trace_info");
  KnownInfo known;
  std::string_view text;
  if (info.at_key("trace_location")
          .at_key("mlflow_experiment")
          .at_key("experiment_id")
          .get_string()
          .get(text) == simdjson::SUCCESS)
    known.experiment_id = text;
  if (std::string id = text_in(info, "client_request_id"); !id.empty())
    known.client_request_id = std::move(id);
  known.state = text_in(info, "state");
  known.request_time_ms = parse_timestamp(text_in(info, "request_time")).value_or(0);
  known.execution_duration_ms = parse_duration(text_in(info, "execution_duration")).value_or(0);
  read_texts(info, "trace_metadata", known.metadata);
  read_texts(info, "tags", known.tags);
  return known;
}

}  // namespace spanferry::mlflow
