// How fast requests are looked through and transcoded, in MB/s of what came in, one thread.
// usage: scan_bench [SECONDS a row]
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>

#include <protozero/pbf_writer.hpp>

#include "model/crc32c.hpp"
#include "model/ids.hpp"
#include "model/json_writer.hpp"
#include "model/otlp_fields.hpp"
#include "model/otlp_json.hpp"
#include "model/otlp_scan.hpp"
#include "model/otlp_span.hpp"

namespace spanferry {
namespace {

// Words of random letters: about 3:1 compressible, as prompts are.
std::string some_text(std::mt19937& random, std::size_t bytes) {
  std::string out;
  while (out.size() < bytes) {
    for (auto n = 2 + random() % 10; n > 0; --n) out += "etaoinshrdlucmfwyp"[random() % 18];
    out += ' ';
  }
  out.resize(bytes);
  return out;
}

struct Shape {
  const char* name;
  std::size_t spans;
  std::size_t span_bytes;
};

// As SDKs write them: four small attributes, and two texts that make up the size.
void write_attributes(JsonWriter& json, std::mt19937& random, std::size_t span_bytes) {
  const auto text = [&](std::string_view key, const std::string& value) {
    json.begin_object().field("key", key).key("value").begin_object().field("stringValue", value);
    json.end_object().end_object();
  };
  const auto integer = [&](std::string_view key, int value) {
    json.begin_object()
        .field("key", key)
        .key("value")
        .begin_object()
        .field("intValue", std::to_string(value));
    json.end_object().end_object();
  };
  text("gen_ai.operation.name", "chat");
  text("gen_ai.request.model", "model-1");
  integer("gen_ai.usage.input_tokens", 812);
  integer("gen_ai.usage.output_tokens", 96);
  text("gen_ai.input.messages", some_text(random, (span_bytes - 250) * 7 / 10));
  text("gen_ai.output.messages", some_text(random, (span_bytes - 250) * 3 / 10));
}

std::string request_json(const Shape& shape) {
  std::mt19937 random(1);
  std::string out;
  JsonWriter json(out);
  json.begin_object().key("resourceSpans").begin_array().begin_object();
  json.key("resource").begin_object().key("attributes").begin_array().end_array().end_object();
  json.key("scopeSpans").begin_array().begin_object().key("spans").begin_array();
  const std::string trace_id = mint_trace_id().hex();
  const std::string root_id = mint_span_id().hex();
  for (std::size_t i = 0; i < shape.spans; ++i) {
    json.begin_object().field("traceId", trace_id);
    json.field("spanId", i == 0 ? root_id : mint_span_id().hex());
    if (i != 0) json.field("parentSpanId", root_id);
    json.field("name", "chat step " + std::to_string(i)).field("kind", 3);
    json.field("startTimeUnixNano", "1764000000000000000").field("endTimeUnixNano", "1764000001000000000");
    json.key("attributes").begin_array();
    write_attributes(json, random, shape.span_bytes);
    json.end_array().end_object();
  }
  json.end_array().end_object().end_array().end_object().end_array().end_object();
  return out;
}

template <class Work>
double megabytes_per_second(std::size_t bytes, double seconds, Work work) {
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  std::size_t rounds = 0;
  double elapsed = 0;
  do {
    for (int i = 0; i < 16; ++i, ++rounds) work();
    elapsed = std::chrono::duration<double>(Clock::now() - start).count();
  } while (elapsed < seconds);
  return static_cast<double>(bytes) * static_cast<double>(rounds) / elapsed / 1e6;
}

int run(double seconds) {
  std::printf("%-14s %10s %8s %8s %8s %8s\n", "spans x bytes", "body", "scan", "decode", "json", "crc32c");
  for (const Shape& shape :
       {Shape{"1 x 1 KiB", 1, 1024}, {"100 x 1 KiB", 100, 1024}, {"10 x 20 KiB", 10, 20480}}) {
    const std::string json = request_json(shape);
    const auto wire = traces_request_from_json(json, nullptr);
    if (!wire || scan_traces_request(*wire)->spans != shape.spans) {
      std::fprintf(stderr, "the request made for %s is not sound\n", shape.name);
      return 1;
    }
    std::uint64_t sum = 0;  // so that no work is left out as unused
    const double scan =
        megabytes_per_second(wire->size(), seconds, [&] { sum += scan_traces_request(*wire)->spans; });
    const double decode = megabytes_per_second(wire->size(), seconds,
                                               [&] { sum += decode_traces_request(*wire)->spans.size(); });
    const double transcode = megabytes_per_second(
        json.size(), seconds, [&] { sum += traces_request_from_json(json, nullptr)->size(); });
    const double crc = megabytes_per_second(wire->size(), seconds, [&] { sum += crc32c(*wire); });
    std::printf("%-14s %10zu %8.0f %8.0f %8.0f %8.0f%s\n", shape.name, wire->size(), scan, decode, transcode,
                crc, sum == 0 ? "?" : "");
  }
  return 0;
}

}  // namespace
}  // namespace spanferry

int main(int argc, char** argv) { return spanferry::run(argc > 1 ? std::strtod(argv[1], nullptr) : 0.5); }
