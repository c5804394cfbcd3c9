#include "daemon/find_daemon.hpp"

#include <cstdio>

#include <fmt/format.h>

#include "daemon/json_fields.hpp"
#include "model/printable.hpp"

namespace spanferry::daemon {

config::Input input_of(const CommandLine& line) {
  return {.file = line.config_file,
          .flags = line.flags,
          .environment = config::this_environment(),
          .machine = config::this_machine()};
}

int failed(const Error& error) {
  fmt::print(stderr, "{}\n", error.sentence);
  return kFailed;
}

std::expected<DaemonAddress, int> find_daemon(const CommandLine& line) {
  DaemonAddress daemon{.http = "127.0.0.1:4318", .udp = "127.0.0.1:4319", .token_file = {}};
  const auto loaded = config::load(input_of(line));
  if (loaded) {
    const auto& listen = loaded->settings.ingest;
    daemon.http = listen.http.empty() ? "" : reachable(listen.http.front());
    daemon.udp = listen.udp.empty() ? "" : reachable(listen.udp.front());
    daemon.token_file = listen.token_file;
  } else if (line.address.empty() || line.config_file) {
    for (const auto& problem : loaded.error()) fmt::print(stderr, "{}\n", problem);
    if (line.config_file) return std::unexpected(kUsage);
    fmt::print(stderr, "asking {} in spite of that\n", daemon.http);
  }
  if (!line.address.empty()) (line.udp ? daemon.udp : daemon.http) = line.address;
  if (daemon.http.empty() && !line.udp) {
    fmt::print(stderr, "listen.http is off: there is nobody to ask\n");
    return std::unexpected(kFailed);
  }
  return daemon;
}

std::string complaint(const Answer& answer) {
  simdjson::dom::parser parser;
  if (const auto json = parse_json(parser, answer.body); json && !text_of(*json, "message").empty())
    return printable(text_of(*json, "message"));
  return fmt::format("the daemon answers {}: {}", answer.status, printable(answer.body));
}

}  // namespace spanferry::daemon
