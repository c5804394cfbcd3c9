// The list of traces in the local view.
#include "console/query.hpp"
#include "console/reply.hpp"
#include "console/trace_json.hpp"
#include "spool/spool.hpp"

namespace spanferry::console {

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
    json.value(found->back().last_seq);
  }
  json.end_object();
  return reply;
}

}  // namespace spanferry::console
