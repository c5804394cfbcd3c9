// Cutting the attributes of a request on the wire, without decoding the rest.
#include <functional>

#include <protozero/exception.hpp>
#include <protozero/pbf_reader.hpp>
#include <protozero/pbf_writer.hpp>

#include "model/cut.hpp"
#include "model/otlp_check.hpp"
#include "model/otlp_fields.hpp"

namespace spanferry {
namespace {

using otlp::reader_of;
using otlp::take;
using protozero::pbf_reader;
using protozero::pbf_wire_type;

enum class Message : std::uint8_t {
  request,
  resource_spans,
  resource,
  scope_spans,
  scope,
  span,
  event,
  link,
  attribute,
  other
};

// What a field of a message is, as far as attributes can be below it.
Message field_of(Message message, otlp::Tag tag) {
  switch (message) {
    case Message::request:
      return tag == otlp::request::kResourceSpans ? Message::resource_spans : Message::other;
    case Message::resource_spans:
      if (tag == otlp::resource_spans::kResource) return Message::resource;
      return tag == otlp::resource_spans::kScopeSpans ? Message::scope_spans : Message::other;
    case Message::resource:
      return tag == otlp::resource::kAttributes ? Message::attribute : Message::other;
    case Message::scope_spans:
      if (tag == otlp::scope_spans::kScope) return Message::scope;
      return tag == otlp::scope_spans::kSpans ? Message::span : Message::other;
    case Message::scope:
      return tag == otlp::scope::kAttributes ? Message::attribute : Message::other;
    case Message::span:
      if (tag == otlp::span::kEvents) return Message::event;
      if (tag == otlp::span::kLinks) return Message::link;
      return tag == otlp::span::kAttributes ? Message::attribute : Message::other;
    case Message::event:
      return tag == otlp::event::kAttributes ? Message::attribute : Message::other;
    case Message::link:
      return tag == otlp::link::kAttributes ? Message::attribute : Message::other;
    default:
      return Message::other;
  }
}

// Gives an AnyValue another one; empty: stays.
using Change = std::function<std::string(std::string_view value)>;

std::string changed(Message message, std::string_view wire, const Change& change);

std::string changed_attribute(std::string_view wire, const Change& change) {
  std::string out;
  const char* at = wire.data();
  for (pbf_reader reader = reader_of(wire); reader.next(); at = reader.data().data()) {
    const bool is_value =
        reader.tag() == otlp::key_value::kValue && reader.wire_type() == pbf_wire_type::length_delimited;
    if (is_value) {
      if (const std::string value = change(take(reader)); !value.empty()) {
        protozero::pbf_writer(out).add_bytes(otlp::key_value::kValue, value);
        continue;
      }
    } else {
      reader.skip();
    }
    out.append(at, reader.data().data());
  }
  return out;
}

std::string changed(Message message, std::string_view wire, const Change& change) {
  if (message == Message::attribute) return changed_attribute(wire, change);
  std::string out;
  const char* at = wire.data();
  for (pbf_reader reader = reader_of(wire); reader.next(); at = reader.data().data()) {
    const otlp::Tag tag = reader.tag();
    const bool is_message = reader.wire_type() == pbf_wire_type::length_delimited;
    const Message inner = is_message ? field_of(message, tag) : Message::other;
    if (inner == Message::other) {
      reader.skip();
      out.append(at, reader.data().data());
    } else {
      protozero::pbf_writer(out).add_bytes(tag, changed(inner, take(reader), change));
    }
  }
  return out;
}

// An AnyValue that is cut to `length`.
std::string cut_value(std::string_view value, std::size_t length) {
  std::string text = cut_marker(value.size());
  for (pbf_reader reader = reader_of(value); reader.next();) {
    if (reader.tag() == otlp::any_value::kString && reader.wire_type() == pbf_wire_type::length_delimited) {
      text = cut_text(take(reader), length);
    } else {
      reader.skip();
    }
  }
  std::string out;
  protozero::pbf_writer(out).add_string(otlp::any_value::kString, text);
  return out;
}

}  // namespace

std::optional<std::string> cut_traces_request(std::string_view request, std::size_t max_bytes) {
  if (request.size() <= max_bytes) return std::string(request);
  try {
    std::vector<std::size_t> sizes;
    changed(Message::request, request, [&sizes](std::string_view value) {
      sizes.push_back(value.size());
      return std::string();
    });
    const auto length = cut_length(std::move(sizes), request.size() - max_bytes);
    if (!length) return std::nullopt;
    return changed(Message::request, request, [length = *length](std::string_view value) {
      return value.size() > length ? cut_value(value, length) : std::string();
    });
  } catch (const protozero::exception&) {
    return std::nullopt;
  }
}

}  // namespace spanferry
