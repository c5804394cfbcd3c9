// Tags of a trace. CONTRACT 1.5.
#include <fmt/format.h>

#include "ingest/mlflow_api/answers.hpp"
#include "ingest/mlflow_api/handlers.hpp"
#include "ingest/mlflow_api/known_trace.hpp"
#include "ingest/mlflow_api/trace_edits.hpp"
#include "model/json_object.hpp"
#include "model/mlflow_text.hpp"

namespace spanferry::ingest {
namespace {

constexpr std::size_t kMaxKey = 250;  // characters

std::optional<Response> unusable(const std::optional<std::string>& key) {
  if (!key || key->empty()) return missing("key");
  if (mlflow::count_characters(*key) > kMaxKey)
    return invalid(fmt::format("Tag key is longer than {} characters", kMaxKey));
  return std::nullopt;
}

}  // namespace

void set_tag(Api& api, const Call& call, Reply reply) {
  const auto id = mlflow::parse_trace_id(call.parts[0]);
  if (!id) return reply(no_such_trace(call.parts[0]));
  const auto body = JsonObject::parse(call.body, "the body");
  if (!body) return reply(answer_of(body.error()));
  const auto key = body->text("key");
  if (auto refused = unusable(key)) return reply(*std::move(refused));
  auto value = body->text("value");
  if (!value && body->has("value")) value = *body->find("value");
  keep_edit(api, call, *id, mlflow::SetTag{*key, value.value_or("")}, json_answer("{}"), std::move(reply));
}

void delete_tag(Api& api, const Call& call, Reply reply) {
  const auto id = mlflow::parse_trace_id(call.parts[0]);
  if (!id) return reply(no_such_trace(call.parts[0]));
  std::optional<std::string> key = call.parameter("key");
  if (call.parts.size() > 1) key = std::string(call.parts[1]);
  if (!key) {
    const auto body = JsonObject::parse(call.body, "the body");
    if (!body) return reply(answer_of(body.error()));
    key = body->text("key");
  }
  if (auto refused = unusable(key)) return reply(*std::move(refused));
  known_trace(
      api, *id, place_of(call), [key = *key](const LocalTrace& here) { return here.info.tags.contains(key); },
      [&api, call, id = *id, key = *key, reply = std::move(reply)](Result<KnownTrace> known) mutable {
        if (!known) return reply(answer_of(known.error()));
        const bool has_it = known->trace && known->trace->exists() && known->trace->info.tags.contains(key);
        if (!has_it && !known->partial)
          return reply(not_there(fmt::format("No tag with name: {} in trace with ID tr-{}.", key, id.hex())));
        append_edit(api, call, id, mlflow::SetTag{std::move(key), std::nullopt}, json_answer("{}"),
                    std::move(reply));
      });
}

}  // namespace spanferry::ingest
