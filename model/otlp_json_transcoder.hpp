// From parsed OTLP/JSON to the wire, message by message. The rules are those of otlp_json.hpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <protozero/pbf_writer.hpp>
#include <simdjson.h>

#include "model/otlp_fields.hpp"

namespace spanferry::otlp {

// Thrown for what the rules do not allow; says where and what.
class Refused : public std::exception {
 public:
  explicit Refused(std::string sentence) : sentence_(std::move(sentence)) {}
  [[nodiscard]] const char* what() const noexcept override { return sentence_.c_str(); }

 private:
  std::string sentence_;
};

// What the transcoder saw of a span.
struct SpanSeen {
  bool trace_id = false;
  bool span_id = false;
  std::uint64_t start_ns = 0;
  std::uint64_t end_ns = 0;
};

// Is this the name of a field of ExportTraceServiceRequest, of Span?
bool is_request_field(std::string_view name);
bool is_span_field(std::string_view name);

class JsonTranscoder {
 public:
  using Element = simdjson::dom::element;
  using Writer = protozero::pbf_writer;

  // Appends to `out`, which every Writer given must write to.
  explicit JsonTranscoder(std::string& out) : out_(out) {}

  void request(Element element, Writer& out);
  SpanSeen span(Element element, Writer& out);

  // Writes a message field, also when it is empty (protozero alone leaves an empty one out).
  template <class Write>
  void nested(Writer& parent, Tag tag, Write write);

 private:
  struct Step;  // one step down the path, for as long as it lives
  struct Place {
    std::string_view key;  // empty: an index
    std::size_t index = 0;
  };

  [[noreturn]] void refuse(std::string_view why) const;

  // Calls on_field(tag, value) for each field of the table that is there and not null.
  template <class Table, class OnField>
  void fields(Element element, const Table& table, OnField on_field);
  template <class Write>
  void repeated(Element element, Writer& out, Tag tag, Write write);

  void resource_spans(Element element, Writer& out);
  void scope_spans(Element element, Writer& out);
  void resource(Element element, Writer& out);
  void entity_ref(Element element, Writer& out);
  void scope(Element element, Writer& out);
  void event(Element element, Writer& out);
  void link(Element element, Writer& out);
  void status(Element element, Writer& out);
  void key_value(Element element, Writer& out);
  void any_value(Element element, Writer& out);
  void attributes(Element element, Writer& out, Tag tag);
  void texts(Element element, Writer& out, Tag tag);

  void add_text(Element element, Writer& out, Tag tag) const;
  [[nodiscard]] std::string_view text(Element element) const;
  [[nodiscard]] std::string id(Element element) const;
  [[nodiscard]] std::int64_t int64(Element element) const;
  [[nodiscard]] std::uint64_t uint64(Element element) const;
  [[nodiscard]] std::uint32_t uint32(Element element) const;
  [[nodiscard]] double number(Element element) const;
  [[nodiscard]] bool boolean(Element element) const;
  template <class Names>
  [[nodiscard]] std::int32_t enumeration(Element element, const Names& names) const;

  std::string& out_;
  std::vector<Place> path_;
};

template <class Write>
void JsonTranscoder::nested(Writer& parent, Tag tag, Write write) {
  const std::size_t before = out_.size();
  {
    Writer child(parent, tag);
    write(child);
  }
  if (out_.size() == before) parent.add_message(tag, std::string());
}

}  // namespace spanferry::otlp
