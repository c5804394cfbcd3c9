// The checks behind scan_traces_request, message by message, for the pass that looks and the one that
// rewrites. "Sound" means: a far side takes it as it is. All functions throw Malformed or a
// protozero::exception where there is no such message; scan_traces_request catches both.
#pragma once

#include <cstdint>
#include <exception>
#include <string>
#include <string_view>
#include <utility>

#include <protozero/pbf_reader.hpp>

#include "model/ids.hpp"

namespace spanferry::otlp {

class Malformed : public std::exception {
 public:
  explicit Malformed(std::string sentence) : sentence_(std::move(sentence)) {}
  [[nodiscard]] const char* what() const noexcept override { return sentence_.c_str(); }

 private:
  std::string sentence_;
};

inline constexpr std::uint64_t kMaxTimeNs = 0x7fffffffffffffffULL;  // 2^63-1: signed on every far side
inline constexpr std::string_view kRepairedAttribute = "spanferry.repaired";

struct SpanCheck {
  TraceId trace_id;
  std::string_view span_id;  // as on the wire, as are the others
  std::string_view trace_id_wire;
  std::string_view parent_id;
  std::uint64_t start_ns = 0;
  std::uint64_t end_ns = 0;
  bool texts_sound = true;  // strings, links and event times

  [[nodiscard]] bool refused() const;
  [[nodiscard]] std::string refusal() const;  // why, as the rest of a sentence that starts with the span
  [[nodiscard]] bool parent_sound() const;
  [[nodiscard]] bool times_sound() const { return end_ns >= start_ns && end_ns <= kMaxTimeNs; }
  [[nodiscard]] bool sound() const { return texts_sound && parent_sound() && times_sound(); }
};

SpanCheck check_span(std::string_view wire);
// Whether all is sound.
bool check_event(std::string_view wire);
bool check_link(std::string_view wire);
bool check_status(std::string_view wire);
bool check_key_value(std::string_view wire, int depth = 0);
bool check_any_value(std::string_view wire, int depth);
bool check_resource(std::string_view wire);
bool check_entity_ref(std::string_view wire);
bool check_scope(std::string_view wire);
// Of a link: whether its ids are empty or of the right length. Collectors refuse a request for others.
bool link_ids_sound(std::string_view wire);

// The bytes of the field the reader stands on, whose wire type must be length-delimited.
inline std::string_view take(protozero::pbf_reader& reader) {
  const auto view = reader.get_view();
  return {view.data(), view.size()};
}

inline protozero::pbf_reader reader_of(std::string_view wire) { return {wire.data(), wire.size()}; }

// Throws Malformed where a tag or length has more than 32 bits: protozero drops the rest and reads on, all
// other readers refuse the message.
inline void require_32_bits(protozero::data_view rest) {
  const auto byte = [rest](std::size_t i) { return static_cast<unsigned char>(rest.data()[i]); };
  if (rest.size() < 5 || byte(0) < 0x80) return;
  if (byte(1) >= 0x80 && byte(2) >= 0x80 && byte(3) >= 0x80 && byte(4) > 0x0f) {
    throw Malformed("a tag or a length of more than 32 bits");
  }
}

// On to the next field; false at the end.
inline bool advance(protozero::pbf_reader& reader) {
  require_32_bits(reader.data());
  if (!reader.next()) return false;
  if (reader.wire_type() == protozero::pbf_wire_type::length_delimited) require_32_bits(reader.data());
  return true;
}

// Throws Malformed: a field of a number we know, but of another type, is refused by Go's readers.
[[noreturn]] void wrong_type(std::string_view message, protozero::pbf_tag_type tag);

// Skips a field that `message` knows no number for; `last_known` is its highest known number.
inline void skip_unknown(protozero::pbf_reader& reader, std::string_view message,
                         protozero::pbf_tag_type last_known) {
  if (reader.tag() <= last_known) wrong_type(message, reader.tag());
  reader.skip();
}

}  // namespace spanferry::otlp
