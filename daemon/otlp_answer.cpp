#include "daemon/otlp_answer.hpp"

#include <fmt/format.h>
#include <protozero/pbf_reader.hpp>

#include "daemon/json_fields.hpp"
#include "model/printable.hpp"

namespace spanferry::daemon {

std::string partial_success_text(std::string_view response) {
  try {
    protozero::pbf_reader message(response.data(), response.size());
    while (message.next(1, protozero::pbf_wire_type::length_delimited)) {
      std::int64_t rejected = 0;
      std::string why;
      auto partial = message.get_message();
      while (partial.next()) {
        if (partial.tag() == 1)
          rejected = partial.get_int64();
        else if (partial.tag() == 2)
          why = partial.get_string();
        else
          partial.skip();
      }
      if (rejected != 0 || !why.empty()) return fmt::format("{} spans refused: {}", rejected, printable(why));
    }
  } catch (const protozero::exception&) {
    return "an answer that is not OTLP";
  }
  return {};
}

std::string rpc_status_text(std::string_view status) {
  try {
    protozero::pbf_reader message(status.data(), status.size());
    while (message.next(2, protozero::pbf_wire_type::length_delimited))
      return printable(message.get_string());
  } catch (const protozero::exception&) {
    return printable(status);
  }
  return {};
}

}  // namespace spanferry::daemon
