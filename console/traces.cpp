// The lists: traces of the local view, dead letters.
#include "console/query.hpp"
#include "console/reply.hpp"
#include "console/trace_json.hpp"
#include "spool/spool.hpp"

namespace spanferry::console {
namespace {

inline constexpr std::uint64_t kDefaultRows = 100;
inline constexpr std::uint64_t kMaxRows = 1000;

void write_dead_letter(JsonWriter& json, const spool::DeadLetter& letter) {
  json.begin_object()
      .field("id", letter.id())
      .field("destination", letter.destination)
      .field("seq", letter.seq)
      .field("trace_id", letter.trace_id.hex())
      .key("span_id");
  if (letter.span_id.is_zero()) {
    json.null();
  } else {
    json.value(letter.span_id.hex());
  }
  json.field("spans", letter.spans)
      .field("kind", name(letter.kind))
      .field("received_unix_nano", std::to_string(letter.received_ns))
      .field("refused_unix_nano", std::to_string(letter.refused_ns))
      .field("status", letter.status)
      .field("reason", letter.reason)
      .field("response_excerpt", letter.response_excerpt)
      .field("payload_bytes", std::uint64_t{letter.payload.size()})
      .end_object();
}

}  // namespace

Reply traces(const Sources& sources, std::string_view query) {
  const auto limit = query_number(query, "limit", kDefaultRows, 1, kMaxRows);
  if (!limit) return error_reply(limit.error());
  const auto before = query_number(query, "before", 0, 0, UINT64_MAX);
  if (!before) return error_reply(before.error());
  const auto found = sources.spool->traces(*limit, *before);
  if (!found) return error_reply(found.error());
  Reply reply;
  JsonWriter json(reply.body);
  json.begin_object().key("traces").begin_array();
  for (const auto& summary : *found) write_summary(json, summary);
  json.end_array().key("next_before");
  // A full page may have another one after it.
  if (found->size() < *limit) {
    json.null();
  } else {
    json.value(found->back().first_seq);
  }
  json.end_object();
  return reply;
}

Reply dead_letters(const Sources& sources, std::string_view query) {
  const auto limit = query_number(query, "limit", kDefaultRows, 1, kMaxRows);
  if (!limit) return error_reply(limit.error());
  const auto found = sources.spool->dead_letters(query_value(query, "destination").value_or(""), *limit);
  if (!found) return error_reply(found.error());
  Reply reply;
  JsonWriter json(reply.body);
  json.begin_object().key("dead_letters").begin_array();
  for (const auto& letter : *found) write_dead_letter(json, letter);
  json.end_array().end_object();
  return reply;
}

}  // namespace spanferry::console
