#include "uploader/table_requests.hpp"

#include <algorithm>

#include <boost/asio/post.hpp>
#include <fmt/format.h>

#include "model/otlp_scan.hpp"
#include "uploader/endpoint.hpp"
#include "uploader/otlp_batch.hpp"

namespace spanferry::uploader {
namespace asio = boost::asio;

namespace {

// Requests under way; the rest of `concurrency` is for the trace info. What comes while they are waits, and
// shares the next one: a workspace counts requests (CONTRACT 2.4).
std::size_t slots_of(const DestinationSettings& settings) {
  constexpr std::size_t kMost = 4;
  return std::clamp<std::size_t>(settings.concurrency / 2, 1, kMost);
}

bool is_refusal(const Verdict& verdict) {
  return verdict.action == Action::split || verdict.action == Action::halve;
}

std::vector<SpanId> spans_of(const std::string& request) {
  std::vector<SpanId> ids;
  filter_traces_request(request, [&ids](const TraceId&, const SpanId& id) {
    ids.push_back(id);
    return false;
  });
  return ids;
}

}  // namespace

TableRows cut(const TableRows& rows, std::size_t from, std::size_t to) {
  std::size_t at = 0;
  return {std::make_shared<const std::string>(filter_traces_request(*rows.request,
                                                                    [&](const TraceId&, const SpanId&) {
                                                                      const std::size_t n = at++;
                                                                      return n >= from && n < to;
                                                                    })),
          to - from};
}

TableRequests::TableRequests(const TrackContext& context, TraceCalls& calls)
    : context_(context), calls_(calls), slots_(context.io, slots_of(context.settings)) {}

asio::awaitable<TableAnswer> TableRequests::send(std::string table, TableRows rows) {
  const auto group = join(table, std::move(rows));
  const std::size_t place = group->members.size() - 1;
  if (place == 0) co_await lead(group);
  while (!group->is_answered) co_await group->done.async_wait(asio::as_tuple(asio::use_awaitable));
  co_return std::move(group->members[place].answer);
}

std::shared_ptr<TableRequests::Group> TableRequests::join(const std::string& table, TableRows rows) {
  std::shared_ptr<Group>& open = open_[table];
  if (!open || open->bytes + rows.request->size() > context_.settings.max_batch_bytes)
    open = std::make_shared<Group>(context_.io, table);
  open->bytes += rows.request->size();
  open->members.push_back({std::move(rows), {}});
  return open;
}

asio::awaitable<void> TableRequests::lead(const std::shared_ptr<Group>& group) {
  const Slot slot = co_await slots_.acquire();
  // What was launched in the same turn comes along.
  co_await asio::post(context_.io, asio::use_awaitable);
  if (const auto open = open_.find(group->table); open != open_.end() && open->second == group)
    open_.erase(open);
  if (slot) {
    std::vector<Member*> members;
    for (Member& member : group->members) members.push_back(&member);
    co_await deliver(group->table, std::move(members));
  }
  group->is_answered = true;
  group->done.cancel();
}

asio::awaitable<void> TableRequests::deliver(const std::string& table, std::vector<Member*> members) {
  if (members.size() == 1) {
    co_await deliver_alone(table, std::move(members[0]->rows), members[0]->answer);
    co_return;
  }
  std::vector<std::shared_ptr<const std::string>> body;
  for (const Member* member : members) body.push_back(member->rows.request);
  const Verdict verdict = co_await post(table, std::move(body));
  if (is_refusal(verdict)) {
    const auto middle = members.begin() + static_cast<std::ptrdiff_t>(members.size() / 2);
    co_await deliver(table, {members.begin(), middle});
    co_await deliver(table, {middle, members.end()});
    co_return;
  }
  for (Member* member : members) member->answer.verdict = verdict;
  if (verdict.action == Action::done) note_partial(members, verdict);
}

// One trace, and where that is refused its parts.
asio::awaitable<void> TableRequests::deliver_alone(const std::string& table, TableRows rows,
                                                   TableAnswer& answer) {
  Verdict verdict = co_await post(table, {rows.request});
  if (!is_refusal(verdict)) {
    answer.verdict = verdict;
    Member alone{std::move(rows), std::move(answer)};
    if (verdict.action == Action::done) note_partial({&alone}, verdict);
    answer = std::move(alone.answer);
    co_return;
  }
  const std::vector<SpanId> ids = spans_of(*rows.request);
  if (ids.size() < 2) {
    answer.refused.push_back(
        {ids.empty() ? SpanId{} : ids[0], rows.spans, std::move(verdict), *rows.request});
    answer.verdict.action = Action::done;
    co_return;
  }
  co_await deliver_alone(table, cut(rows, 0, ids.size() / 2), answer);
  if (answer.verdict.action == Action::done)
    co_await deliver_alone(table, cut(rows, ids.size() / 2, ids.size()), answer);
}

asio::awaitable<Verdict> TableRequests::post(const std::string& table,
                                             std::vector<std::shared_ptr<const std::string>> pieces) {
  net::HttpRequest request;
  request.url = join_url(context_.settings.url, "/api/2.0/otel/v1/traces");
  request.headers.emplace_back("Content-Type", "application/x-protobuf");
  request.headers.emplace_back("X-Databricks-UC-Table-Name", table);
  request.body = std::move(pieces);
  request.timeout = context_.settings.timeout;
  for (;;) {
    Verdict verdict = co_await calls_.send(Surface::databricks_api, request);
    if (verdict.action == Action::exists) verdict.action = Action::split;
    if (verdict.action != Action::fallback) co_return verdict;
    // Only sending again can tell when that ends.
    const bool go_on = co_await context_.sender.pause_config(
        fmt::format("{} takes no spans by OTLP (POST /api/2.0/otel/v1/traces): {}", context_.settings.url,
                    verdict.reason),
        []() -> asio::awaitable<bool> { co_return true; });
    if (!go_on) co_return Verdict{};
  }
}

// Which spans they were the answer does not tell: those that came first are counted.
void TableRequests::note_partial(const std::vector<Member*>& members, const Verdict& verdict) {
  const std::optional<std::string_view> type = verdict.response.header("content-type");
  const PartialSuccess partial =
      parse_partial_success(verdict.response.body, type && type->starts_with("application/json"));
  std::uint64_t left = partial.rejected_spans;
  for (Member* member : members) {
    const std::uint64_t refused = std::min(left, member->rows.spans);
    if (refused == 0) return;
    left -= refused;
    Verdict told;
    told.status = verdict.status;
    told.reason =
        fmt::format("the table took the request without {} of its spans: {}", partial.rejected_spans,
                    partial.message.empty() ? "it gave no reason" : partial.message);
    told.excerpt = partial.message;
    member->answer.refused.push_back({SpanId{}, refused, std::move(told), {}});
  }
}

}  // namespace spanferry::uploader
