// What was typed: the command, its options, and the flags that go over the configuration.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "config/load.hpp"

namespace spanferry::daemon {

// Exit codes that scripts can rely on.
inline constexpr int kFine = 0, kFailed = 1, kUsage = 2;

enum class Command : std::uint8_t {
  run,
  demo,
  check,
  status,
  trace,
  config,
  send,
  spool_inspect,
  spool_forget,
  dead_list,
  dead_show,
  dead_export,
  dead_retry,
  dead_drop,
  version,
};

struct CommandLine {
  Command command = Command::run;
  std::optional<std::string> config_file;
  std::vector<config::Flag> flags;
  std::string address;      // of the daemon to ask; empty: as configured
  std::string argument;     // trace or dead letter id; destination to forget; file to send, empty or "-":
                            // standard input
  std::string destination;  // dead list: of this one alone
  std::string output;       // dead export: a directory
  bool json = false, ready = false, live = false, reference = false, metrics_reference = false, udp = false;
};

// Nothing to do any more: help was asked for, or the line makes no sense (code kUsage).
struct Finished {
  int code = kFine;
  std::string out, err;
};

std::expected<CommandLine, Finished> parse_command_line(int argc, const char* const* argv);

}  // namespace spanferry::daemon
