#include "model/mlflow_json.hpp"

#include <charconv>
#include <chrono>

#include <fmt/format.h>

#include "model/json_text.hpp"
#include "model/json_writer.hpp"
#include "model/status_code.hpp"

namespace spanferry::mlflow {
namespace {

void write_events(JsonWriter& json, const StoredSpan& span) {
  json.key("events").begin_array();
  for (const StoredEvent& e : span.events) {
    json.begin_object().field("name", e.name).field("time_unix_nano", e.time_ns);
    json.key("attributes").raw(e.attributes).end_object();
  }
  json.end_array();
}

void write_links(JsonWriter& json, const StoredSpan& span) {
  json.key("links").begin_array();
  for (const StoredLink& l : span.links) {
    json.begin_object().field("trace_id", l.trace_id).field("span_id", l.span_id);
    json.key("attributes").raw(l.attributes).end_object();
  }
  json.end_array();
}

void write_span(JsonWriter& json, const StoredSpan& span) {
  json.begin_object();
  json.field("trace_id", span.trace_id.base64()).field("span_id", span.span_id.base64());
  json.key("parent_span_id");
  if (span.parent_id) {
    json.value(span.parent_id->base64());
  } else {
    json.null();
  }
  json.field("name", span.name).field("start_time_unix_nano", span.start_ns);
  json.key("end_time_unix_nano");
  if (span.end_ns != 0) {
    json.value(span.end_ns);
  } else {
    json.null();
  }
  write_events(json, span);
  json.key("status")
      .begin_object()
      .field("code", protobuf_name(span.status))
      .field("message", span.status_message);
  json.end_object();
  json.key("attributes").begin_object();
  for (const JsonAttribute& a : span.attributes) json.field(a.key, a.json);
  json.end_object();
  write_links(json, span);
  json.end_object();
}

// Of protobuf's Duration: ten thousand years. A time and one of them have a sum.
constexpr std::int64_t kMaxDurationSeconds = 315'576'000'000;

// Digits of a fraction of a second, as milliseconds; what is finer is cut off.
std::optional<std::int64_t> milliseconds(std::string_view fraction) {
  std::int64_t ms = 0;
  for (std::size_t i = 0; i < 3; ++i) {
    const char c = i < fraction.size() ? fraction[i] : '0';
    if (c < '0' || c > '9') return std::nullopt;
    ms = ms * 10 + (c - '0');
  }
  return ms;
}

std::optional<int> number(std::string_view text, std::size_t at, std::size_t digits) {
  if (text.size() < at + digits) return std::nullopt;
  int value = 0;
  const char* end = text.data() + at + digits;
  const auto [stop, error] = std::from_chars(text.data() + at, end, value);
  if (error != std::errc{} || stop != end || value < 0) return std::nullopt;
  return value;
}

}  // namespace

void write_info(JsonWriter& json, const TraceInfo& info, WithTags tags,
                const std::function<void()>& write_location) {
  json.begin_object().field("trace_id", info.trace_id);
  if (info.client_request_id) json.field("client_request_id", *info.client_request_id);
  json.key("trace_location");
  write_location();
  if (info.request_preview) json.field("request_preview", *info.request_preview);
  if (info.response_preview) json.field("response_preview", *info.response_preview);
  json.field("request_time", timestamp(info.request_time_ms));
  json.field("execution_duration", duration(info.execution_duration_ms));
  json.field("state", name(info.state));
  write_texts(json, "trace_metadata", info.metadata);
  if (tags == WithTags::yes) write_texts(json, "tags", info.tags);
  json.end_object();
}

std::string start_trace_body(const TraceInfo& info, std::string_view experiment_id, WithTags tags) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().key("trace").begin_object().key("trace_info");
  write_info(json, info, tags, [&] {
    json.begin_object().field("type", "MLFLOW_EXPERIMENT").key("mlflow_experiment");
    json.begin_object().field("experiment_id", experiment_id).end_object().end_object();
  });
  json.end_object().end_object();
  return out;
}

SpansFile spans_file(const std::vector<StoredSpan>& spans) {
  SpansFile file;
  std::size_t bytes = 16;
  for (const StoredSpan& s : spans) bytes += s.size_bytes();
  file.body.reserve(bytes);
  file.span_sizes.reserve(spans.size());
  JsonWriter json(file.body);
  json.begin_object().key("spans").begin_array();
  for (const StoredSpan& s : spans) {
    const std::size_t before = file.body.size();
    write_span(json, s);
    file.span_sizes.push_back(file.body.size() - before);
  }
  json.end_array().end_object();
  return file;
}

std::string timestamp(std::int64_t ms) {
  const std::chrono::sys_time<std::chrono::milliseconds> time{std::chrono::milliseconds(ms)};
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(time - day);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     clock.hours().count(), clock.minutes().count(), clock.seconds().count(),
                     clock.subseconds().count());
}

std::string duration(std::int64_t ms) { return fmt::format("{}.{:03}s", ms / 1000, ms % 1000); }

std::optional<std::int64_t> parse_timestamp(std::string_view text) {
  if (text.size() < 20 || !text.ends_with('Z')) return std::nullopt;
  const auto year = number(text, 0, 4), month = number(text, 5, 2), day = number(text, 8, 2);
  const auto hour = number(text, 11, 2), minute = number(text, 14, 2), second = number(text, 17, 2);
  if (!year || !month || !day || !hour || !minute || !second) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(*year),
                                         std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day))};
  if (!date.ok()) return std::nullopt;
  const std::int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  const std::int64_t seconds = ((days * 24 + *hour) * 60 + *minute) * 60 + *second;
  const auto ms =
      text[19] == '.' ? milliseconds(text.substr(20, text.size() - 21)) : std::optional<std::int64_t>(0);
  if (!ms) return std::nullopt;
  return seconds * 1000 + *ms;
}

std::optional<std::int64_t> parse_duration(std::string_view text) {
  if (!text.ends_with('s')) return std::nullopt;
  text.remove_suffix(1);
  const auto point = std::min(text.find('.'), text.size());
  std::int64_t seconds = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + point, seconds);
  if (error != std::errc{} || stop != text.data() + point || seconds < 0) return std::nullopt;
  const auto ms = milliseconds(point < text.size() ? text.substr(point + 1) : std::string_view());
  if (!ms || seconds > kMaxDurationSeconds) return std::nullopt;
  return seconds * 1000 + *ms;
}

}  // namespace spanferry::mlflow
