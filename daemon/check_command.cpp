// `check`: every part of the set-up, one line each, with what to do about it. Changes nothing anywhere.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <optional>

#include <fmt/format.h>

#include "daemon/check_doors.hpp"
#include "daemon/check_spool.hpp"
#include "daemon/client.hpp"
#include "daemon/commands.hpp"
#include "daemon/find_daemon.hpp"
#include "daemon/fit_memory.hpp"
#include "daemon/json_fields.hpp"
#include "daemon/show_findings.hpp"
#include "uploader/probe.hpp"

namespace spanferry::daemon {
namespace {

std::vector<Finding> check_configuration(
    const std::expected<config::Loaded, std::vector<std::string>>& loaded) {
  std::vector<Finding> findings;
  if (!loaded) {
    for (const auto& problem : loaded.error())
      findings.push_back({Grade::fail, "configuration", problem,
                          "correct it; docs/configuration.md lists every key and variable"});
    return findings;
  }
  findings.push_back({Grade::ok,
                      "configuration",
                      loaded->file.empty() ? "no file; environment and defaults" : loaded->file,
                      {}});
  for (const auto& notice : loaded->notices) findings.push_back({Grade::warn, "configuration", notice, {}});
  return findings;
}

// Whoever has our port and says nothing is not us.
constexpr std::chrono::milliseconds kPatience{3000};

// The spool directory of the daemon that answers at our address.
std::optional<std::string> running_directory(const ingest::Settings& listen) {
  for (const auto& address : listen.http) {
    if (address.empty() || address.ends_with(":0")) continue;
    const auto answer =
        get({reachable(address), {}, listen.token_file, kPatience}, "/api/spanferry/v1/status");
    if (!answer || answer->status != 200) continue;
    simdjson::dom::parser parser;
    Json spool;
    if (const auto status = parse_json(parser, answer->body);
        status && (*status)["spool"].get(spool) == simdjson::SUCCESS)
      return std::string(text_of(spool, "directory"));
  }
  return std::nullopt;
}

void append(std::vector<Finding>& to, std::vector<Finding> more) {
  std::ranges::move(more, std::back_inserter(to));
}

}  // namespace

int check_command(const CommandLine& line) {
  const auto loaded = load_within_memory(input_of(line));
  auto findings = check_configuration(loaded);
  if (loaded) {
    const auto& settings = loaded->settings;
    const auto running = running_directory(settings.ingest);
    append(findings, check_spool(settings.spool, running));
    append(findings, check_doors(settings.ingest, running == settings.spool.directory));
    for (const auto& destination : settings.uploader.destinations)
      if (destination.kind != uploader::Kind::local) append(findings, uploader::probe(destination));
  }
  fmt::print("{}", line.json ? findings_json(findings) + "\n" : findings_text(findings));
  return worst(findings) == Grade::fail ? kFailed : kFine;
}

}  // namespace spanferry::daemon
