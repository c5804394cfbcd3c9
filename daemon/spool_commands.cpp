// The commands that look into the spool on disk, beside a running daemon or without one.
#include <cstdio>

#include <fmt/format.h>

#include "daemon/commands.hpp"
#include "daemon/show_spool.hpp"

namespace spanferry::daemon {
namespace {

std::expected<std::string, int> spool_directory(const CommandLine& line) {
  const auto loaded = config::load({.file = line.config_file,
                                    .flags = line.flags,
                                    .environment = config::this_environment(),
                                    .machine = config::this_machine()});
  if (loaded) return loaded->settings.spool.directory;
  for (const auto& problem : loaded.error()) fmt::print(stderr, "{}\n", problem);
  return std::unexpected(kUsage);
}

int failed(const Error& error) {
  fmt::print(stderr, "{}\n", error.sentence);
  return kFailed;
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
