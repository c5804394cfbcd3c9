#include "model/cut.hpp"

#include <algorithm>
#include <functional>

#include <fmt/format.h>
#include <simdjson.h>

#include "model/json_writer.hpp"
#include "model/utf8.hpp"

namespace spanferry {
namespace {

constexpr std::string_view kMarker = "… [cut by spanferry: was ";
constexpr std::size_t kShortest = 64;      // nothing is cut below this: it would tell nothing any more
constexpr std::size_t kMarkerBytes = 128;  // what a cut adds at most, quotes and lengths included

}  // namespace

std::string cut_marker(std::size_t bytes_before) { return fmt::format("{}{} bytes]", kMarker, bytes_before); }

std::string cut_text(std::string_view text, std::size_t length) {
  // What was cut before still says how long it was at first.
  const std::size_t tail = text.size() - std::min(text.size(), kMarkerBytes);
  const std::size_t marker = text.find(kMarker, tail);
  if (marker == std::string_view::npos)
    return std::string(utf8_prefix(text, length)) + cut_marker(text.size());
  return std::string(utf8_prefix(text.substr(0, marker), length)) + std::string(text.substr(marker));
}

std::optional<std::size_t> cut_length(std::vector<std::size_t> sizes, std::size_t excess) {
  std::ranges::sort(sizes, std::greater());
  std::size_t sum = 0;
  for (std::size_t n = 1; n <= sizes.size(); ++n) {
    sum += sizes[n - 1];
    const std::size_t taken = excess + n * kMarkerBytes;
    if (sum < taken) continue;
    // The n largest are cut to this; no other is as large.
    const std::size_t length = (sum - taken) / n;
    const std::size_t next = n < sizes.size() ? sizes[n] : 0;
    if (length >= std::max(next, kShortest) && length < sizes[n - 1]) return length;
  }
  return std::nullopt;
}

namespace mlflow {
namespace {

// A JSON value as a JSON string of its beginning. Of a string it is the text that is cut.
std::string cut_json(const std::string& json, std::size_t length) {
  std::string out;
  simdjson::dom::parser parser;
  std::string_view text;
  if (parser.parse(json).get(text) != simdjson::SUCCESS) text = json;
  // Written as JSON it must not take more than it did: escapes make it longer.
  std::size_t allowed = length;
  do {
    out.clear();
    append_json_string(out, cut_text(text, allowed));
    allowed /= 2;
  } while (out.size() > length + kMarkerBytes && allowed > 0);
  return out;
}

template <class Visit>
void each_value(StoredSpan& span, Visit visit) {
  for (JsonAttribute& attribute : span.attributes) visit(attribute.json, false);
  for (StoredEvent& event : span.events) visit(event.attributes, true);
  for (StoredLink& link : span.links) visit(link.attributes, true);
}

}  // namespace

std::vector<SpanId> cut_spans(std::vector<StoredSpan>& spans, std::size_t excess) {
  std::vector<std::size_t> sizes;
  for (StoredSpan& span : spans)
    each_value(span, [&](const std::string& json, bool /*is_object*/) { sizes.push_back(json.size()); });
  const auto length = cut_length(std::move(sizes), excess);
  std::vector<SpanId> cut;
  if (!length) return cut;
  for (StoredSpan& span : spans) {
    bool any = false;
    each_value(span, [&](std::string& json, bool is_object) {
      if (json.size() <= *length) return;
      any = true;
      std::string text = cut_json(json, *length);
      json = is_object ? R"({"spanferry.cut":)" + text + "}" : std::move(text);
    });
    if (any) cut.push_back(span.span_id);
  }
  return cut;
}

}  // namespace mlflow
}  // namespace spanferry
