// The commands that look into the spool on disk, beside a running daemon or without one.
#include <chrono>
#include <cstdio>
#include <future>

#include <fmt/format.h>

#include "daemon/commands.hpp"
#include "daemon/dead_export.hpp"
#include "daemon/find_daemon.hpp"
#include "daemon/show_spool.hpp"
#include "spool/spool.hpp"

namespace spanferry::daemon {
namespace {

std::expected<std::string, int> spool_directory(const CommandLine& line) {
  const auto loaded = config::load(input_of(line));
  if (loaded) return loaded->settings.spool.directory;
  for (const auto& problem : loaded.error()) fmt::print(stderr, "{}\n", problem);
  return std::unexpected(kUsage);
}

// Nobody has the spool: it is opened for this alone.
Result<> forget_here(const config::Loaded& loaded, const std::string& name) {
  for (const auto& d : loaded.settings.uploader.destinations)
    if (d.name == name)
      return fail(ErrorKind::configuration,
                  fmt::format("destination {} is configured: remove it before it is forgotten", name));
  auto settings = loaded.settings.spool;
  settings.lock_wait = std::chrono::seconds(0);
  auto spool = spool::Spool::open(settings);
  if (!spool) return std::unexpected(spool.error());
  std::promise<Result<>> forgotten;
  (*spool)->forget(name, [&](Result<> done) { forgotten.set_value(std::move(done)); });
  return forgotten.get_future().get();
}

}  // namespace

int spool_inspect_command(const CommandLine& line) {
  const auto directory = spool_directory(line);
  if (!directory) return directory.error();
  const auto found = spool::inspect(*directory);
  if (!found) return failed(found.error());
  if (line.json)
    fmt::print("{}\n", inspection_json(*found));
  else
    fmt::print("{}", inspection_text(*found));
  return kFine;
}

int spool_forget_command(const CommandLine& line) {
  const auto daemon = find_daemon(line);
  if (!daemon) return daemon.error();
  const auto answer =
      post(*daemon, "/api/spanferry/v1/spool/forget?name=" + percent_encode(line.argument), "text/plain", "");
  if (answer && answer->status != 200) return failed({ErrorKind::invalid_input, complaint(*answer)});
  if (!answer && answer.error().kind != ErrorKind::unavailable) return failed(answer.error());
  if (!answer) {
    const auto loaded = config::load(input_of(line));
    if (!loaded) return failed(answer.error());
    if (const auto done = forget_here(*loaded, line.argument); !done) return failed(done.error());
  }
  if (line.json)
    fmt::print("{{\"forgotten\":\"{}\"}}\n", line.argument);
  else
    fmt::print("destination {} is forgotten\n", line.argument);
  return kFine;
}

int dead_list_command(const CommandLine& line) {
  const auto directory = spool_directory(line);
  if (!directory) return directory.error();
  const auto letters = spool::list_dead(*directory, line.destination);
  if (!letters) return failed(letters.error());
  if (line.json)
    fmt::print("{}\n", dead_letters_json(*letters));
  else
    fmt::print("{}", dead_letters_text(*letters));
  return kFine;
}

int dead_export_command(const CommandLine& line) {
  const auto directory = spool_directory(line);
  if (!directory) return directory.error();
  const auto exported = export_dead_letters(*directory, line.argument, line.output);
  if (!exported) return failed(exported.error());
  if (line.json)
    fmt::print("{{\"exported\":{}}}\n", *exported);
  else
    fmt::print("{} dead letters are in {}\n", *exported, line.output);
  return kFine;
}

int dead_show_command(const CommandLine& line) {
  const auto directory = spool_directory(line);
  if (!directory) return directory.error();
  const auto letter = spool::show_dead(*directory, line.argument);
  if (!letter) return failed(letter.error());
  if (!*letter)
    return failed({ErrorKind::not_found,
                   fmt::format("no dead letter {}; `spool dead list` names them", line.argument)});
  if (line.json)
    fmt::print("{}\n", dead_letter_json(**letter));
  else
    fmt::print("{}", dead_letter_text(**letter));
  return kFine;
}

}  // namespace spanferry::daemon
