#include "model/mlflow_span.hpp"

#include <unordered_map>

#include "model/json_text.hpp"
#include "model/json_writer.hpp"
#include "model/mlflow_text.hpp"
#include "model/mlflow_translate.hpp"

namespace spanferry::mlflow {
namespace {

// Whether a string attribute is the JSON text of a string, list or object rather than a string that happens
// to be JSON: "1" stays a string.
bool is_encoded(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return false;
  const char c = text[first];
  if (c != '{' && c != '[' && c != '"') return false;
  return json_type(text) != JsonType::invalid;
}

std::string json_object(const Attributes& attributes) {
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  for (const Attribute& a : attributes) json.key(a.key).raw(to_json(a.value));
  json.end_object();
  return out;
}

}  // namespace

const std::string* StoredSpan::find(std::string_view key) const {
  for (auto it = attributes.rbegin(); it != attributes.rend(); ++it) {
    if (it->key == key) return &it->json;
  }
  return nullptr;
}

std::size_t StoredSpan::size_bytes() const {
  std::size_t n = sizeof *this + name.size() + status_message.size();
  for (const auto& a : attributes) n += sizeof a + a.key.size() + a.json.size();
  for (const auto& e : events) n += sizeof e + e.name.size() + e.attributes.size();
  for (const auto& l : links) n += sizeof l + l.trace_id.size() + l.span_id.size() + l.attributes.size();
  return n;
}

std::string trace_name_of(const TraceId& id) { return "tr-" + id.hex(); }

std::string stored_json(const AnyValue& value) {
  if (const auto text = value.string()) {
    return is_encoded(*text) ? std::string(*text) : quoted_json(*text);
  }
  const std::string json = to_json(value);
  return json.starts_with('{') || json.starts_with('[') ? spaced_json(json) : json;
}

JsonAttributes stored_attributes(const Attributes& attributes) {
  JsonAttributes out;
  out.reserve(attributes.size());
  std::unordered_map<std::string_view, std::size_t> place;
  place.reserve(attributes.size());
  for (const Attribute& a : attributes) {
    const auto [it, fresh] = place.emplace(a.key, out.size());
    if (fresh) {
      out.push_back({std::string(a.key), stored_json(a.value)});
    } else {
      out[it->second].json = stored_json(a.value);
    }
  }
  return out;
}

StoredSpan stored_span(const Span& span) {
  StoredSpan out;
  out.trace_id = span.trace_id;
  out.span_id = span.span_id;
  out.parent_id = span.parent_id;
  out.parent_is_remote = span.parent_is_remote;
  out.name = span.name;
  out.start_ns = span.start_ns;
  out.end_ns = span.end_ns;
  out.status = span.status;
  out.status_message = span.status_message;
  out.attributes = stored_attributes(span.attributes);
  // Never the sender's: the id of the trace decides where the span belongs.
  std::erase_if(out.attributes, [](const JsonAttribute& a) { return a.key == attribute::kRequestId; });
  out.attributes.insert(out.attributes.begin(),
                        {std::string(attribute::kRequestId), '"' + trace_name_of(span.trace_id) + '"'});
  for (const SpanEvent& e : span.events)
    out.events.push_back({std::string(e.name), e.time_ns, json_object(e.attributes)});
  for (const SpanLink& l : span.links) {
    if (!l.trace_id || !l.span_id) continue;  // a link to nowhere
    out.links.push_back({trace_name_of(*l.trace_id), l.span_id->hex(), json_object(l.attributes)});
  }
  translate(out);
  return out;
}

}  // namespace spanferry::mlflow
