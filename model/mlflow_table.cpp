#include "model/mlflow_table.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "model/mlflow_start_trace.hpp"

namespace spanferry::mlflow {
namespace {

constexpr std::string_view kSpansSuffix = "_otel_spans";
constexpr std::string_view kSchemaVersion = "mlflow.trace_schema.version";
constexpr std::string_view kTableOfSchema = "mlflow_experiment_trace_otel_spans";

// At most one part more than a path may have.
std::array<std::string_view, 4> parts_of(std::string_view path, std::size_t& count) {
  std::array<std::string_view, 4> parts;
  for (count = 0; count < parts.size(); ++count) {
    const std::size_t dot = path.find('.');
    parts[count] = path.substr(0, dot);
    if (dot == std::string_view::npos) return ++count, parts;
    path.remove_prefix(dot + 1);
  }
  return parts;
}

std::string path_of_table(std::string_view table) {
  std::size_t count = 0;
  const auto parts = parts_of(table, count);
  if (count != 3 || !is_location_path(table)) return {};
  if (parts[2] == kTableOfSchema) return fmt::format("{}.{}", parts[0], parts[1]);
  if (!parts[2].ends_with(kSpansSuffix) || parts[2].size() == kSpansSuffix.size()) return {};
  return std::string(table.substr(0, table.size() - kSpansSuffix.size()));
}

std::string table_of_path(std::string_view path) {
  std::size_t count = 0;
  parts_of(path, count);
  return count == 2 ? fmt::format("{}.{}", path, kTableOfSchema) : fmt::format("{}{}", path, kSpansSuffix);
}

}  // namespace

bool is_location_path(std::string_view path) {
  std::size_t count = 0;
  const auto parts = parts_of(path, count);
  return (count == 2 || count == 3) &&
         std::all_of(parts.begin(), parts.begin() + count, [](auto part) { return !part.empty(); });
}

TableLocation table_location(std::string_view path, std::string_view spans_table) {
  TableLocation location{std::string(path), std::string(spans_table)};
  if (!is_location_path(location.path)) location.path = path_of_table(spans_table);
  if (location.spans_table.empty() && !location.path.empty())
    location.spans_table = table_of_path(location.path);
  return location;
}

std::string trace_name_in(const TableLocation& location, const TraceId& id) {
  return location.path.empty() ? trace_name_of(id) : fmt::format("trace:/{}/{}", location.path, id.hex());
}

void write_location(JsonWriter& json, std::string_view path, std::string_view spans_table) {
  std::size_t count = 0;
  const auto parts = parts_of(path, count);
  json.begin_object().field("catalog_name", parts[0]).field("schema_name", parts[1]);
  if (count == 3) {
    json.field("table_prefix", parts[2]);
    if (!spans_table.empty()) json.field("spans_table_name", spans_table);
  } else if (!spans_table.empty()) {
    // The older form has the table's own name alone.
    json.field("otel_spans_table_name", spans_table.substr(spans_table.rfind('.') + 1));
  }
  json.end_object();
}

void write_trace_location(JsonWriter& json, const TableLocation& location) {
  const bool has_prefix = std::ranges::count(location.path, '.') == 2;
  json.begin_object().field("type", has_prefix ? "UC_TABLE_PREFIX" : "UC_SCHEMA");
  json.key(has_prefix ? "uc_table_prefix" : "uc_schema");
  write_location(json, location.path, location.spans_table);
  json.end_object();
}

std::string table_info_body(TraceInfo info, const TraceId& id, const TableLocation& location, WithTags tags) {
  info.trace_id = id.hex();
  info.metadata.insert_or_assign(std::string(kSchemaVersion), "4");
  std::string out;
  JsonWriter json(out);
  write_info(json, info, tags, [&] { write_trace_location(json, location); });
  return out;
}

std::string table_info_body(WrittenInfo info, const TableLocation& location, WithTags tags) {
  info.metadata.insert_or_assign(std::string(kSchemaVersion), "4");
  std::string out;
  JsonWriter json(out);
  write_info(json, info, info.trace.hex(), tags, [&] { write_trace_location(json, location); });
  return out;
}

}  // namespace spanferry::mlflow
