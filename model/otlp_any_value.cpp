// Attribute values: decoded one level at a time, written as JSON.
#include <cmath>

#include <protozero/exception.hpp>
#include <protozero/pbf_reader.hpp>

#include "model/json_writer.hpp"
#include "model/otlp_attribute.hpp"
#include "model/otlp_check.hpp"
#include "model/otlp_fields.hpp"
#include "model/otlp_scan.hpp"
#include "model/otlp_span.hpp"

namespace spanferry {
namespace {

using otlp::read_attribute;
using otlp::reader_of;
using otlp::take;
using protozero::pbf_reader;
using protozero::pbf_wire_type;
using protozero::tag_and_type;

constexpr auto kBytes = pbf_wire_type::length_delimited;
constexpr auto kVarint = pbf_wire_type::varint;
constexpr auto kFixed64 = pbf_wire_type::fixed64;

AnyValue::Decoded decode_any_value(std::string_view wire) {
  AnyValue::Decoded decoded;
  for (pbf_reader reader = reader_of(wire); reader.next();) {
    switch (reader.tag_and_type()) {
      case tag_and_type(otlp::any_value::kString, kBytes):
        decoded = take(reader);
        break;
      case tag_and_type(otlp::any_value::kBool, kVarint):
        decoded = reader.get_uint64() != 0;
        break;
      case tag_and_type(otlp::any_value::kInt, kVarint):
        decoded = reader.get_int64();
        break;
      case tag_and_type(otlp::any_value::kDouble, kFixed64):
        decoded = reader.get_double();
        break;
      case tag_and_type(otlp::any_value::kArray, kBytes):
        decoded = AnyValue::Array{take(reader)};
        break;
      case tag_and_type(otlp::any_value::kKvlist, kBytes):
        decoded = AnyValue::KvList{take(reader)};
        break;
      case tag_and_type(otlp::any_value::kBytes, kBytes):
        decoded = AnyValue::RawBytes{take(reader)};
        break;
      default:
        reader.skip();
    }
  }
  return decoded;
}

void append_json_number(std::string& out, double number) {
  if (std::isnan(number)) {
    out += "\"NaN\"";
  } else if (std::isinf(number)) {
    out += number > 0 ? "\"Infinity\"" : "\"-Infinity\"";
  } else {
    append_json_double(out, number);
  }
}

void append_json_at(std::string& out, const AnyValue& value, int depth);

void append_json_array(std::string& out, AnyValue::Array array, int depth) {
  out += '[';
  bool first = true;
  for (const AnyValue& element : elements(array)) {
    if (!first) out += ',';
    first = false;
    append_json_at(out, element, depth + 1);
  }
  out += ']';
}

void append_json_object(std::string& out, AnyValue::KvList list, int depth) {
  out += '{';
  bool first = true;
  for (const Attribute& entry : entries(list)) {
    if (!first) out += ',';
    first = false;
    append_json_string(out, entry.key);
    out += ':';
    append_json_at(out, entry.value, depth + 1);
  }
  out += '}';
}

void append_json_at(std::string& out, const AnyValue& value, int depth) {
  // What the scan let in is never deeper; this is for bytes that did not come through it.
  if (depth > kMaxNestingDepth) {
    out += "null";
    return;
  }
  const AnyValue::Decoded decoded = value.decode();
  if (const auto* text = std::get_if<std::string_view>(&decoded)) {
    append_json_string(out, *text);
  } else if (const auto* truth = std::get_if<bool>(&decoded)) {
    out += *truth ? "true" : "false";
  } else if (const auto* integer = std::get_if<std::int64_t>(&decoded)) {
    out += std::to_string(*integer);
  } else if (const auto* number = std::get_if<double>(&decoded)) {
    append_json_number(out, *number);
  } else if (const auto* array = std::get_if<AnyValue::Array>(&decoded)) {
    append_json_array(out, *array, depth);
  } else if (const auto* list = std::get_if<AnyValue::KvList>(&decoded)) {
    append_json_object(out, *list, depth);
  } else if (const auto* raw = std::get_if<AnyValue::RawBytes>(&decoded)) {
    append_json_string(out, base64_encode(raw->bytes));
  } else {
    out += "null";
  }
}

}  // namespace

Attribute otlp::read_attribute(std::string_view wire) {
  Attribute attribute;
  for (pbf_reader reader = reader_of(wire); reader.next();) {
    switch (reader.tag_and_type()) {
      case tag_and_type(otlp::key_value::kKey, kBytes):
        attribute.key = take(reader);
        break;
      case tag_and_type(otlp::key_value::kValue, kBytes):
        attribute.value.wire = take(reader);
        break;
      default:
        reader.skip();
    }
  }
  return attribute;
}

AnyValue::Decoded AnyValue::decode() const {
  try {
    return decode_any_value(wire);
  } catch (const protozero::exception&) {
    return std::monostate{};
  }
}

std::optional<std::string_view> AnyValue::string() const {
  const Decoded decoded = decode();
  const auto* text = std::get_if<std::string_view>(&decoded);
  return text != nullptr ? std::optional(*text) : std::nullopt;
}

std::vector<AnyValue> elements(AnyValue::Array array) {
  std::vector<AnyValue> values;
  try {
    for (pbf_reader reader = reader_of(array.wire); reader.next();) {
      if (reader.tag_and_type() == tag_and_type(otlp::list::kValues, kBytes)) {
        values.push_back({take(reader)});
      } else {
        reader.skip();
      }
    }
  } catch (const protozero::exception&) {
    values.clear();
  }
  return values;
}

Attributes entries(AnyValue::KvList list) {
  Attributes attributes;
  try {
    for (pbf_reader reader = reader_of(list.wire); reader.next();) {
      if (reader.tag_and_type() == tag_and_type(otlp::list::kValues, kBytes)) {
        attributes.push_back(read_attribute(take(reader)));
      } else {
        reader.skip();
      }
    }
  } catch (const protozero::exception&) {
    attributes.clear();
  }
  return attributes;
}

void append_json(std::string& out, const AnyValue& value) { append_json_at(out, value, 0); }

std::string to_json(const AnyValue& value) {
  std::string out;
  append_json(out, value);
  return out;
}

}  // namespace spanferry
