// Export requests of realistic, about 3:1 compressible text, built once and patched for every send.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "bench/load/numbered_id.hpp"
#include "model/result.hpp"

namespace spanferry::bench {

struct Shape {
  std::string_view name;
  std::uint32_t spans;
  std::uint32_t span_bytes;  // about
  std::string_view what;
};

inline constexpr Shape kShapes[] = {
    {.name = "one", .spans = 1, .span_bytes = 1024, .what = "an app without a batch processor"},
    {.name = "batch", .spans = 100, .span_bytes = 1024, .what = "a usual SDK batch"},
    {.name = "genai", .spans = 10, .span_bytes = 20480, .what = "prompts and completions as attributes"},
};

// invalid_input if there is no such shape.
Result<Shape> shape_named(std::string_view name);

// One OTLP request (protobuf) of one trace: a root span and its children.
class Payload {
 public:
  // `variant` chooses the text: the same shape and variant give the same bytes.
  Payload(const Shape& shape, std::uint32_t variant);

  [[nodiscard]] const std::string& bytes() const { return bytes_; }
  [[nodiscard]] std::uint32_t spans() const { return static_cast<std::uint32_t>(places_.size()); }

  // Writes the ids of request `request` of run `seed` into `body`, a copy of bytes().
  void number(char* body, std::uint16_t seed, std::uint64_t request) const;

 private:
  struct Places {
    std::size_t trace_id = 0, span_id = 0, parent_id = 0;  // offsets; parent_id 0: it has none
  };

  void locate();

  std::string bytes_;
  std::vector<Places> places_;  // one a span
};

}  // namespace spanferry::bench
