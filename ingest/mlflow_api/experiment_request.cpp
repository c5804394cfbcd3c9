#include "ingest/mlflow_api/experiment_request.hpp"

#include <charconv>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "model/ids.hpp"
#include "model/json_object.hpp"

namespace spanferry::ingest {
namespace {

constexpr std::int64_t kMostResults = 50'000;
constexpr std::string_view kTokenForm = "1";

std::unexpected<Error> refused(std::string sentence) {
  return fail(ErrorKind::invalid_input, std::move(sentence));
}

// Under either of its names; null is as if it were not there.
const std::string* member(const JsonObject& object, std::string_view snake, std::string_view camel) {
  const std::string* found = object.find(snake);
  if (found == nullptr) found = object.find(camel);
  return found == nullptr || *found == "null" ? nullptr : found;
}

std::unexpected<Error> of_another_type(std::string_view value, std::string_view name) {
  return refused(fmt::format(
      "Invalid value {} for parameter '{}' supplied. See the API docs for more information about request "
      "parameters.",
      value, name));
}

Result<std::string> text_of(const JsonObject& body, std::string_view snake, std::string_view camel) {
  if (member(body, snake, camel) == nullptr) return std::string();
  auto text = body.text(snake);
  if (!text) text = body.text(camel);
  if (!text) return of_another_type(*member(body, snake, camel), snake);
  return *std::move(text);
}

Result<> read_most(const JsonObject& body, ExperimentRequest& request) {
  const std::string* given = member(body, "max_results", "maxResults");
  if (given == nullptr) return {};
  auto most = body.integer("max_results");
  if (!most) most = body.integer("maxResults");
  if (!most) return of_another_type(*given, "max_results");
  if (*most < 1)
    return refused(fmt::format(
        "Invalid value {} for parameter 'max_results' supplied. It must be a positive integer", *most));
  if (*most > kMostResults)
    return refused(fmt::format("Invalid value {} for parameter 'max_results' supplied. It must be at most {}",
                               *most, kMostResults));
  request.max_results = static_cast<std::size_t>(*most);
  return {};
}

// By name or number; one of another name is as if none were given.
Result<> read_view(const JsonObject& body, ExperimentRequest& request) {
  const std::string* given = member(body, "view_type", "viewType");
  if (given == nullptr) return {};
  auto text = body.text("view_type");
  if (!text) text = body.text("viewType");
  const std::string view = text.value_or(*given);
  if (view == "DELETED_ONLY" || view == "2") request.view = ExperimentView::deleted;
  if (view == "ALL" || view == "3") request.view = ExperimentView::all;
  if (!text && view != "1" && view != "2" && view != "3") return of_another_type(view, "view_type");
  return {};
}

Result<> read_order(const JsonObject& body, ExperimentRequest& request) {
  const std::string* list = member(body, "order_by", "orderBy");
  if (list == nullptr) return {};
  if (!list->starts_with('[')) return of_another_type(*list, "order_by");
  for (const std::string& json : body.list(body.has("order_by") ? "order_by" : "orderBy")) {
    const auto one = JsonObject::parse(fmt::format(R"({{"by":{}}})", json), "order_by");
    auto text = one ? one->text("by") : std::nullopt;
    if (!text) return of_another_type(json, "order_by");
    request.order_by.push_back(*std::move(text));
  }
  auto order = parse_experiment_order(request.order_by);
  if (!order) return std::unexpected(std::move(order.error()));
  request.order = *std::move(order);
  return {};
}

Result<> read_filter(const JsonObject& body, ExperimentRequest& request) {
  auto text = text_of(body, "filter", "filter");
  if (!text) return std::unexpected(std::move(text.error()));
  auto filter = parse_experiment_filter(*text);
  if (!filter) return std::unexpected(std::move(filter.error()));
  request.filter_text = *std::move(text);
  request.filter = *std::move(filter);
  return {};
}

Result<> read_position(const JsonObject& body, ExperimentRequest& request) {
  const auto token = text_of(body, "page_token", "pageToken");
  if (!token) return std::unexpected(token.error());
  auto from = parse_experiment_position(*token);
  if (!from) return std::unexpected(std::move(from.error()));
  request.from = *std::move(from);
  return {};
}

// The fields of a token, each ended by a colon, but for the last.
class Fields {
 public:
  explicit Fields(std::string_view text) : rest_(text) {}
  std::optional<std::string_view> text() {
    const auto colon = rest_.find(':');
    if (colon == std::string_view::npos) return std::nullopt;
    const auto field = rest_.substr(0, colon);
    rest_.remove_prefix(colon + 1);
    return field;
  }
  std::optional<std::size_t> number() {
    const auto field = text();
    std::size_t value = 0;
    if (!field) return std::nullopt;
    const auto [end, error] = std::from_chars(field->data(), field->data() + field->size(), value);
    if (error != std::errc() || end != field->data() + field->size()) return std::nullopt;
    return value;
  }
  [[nodiscard]] std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
};

}  // namespace

std::string encode(const ExperimentPosition& position) {
  return hex_encode(fmt::format("{}:{}:{}:{}:{}:{}:{}", kTokenForm, position.with_far_side ? 1 : 0,
                                position.here, position.there, position.there_has_more ? 1 : 0,
                                fmt::join(position.ours, ","), position.there_page));
}

Result<ExperimentPosition> parse_experiment_position(std::string_view token) {
  ExperimentPosition position;
  if (token.empty()) return position;
  const auto text = hex_decode(token);
  Fields fields(text ? std::string_view(*text) : std::string_view());
  const auto form = fields.text();
  const auto with = fields.number(), here = fields.number(), there = fields.number(), more = fields.number();
  const auto ours = fields.text();
  if (form != kTokenForm || !with || *with > 1 || !here || !there || !more || *more > 1 || !ours)
    return refused("Invalid page token: it is not one that was given out here");
  position.with_far_side = *with == 1;
  position.here = *here;
  position.there = *there;
  position.there_has_more = *more == 1;
  position.there_page = fields.rest();
  for (std::string_view rest = *ours; !rest.empty();) {
    const auto comma = std::min(rest.find(','), rest.size());
    position.ours.emplace_back(rest.substr(0, comma));
    rest.remove_prefix(std::min(comma + 1, rest.size()));
  }
  return position;
}

Result<ExperimentRequest> parse_experiment_request(std::string_view json) {
  const auto body = JsonObject::parse(json.empty() ? "{}" : json, "the body");
  if (!body) return std::unexpected(body.error());
  ExperimentRequest request;
  request.order = *parse_experiment_order({});
  for (const auto read : {read_most, read_view, read_order, read_filter, read_position})
    if (auto done = read(*body, request); !done) return std::unexpected(std::move(done.error()));
  return request;
}

}  // namespace spanferry::ingest
