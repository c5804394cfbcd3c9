#include <utility>

#include "console/console.hpp"
#include "console/query.hpp"
#include "console/reply.hpp"
#include "model/json_writer.hpp"
#include "spool/spool.hpp"

namespace spanferry::console {

void forget(const Sources& sources, std::string_view query, std::move_only_function<void(Reply)> reply) {
  const auto name = query_value(query, "name");
  if (!name || name->empty())
    return reply(error_reply(400, "INVALID_PARAMETER_VALUE", "say which destination: ?name=NAME"));
  sources.spool->forget(*name, [name = *name, reply = std::move(reply)](Result<> done) mutable {
    if (!done) return reply(error_reply(done.error()));
    Reply forgotten;
    JsonWriter(forgotten.body).begin_object().field("forgotten", name).end_object();
    reply(std::move(forgotten));
  });
}

}  // namespace spanferry::console
