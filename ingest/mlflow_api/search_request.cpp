#include "ingest/mlflow_api/search_request.hpp"

#include <charconv>

#include <fmt/format.h>

#include "model/ids.hpp"
#include "model/json_object.hpp"
#include "model/mlflow_table.hpp"

namespace spanferry::ingest {
namespace {

constexpr std::int64_t kMostResults = 500;
constexpr std::size_t kMostLocations = 1000;
constexpr std::string_view kTokenForm = "1";

std::unexpected<Error> refused(std::string sentence) {
  return fail(ErrorKind::invalid_input, std::move(sentence));
}

// Under either of its names.
const std::string* either(const JsonObject& object, std::string_view snake, std::string_view camel) {
  const std::string* found = object.find(snake);
  return found != nullptr ? found : object.find(camel);
}

std::string text_of(const JsonObject& object, std::string_view snake, std::string_view camel) {
  return object.text(snake).value_or(object.text(camel).value_or(""));
}

std::string table_of(const JsonObject& location, bool has_prefix) {
  std::string table =
      text_of(location, "catalog_name", "catalogName") + "." + text_of(location, "schema_name", "schemaName");
  if (has_prefix)
    if (const std::string last = text_of(location, "table_prefix", "tablePrefix"); !last.empty())
      table += "." + last;
  return table;
}

Result<> add_table(const JsonObject& location, bool has_prefix, SearchRequest& request) {
  std::string table = table_of(location, has_prefix);
  if (!mlflow::is_location_path(table))
    return refused("a location needs a catalog and a schema, and no name in it may hold a dot");
  request.tables.push_back(std::move(table));
  return {};
}

Result<> read_location(const std::string& json, SearchRequest& request) {
  const auto location = JsonObject::parse(json, "a location");
  if (!location) return std::unexpected(location.error());
  const auto part = [](const std::string* inner) {
    return JsonObject::parse(inner == nullptr ? "{}" : *inner, "a location");
  };
  if (const auto* inner = either(*location, "mlflow_experiment", "mlflowExperiment")) {
    const auto experiment = part(inner);
    if (!experiment) return std::unexpected(experiment.error());
    request.experiments.push_back(text_of(*experiment, "experiment_id", "experimentId"));
  } else if (const auto* prefix = either(*location, "uc_table_prefix", "ucTablePrefix")) {
    const auto table = part(prefix);
    if (!table) return std::unexpected(table.error());
    return add_table(*table, true, request);
  } else if (const auto* schema = either(*location, "uc_schema", "ucSchema")) {
    const auto table = part(schema);
    if (!table) return std::unexpected(table.error());
    return add_table(*table, false, request);
  }
  return {};
}

Result<> read_locations(const JsonObject& body, SearchRequest& request) {
  const std::string* list = body.find("locations");
  if (list == nullptr) return refused("Missing value for required parameter 'locations'");
  if (!list->starts_with('['))
    return refused(fmt::format("Invalid value {} for parameter 'locations' supplied", *list));
  const auto locations = body.list("locations");
  if (locations.empty()) return refused("Missing value for required parameter 'locations'");
  if (locations.size() > kMostLocations) return refused("more locations than can be searched");
  for (const std::string& location : locations)
    if (auto read = read_location(location, request); !read) return read;
  return {};
}

Result<> read_order(const JsonObject& body, SearchRequest& request) {
  const std::string* list = either(body, "order_by", "orderBy");
  if (list == nullptr) return {};
  const auto holder = JsonObject::parse("{\"order_by\":" + *list + "}", "order_by");
  if (!holder) return std::unexpected(holder.error());
  if (!list->starts_with('[')) return refused("Invalid value for parameter 'order_by' supplied");
  for (const std::string& json : holder->list("order_by")) {
    const auto one = JsonObject::parse("{\"by\":" + json + "}", "order_by");
    const auto text = one ? one->text("by") : std::nullopt;
    if (!text) return refused(fmt::format("Invalid value {} for parameter 'order_by' supplied", json));
    request.order_by.push_back(*text);
  }
  return {};
}

Result<> read_most(const JsonObject& body, SearchRequest& request) {
  if (either(body, "max_results", "maxResults") == nullptr) return {};
  auto most = body.integer("max_results");
  if (!most) most = body.integer("maxResults");
  if (!most || *most < 1 || *most > kMostResults)
    return refused(
        fmt::format("Invalid value {} for parameter 'max_results' supplied: It must be between 1 and {}",
                    *either(body, "max_results", "maxResults"), kMostResults));
  request.max_results = static_cast<std::size_t>(*most);
  return {};
}

}  // namespace

std::string encode(const SearchPosition& position) {
  return hex_encode(fmt::format("{}:{}:{}:{}:{}:{}", kTokenForm, position.until, position.here,
                                position.there, position.there_has_more ? 1 : 0, position.there_page));
}

Result<SearchPosition> parse_search_position(std::string_view token) {
  SearchPosition position;
  if (token.empty()) return position;
  const auto text = hex_decode(token);
  std::string_view rest = text ? std::string_view(*text) : std::string_view();
  const auto next = [&rest]() -> std::optional<std::uint64_t> {
    const auto colon = rest.find(':');
    if (colon == std::string_view::npos) return std::nullopt;
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + colon, value);
    if (error != std::errc() || end != rest.data() + colon) return std::nullopt;
    rest.remove_prefix(colon + 1);
    return value;
  };
  const auto form = next(), until = next(), here = next(), there = next(), more = next();
  if (form != 1 || !until || !here || !there || !more || *more > 1)
    return refused("Invalid page token: it is not one that was given out here");
  return SearchPosition{*until, *here, *there, std::string(rest), *more == 1};
}

Result<SearchRequest> parse_search_request(std::string_view json) {
  const auto body = JsonObject::parse(json.empty() ? "{}" : json, "the body");
  if (!body) return std::unexpected(body.error());
  SearchRequest request;
  for (const auto& read :
       {read_locations(*body, request), read_most(*body, request), read_order(*body, request)})
    if (!read) return std::unexpected(read.error());
  request.filter_text = body->text("filter").value_or("");
  auto filter = parse_search_filter(request.filter_text);
  if (!filter) return std::unexpected(std::move(filter.error()));
  request.filter = *std::move(filter);
  auto order = parse_search_order(request.order_by);
  if (!order) return std::unexpected(std::move(order.error()));
  request.order = *std::move(order);
  request.warehouse = text_of(*body, "sql_warehouse_id", "sqlWarehouseId");
  auto from = parse_search_position(text_of(*body, "page_token", "pageToken"));
  if (!from) return std::unexpected(std::move(from.error()));
  request.from = *std::move(from);
  return request;
}

}  // namespace spanferry::ingest
