#include "bench/load/payload.hpp"

#include <algorithm>
#include <random>

#include <fmt/format.h>
#include <protozero/pbf_reader.hpp>
#include <protozero/pbf_writer.hpp>

#include "model/clock.hpp"

namespace spanferry::bench {
namespace {

using Random = std::mt19937_64;
using protozero::pbf_reader;
using protozero::pbf_writer;

std::uint64_t below(Random& random, std::uint64_t n) { return random() % n; }

// The vocabulary is the same for every variant, as a language is: it decides how well the text compresses.
const std::vector<std::string>& words() {
  static const std::vector<std::string> all = [] {
    constexpr std::string_view letters = "etaoinshrdlucmfwyp";
    Random random(4000);
    std::vector<std::string> made(4000);
    for (auto& word : made) {
      word.resize(2 + below(random, 10));
      for (auto& c : word) c = letters[below(random, letters.size())];
    }
    return made;
  }();
  return all;
}

std::string text(Random& random, std::size_t size) {
  std::string out;
  while (out.size() < size) {
    if (!out.empty()) out += ' ';
    out += words()[below(random, words().size())];
  }
  out.resize(size);
  return out;
}

// common.proto: KeyValue {1 key, 2 value}; AnyValue {1 string_value, 3 int_value}.
void attribute(pbf_writer& owner, std::uint32_t field, std::string_view key, std::string_view value) {
  pbf_writer pair(owner, field);
  pair.add_string(1, key.data(), key.size());
  pbf_writer any(pair, 2);
  any.add_string(1, value.data(), value.size());
}

void attribute(pbf_writer& owner, std::uint32_t field, std::string_view key, std::int64_t value) {
  pbf_writer pair(owner, field);
  pair.add_string(1, key.data(), key.size());
  pbf_writer any(pair, 2);
  any.add_int64(3, value);
}

// trace.proto, Span.
void span(pbf_writer& scope_spans, const Shape& shape, std::uint32_t place, std::uint64_t now_ns,
          Random& random) {
  constexpr std::string_view kUnset = "idididididididid";  // located and written over before it is sent
  constexpr int kClient = 3;
  pbf_writer s(scope_spans, 2);
  s.add_bytes(1, kUnset.data(), TraceId::kSize);
  s.add_bytes(2, kUnset.data(), SpanId::kSize);
  if (place > 0) s.add_bytes(4, kUnset.data(), SpanId::kSize);
  s.add_string(5, fmt::format("chat step {}", place));
  s.add_enum(6, kClient);
  s.add_fixed64(7, now_ns - 1'000'000'000);
  s.add_fixed64(8, now_ns);
  attribute(s, 9, "gen_ai.operation.name", "chat");
  attribute(s, 9, "gen_ai.request.model", "model-1");
  attribute(s, 9, "gen_ai.usage.input_tokens", std::int64_t{812});
  attribute(s, 9, "gen_ai.usage.output_tokens", std::int64_t{96});
  const std::size_t text_bytes = std::max<std::size_t>(shape.span_bytes, 300) - 250;
  attribute(s, 9, "gen_ai.input.messages", text(random, text_bytes * 7 / 10));
  attribute(s, 9, "gen_ai.output.messages", text(random, text_bytes * 3 / 10));
}

}  // namespace

Result<Shape> shape_named(std::string_view name) {
  for (const auto& shape : kShapes) {
    if (shape.name == name) return shape;
  }
  return fail(ErrorKind::invalid_input,
              fmt::format("no payload is named {}; there are one, batch and genai", name));
}

Payload::Payload(const Shape& shape, std::uint32_t variant) {
  Random random(static_cast<std::uint64_t>(variant) << 32 | shape.spans << 16 | (shape.span_bytes & 0xffff));
  const auto now_ns = static_cast<std::uint64_t>(unix_now_ns());
  {
    pbf_writer request(bytes_);
    pbf_writer resource_spans(request, 1);
    {
      pbf_writer resource(resource_spans, 1);
      attribute(resource, 1, "service.name", "bench");
      attribute(resource, 1, "service.version", "1.0.0");
      attribute(resource, 1, "deployment.environment.name", "production");
      attribute(resource, 1, "host.name", "host-0");
    }
    pbf_writer scope_spans(resource_spans, 2);
    {
      pbf_writer scope(scope_spans, 1);
      scope.add_string(1, "bench");
      scope.add_string(2, "1");
    }
    for (std::uint32_t i = 0; i < shape.spans; ++i) span(scope_spans, shape, i, now_ns, random);
  }
  locate();
}

// The writer moves bytes while it fills in lengths, so that offsets are known only when all is written.
void Payload::locate() {
  const auto offset = [this](const protozero::data_view& view) {
    return static_cast<std::size_t>(view.data() - bytes_.data());
  };
  pbf_reader request(bytes_);
  while (request.next(1)) {
    pbf_reader resource_spans = request.get_message();
    while (resource_spans.next(2)) {
      pbf_reader scope_spans = resource_spans.get_message();
      while (scope_spans.next(2)) {
        pbf_reader s = scope_spans.get_message();
        Places places;
        while (s.next()) {
          if (s.tag() == 1) {
            places.trace_id = offset(s.get_view());
          } else if (s.tag() == 2) {
            places.span_id = offset(s.get_view());
          } else if (s.tag() == 4) {
            places.parent_id = offset(s.get_view());
          } else {
            s.skip();
          }
        }
        places_.push_back(places);
      }
    }
  }
}

void Payload::number(char* body, std::uint16_t seed, std::uint64_t request) const {
  Numbered n{.seed = seed, .request = request, .low = static_cast<std::uint8_t>(places_.size() - 1)};
  const TraceId trace = trace_id_of(n);
  n.low = 0;
  const SpanId root = span_id_of(n);
  for (std::size_t i = 0; i < places_.size(); ++i) {
    const auto& places = places_[i];
    n.low = static_cast<std::uint8_t>(i);
    const SpanId id = span_id_of(n);
    std::memcpy(body + places.trace_id, trace.bytes.data(), TraceId::kSize);
    std::memcpy(body + places.span_id, id.bytes.data(), SpanId::kSize);
    if (places.parent_id != 0) std::memcpy(body + places.parent_id, root.bytes.data(), SpanId::kSize);
  }
}

}  // namespace spanferry::bench
