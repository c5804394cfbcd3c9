#include "daemon/show_status.hpp"

#include <algorithm>
#include <array>
#include <vector>

#include <fmt/format.h>

#include "daemon/json_fields.hpp"
#include "daemon/quantities.hpp"
#include "model/printable.hpp"

namespace spanferry::daemon {
namespace {

using Row = std::array<std::string, 7>;

// Members of an object of numbers, the zeros left out: "http 1,204, udp 3".
std::string counts(Json parent, std::string_view key) {
  std::vector<std::string> parts;
  for (const auto [name, value] : object_of(parent, key))
    if (std::int64_t n = 0; value.get(n) == simdjson::SUCCESS && n != 0)
      parts.push_back(fmt::format("{} {}", name, count_text(n)));
  return fmt::format("{}", fmt::join(parts, ", "));
}

Row row_of(Json destination) {
  Json accounting;
  const bool counted = destination["accounting"].get(accounting) == simdjson::SUCCESS;
  const auto pending = counted ? integer_of(accounting, "pending") : integer_of(destination, "lag_records");
  return {printable(text_of(destination, "name")),
          std::string(text_of(destination, "kind")),
          std::string(text_of(destination, "state")),
          count_text(integer_of(destination, "delivered_spans")),
          count_text(pending),
          integer_of(destination, "lag_records") == 0 ? "-" : age_text(number_of(destination, "lag_s")),
          count_text(integer_of(destination, "dead_letters"))};
}

void table(std::string& out, Json status) {
  std::vector<Row> rows{{"DESTINATION", "KIND", "STATE", "DELIVERED", "PENDING", "LAG", "DEAD LETTERS"}};
  std::vector<std::string> reasons{""};
  for (const auto destination : list_of(status, "destinations")) {
    rows.push_back(row_of(destination));
    const bool well = text_of(destination, "state") == "ok";
    auto reason = text_of(destination, "reason");
    if (reason.empty()) reason = text_of(destination, "last_error");
    reasons.push_back(well || reason.empty() ? "" : fmt::format("  {}\n", printable(reason)));
    for (const auto held : list_of(destination, "held_routes"))
      reasons.back() += fmt::format("  {} is held: {}\n", printable(text_of(held, "route")),
                                    printable(text_of(held, "reason")));
    for (const auto [calls, rate] : object_of(destination, "rates"))
      if (double per_second = 0; rate.get(per_second) == simdjson::SUCCESS)
        reasons.back() += fmt::format("  takes {:.0f} requests a second ({}), as its refusals have shown\n",
                                      per_second, calls);
    if (const auto parked = integer_of(destination, "parked_records"); parked != 0)
      reasons.back() += fmt::format("  {} records wait parked\n", count_text(parked));
  }
  if (rows.size() == 1) {
    out += "no destination but the local view: spans are kept and shown here\n";
    return;
  }
  std::array<std::size_t, std::tuple_size_v<Row>> widths{};
  for (const auto& row : rows)
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  for (std::size_t r = 0; r < rows.size(); ++r) {
    std::string line;
    for (std::size_t i = 0; i < widths.size(); ++i)
      line += i < 3 ? fmt::format("{:<{}}  ", rows[r][i], widths[i])
                    : fmt::format("{:>{}}  ", rows[r][i], widths[i]);
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n" + reasons[r];
  }
}

}  // namespace

Result<std::string> show_status(std::string_view json) {
  simdjson::dom::parser parser;
  const auto status = parse_json(parser, json);
  if (!status) return std::unexpected(status.error());
  Json spool, accepted;
  std::string out = fmt::format("spanferry {}, up {}\n", text_of(*status, "version"),
                                age_text(number_of(*status, "uptime_s")));
  if ((*status)["spool"].get(spool) == simdjson::SUCCESS) {
    const auto most = integer_of(spool, "max_bytes");
    out += fmt::format("spool     {}{}, {} spans in {} records{}  {}\n",
                       bytes_text(static_cast<std::uint64_t>(integer_of(spool, "bytes"))),
                       most == 0 ? "" : fmt::format(" of {}", bytes_text(static_cast<std::uint64_t>(most))),
                       count_text(integer_of(spool, "spans")), count_text(integer_of(spool, "records")),
                       integer_of(spool, "records") == 0
                           ? ""
                           : fmt::format(", oldest {} ago", age_text(number_of(spool, "oldest_age_s"))),
                       printable(text_of(spool, "directory")));
    const auto lost = integer_of(spool, "lost_records"), aside = integer_of(spool, "quarantined_records");
    if (lost != 0 || aside != 0)
      out +=
          fmt::format("damage    {} records lost, {} in quarantine\n", count_text(lost), count_text(aside));
    if (const auto reason = text_of(spool, "not_accepting_reason"); !reason.empty())
      out += fmt::format("REFUSING  new spans: {}\n", printable(reason));
  }
  if ((*status)["accepted"].get(accepted) == simdjson::SUCCESS) {
    const auto by_source = counts(accepted, "by_source");
    out += fmt::format("accepted  {} spans in {} requests{}\n", count_text(integer_of(accepted, "spans")),
                       count_text(integer_of(accepted, "requests")),
                       by_source.empty() ? "" : fmt::format(" ({})", by_source));
  }
  if (const auto rejected = counts(*status, "rejected"); !rejected.empty())
    out += fmt::format("rejected  {}\n", rejected);
  for (const auto removed : list_of(*status, "removed_destinations"))
    out +=
        fmt::format("removed   destination {} with {} spans pending and {} dead letters (`spool forget`)\n",
                    printable(text_of(removed, "name")), count_text(integer_of(removed, "pending_spans")),
                    count_text(integer_of(removed, "dead_letters")));
  for (const auto warning : list_of(*status, "warnings"))
    if (std::string_view text; warning.get(text) == simdjson::SUCCESS)
      out += fmt::format("warning   {}\n", printable(text));
  out += "\n";
  table(out, *status);
  return out;
}

}  // namespace spanferry::daemon
