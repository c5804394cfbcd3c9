// Spans as MLflow's server hands them out, read back.
#include <simdjson.h>

#include "ingest/mlflow_api/trace_json.hpp"
#include "model/json_read.hpp"
#include "model/otlp_json_numbers.hpp"
#include "model/status_code.hpp"

namespace spanferry::ingest {
namespace {

namespace dom = simdjson::dom;
using mlflow::StoredSpan;

std::uint64_t time_of(const dom::element& object, std::string_view key) {
  dom::element value;
  if (object.at_key(key).get(value) != simdjson::SUCCESS) return 0;
  return otlp::json_uint64(value).value_or(0);
}

template <class Id>
std::optional<Id> id_of(const dom::element& object, std::string_view key) {
  const auto raw = base64_decode(text_in(object, key));
  return raw ? Id::from_raw(*raw) : std::nullopt;
}

// An AnyValue as the JSON it stands for.
void append_value(JsonWriter& json, const dom::element& any) {  // NOLINT(misc-no-recursion)
  dom::element value;
  if (any.at_key("string_value").get(value) == simdjson::SUCCESS ||
      any.at_key("bool_value").get(value) == simdjson::SUCCESS ||
      any.at_key("double_value").get(value) == simdjson::SUCCESS) {
    json.raw(simdjson::minify(value));
  } else if (any.at_key("int_value").get(value) == simdjson::SUCCESS) {
    json.value(otlp::json_int64(value).value_or(0));
  } else if (any.at_key("array_value").get(value) == simdjson::SUCCESS) {
    json.begin_array();
    each_in(value, "values", [&json](const dom::element& item) { append_value(json, item); });
    json.end_array();
  } else if (any.at_key("kvlist_value").get(value) == simdjson::SUCCESS) {
    json.begin_object();
    each_in(value, "values", [&json](const dom::element& item) {
      json.key(text_in(item, "key"));
      dom::element inner;
      if (item.at_key("value").get(inner) == simdjson::SUCCESS) {
        append_value(json, inner);
      } else {
        json.null();
      }
    });
    json.end_object();
  } else {
    json.null();
  }
}

std::string value_json(const dom::element& attribute) {
  std::string out;
  JsonWriter json(out);
  dom::element value;
  if (attribute.at_key("value").get(value) != simdjson::SUCCESS) return "null";
  append_value(json, value);
  return out;
}

std::string attributes_object(const dom::element& item) {
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  each_in(item, "attributes", [&json](const dom::element& attribute) {
    json.key(text_in(attribute, "key")).raw(value_json(attribute));
  });
  json.end_object();
  return out;
}

std::optional<StoredSpan> read_span(const dom::element& item) {
  const auto trace = id_of<TraceId>(item, "trace_id");
  const auto id = id_of<SpanId>(item, "span_id");
  if (!trace || !id) return std::nullopt;
  StoredSpan span;
  span.trace_id = *trace;
  span.span_id = *id;
  span.parent_id = id_of<SpanId>(item, "parent_span_id");
  span.name = text_in(item, "name");
  span.start_ns = time_of(item, "start_time_unix_nano");
  span.end_ns = time_of(item, "end_time_unix_nano");
  dom::element status;
  if (item.at_key("status").get(status) == simdjson::SUCCESS) {
    span.status = status_code_named(text_in(status, "code"));
    span.status_message = text_in(status, "message");
  }
  each_in(item, "attributes", [&span](const dom::element& attribute) {
    span.attributes.push_back({text_in(attribute, "key"), value_json(attribute)});
  });
  each_in(item, "events", [&span](const dom::element& event) {
    span.events.push_back(
        {text_in(event, "name"), time_of(event, "time_unix_nano"), attributes_object(event)});
  });
  each_in(item, "links", [&span](const dom::element& link) {
    const auto to = id_of<TraceId>(link, "trace_id");
    const auto at = id_of<SpanId>(link, "span_id");
    if (to && at) span.links.push_back({mlflow::trace_name_of(*to), at->hex(), attributes_object(link)});
  });
  return span;
}

}  // namespace

Result<std::vector<StoredSpan>> parse_otlp_spans(std::string_view json) {
  dom::parser parser;
  dom::array list;
  if (parser.parse(json.data(), json.size()).get_array().get(list) != simdjson::SUCCESS)
    return fail(ErrorKind::invalid_input, "the answer holds no list of spans");
  std::vector<StoredSpan> spans;
  for (const dom::element item : list) {
    auto span = read_span(item);
    if (!span) return fail(ErrorKind::invalid_input, "a span of the answer has no readable ids");
    spans.push_back(*std::move(span));
  }
  return spans;
}

}  // namespace spanferry::ingest
