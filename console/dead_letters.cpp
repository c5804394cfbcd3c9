// What destinations refused for good: listed, shown whole, given up.
#include <fmt/format.h>

#include "console/query.hpp"
#include "console/reply.hpp"
#include "model/json_writer.hpp"
#include "spool/spool.hpp"

namespace spanferry::console {
namespace {

// The fields of one letter, inside an object that the caller ends.
void write_fields(JsonWriter& json, const spool::DeadLetter& letter) {
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
      .field("payload_bytes", std::uint64_t{letter.payload.size()});
}

Reply changed(std::string_view what, const Result<std::uint64_t>& count) {
  if (!count) return error_reply(count.error());
  Reply reply;
  JsonWriter(reply.body).begin_object().field(what, *count).end_object();
  return reply;
}

}  // namespace

Reply dead_letters(const Sources& sources, std::string_view query) {
  const auto limit = query_number(query, "limit", kDefaultRows, 1, kMaxRows);
  if (!limit) return error_reply(limit.error());
  const auto found = sources.spool->dead_letters(query_value(query, "destination").value_or(""), *limit);
  if (!found) return error_reply(found.error());
  Reply reply;
  JsonWriter json(reply.body);
  json.begin_object().key("dead_letters").begin_array();
  for (const auto& letter : *found) {
    write_fields(json, letter);
    json.end_object();
  }
  json.end_array().end_object();
  return reply;
}

Reply dead_letter(const Sources& sources, std::string_view id) {
  const auto letter = sources.spool->dead_letter(id);
  if (!letter) return error_reply(letter.error());
  if (!*letter) return error_reply({ErrorKind::not_found, fmt::format("there is no dead letter {}", id)});
  Reply reply;
  JsonWriter json(reply.body);
  write_fields(json, **letter);
  json.field("payload", base64_encode((*letter)->payload)).end_object();
  return reply;
}

Reply drop_dead_letters(const Sources& sources, std::string_view which) {
  return changed("dropped", sources.spool->drop_dead_letters(which));
}

Reply retry_dead_letters(const Sources& sources, std::string_view which) {
  return changed("retried", sources.spool->retry_dead_letters(which));
}

}  // namespace spanferry::console
